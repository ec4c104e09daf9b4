"""The context of the overview page and of its list of pupils: everything that their templates name.

Pure: the answer, the parameters and the choices come in. Wrong parameters become a summary linked to the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.access.problems import Problem
from services.query.answers import Members, Overview, PupilValues, Value
from services.query.directory import Choices
from services.query.pages.overview_form import Pairs, address, form_of_parameters
from services.query.pages.overview_tables import overview_tables, report_pairs
from services.query.pages.wording import BANDS, CELL_WORDS, Band, measure_label, row_label

OVERVIEW_PATH = "/reports/overview"
NAMED_SCHOOLS_MAX = 3
SUGGESTIONS_MAX = 300
"""Of a text field; anything else may be typed."""

_FIELDS: Mapping[str, str] = {
    "school": "Schools",
    "trust": "Trust",
    "measure": "Measures",
    "bands": "Cut-offs",
    "as_at": "As at",
    "as_known_at": "As known at",
    "denominator": "Percents of",
    "by": "Rows by",
    "year_group": "Year groups",
    "group": "Groups",
    "filter": "Characteristics",
}
_BAND_OF: Mapping[str, Band] = {band.id: band for band in BANDS}
_STATUS_TEXTS = {"no_data": "No data", "not_applicable": "Not applicable"}


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


def overview_context(
    pairs: Pairs, choices: Choices, answer: Overview | None, problem: Problem | None, known_now: str
) -> dict[str, Any]:
    """What `overview.html` shows: the report, or the form alone, and what was wrong with the parameters.

    `known_now`: this moment, for the link that never changes.
    """
    form = form_of_parameters(pairs)
    errors = [] if problem is None else _field_errors(problem)
    wrong: dict[str, list[str]] = {}
    for error in errors:
        wrong.setdefault(error.anchor, []).append(error.detail)
    names = {entry.school: entry.name for entry in choices.schools}
    link = report_pairs(pairs)
    fixed = link if form.as_known_at else [*link, ("as_known_at", known_now)]
    if answer is not None and not form.as_at:
        fixed = [*fixed, ("as_at", answer.provenance.as_at.isoformat())]
    return {
        "form": form,
        "choices": _form_choices(choices, form.schools),
        "errors": errors,
        "wrong": wrong,
        "answer": answer,
        "tables": None if answer is None else overview_tables(answer, pairs, names),
        "whom": _whom(pairs, names),
        "csv_href": address(f"{OVERVIEW_PATH}.csv", link),
        "workbook_href": address(f"{OVERVIEW_PATH}.xlsx", link),
        "fixed_href": address(OVERVIEW_PATH, fixed),
    }


def members_context(pairs: Pairs, choices: Choices, answer: Members, named: bool) -> dict[str, Any]:
    """What `members.html` shows: the pupils behind cells of an overview."""
    names = {entry.school: entry.name for entry in choices.schools}
    measures = [measure_label(value) for name, value in pairs if name == "measure"]
    row = next((value for name, value in pairs if name == "row"), "whole")
    without_cursor = [(name, value) for name, value in pairs if name != "cursor"]
    return {
        "answer": answer,
        "named": named,
        "row": f"{row_label(row, names)}, {_whom(pairs, names)}",
        "cells": [_cell_words(value, measures) for name, value in pairs if name == "cell"],
        "measures": measures,
        "pupils": [_show_pupil(pupil, names, named) for pupil in answer.pupils],
        "back_href": address(OVERVIEW_PATH, report_pairs(pairs)),
        "csv_href": address(f"{OVERVIEW_PATH}/members.csv", without_cursor),
        "workbook_href": address(f"{OVERVIEW_PATH}/members.xlsx", without_cursor),
        "next_href": answer.next and address(f"{OVERVIEW_PATH}/members", [*without_cursor, ("cursor", answer.next)]),
    }


def _field_errors(problem: Problem) -> list[FieldError]:
    if not problem.errors:
        return [FieldError("Schools", "school", problem.detail)]
    return [
        FieldError(
            field=_FIELDS.get(error.parameter or "", error.parameter or "Address"),
            anchor=error.parameter if error.parameter and error.parameter in _FIELDS else "parameters",
            detail=error.detail,
        )
        for error in problem.errors
    ]


def _form_choices(choices: Choices, schools: Sequence[str]) -> dict[str, Any]:
    characteristics = choices.characteristics(schools)
    breakdowns = [("school", "School"), ("year-group", "Year group"), ("group", "Group")]
    breakdowns += [(f"characteristic:{_escape(name)}", name) for name in characteristics]
    return {
        "schools": [(entry.school, entry.name) for entry in choices.schools],
        "trusts": choices.trusts,
        "measures": choices.measures(schools)[:SUGGESTIONS_MAX],
        "year_groups": choices.year_groups(schools),
        "groups": choices.groups(schools)[:SUGGESTIONS_MAX],
        "by": breakdowns,
        "filters": [f"{_escape(name)}:" for name in characteristics],
    }


def _whom(pairs: Pairs, names: Mapping[str, str]) -> str:
    """The population in words."""
    schools = [names.get(value, value) for name, value in pairs if name == "school"]
    trusts = [f"Trust {value}" for name, value in pairs if name == "trust"]
    shown = schools if len(schools) <= NAMED_SCHOOLS_MAX else [f"{len(schools)} schools"]
    narrowed = [f"year group {value}" for name, value in pairs if name == "year_group"]
    narrowed += [f"group {value}" for name, value in pairs if name == "group"]
    narrowed += [row_label(f"characteristic:{value}", names) for name, value in pairs if name == "filter"]
    return ", ".join([*trusts, *shown, *narrowed])


def _cell_words(cell: str, measures: Sequence[str]) -> str:
    index, _, band = cell.partition(":")
    words = CELL_WORDS.get(band, band)
    return f"{measures[int(index)]}: {words}" if index.isdecimal() else f"Combined: {words}"


def _show_pupil(pupil: PupilValues, names: Mapping[str, str], named: bool) -> ShownPupil:
    return ShownPupil(
        title=pupil.name if named and isinstance(pupil.name, str) and pupil.name else pupil.pupil,
        reference=pupil.reference if isinstance(pupil.reference, str) else "",
        school=names.get(pupil.school, pupil.school),
        year_group=pupil.year_group or "Not known",
        values=tuple(_show_value(value) for value in pupil.values),
    )


def _show_value(value: Value) -> ShownValue:
    if value.status != "value":
        return ShownValue(_STATUS_TEXTS.get(value.status, value.status), "", None)
    text = f"{value.percent}%" if value.percent is not None else value.score or value.value or ""
    exact = f"{value.numerator} of {value.denominator}" if value.denominator is not None else ""
    return ShownValue(text, exact, _BAND_OF.get(value.band or ""))


def _escape(name: str) -> str:
    return name.replace("%", "%25").replace(":", "%3A")
