"""Score tracking: one measure of each pupil at the start of an academic year and at month ends, with the variances.

Pure. A month is valued at its end, or at `as_at` if that comes first; one that has not begun has no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby, pairwise

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from services.domain.bands import NOT_APPLICABLE
from services.domain.calendar import months_of_academic_year, year_start
from services.domain.scores import average_variance
from services.query.answers import Listing, PupilMonths, ScoreTracking, Value
from services.query.axis import unpack_words
from services.query.notes import Applies, with_notes
from services.query.population import Cohort, gather_cohort, population_words
from services.query.questions import Moment, Question, Reading, knowledge_time, moments_of
from services.query.reports.listing import (
    Chosen,
    Column,
    Listed,
    Paging,
    Pupils,
    page_of,
    values_of,
    year_group_of,
)
from services.query.requests import ScoreTrackingRequest
from services.query.vectors import Mask, SchoolIndex

_YEAR_STARTS = 9
"""Of a report without schools."""


class DifferentYears(Exception):
    """The schools' academic years start in different months, so that there is no default for `months`."""


class _Month(msgspec.Struct, frozen=True):
    """A listed month: its last day, and the day at which it is valued (None = it has not begun)."""

    ends_on: date
    valued_on: date | None


def question(request: ScoreTrackingRequest) -> Question:
    """What score tracking needs. The reader passes DifferentYears on."""

    def moments(schools: Sequence[SchoolIndex]) -> list[Moment]:
        known_at = knowledge_time(request.clocks)
        months = _list_months(request, [_year_starts(index, known_at) for index in schools])
        valued = [month.valued_on for month in months if month.valued_on is not None]
        starts = {_start_of(months, _year_starts(index, known_at)) for index in schools}
        needed = [moment for day in {*valued, *starts} for moment in moments_of(request.measure, day)]
        return needed if request.members == "now" else [*needed, *map(Moment, valued)]

    return Question(request.population, request.clocks, request.clocks.as_at, moments)


def answer(
    reading: Reading, request: ScoreTrackingRequest, names: Pupils | None = None, *, report: str = "score-tracking"
) -> Listing[ScoreTracking]:
    """A page of score tracking; `names` of `names_to_sort`, to sort by. Raises DifferentYears."""
    months = _months_of(reading, request)
    masks = _Masks(request, months)
    chosen = _choose(reading, request, months, masks)
    page = page_of(chosen, Paging(request.limit, request.cursor, request.sort), names)
    applies = _applies(chosen.cohort, request, months)
    tracked = ScoreTracking(
        report=report,
        provenance=with_notes(reading.provenance, reading, chosen.cohort, request.population, applies),
        measure=request.measure.text,
        members=request.members,
        months=[month.ends_on for month in months],
        total=page.total,
        pupils=_track(page.pupils, request, months, masks),
        next=page.next,
    )
    return Listing(tracked, tuple(one.shown for one in page.pupils))


def choose(reading: Reading, request: ScoreTrackingRequest) -> Chosen:
    """The pupils whom the report lists. Raises DifferentYears."""
    months = _months_of(reading, request)
    return _choose(reading, request, months, _Masks(request, months))


def _choose(reading: Reading, request: ScoreTrackingRequest, months: Sequence[_Month], masks: _Masks) -> Chosen:
    cohort = masks.gather(reading)
    days = [month.valued_on for month in months if month.valued_on is not None]
    latest = tuple(Column(request.measure, day) for day in days[-1:])
    return Chosen("score-tracking", cohort, np.arange(cohort.size, dtype=np.int64), latest)


def _months_of(reading: Reading, request: ScoreTrackingRequest) -> tuple[_Month, ...]:
    return _list_months(request, [_year_starts(s.index, s.known_at) for s in reading.schools])


def _applies(cohort: Cohort, request: ScoreTrackingRequest, months: Sequence[_Month]) -> list[Applies]:
    """To how many pupils the measure applies on the last day that is shown."""
    days = [month.valued_on for month in months if month.valued_on is not None]
    if not days:
        return []
    amounts = cohort.axis.values(request.measure, days[-1]).amounts[cohort.places]
    return [Applies(request.measure, days[-1], int((amounts != NOT_APPLICABLE).sum()))]


