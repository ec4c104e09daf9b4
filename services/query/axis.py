"""The pupils of the schools of a report on one axis, and what they have on it: the roster and the measures of any day.

Each school begins at a multiple of 64, so that masks over the axis are also words of bits, and what is looked up or
added up is so for all schools, subjects and days at once. Everything is for one knowledge time, and what was computed
is kept while the report lasts. No SQL, no request, no answer here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.columns import column_stream, unpack_values
from schemas.documents import Lane
from services.domain.bands import NO_DATA, NOT_APPLICABLE
from services.domain.calendar import year_start
from services.domain.measures import ANY, OWN_YEAR, Measure
from services.domain.schools import DEFAULT_YEAR_STARTS
from services.domain.scores import percents
from services.query.addition import Placed, add_up
from services.query.external_values import Sittings as Sittings
from services.query.external_values import Source as Source
from services.query.external_values import Verdicts as Verdicts
from services.query.fact_values import read_external
from services.query.facts_known import KnownFacts
from services.query.rosters import Roster, Start, read_rosters
from services.query.school_index import NO_YEAR_GROUP as NO_YEAR_GROUP
from services.query.school_index import (
    ROSTER,
    BlockAt,
    Ints,
    Mask,
    Profile,
    SchoolIndex,
    block_at,
    score_stream,
)
from services.query.stored import NOTHING, WORD_BITS, Stored
from services.query.stored import Words as Words


class SchoolViews(msgspec.Struct, eq=False):
    """One school as known at one instant, with the blocks that a report needs. `facts` come after the reading, if a
    measure needs them; nothing else ever changes."""

    index: SchoolIndex
    known_at: int
    stored: Mapping[BlockAt, Stored]
    facts: KnownFacts | None = None

    def stored_at(self, stream: str, day: date) -> Stored:
        """The block of a stream that serves a day."""
        return self.stored.get(block_at(stream, day, self.known_at), NOTHING)

    def year_starts(self) -> int:
        """The first month of the school's academic year."""
        details = self.index.details_at(self.known_at)
        return DEFAULT_YEAR_STARTS if details is None else details.year_starts


class Sums(NamedTuple):
    """The exact sums behind the percents of a school, per slot, scaled as `lane` says."""

    numerators: Ints
    denominators: Ints
    lane: Lane


class AxisValues(NamedTuple):
    """A measure on a day along the axis. `amounts` holds what is banded, in 1/`Measure.per_unit`: the displayed percent
    or the score; or NO_DATA or NOT_APPLICABLE. `sources`: of each school what it was made of (None: not applicable).
    `codes`: of each place the number of the code that stands for a score, or NO_CODE (None: nobody has one)."""

    amounts: Ints
    sources: Sequence[Sums | Source | None]
    codes: Ints | None = None


class Wanted(NamedTuple):
    """A measure on a day."""

    measure: Measure
    day: date


class _Job(NamedTuple):
    """The sums of one lane: for which of the values, at which school."""

    wanted: Wanted
    school: int
    lane: Lane
    placed: Placed | None


