"""Who is counted: masks over the slots of schools, put together over all schools of a report.

A cohort lists the pupils of a population by (school, slot); a position is a place in that list. Their rows are made in
`breakdown`; what is made of values is decided in the reports.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache

import msgspec
import numpy as np

from schemas.documents import RosterValue
from services.domain.bands import BandArray, Bands, classify_many
from services.domain.measures import Measure
from services.query.requests import Cursor, Population
from services.query.vectors import Ints, Mask, SchoolReading

NOT_KNOWN = "Not known"
_DIGITS = re.compile(r"([0-9]+)")

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
            chosen |= ~_holds(school, on, school.index.values_of("characteristic", name))
        mask &= chosen
    return mask


@lru_cache(maxsize=100_000)
def natural_key(text: str) -> NaturalKey:
    """Sorts digits as numbers and `Not known` last."""
    parts = tuple(
        (False, int(part), "") if part.isdecimal() and part.isascii() else (True, 0, part.casefold())
        for part in _DIGITS.split(text)
        if part
    )
    return text == NOT_KNOWN, parts, text


def _holds(school: SchoolReading, on: date, values: Iterable[RosterValue]) -> Mask:
    """Which slots hold one of the values."""
    presence, index = school.presence(on), school.index
    wanted = np.zeros(len(index.values), np.bool_)
    wanted[[index.value_of[value] for value in values if value in index.value_of]] = True
    mask = np.zeros(index.slots, np.bool_)
    mask[presence.slots[wanted[presence.values]]] = True
    return mask
