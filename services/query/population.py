"""Who is counted, and in which rows: masks over the slots of schools, put together over all schools of a report.

A cohort lists the pupils of a population by (school, slot); a position is a place in that list. Rows are pairs (row,
position), so a pupil of two groups is in two rows. What is made of values is decided in the reports.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal
from urllib.parse import unquote

import msgspec
import numpy as np

from schemas.documents import RosterValue
from services.domain.bands import BandArray, Bands, classify_many
from services.domain.measures import Measure
from services.query.requests import By, Cursor, Population
from services.query.vectors import Ints, Mask, SchoolIndex, SchoolReading

NOT_KNOWN = "Not known"
WHOLE = "whole"
_DIGITS = re.compile(r"([0-9]+)")

_SIMPLE_KINDS: tuple[Literal["school", "year-group", "group"], ...] = ("school", "year-group", "group")
_NONE = np.zeros(0, np.int64)

NaturalKey = tuple[bool, tuple[tuple[bool, int, str], ...], str]


class Cohort(msgspec.Struct, frozen=True):
    """The pupils of a population on a day, by (school, slot). `slots[n]` are those of `schools[n]`, rising."""

    schools: tuple[SchoolReading, ...]
    on: date
    slots: tuple[Ints, ...]

    @property
    def size(self) -> int:
        """How many pupils there are; a pupil at two schools counts at each."""
        return sum(slots.size for slots in self.slots)

    def starts(self) -> list[int]:
        """The position of the first pupil of each school, and the size."""
        return [0, *np.cumsum([slots.size for slots in self.slots], dtype=np.int64).tolist()]

    def classify(self, measure: Measure, day: date, bands: Bands) -> BandArray:
        """The band of each pupil in a measure on a day, or NO_DATA or NOT_APPLICABLE."""
        parts = [
            school.values(measure, day).amounts[slots] for school, slots in zip(self.schools, self.slots, strict=True)
        ]
        return classify_many(np.concatenate([_NONE, *parts]), bands, per_unit=measure.per_unit)

    def locate(self, positions: Ints) -> list[tuple[int, int]]:
        """(number of the school, slot) of each position."""
        starts = self.starts()
        located = []
        for position in positions.tolist():
            school = bisect_right(starts, position) - 1
            located.append((school, int(self.slots[school][position - starts[school]])))
        return located

    def position_after(self, cursor: Cursor | None) -> int:
        """The first position that follows a cursor."""
        if cursor is None:
            return 0
        key = natural_key(cursor.school)
        starts = self.starts()
        for school, (reading, slots) in enumerate(zip(self.schools, self.slots, strict=True)):
            if reading.index.school == cursor.school:
                return starts[school] + int(np.searchsorted(slots, cursor.slot, side="right"))
            if natural_key(reading.index.school) > key:
                return starts[school]
        return self.size


class Rows(msgspec.Struct, frozen=True):
    """Rows of a breakdown: `ids` in their order; the pupil at `positions[k]` is in row `rows[k]`."""

    ids: tuple[str, ...]
    rows: Ints
    positions: Ints


def gather_cohort(schools: Sequence[SchoolReading], population: Population, on: date) -> Cohort:
    """The pupils on roll on a day, narrowed as the population says. `schools` come in natural order."""
    slots = tuple(np.flatnonzero(population_mask(school, population, on)) for school in schools)
    return Cohort(tuple(schools), on, slots)


def population_mask(school: SchoolReading, population: Population, on: date) -> Mask:
    """Which slots of a school belong to the population on a day."""
    presence = school.presence(on)
    mask = presence.on_roll.copy()
    if population.year_groups:
        chosen = _holds(school, on, [RosterValue("year-group", name) for name in population.year_groups])
        if NOT_KNOWN in population.year_groups:
            chosen |= presence.year_groups < 0
        mask &= chosen
    if population.groups:
        mask &= _holds(school, on, [RosterValue("group", name) for name in population.groups])
    for name, values in population.filters:
        chosen = _holds(school, on, [RosterValue("characteristic", name, value) for value in values])
        if NOT_KNOWN in values:
            chosen |= ~_holds(school, on, _values_of(school.index, By("characteristic", name)))
        mask &= chosen
    return mask


def break_down(cohort: Cohort, by: Sequence[By]) -> Rows:
    """The whole, then the rows of each breakdown in natural order; rows without pupils are left out."""
    ids = [WHOLE]
    rows = [np.zeros(cohort.size, np.int64)]
    positions = [np.arange(cohort.size, dtype=np.int64)]
    parts = [
        _hold_values(school, cohort.on, start, slots)
        for start, school, slots in zip(cohort.starts(), cohort.schools, cohort.slots, strict=False)
    ]
    for breakdown in dict.fromkeys(by):
        names, numbers, places = _pair(parts, breakdown)
        sizes = np.bincount(numbers, minlength=len(names))
        row_of_number = np.zeros(len(names), np.int64)
        for number in sorted(np.flatnonzero(sizes).tolist(), key=lambda n: natural_key(names[n])):
            row_of_number[number] = len(ids)
            ids.append(row_id(breakdown, names[number]))
        rows.append(row_of_number[numbers])
        positions.append(places)
    return Rows(tuple(ids), np.concatenate(rows), np.concatenate(positions))


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


def natural_key(text: str) -> NaturalKey:
    """Sorts digits as numbers and `Not known` last."""
    parts = tuple(
        (False, int(part), "") if part.isdecimal() and part.isascii() else (True, 0, part.casefold())
        for part in _DIGITS.split(text)
        if part
    )
    return text == NOT_KNOWN, parts, text


class _Part(msgspec.Struct, frozen=True):
    """A school's share of a cohort, from position `start` on, and the pairs (roster value, position) that hold."""

    index: SchoolIndex
    start: int
    size: int
    values: Ints
    positions: Ints


