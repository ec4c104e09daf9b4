"""The form of the overview: what its fields send becomes the report's own parameters, and those fill it again.

A form cannot send the parameters of a report as they are: empty fields come along, and cut-offs are four boxes. So it
is answered with the report's address. Pure; whether the parameters are right is for `services.query.parameters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

MARK = "form"
"""The hidden field by which a form is told from an address."""
MEASURES = 3
CUT_OFFS = 4
DEFAULT_CUT_OFFS = ("35", "50", "70", "85")

_SINGLE = ("trust", "as_at", "as_known_at", "denominator")
_REPEATED = ("school", "year_group", "group", "filter", "by")

Pairs = Sequence[tuple[str, str]]


class MeasureFields(msgspec.Struct, frozen=True):
    """A measure and the boxes of its cut-offs."""

    number: int
    measure: str
    cut_offs: tuple[str, ...]


class OverviewForm(msgspec.Struct, frozen=True):
    """The content of the form's fields."""

    schools: tuple[str, ...]
    trust: str
    measures: tuple[MeasureFields, ...]
    as_at: str
    as_known_at: str
    year_groups: tuple[str, ...]
    groups: tuple[str, ...]
    filters: tuple[str, ...]
    by: tuple[str, ...]
    denominator: str


def is_form(pairs: Pairs) -> bool:
    """Whether these pairs were sent by the form."""
    return any(name == MARK for name, _ in pairs)


def parameters_of_form(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters that the fields stand for, without what was left empty."""
    filled = [(name, value.strip()) for name, value in pairs if name != MARK]
    parameters = [(name, value) for name, value in filled if name in (*_SINGLE, *_REPEATED) and value]
    bands: list[str] = []
    for number in range(1, MEASURES + 1):
        measure = next((value for name, value in filled if name == f"measure_{number}"), "")
        if measure:
            parameters.append(("measure", measure))
            cut_offs = [value for name, value in filled if name == f"cut_offs_{number}"]
            bands.append(",".join(cut_offs) if any(cut_offs) else bands[-1] if bands else "")
    if any(bands):
        parameters.extend(("bands", each) for each in (bands[:1] if len(set(bands)) == 1 else bands))
    return parameters


def form_of_parameters(pairs: Pairs) -> OverviewForm:
    """The form filled with the parameters of an address, right or wrong."""
    measures = _many(pairs, "measure")[:MEASURES]
    bands = _many(pairs, "bands")
    return OverviewForm(
        schools=_many(pairs, "school"),
        trust=_one(pairs, "trust"),
        measures=tuple(
            MeasureFields(n + 1, measures[n] if n < len(measures) else "", _boxes(bands, n, n < len(measures)))
            for n in range(MEASURES)
        ),
        as_at=_one(pairs, "as_at"),
        as_known_at=_one(pairs, "as_known_at"),
        year_groups=_many(pairs, "year_group"),
        groups=_many(pairs, "group"),
        filters=_many(pairs, "filter"),
        by=_many(pairs, "by"),
        denominator=_one(pairs, "denominator"),
    )


def address(path: str, pairs: Pairs) -> str:
    """The address of a path with parameters."""
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _boxes(bands: Sequence[str], number: int, used: bool) -> tuple[str, ...]:
    if not used:
        return DEFAULT_CUT_OFFS if number == 0 and not bands else ("",) * CUT_OFFS
    text = bands[number] if number < len(bands) else bands[0] if bands else ""
    boxes = [part.strip() for part in text.split(",")]
    # what does not fit into four boxes is kept in the last, so that the reader sees what was refused
    return (*boxes[: CUT_OFFS - 1], ",".join(boxes[CUT_OFFS - 1 :]), *[""] * (CUT_OFFS - len(boxes)))[:CUT_OFFS]


def _many(pairs: Pairs, name: str) -> tuple[str, ...]:
    return tuple(value for other, value in pairs if other == name)


def _one(pairs: Pairs, name: str) -> str:
    return next(iter(_many(pairs, name)), "")
