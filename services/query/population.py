"""Who is counted: the pupils of a population on a day, as a mask over the axis of all schools of a report.

A cohort lists them by (school, slot); a position is a place in that list. Their rows are made in `breakdown`; what is
made of values is decided in the reports.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import cached_property, lru_cache

import msgspec
import numpy as np

from schemas.documents import RosterValue
from services.domain.bands import BandArray, Bands, classify_many
from services.domain.measures import Measure
from services.query.axis import Axis, Words, pack_words, unpack_words
from services.query.requests import Cursor, Population
from services.query.stored import WORD_BITS
from services.query.vectors import Ints, Mask, SchoolIndex, SchoolReading, axis_of

NOT_KNOWN = "Not known"
_DIGITS = re.compile(r"([0-9]+)")

NaturalKey = tuple[bool, tuple[tuple[bool, int, str], ...], str]


class Cohort(msgspec.Struct, frozen=True, dict=True):
    """The pupils of a population on a day: those of `words`, bits over the axis of the schools."""

    schools: tuple[SchoolReading, ...]
    axis: Axis
    on: date
    words: Words

    @cached_property
    def places(self) -> Ints:
        """The place on the axis of each pupil, rising."""
        return np.flatnonzero(unpack_words(self.words))

    @property
    def size(self) -> int:
        """How many pupils there are; a pupil at two schools counts at each."""
        return int(np.bitwise_count(self.words).sum())

    def classify(self, measure: Measure, day: date, bands: Bands) -> BandArray:
        """The band of each pupil in a measure on a day, or NO_DATA or NOT_APPLICABLE."""
        amounts = self.axis.values(measure, day).amounts[self.places]
        return classify_many(amounts, bands, per_unit=measure.per_unit)

    def locate(self, positions: Ints) -> list[tuple[int, int]]:
        """(number of the school, slot) of each position."""
        located = []
        for place in self.places[positions].tolist():
            school = bisect_right(self.axis.word_starts, place // WORD_BITS) - 1
            located.append((school, place - self.axis.word_starts[school] * WORD_BITS))
        return located

    def position_after(self, cursor: Cursor | None) -> int:
        """The first position that follows a cursor."""
        if cursor is None:
            return 0
        key = natural_key(cursor.school)
        for school, start in zip(self.schools, self.axis.word_starts, strict=False):
            if school.index.school == cursor.school:
                return int(np.searchsorted(self.places, start * WORD_BITS + cursor.slot, side="right"))
            if natural_key(school.index.school) > key:
                return int(np.searchsorted(self.places, start * WORD_BITS))
        return self.size


def gather_cohort(
    schools: Sequence[SchoolReading], population: Population, on: date, *, axis: Axis | None = None
) -> Cohort:
    """The pupils on roll on a day, narrowed as the population says. `schools` come in natural order."""
    axis = axis_of(schools) if axis is None else axis
    return Cohort(tuple(schools), axis, on, population_words(axis, population, on))


def cohort_of(schools: Sequence[SchoolReading], axis: Axis, on: date, mask: Mask) -> Cohort:
    """The pupils of a mask over the axis."""
    return Cohort(tuple(schools), axis, on, pack_words(mask))


def population_words(axis: Axis, population: Population, on: date) -> Words:
    """The pupils of the population on a day."""
    words = axis.on_roll(on)
    if population.within:
        words &= _holding(axis, on, [RosterValue("group", name) for name in population.within])
    if population.year_groups:
        numbers = [axis.year_group_names[name] for name in population.year_groups if name in axis.year_group_names]
        if NOT_KNOWN in population.year_groups:
            numbers.append(-1)
        words &= pack_words(np.isin(axis.year_groups(on), numbers))
    if population.groups:
        words &= _holding(axis, on, [RosterValue("group", name) for name in population.groups])
    for name, values in population.filters:
        chosen = _holding(axis, on, [RosterValue("characteristic", name, value) for value in values])
        if NOT_KNOWN in values:
            chosen |= ~_holding_any(axis, on, name)
        words &= chosen
    return words


@lru_cache(maxsize=100_000)
def natural_key(text: str) -> NaturalKey:
    """Sorts digits as numbers and `Not known` last."""
    parts = tuple(
        (False, int(part), "") if part.isdecimal() and part.isascii() else (True, 0, part.casefold())
        for part in _DIGITS.split(text)
        if part
    )
    return text == NOT_KNOWN, parts, text


def _holding(axis: Axis, on: date, values: Sequence[RosterValue]) -> Words:
    """The pupils who have one of the values."""
    return _chosen(axis, on, lambda index: (index.value_of[value] for value in values if value in index.value_of))


def _holding_any(axis: Axis, on: date, name: str) -> Words:
    """The pupils who have any value of a characteristic."""
    return _chosen(axis, on, lambda index: (index.value_of[value] for value in index.values_of("characteristic", name)))


def _chosen(axis: Axis, on: date, of_school: Callable[[SchoolIndex], Iterable[int]]) -> Words:
    chosen = np.zeros(axis.value_starts[-1], np.bool_)
    for school, start in zip(axis.schools, axis.value_starts, strict=False):
        for value in of_school(school.index):
            chosen[start + value] = True
    return axis.words_of(on, chosen)