def _hold_values(school: SchoolReading, on: date, start: int, slots: Ints) -> _Part:
    presence = school.presence(on)
    position_of_slot = np.full(school.index.slots, -1, np.int64)
    position_of_slot[slots] = np.arange(start, start + slots.size)
    positions = position_of_slot[presence.slots]
    counted = positions >= 0
    return _Part(school.index, start, int(slots.size), presence.values[counted], positions[counted])


def _pair(parts: Sequence[_Part], by: By) -> tuple[list[str], Ints, Ints]:
    """The names of a breakdown over all schools, and the pairs (number of the name, position)."""
    numbers: dict[str, int] = {}
    rows, positions = [_NONE], [_NONE]
    for part in parts:
        if by.kind == "school":
            everyone = np.arange(part.start, part.start + part.size, dtype=np.int64)
            names, which, where = [part.index.school], np.zeros(part.size, np.int64), everyone
        else:
            names, which, where = _pair_values(part, by)
        number_of = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
        rows.append(number_of[which])
        positions.append(where)
    return list(numbers), np.concatenate(rows), np.concatenate(positions)


def _pair_values(part: _Part, by: By) -> tuple[list[str], Ints, Ints]:
    """The same for one school and a breakdown by roster values, with those of whom nothing is known."""
    of_by = _values_of(part.index, by)
    names = [value.value or value.name for value in of_by]
    number_of_value = np.full(len(part.index.values), -1, np.int64)
    number_of_value[[part.index.value_of[value] for value in of_by]] = np.arange(len(of_by))
    which = number_of_value[part.values]
    taken = which >= 0
    which, where = which[taken], part.positions[taken]
    if by.kind == "group":
        return names, which, where
    missing = np.ones(part.size, np.bool_)
    missing[where - part.start] = False
    unknown = np.flatnonzero(missing) + part.start
    which = np.concatenate([which, np.full(unknown.size, len(names), np.int64)])
    return [*names, NOT_KNOWN], which, np.concatenate([where, unknown])


def _values_of(index: SchoolIndex, by: By) -> list[RosterValue]:
    return [v for v in index.values if v.kind == by.kind and (by.kind != "characteristic" or v.name == by.name)]


def _holds(school: SchoolReading, on: date, values: Iterable[RosterValue]) -> Mask:
    """Which slots hold one of the values."""
    presence, index = school.presence(on), school.index
    wanted = np.zeros(len(index.values), np.bool_)
    wanted[[index.value_of[value] for value in values if value in index.value_of]] = True
    mask = np.zeros(index.slots, np.bool_)
    mask[presence.slots[wanted[presence.values]]] = True
    return mask