class Axis:
    """The axis of some schools. The pupil in a school's `slot` stands at `word_starts[school] * 64 + slot`."""

    def __init__(self, schools: Sequence[SchoolViews]) -> None:
        self.schools = tuple(schools)
        self.known_at = schools[0].known_at if schools else 0
        self.word_starts = [0, *accumulate(-(-one.index.slots // WORD_BITS) for one in schools)]
        self.words = self.word_starts[-1]
        self.size = self.words * WORD_BITS
        self.value_starts = [0, *accumulate(len(one.index.values) for one in schools)]
        self._rosters: dict[date, Roster] = {}
        self._year_groups: dict[date, Ints] = {}
        self._values: dict[Wanted, AxisValues] = {}
        self._latest: dict[tuple[str, date], tuple[Mask, Ints, Ints]] = {}

    # --- the roster ---

    def roster(self, day: date) -> Roster:
        """The roster on a day."""
        if day not in self._rosters:
            self.load_rosters((day,))
        return self._rosters[day]

    def load_rosters(self, days: Iterable[date]) -> None:
        """Read the rosters of several days at once."""
        missing = sorted({day for day in days if day not in self._rosters})
        if not missing:
            return
        stored = [[school.stored_at(ROSTER, day) for day in missing] for school in self.schools]
        starts = [Start(*at) for at in zip(self.word_starts[:-1], self.value_starts[:-1], strict=True)]
        self._rosters.update(zip(missing, read_rosters(missing, stored, starts, self.known_at), strict=True))

    def words_of(self, day: date, chosen: Mask) -> Words:
        """The pupils who have one of the chosen roster values (a mask over their numbers) on a day."""
        roster = self.roster(day)
        cells = chosen[roster.values]
        found = np.zeros(self.words, np.uint64)
        np.bitwise_or.at(found, roster.words[cells], roster.bits[cells])
        return found

    def on_roll(self, day: date) -> Words:
        """The pupils on roll on a day."""
        roster = self.roster(day)
        cells = self._is_roll[roster.values]
        found = np.zeros(self.words, np.uint64)
        found[roster.words[cells]] = roster.bits[cells]
        return found

    def year_groups(self, day: date) -> Ints:
        """Of each pupil the number of the year group in `year_group_names`, or NO_YEAR_GROUP."""
        if day not in self._year_groups:
            roster = self.roster(day)
            numbers = self._year_numbers[roster.values]
            cells = np.flatnonzero((numbers >= 0) & (roster.bits != 0))
            found = np.full(self.size, NO_YEAR_GROUP, np.int64)
            which, bit = np.nonzero(unpack_words(roster.bits[cells]).reshape(cells.size, WORD_BITS))
            found[roster.words[cells][which] * WORD_BITS + bit] = numbers[cells][which]
            self._year_groups[day] = found
        return self._year_groups[day]

    @cached_property
    def year_group_names(self) -> Mapping[str, int]:
        """The year groups of all schools, numbered."""
        if len(self.schools) == 1:
            return self.schools[0].index.year_group_names
        names = (name for school in self.schools for _, name in school.index.year_groups)
        return {name: number for number, name in enumerate(dict.fromkeys(names))}

    @cached_property
    def _is_roll(self) -> Mask:
        if len(self.schools) == 1:
            return self.schools[0].index.is_roll
        found = np.zeros(self.value_starts[-1], np.bool_)
        rolls = [
            start + one.index.roll
            for one, start in zip(self.schools, self.value_starts, strict=False)
            if one.index.roll >= 0
        ]
        found[rolls] = True
        return found

    @cached_property
    def _year_numbers(self) -> Ints:
        """Of each roster value the number of the year group that it is, or NO_YEAR_GROUP."""
        if len(self.schools) == 1:
            return self.schools[0].index.year_numbers
        found = np.full(self.value_starts[-1], NO_YEAR_GROUP, np.int64)
        number_of = self.year_group_names
        pairs = [
            (start + value, number_of[name])
            for one, start in zip(self.schools, self.value_starts, strict=False)
            for value, name in one.index.year_groups
        ]
        if pairs:
            places, numbers = zip(*pairs, strict=True)
            found[list(places)] = numbers
        return found

    # --- the measures ---

    def values(self, measure: Measure, day: date) -> AxisValues:
        """A measure on a day, for every slot, on roll or not; one with a date of its own on that."""
        wanted = Wanted(measure, measure.day(day))
        if wanted not in self._values:
            self.load_values((wanted,))
        return self._values[wanted]

    def load_values(self, wanted: Iterable[Wanted]) -> None:
        """Compute several measures and days at once; those whose sums are alike are added up together."""
        own = (Wanted(measure, measure.day(day)) for measure, day in wanted)
        missing = [one for one in dict.fromkeys(own) if one not in self._values]
        self.load_rosters(one.day for one in missing if one.measure.ability == OWN_YEAR)
        groups: dict[tuple[Profile, str, str], list[_Job]] = {}
        sources: dict[Wanted, list[Sums | Source | None]] = {}
        for one in missing:
            if one.measure.kind != "markbook":
                self._values[one] = AxisValues(*read_external(self, *one))
                continue
            sources[one] = [None] * len(self.schools)
            for number, school in enumerate(self.schools):
                lane = school.index.lane_at(one.measure.subject, one.day.toordinal(), self.known_at)
                if lane is not None and lane.cells:
                    kind = (school.index.profile_of(lane), one.measure.ability, one.measure.percent)
                    groups.setdefault(kind, []).append(self._job(one, number, lane))
        amounts = {one: np.full(self.size, NOT_APPLICABLE, np.int64) for one in sources}
        for (profile, ability, percent), jobs in groups.items():
            self._add_up(profile, ability, percent, jobs, amounts, sources)
        for one, made_of in sources.items():
            self._values[one] = AxisValues(amounts[one], made_of)

    def _job(self, wanted: Wanted, number: int, lane: Lane) -> _Job:
        segment = self.schools[number].stored_at(score_stream(lane), wanted.day).segment
        if segment is None:
            return _Job(wanted, number, lane, None)
        starts = year_start(wanted.day, lane.year_starts).toordinal()
        return _Job(wanted, number, lane, Placed(segment, 0, wanted.day.toordinal(), starts))

    def _add_up(
        self,
        profile: Profile,
        ability: str,
        percent: str,
        jobs: Sequence[_Job],
        amounts: Mapping[Wanted, Ints],
        sources: Mapping[Wanted, list[Sums | Source | None]],
    ) -> None:
        """The values of one group of lanes, one after the other on an axis of their own."""
        cells = len(profile.cells)
        starts = [0, *accumulate(self._pupils(job.school) for job in jobs)]
        totals = add_up(
            [job.placed._replace(offset=start * cells) for job, start in zip(jobs, starts, strict=False) if job.placed],
            size=starts[-1] * cells,
            parts=profile.parts,
            known_at=self.known_at,
            assessed=percent == "assessed",
        )
        if ability == OWN_YEAR:
            years = np.concatenate([self.year_groups(job.wanted.day)[self._place(job.school)] for job in jobs])
            numerators, covered, weights = self._own_year(profile, totals, years)
        else:
            numerators, covered, weights = _by_ability(profile, totals, ability)
        denominators = covered if percent == "assessed" else weights
        shown = percents(numerators, denominators * profile.scale)
        shown[covered == 0] = NO_DATA
        shown[weights == 0] = NOT_APPLICABLE
        for job, start, end in zip(jobs, starts, starts[1:], strict=False):
            amounts[job.wanted][self._place(job.school)] = shown[start:end]
            sources[job.wanted][job.school] = Sums(numerators[start:end], denominators[start:end], job.lane)

    def _own_year(self, profile: Profile, totals: Ints, years: Ints) -> tuple[Ints, Ints, Ints]:
        """(numerator, covered, weight) of the cells whose tag is the pupil's year group."""
        cells, number_of = len(profile.cells), self.year_group_names
        tags = [number_of.get(cell.year_group, _NO_TAG) if cell.year_group else _NO_TAG for cell in profile.cells]
        tagged = [tag for tag in tags if tag != _NO_TAG]
        if len(tagged) == len(set(tagged)):  # at most one cell a pupil: taken, not summed
            cell_of_year = np.full(len(number_of) + 1, cells, np.int64)  # the last is NO_YEAR_GROUP
            cell_of_year[tagged] = [cell for cell, tag in enumerate(tags) if tag != _NO_TAG]
            own_cell = cell_of_year[years]
            weights = np.append(profile.weights(), 0)[own_cell]
            places = np.arange(0, years.size * cells, cells) + np.minimum(own_cell, cells - 1)
            numerators, covered = _split(totals[:, places] * (weights != 0), profile)
            return numerators, covered, weights
        numerators, covered = _split(totals, profile)
        own = years[:, None] == np.array(tags, np.int64)[None, :]
        by_cell = (years.size, cells)
        return (
            np.einsum("ij,ij->i", numerators.reshape(by_cell), own),
            np.einsum("ij,ij->i", covered.reshape(by_cell), own),
            own @ profile.weights(),
        )

    def latest(self, column: str, day: date) -> tuple[Mask, Ints, Ints]:
        """Of each pupil: whether the column has a value up to a day, and its own day and score."""
        if (column, day) not in self._latest:
            self._latest[column, day] = self._read_latest(column, day)
        return self._latest[column, day]

    def _read_latest(self, column: str, day: date) -> tuple[Mask, Ints, Ints]:
        stored = [school.stored_at(column_stream(column), day).segment for school in self.schools]
        placed = [
            Placed(segment, start * WORD_BITS, day.toordinal())
            for segment, start in zip(stored, self.word_starts, strict=False)
            if segment is not None
        ]
        totals = add_up(placed, size=self.size, parts=1, known_at=self.known_at, assessed=False)
        return unpack_values(totals[0])

    def place_of(self, school: int) -> slice:
        """The places of a school's slots."""
        return self._place(school)

    def year_starts_of(self, school: int) -> int:
        """The first month of a school's academic year."""
        return self.schools[school].year_starts()

    @cached_property
    def indexes(self) -> Sequence[SchoolIndex]:
        """The schools, in their order."""
        return [school.index for school in self.schools]

    @property
    def facts(self) -> Sequence[KnownFacts | None]:
        """The single facts of each school, where a report needs them."""
        return [school.facts for school in self.schools]

    def _pupils(self, school: int) -> int:
        return (self.word_starts[school + 1] - self.word_starts[school]) * WORD_BITS

    def _place(self, school: int) -> slice:
        return slice(self.word_starts[school] * WORD_BITS, self.word_starts[school + 1] * WORD_BITS)


def pack_words(mask: npt.NDArray[np.bool_]) -> Words:
    """Masks over the axis (the last dimension, a multiple of 64) as words of bits."""
    return np.packbits(mask, axis=-1, bitorder="little").view(np.uint64)


def unpack_words(words: Words) -> Mask:
    """The mask over the axis that words stand for."""
    return np.unpackbits(words.view(np.uint8), bitorder="little").view(np.bool_)


def _split(totals: Ints, profile: Profile) -> tuple[Ints, Ints]:
    if profile.parts == 2:
        return totals[0], totals[1]
    return totals[0] & ((1 << profile.bits) - 1), totals[0] >> profile.bits


def _by_ability(profile: Profile, totals: Ints, ability: str) -> tuple[Ints, Ints, Ints]:
    """(numerator, covered, weight) of the cells of an ability, or of all."""
    numerators, covered = _split(totals, profile)
    taken = np.array([ability in (ANY, cell.ability) for cell in profile.cells], np.int64)
    shape = (-1, len(profile.cells))
    weights = np.full(numerators.size // len(profile.cells), taken @ profile.weights(), np.int64)
    return numerators.reshape(shape) @ taken, covered.reshape(shape) @ taken, weights


_NO_TAG = -2