class _Masks:
    """Who is in the population: on the roster of `as_at`, or on the days of the months."""

    def __init__(self, request: ScoreTrackingRequest, months: Sequence[_Month]) -> None:
        self._request = request
        self._days = sorted({month.valued_on for month in months if month.valued_on is not None})
        self._then: dict[date, Mask] = {}

    def gather(self, reading: Reading) -> Cohort:
        """The pupils that the report lists."""
        population, on, axis = self._request.population, self._request.clocks.as_at, reading.axis
        if self._request.members == "now":
            return gather_cohort(reading.schools, population, on, axis=axis)
        axis.load_rosters(self._days)
        anyone = np.zeros(axis.words, np.uint64)
        for day in self._days:
            words = population_words(axis, population, day)
            self._then[day] = unpack_words(words)
            anyone |= words
        return Cohort(reading.schools, axis, on, anyone)

    def holds(self, pupil: Listed, day: date) -> bool:
        """Whether the pupil has a value for the month that is valued on this day."""
        return self._request.members == "now" or bool(self._then[day][pupil.place])

    def year_group(self, pupil: Listed) -> str | None:
        """That of `as_at`, or of the last of the days on which the pupil was there."""
        if self._request.members == "now":
            return pupil.year_group
        last = max(day for day in self._days if self.holds(pupil, day))
        return year_group_of(pupil.school, pupil.slot, last)


def _track(
    pupils: Sequence[Listed], request: ScoreTrackingRequest, months: Sequence[_Month], masks: _Masks
) -> list[PupilMonths]:
    """The rows of some pupils."""
    tracked: list[PupilMonths] = []
    for _, group in groupby(pupils, key=lambda pupil: pupil.school.index.school):
        mine = list(group)
        index, known_at = mine[0].school.index, mine[0].school.known_at
        start_on = _start_of(months, _year_starts(index, known_at))
        days = [start_on if start_on <= request.clocks.as_at else None, *(month.valued_on for month in months)]
        values = values_of(mine, [Column(request.measure, day) for day in days if day is not None])
        tracked += [
            _row_of(pupil, iter(of_pupil), days, masks, request.target)
            for pupil, of_pupil in zip(mine, values, strict=True)
        ]
    return tracked


def _row_of(
    pupil: Listed, values: Iterator[Value], days: Sequence[date | None], masks: _Masks, rise: int | None
) -> PupilMonths:
    """`days`: of the start and of each month, None = not begun; `values`: those of the days that have."""
    found = [None if day is None else next(values) for day in days]
    start, *monthly = found
    shown = [
        value if day is not None and masks.holds(pupil, day) else None
        for day, value in zip(days[1:], monthly, strict=True)
    ]
    percents = [None if value is None else value.percent for value in (start, *shown)]
    begun = [percent for percent, day in zip(percents[1:], days[1:], strict=True) if day is not None]
    target, met = _target_of(percents[0], begun[-1] if begun else None, rise)
    variances = [None if a is None or b is None else b - a for a, b in pairwise(percents)]
    return PupilMonths(
        pupil=pupil.pupil,
        school=pupil.school.index.school,
        year_group=masks.year_group(pupil),
        start=start,
        values=shown,
        variances=variances,
        average_variance=average_variance([variance for variance in variances if variance is not None]),
        target=target,
        met=met,
    )


def _target_of(
    start: int | None, latest: int | None, rise: int | None
) -> tuple[int | UnsetType | None, bool | UnsetType | None]:
    """The percent to be reached, and whether the last month that has begun has reached it."""
    if rise is None:
        return UNSET, UNSET
    if start is None:
        return None, None
    return start + rise, None if latest is None else latest >= start + rise


def _list_months(request: ScoreTrackingRequest, years_start: Sequence[int | None]) -> tuple[_Month, ...]:
    """The months of the report. Raises DifferentYears if the schools do not agree on the default."""
    as_at = request.clocks.as_at
    ends = request.months
    if not ends:
        known = {month for month in years_start if month is not None}
        if len(known) > 1:
            raise DifferentYears("the academic years of the schools start in different months")
        ends = months_of_academic_year(as_at, known.pop() if known else _YEAR_STARTS)
    return tuple(_Month(end, min(end, as_at) if end.replace(day=1) <= as_at else None) for end in ends)


def _year_starts(index: SchoolIndex, known_at: int) -> int | None:
    """The first month of the school's academic year; None for a school not known then."""
    details = index.details_at(known_at)
    return None if details is None else details.year_starts


def _start_of(months: Sequence[_Month], year_starts: int | None) -> date:
    return year_start(months[0].ends_on, _YEAR_STARTS if year_starts is None else year_starts)
