"""The rows of a report: which pupils of a cohort belong to the whole, to a year group, a group, a value, a school.

Rows are bitmaps over the axis of the schools, so a pupil of two groups is in two rows, and what is counted in a row is
the bits that it shares with a mask. Every roster value is in at most one breakdown, so one look at what holds serves
them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote

import msgspec
import numpy as np
import numpy.typing as npt

from services.query.axis import Axis, Words
from services.query.population import NOT_KNOWN, Cohort, natural_key
from services.query.requests import By
from services.query.school_index import Ints, SchoolIndex

WHOLE = "whole"

_SIMPLE_KINDS: tuple[Literal["school", "year-group", "group"], ...] = ("school", "year-group", "group")
_DERIVED_MAX = 32
_RADIX_MAX = 1 << 15
"""Numbers below it are sorted in linear time."""
_COUNTED_AT_ONCE = 1 << 16
"""Words counted by one call, so that they stay in the processor's cache."""
_UNKNOWN_IS_NO_ROW = ("group", "school")

Name = tuple[int, str]
"""A row before it has a place: the number of its breakdown, and the name of its value."""


class Rows(msgspec.Struct, frozen=True):
    """Rows of a breakdown, as bitmaps: row `ids[n]` holds the pupils of `bits[k]` of the axis' words `words[k]`, for k
    from `starts[n]` to before `starts[n + 1]`. Only words with pupils are there."""

    ids: tuple[str, ...]
    starts: Ints
    words: Ints
    bits: Words

    def count(self, masks: Words) -> Ints:
        """The pupils of each row who are in each of some masks over the axis: (masks, rows)."""
        rows = len(self.ids)
        counts = np.zeros((len(masks), rows), np.int64)
        if not self.bits.size:
            return counts
        there = np.flatnonzero(self.starts[1:] > self.starts[:-1])
        step = max(_COUNTED_AT_ONCE // self.bits.size, 1)
        for first in range(0, len(masks), step):
            hit = np.bitwise_count(masks[first : first + step].take(self.words, axis=1) & self.bits)
            counts[first : first + step, there] = np.add.reduceat(hit, self.starts[there], axis=1, dtype=np.int32)
        return counts

    def sizes(self) -> Ints:
        """How many pupils there are in each row."""
        found = np.zeros(len(self.ids), np.int64)
        there = np.flatnonzero(self.starts[1:] > self.starts[:-1])
        if there.size:
            found[there] = np.add.reduceat(np.bitwise_count(self.bits), self.starts[there], dtype=np.int32)
        return found

    def mask_of(self, row: str, words: int) -> Words:
        """The pupils of a row, as words over the axis."""
        found = np.zeros(words, np.uint64)
        if row in self.ids:
            number = self.ids.index(row)
            mine = slice(self.starts[number], self.starts[number + 1])
            found[self.words[mine]] = self.bits[mine]
        return found


def break_down(cohort: Cohort, by: Sequence[By]) -> Rows:
    """The whole, then the rows of each breakdown in natural order; rows without pupils are left out."""
    plan = _plan(cohort.axis, tuple(dict.fromkeys(by)))
    rows, words, bits = _pair(cohort, plan)
    there = np.flatnonzero(bits)
    rows, words, bits = rows[there], words[there], bits[there]
    ranks = np.argsort(rows, kind="stable")
    sizes = np.bincount(rows, minlength=len(plan.ids))
    there = np.flatnonzero(sizes)
    if not there.size or there[0]:
        there = np.concatenate([[0], there])  # the whole is a row even without pupils
    starts = np.zeros(there.size + 1, np.int64)
    sizes[there].cumsum(out=starts[1:])
    ids = plan.ids if there.size == len(plan.ids) else tuple(map(plan.ids.__getitem__, there.tolist()))
    return Rows(ids, starts, words[ranks], bits[ranks])


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
    number_of = {(by.kind, by.name if by.kind == "characteristic" else ""): n for n, by in enumerate(breakdowns)}
    places, numbers = [], []
    for place, value in enumerate(index.values):
        number = number_of.get((value.kind, value.name if value.kind == "characteristic" else ""))  # type: ignore[arg-type]
        if number is not None:
            places.append(place)
            numbers.append(number)
            names.append((number, value.value or value.name))
    name_of_value[places], breakdown_of_value[places] = np.arange(len(places)), numbers
    unknown: list[int] = []
    whole_school: list[int] = []
    for number, by in enumerate(breakdowns):
        unknown.append(-1 if by.kind in _UNKNOWN_IS_NO_ROW else len(names))
        if by.kind == "school":
            whole_school.append(len(names))
            names.append((number, index.school))
        elif by.kind != "group":
            names.append((number, NOT_KNOWN))
    return _Names(tuple(names), name_of_value, breakdown_of_value, tuple(unknown), tuple(whole_school))


class _Plan(msgspec.Struct, frozen=True):
    """Every row that some breakdowns may have on an axis, in the order of the answer, and where they come from.

    `row_of_value`, `breakdown_of_value`: by roster value of the axis, -1 = none of these. `unknown`: (breakdown, row)
    of those of whom nothing is known. `whole_schools`: of each breakdown by school the row of each word.
    """

    ids: tuple[str, ...]
    breakdowns: int
    row_of_value: Ints
    breakdown_of_value: Ints
    unknown: tuple[tuple[int, int], ...]
    whole_schools: tuple[Ints, ...]


def _plan(axis: Axis, breakdowns: tuple[By, ...]) -> _Plan:
    """The plan; that of one school lasts as long as its document."""
    if len(axis.schools) != 1:
        return _make_plan(axis, breakdowns)
    derived = axis.schools[0].index.derived
    made = derived.get(("plan", breakdowns))
    if made is None:
        made = _make_plan(axis, breakdowns)
        derived["plan", breakdowns] = made
    return made


def _make_plan(axis: Axis, breakdowns: tuple[By, ...]) -> _Plan:
    numbers: dict[Name, int] = {(-1, WHOLE): 0}
    row_of_value, breakdown_of_value, unknown, whole = _number_names(axis, breakdowns, numbers)
    ordered = sorted(numbers, key=lambda name: (name[0], natural_key(name[1])))
    place: npt.NDArray[Any] = np.full(len(ordered) + 1, -1, np.int16 if len(ordered) < _RADIX_MAX else np.int64)
    place[[numbers[name] for name in ordered]] = np.arange(len(ordered))  # the last is no row
    return _Plan(
        ids=tuple(WHOLE if number < 0 else row_id(breakdowns[number], name) for number, name in ordered),
        breakdowns=len(breakdowns) if axis.schools else 0,
        row_of_value=place[row_of_value],
        breakdown_of_value=breakdown_of_value,
        unknown=tuple((breakdown, int(place[row])) for breakdown, row in unknown.items()),
        whole_schools=tuple(place[row_of_word] for row_of_word in whole),
    )


def _pair(cohort: Cohort, plan: _Plan) -> tuple[Ints, Ints, Words]:
    """(row, word, pupils of the cohort) of every row at every school."""
    axis, inside = cohort.axis, cohort.words
    every_word = np.arange(axis.words)
    rows, words, bits = [np.zeros(axis.words, plan.row_of_value.dtype)], [every_word], [inside]
    if plan.breakdowns:
        roster = axis.roster(cohort.on)
        row_of_cell = plan.row_of_value[roster.values]
        cells = np.flatnonzero(row_of_cell >= 0)
        cell_words = roster.words[cells]
        cell_bits = roster.bits[cells] & inside[cell_words]
        rows.append(row_of_cell[cells])
        words.append(cell_words)
        bits.append(cell_bits)
        # of one breakdown with an unknown a pupil has one value at most, so that its bits can be added up
        known = np.zeros(plan.breakdowns * axis.words, np.int64)
        places = plan.breakdown_of_value[roster.values[cells]] * axis.words + cell_words
        np.add.at(known, places, cell_bits.view(np.int64))
    for number, row in plan.unknown:
        rows.append(np.full(axis.words, row, plan.row_of_value.dtype))
        words.append(every_word)
        bits.append(inside & ~known[number * axis.words :][: axis.words].view(np.uint64))
    for row_of_word in plan.whole_schools:
        rows.append(row_of_word)
        words.append(every_word)
        bits.append(inside)
    return np.concatenate(rows), np.concatenate(words), np.concatenate(bits)


def _number_names(
    axis: Axis, breakdowns: tuple[By, ...], numbers: dict[Name, int]
) -> tuple[Ints, Ints, dict[int, int], list[Ints]]:
    """By roster value of the axis its row and its breakdown (-1 = none of these); by breakdown the row of those of whom
    nothing is known; and of each breakdown by school the row of each word."""
    row_of_value, breakdown_of_value = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    unknown: dict[int, int] = {}
    whole: dict[int, Ints] = {}
    for number, school in enumerate(axis.schools):
        at = _names_at(school.index, breakdowns)
        row_of_name = [numbers.setdefault(name, len(numbers)) for name in at.names]
        row_of_value.append(np.array([*row_of_name, -1], np.int64)[at.name_of_value])
        breakdown_of_value.append(at.breakdown_of_value)
        for breakdown, name in enumerate(at.unknown_of_breakdown):
            if name >= 0:
                unknown[breakdown] = row_of_name[name]
        for name in at.whole_school:
            row_of_word = whole.setdefault(at.names[name][0], np.zeros(axis.words, np.int64))
            row_of_word[axis.word_starts[number] : axis.word_starts[number + 1]] = row_of_name[name]
    return np.concatenate(row_of_value), np.concatenate(breakdown_of_value), unknown, list(whole.values())
