"""The rows of a report: which pupils of a cohort belong to the whole, to a year group, a group, a value, a school.

Rows are pairs (row, position in the cohort), so a pupil of two groups is in two rows. Every roster value is in at most
one breakdown, so one look at what holds serves them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote

import msgspec
import numpy as np

from services.query.population import NOT_KNOWN, Cohort, natural_key
from services.query.requests import By
from services.query.vectors import Ints, SchoolIndex, SchoolReading

WHOLE = "whole"

_SIMPLE_KINDS: tuple[Literal["school", "year-group", "group"], ...] = ("school", "year-group", "group")
_DERIVED_MAX = 32
_UNKNOWN_IS_NO_ROW = ("group", "school")

Name = tuple[int, str]
"""A row before it has a place: the number of its breakdown, and the name of its value."""


class Rows(msgspec.Struct, frozen=True):
    """Rows of a breakdown: `ids` in their order; the pupil at `positions[k]` is in row `rows[k]`."""

    ids: tuple[str, ...]
    rows: Ints
    positions: Ints


def break_down(cohort: Cohort, by: Sequence[By]) -> Rows:
    """The whole, then the rows of each breakdown in natural order; rows without pupils are left out."""
    breakdowns = tuple(dict.fromkeys(by))
    numbers: dict[Name, int] = {(-1, WHOLE): 0}
    rows, positions = [np.zeros(cohort.size, np.int64)], [np.arange(cohort.size, dtype=np.int64)]
    for start, school, slots in zip(cohort.starts(), cohort.schools, cohort.slots, strict=False):
        names, which, where = _pair(school, cohort.on, slots, breakdowns)
        number_of_name = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
        rows.append(number_of_name[which])
        positions.append(where + start)
    paired = np.concatenate(rows)
    sizes = np.bincount(paired, minlength=len(numbers)).tolist()
    there = sorted(
        (name for name, number in numbers.items() if sizes[number] or not number),
        key=lambda name: (name[0], natural_key(name[1])),
    )
    place_of_number = np.zeros(len(numbers), np.int64)
    place_of_number[[numbers[name] for name in there]] = np.arange(len(there))
    ids = tuple(WHOLE if number < 0 else row_id(breakdowns[number], name) for number, name in there)
    return Rows(ids, place_of_number[paired], np.concatenate(positions))


@lru_cache(maxsize=100_000)
def row_id(by: By, name: str) -> str:
    """`year-group:4`, `characteristic:sex:F`; `:` and `%` inside a name are percent-encoded."""
    parts = (by.kind, by.name, name) if by.kind == "characteristic" else (by.kind, name)
    return ":".join(part.replace("%", "%25").replace(":", "%3A") for part in parts)


def parse_row_id(text: str) -> tuple[By, str] | None:
    """The breakdown and the name of a row; None for the whole, and for what is no row id."""
    kind, *parts = text.split(":")
    if kind == "characteristic" and len(parts) == 2:
        return By("characteristic", unquote(parts[0])), unquote(parts[1])
    return next(((By(k), unquote(parts[0])) for k in _SIMPLE_KINDS if k == kind and len(parts) == 1), None)


class _Names(msgspec.Struct, frozen=True):
    """The names of some breakdowns at one school: those of its roster values, then `Not known` and the school.

    `name_of_value`, `breakdown_of_value`: by roster value, -1 = none of these. `unknown_of_breakdown`: the name of the
    pupils of whom nothing is known, -1 where they are no row.
    """

    names: tuple[Name, ...]
    name_of_value: Ints
    breakdown_of_value: Ints
    unknown_of_breakdown: tuple[int, ...]
    whole_school: tuple[int, ...]


def _names_at(index: SchoolIndex, breakdowns: tuple[By, ...]) -> _Names:
    made = index.derived.get(breakdowns)
    if made is None:
        if len(index.derived) >= _DERIVED_MAX:
            index.derived.clear()
        made = index.derived[breakdowns] = _make_names(index, breakdowns)
    return made


def _make_names(index: SchoolIndex, breakdowns: tuple[By, ...]) -> _Names:
    names: list[Name] = []
    name_of_value = np.full(len(index.values), -1, np.int64)
    breakdown_of_value = np.full(len(index.values), -1, np.int64)
    unknown: list[int] = []
    whole_school: list[int] = []
    for number, by in enumerate(breakdowns):
        for value in index.values_of(by.kind, by.name):
            place = index.value_of[value]
            name_of_value[place], breakdown_of_value[place] = len(names), number
            names.append((number, value.value or value.name))
        unknown.append(-1 if by.kind in _UNKNOWN_IS_NO_ROW else len(names))
        if by.kind == "school":
            whole_school.append(len(names))
            names.append((number, index.school))
        elif by.kind != "group":
            names.append((number, NOT_KNOWN))
    return _Names(tuple(names), name_of_value, breakdown_of_value, tuple(unknown), tuple(whole_school))


def _pair(
    school: SchoolReading, on: date, slots: Ints, breakdowns: tuple[By, ...]
) -> tuple[tuple[Name, ...], Ints, Ints]:
    """The names at a school, and the pairs (number of the name, place among `slots`)."""
    index, presence = school.index, school.presence(on)
    at = _names_at(index, breakdowns)
    place_of_slot = np.full(index.slots, -1, np.int64)
    place_of_slot[slots] = np.arange(slots.size)
    places, which = place_of_slot[presence.slots], at.name_of_value[presence.values]
    counted = (places >= 0) & (which >= 0)
    places, which = places[counted], which[counted]
    missing = np.ones((len(breakdowns), slots.size), np.bool_)
    missing[at.breakdown_of_value[presence.values[counted]], places] = False
    rows, positions = [which], [places]
    for number, name in enumerate(at.unknown_of_breakdown):
        if name >= 0:
            unknown = np.flatnonzero(missing[number])
            rows.append(np.full(unknown.size, name, np.int64))
            positions.append(unknown)
    for name in at.whole_school:
        rows.append(np.full(slots.size, name, np.int64))
        positions.append(np.arange(slots.size, dtype=np.int64))
    return at.names, np.concatenate(rows), np.concatenate(positions)
