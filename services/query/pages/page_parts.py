"""What the pages of several reports share: faults at their fields, choices, the population in words, pupils and values.

Pure: the answer, the parameters and the choices come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from services.access.problems import Problem
from services.query.answers import PupilMonths, PupilValues, Value
from services.query.directory import Choices
from services.query.pages.addresses import Pairs
from services.query.pages.wording import (
    BAND_OF,
    Band,
    in_words,
    long_date,
    measure_group,
    measure_label,
    row_label,
    year_group_words,
)

NAMED_SCHOOLS_MAX = 3
BUILT_IN_TESTS = ("ks2", "phonics", "mtc", "ks1", "acel", "eyfsp")
SUGGESTIONS_MAX = 300
"""Of a text field; anything else may be typed."""

_STATUS_TEXTS = {
    "no_data": "No data",
    "not_applicable": "Not applicable",
    "coded": "Not achieved",
    "excluded": "Not counted",
}


class FieldError(msgspec.Struct, frozen=True):
    """A fault in the summary: the field's name, where it is, what to do."""

    field: str
    anchor: str
    detail: str


class ShownValue(msgspec.Struct, frozen=True):
    """A pupil's value in a measure."""

    text: str
    exact: str
    band: Band | None


class ShownPupil(msgspec.Struct, frozen=True):
    """A line of the list of pupils."""

    title: str
    reference: str
    school: str
    year_group: str
    values: tuple[ShownValue, ...]


def field_errors(problem: Problem, fields: Mapping[str, str]) -> list[FieldError]:
    """The faults of the parameters at the fields of a form; `fields`: what each is called."""
    if not problem.errors:
        of_schools = problem.code == "forbidden_school"
        return [FieldError(*(("Schools", "school") if of_schools else ("This report", "parameters")), problem.detail)]
    found = [
        FieldError(
            field=fields.get(error.parameter or "", error.parameter or "Address"),
            anchor=error.parameter if error.parameter and error.parameter in fields else "parameters",
            detail=error.detail,
        )
        for error in problem.errors
    ]
    return list(dict.fromkeys(found))


def form_choices(choices: Choices, schools: Sequence[str], chosen: Sequence[str] = ()) -> dict[str, Any]:
    """What the fields of a form offer when these schools are chosen; `chosen`: measures to offer in any case."""
    characteristics = choices.characteristics(schools)
    breakdowns = [("school", "School"), ("year-group", "Year group"), ("group", "Class or group")]
    breakdowns += [(f"characteristic:{escape(name)}", in_words(name)) for name in characteristics]
    measures = choices.measures(schools)[:SUGGESTIONS_MAX]
    return {
        "schools": [(entry.school, entry.name) for entry in choices.schools],
        "trusts": choices.trusts,
        "measures": grouped_measures([*(name for name in chosen if name not in measures), *measures]),
        "markbook_measures": grouped_measures(choices.markbook_measures(schools)[:SUGGESTIONS_MAX]),
        "year_groups": choices.year_groups(schools),
        "groups": choices.groups(schools)[:SUGGESTIONS_MAX],
        "subjects": choices.subjects(schools),
        "abilities": choices.abilities(schools),
        "tests": _tests(choices.measures(schools)),
        "judgements": [
            (each.removeprefix("judgement:"), measure_label(each))
            for each in choices.measures(schools)
            if each.startswith("judgement:")
        ],
        "by": breakdowns,
        "filters": [
            (in_words(name), [(f"{escape(name)}:{escape(value)}", value) for value in values])
            for name, values in characteristics.items()
        ],
    }


def _tests(measures: Sequence[str]) -> list[str]:
    """The tests that there are from the start, and those of which there are results."""
    known = [measure.split(":")[1] for measure in measures if measure.startswith("test:")]
    return list(dict.fromkeys([*known, *BUILT_IN_TESTS]))


def grouped_measures(measures: Iterable[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Measures under the names of their subjects, or of what they are."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for measure in measures:
        groups.setdefault(measure_group(measure), []).append((measure, measure_label(measure)))
    return list(groups.items())


def whom(pairs: Pairs, names: Mapping[str, str]) -> str:
    """The population in words."""
    schools = [names.get(value, value) for name, value in pairs if name == "school"]
    trusts = [f"Trust {value}" for name, value in pairs if name == "trust"]
    shown = schools if len(schools) <= NAMED_SCHOOLS_MAX else [f"{len(schools)} schools"]
    narrowed = [year_group_words(value) for name, value in pairs if name == "year_group"]
    narrowed += [f"group {value}" for name, value in pairs if name == "group"]
    narrowed += [row_label(f"characteristic:{value}", names) for name, value in pairs if name == "filter"]
    return ", ".join([*trusts, *shown, *narrowed])


def title_of(pupil: PupilValues | PupilMonths, named: bool) -> str:
    """The name of a pupil where it may be seen and is known, else the id."""
    return pupil.name if named and isinstance(pupil.name, str) and pupil.name else pupil.pupil


def show_pupil(pupil: PupilValues, names: Mapping[str, str], named: bool) -> ShownPupil:
    """A line of a list of pupils."""
    return ShownPupil(
        title=title_of(pupil, named),
        reference=pupil.reference if isinstance(pupil.reference, str) else "",
        school=names.get(pupil.school, pupil.school),
        year_group=pupil.year_group or "Not known",
        values=tuple(show_value(value) for value in pupil.values),
    )


def show_value(value: Value) -> ShownValue:
    """A value in words, with its band; of a code, the code and what it counts for."""
    code = getattr(value, "code", None)
    if value.status != "value":
        words = _STATUS_TEXTS.get(value.status, value.status)
        exact = long_date(value.on) if value.on is not None else ""
        return ShownValue(code or words, f"{words.lower()} {exact}".strip() if code else exact, None)
    text = f"{value.percent}%" if value.percent is not None else value.score or value.value or ""
    exact = f"{value.numerator} of {value.denominator}" if value.denominator is not None else ""
    if value.on is not None:
        exact = long_date(value.on)
    return ShownValue(text, exact, BAND_OF.get(value.band or ""))


def escape(name: str) -> str:
    """A name or value as a part of a row id or a filter."""
    return name.replace("%", "%25").replace(":", "%3A")
