"""One school of a report as vectors over its slots: who is where, and what each pupil has in a measure.

A slot is a pupil's place in `SchoolDocument.pupils`. What is shown pupil by pupil is looked up here; what is counted
over schools is counted on their common `Axis`, by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property

import msgspec
import numpy as np

from services.domain.measures import Measure
from services.query.axis import Axis, SchoolViews, Source, unpack_words
from services.query.axis import Sums as Sums
from services.query.axis import Wanted as Wanted
from services.query.facts_known import KnownFacts
from services.query.school_index import LAST_DAY as LAST_DAY
from services.query.school_index import NOW as NOW
from services.query.school_index import ROSTER as ROSTER
from services.query.school_index import BlockAt as BlockAt
from services.query.school_index import Ints as Ints
from services.query.school_index import Mask as Mask
from services.query.school_index import SchoolIndex as SchoolIndex
from services.query.school_index import block_at as block_at
from services.query.school_index import score_stream as score_stream
from services.query.stored import NOTHING as NOTHING
from services.query.stored import Stored as Stored


class Presence(msgspec.Struct, frozen=True):
    """Which roster values hold on a day: pairs (slot, value) in `slots` and `values`, and per slot the roll
    and the value index of the year group (-1 = not known)."""

    slots: Ints
    values: Ints
    on_roll: Mask
    year_groups: Ints


class Values(msgspec.Struct, frozen=True):
    """A measure on a day, per slot. `amounts` holds what is banded, in 1/`Measure.per_unit`: the displayed percent or
    the score; or NO_DATA or NOT_APPLICABLE. `source`: what it was made of (None: not applicable to anyone). `codes`:
    the number of the code that stands for a score, or NO_CODE (None: nobody has one)."""

    amounts: Ints
    source: Sums | Source | None
    codes: Ints | None = None


class SchoolReading:
    """One school as known at one instant, with the blocks that a report needs."""

    def __init__(self, index: SchoolIndex, known_at: int, stored: Mapping[BlockAt, Stored]) -> None:
        self.index = index
        self.known_at = known_at
        self.views = SchoolViews(index, known_at, stored)
        self._presence: dict[date, Presence] = {}

    @cached_property
    def axis(self) -> Axis:
        """The axis of this school alone: its places are the slots."""
        return Axis((self.views,))

    def learn(self, facts: KnownFacts) -> None:
        """Take in the single facts of the school, before anything is computed."""
        self.views.facts = facts

    def presence(self, day: date) -> Presence:
        """The roster on a day."""
        if day not in self._presence:
            self._presence[day] = self._read_presence(day)
        return self._presence[day]

    def values(self, measure: Measure, day: date) -> Values:
        """A measure on a day, for every slot, on roll or not."""
        found = self.axis.values(measure, day)
        codes = None if found.codes is None else found.codes[: self.index.slots]
        return Values(found.amounts[: self.index.slots], found.sources[0], codes)

    def year_group(self, slot: int, day: date) -> str | None:
        """The pupil's year group on a day; None = not known."""
        number = int(self.axis.year_groups(day)[slot])
        return None if number < 0 else list(self.axis.year_group_names)[number]

    def _read_presence(self, day: date) -> Presence:
        axis, slots = self.axis, self.index.slots
        roster = axis.roster(day)
        cells, bits = np.nonzero(unpack_words(roster.bits).reshape(-1, 64))
        values_of_year = np.array([value for value, _ in self.index.year_groups] + [-1])  # the last is NO_YEAR_GROUP
        return Presence(
            slots=roster.words[cells] * 64 + bits,
            values=roster.values[cells],
            on_roll=unpack_words(axis.on_roll(day))[:slots],
            year_groups=values_of_year[axis.year_groups(day)[:slots]],
        )


def axis_of(schools: Sequence[SchoolReading]) -> Axis:
    """The common axis of some schools, read as known at the same instant."""
    return schools[0].axis if len(schools) == 1 else Axis([school.views for school in schools])
