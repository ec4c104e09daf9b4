"""The forms of the reports: what their fields send becomes a report's own parameters, and those fill the fields again.

A form cannot send the parameters of a report as they are: empty fields come along, cut-offs are four boxes, a day is a
field of its own, an instant is typed in the time of the clock on the wall. So a form is answered with the report's
address. Pure; whether the parameters are right is for `services.query.parameters`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from services.domain.attainment_settings import EXAMPLE_BANDS
from services.query.pages.addresses import Pairs, many
from services.query.pages.wording import WALL_CLOCK

MARK = "form"
"""The hidden field by which a form is told from an address."""
MEASURES = 3
CUT_OFFS = 4
EXAMPLE_CUT_OFFS = tuple(EXAMPLE_BANDS.split(","))
OWN_SETTINGS = "own"
"""The choice of the settings that the school itself saved: neither bands nor settings are sent."""

_BANDS_OF = {"first_cut_offs": "first_bands", "second_cut_offs": "second_bands", "start_cut_offs": "start_bands"}
_BOXES_OF = {bands: boxes for boxes, bands in _BANDS_OF.items()}
_DAYS_OF = {"first_day": "first", "second_day": "second"}
_NUMBERED = re.compile(r"(?:measure|cut_offs)_[1-9]")
_WALL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?")
_INSTANTS = ("as_known_at", "known_from")
_RULE_ROWS = 5

Fields = Mapping[str, tuple[str, ...]]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a form. `name` is the parameter that faults name; `kind` says which macro draws it."""

    kind: str
    name: str
    label: str
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Fields under a heading."""

    title: str
    fields: tuple[Field, ...]


def is_form(pairs: Pairs) -> bool:
    """Whether these pairs were sent by a form."""
    return any(name == MARK for name, _ in pairs)


def parameters_of_form(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters that the fields stand for, without what was left empty."""
    sent = [(name, value.strip()) for name, value in pairs if name != MARK]
    settings = next((value for name, value in sent if name == "settings"), "")
    days = {_DAYS_OF[name]: value for name, value in sent if name in _DAYS_OF and value}
    parameters = [_parameter(name, value, days) for name, value in sent if value and _is_parameter(name)]
    parameters += [("column", f"@{day}") for day in many(sent, "column_day") if day]
    measures, bands = _numbered(sent)
    parameters += [("measure", measure) for measure in measures]
    if not settings:
        parameters += [("bands", each) for each in bands]
        parameters += [(band, text) for boxes, band in _BANDS_OF.items() if (text := _joined(sent, boxes))]
    elif settings != OWN_SETTINGS:
        parameters.append(("settings", settings))
    return [*parameters, *_months(sent), *_rule(sent)]


def fields_of_parameters(pairs: Pairs) -> dict[str, tuple[str, ...]]:
    """The content of the fields by name, for the parameters of an address, right or wrong."""
    fields: dict[str, tuple[str, ...]] = {name: many(pairs, name) for name, _ in pairs}
    for day, side in _DAYS_OF.items():
        if side in fields:
            measure, _, on = fields[side][0].partition("@")
            fields |= {side: (measure,), day: (on,) if on else ()}
    for number, measure in enumerate(fields.get("measure", ())[:MEASURES], 1):
        fields[f"measure_{number}"] = (measure,)
    given = fields.get("bands", ())
    for number in range(1, MEASURES + 1):
        text = given[number - 1] if number <= len(given) else given[0] if given else ""
        if f"measure_{number}" in fields or number == 1:
            fields[f"cut_offs_{number}"] = boxes_of(text) if text else EXAMPLE_CUT_OFFS
    for bands, boxes in _BOXES_OF.items():
        start = EXAMPLE_CUT_OFFS if bands != "start_bands" else ("",) * CUT_OFFS  # without its own: those of the end
        fields[boxes] = boxes_of(fields[bands][0]) if bands in fields else start
    banded = {"bands", *_BOXES_OF} & fields.keys()
    asked = {"measure", "first", "subject"} & fields.keys()
    if asked and not banded and "settings" not in fields:
        fields["settings"] = (OWN_SETTINGS,)
    fields |= {name: (wall_time(fields[name][0]),) for name in _INSTANTS if name in fields}
    if "column" in fields:
        columns = fields["column"]
        fields["column_day"] = tuple(column[1:] for column in columns if column.startswith("@"))
        fields["column"] = tuple(column for column in columns if not column.startswith("@"))
    first, dots, last = fields.get("months", ("",))[0].partition("..")
    fields |= {"months_from": (first,), "months_to": (last,)} if dots else {"months_from": (), "months_to": ()}
    fields["rule_rows"] = tuple(fields.get("rule", ("",))[0].split(",")) if "rule" in fields else ()
    return fields


def boxes_of(text: str) -> tuple[str, ...]:
    """Cut-offs in four boxes; what does not fit is kept in the last, so that the reader sees what was refused."""
    boxes = [part.strip() for part in text.split(",")]
    return (*boxes[: CUT_OFFS - 1], ",".join(boxes[CUT_OFFS - 1 :]), *[""] * (CUT_OFFS - len(boxes)))[:CUT_OFFS]


def wall_time(instant: str) -> str:
    """An instant as a clock on the wall shows it; what is no instant stays as it is."""
    try:
        return datetime.fromisoformat(instant).astimezone(WALL_CLOCK).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return instant


def _is_parameter(name: str) -> bool:
    of_the_form = {*_BANDS_OF, *_DAYS_OF, "settings", "months_from", "months_to", "rule_rows", "column_day"}
    return name not in of_the_form and _NUMBERED.fullmatch(name) is None


def _parameter(name: str, value: str, days: Mapping[str, str]) -> tuple[str, str]:
    if name in days:
        return name, f"{value}@{days[name]}"
    if name in _INSTANTS and _WALL_TIME.fullmatch(value):
        try:
            instant = datetime.fromisoformat(value).replace(tzinfo=WALL_CLOCK).astimezone(UTC)
        except (ValueError, OverflowError):
            return name, value
        return name, f"{instant:%Y-%m-%dT%H:%M:%SZ}"
    return name, value


def _numbered(sent: Pairs) -> tuple[list[str], list[str]]:
    """The measures, and the cut-offs of each: empty boxes are those of the measure above, equal bands stand once."""
    measures: list[str] = []
    bands: list[str] = []
    alone = not any(name.startswith("measure_") for name, _ in sent)
    for number in range(1, MEASURES + 1):
        measure = next((value for name, value in sent if name == f"measure_{number}"), "")
        if measure or (alone and number == 1):
            measures += [measure] if measure else []
            bands.append(_joined(sent, f"cut_offs_{number}") or (bands[-1] if bands else ""))
    if not any(bands):
        return measures, []
    return measures, bands[:1] if len(set(bands)) == 1 else bands


def _joined(sent: Pairs, name: str) -> str:
    boxes = many(sent, name)
    return ",".join(boxes) if any(boxes) else ""


def _months(sent: Pairs) -> Sequence[tuple[str, str]]:
    start, end = (next(iter(many(sent, name)), "") for name in ("months_from", "months_to"))
    return [("months", f"{start}..{end or start}")] if start else [("months", f"{end}..{end}")] if end else []


def _rule(sent: Pairs) -> Sequence[tuple[str, str]]:
    rows = many(sent, "rule_rows")
    return [("rule", ",".join(rows))] if len(rows) == _RULE_ROWS and any(rows) else []
