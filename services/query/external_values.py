"""The values of tests, judgements and combined measures along the axis of a report, as their tests declare them.

Pure, arrays over pupils. A code that counts achieves nothing: to what is banded it is no data, and its number tells it
from that; one that does not count is not applicable. What lies on the axis is the axis' to say; nothing is counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple, Protocol

import numpy as np

from services.domain.bands import NO_DATA, NOT_APPLICABLE
from services.domain.calendar import year_start
from services.domain.combinations import NO_AMOUNT, YES_AMOUNT, Combination, Part, combination_of
from services.domain.measures import Measure
from services.domain.schools import DEFAULT_YEAR_STARTS
from services.domain.scoring import PLAIN, Scoring
from services.query.facts_known import KnownFacts
from services.query.numbers import NO_CODE, amounts_of, codes_of
from services.query.school_index import LAST_DAY, Ints, Mask, SchoolIndex

YEARS_BACK_MAX = 5
"""How many academic years ago a pupil may have been in the year that a combination asks for."""
_DAY = timedelta(days=1)
_RECEPTION = ("r", "yr", "reception")
_YEAR_GROUP = re.compile(r"(?:Y|Year ?)?([0-9]{1,2})", re.IGNORECASE)


class Sittings(NamedTuple):
    """The sittings or judgements of a school that count, per slot: which there are, their days (ordinals) and their
    scores (indexes into those of the document)."""

    present: Mask
    days: Ints
    scores: Ints


class Verdicts(NamedTuple):
    """What was worked out of several values of a pupil, per slot: the amount (a place in `values`, or thousandths)."""

    amounts: Ints
    values: tuple[str, ...]


Source = Sittings | Verdicts


class External(NamedTuple):
    """The values of a measure: what is banded; of each school what it was made of; and of each place on the axis the
    number of its code, or NO_CODE (None: nobody has one)."""

    amounts: Ints
    sources: Sequence[Source | None]
    codes: Ints | None


class Found(NamedTuple):
    """Along the axis: who has a value that counts, its day, its score, and the number of the code that it is."""

    inside: Mask
    days: Ints
    scores: Ints
    codes: Ints


class OnAxis(Protocol):
    """What an axis says to this module."""

    size: int

    @property
    def indexes(self) -> Sequence[SchoolIndex]:
        """The schools, in their order."""

    @property
    def facts(self) -> Sequence[KnownFacts | None]:
        """The single facts of each school, where they were read."""

    @property
    def year_group_names(self) -> Mapping[str, int]:
        """The year groups of all schools, numbered."""

    def place_of(self, school: int) -> slice:
        """The places of a school's slots."""

    def year_starts_of(self, school: int) -> int:
        """The first month of a school's academic year."""

    def latest(self, column: str, day: date) -> tuple[Mask, Ints, Ints]:
        """Of each place: whether the column has a value up to a day, and its own day and score."""

    def year_groups(self, day: date) -> Ints:
        """Of each place the number of its year group, or -1."""


# --- Tests and judgements ----------------------------------------------------------------------------------------


def read_sittings(axis: OnAxis, measure: Measure, day: date) -> External:
    """The latest value up to a day, in the measure's window, or the code that stands for it."""
    return value_sittings(axis, measure, find_latest(axis, measure, day, window_starts(axis, measure, day)))


def value_sittings(axis: OnAxis, measure: Measure, found: Found) -> External:
    """What sittings are worth to their measure."""
    scoring = measure.scoring
    amounts = np.full(axis.size, NOT_APPLICABLE, np.int64)
    sources: list[Source | None] = [None] * len(axis.indexes)
    ever: Mask | None = None
    worth = np.array([_worth_of_code(scoring, number) for number in range(len(scoring.codes))], np.int64)
    for number, index in enumerate(axis.indexes):
        place = axis.place_of(number)
        if not found.inside[place].any():
            ever = axis.latest(measure.column, LAST_DAY)[0] if ever is None else ever
            if not ever[place].any():
                continue
        there, codes = found.inside[place], found.codes[place]
        mine = np.full(there.size, NO_DATA, np.int64)
        mine[there] = _amounts_at(index, scoring)[found.scores[place][there]]
        coded = codes != NO_CODE
        mine[coded] = worth[codes[coded]]
        amounts[place] = mine
        sources[number] = Sittings(there, found.days[place], found.scores[place])
    return External(amounts, sources, found.codes if (found.codes != NO_CODE).any() else None)


def find_latest(axis: OnAxis, measure: Measure, day: date, starts: Ints) -> Found:
    """The latest value of each pupil from its first day that counts up to a day; a code of the same sitting under
    another score type stands for it, and for some codes the result of an earlier year."""
    found = _latest_or_code(axis, measure, day, starts)
    earlier = [number for number, rule in enumerate(measure.scoring.codes) if rule.earlier]
    waiting = np.isin(found.codes, earlier) if earlier else None
    if waiting is None or not waiting.any():
        return found
    before = _latest_or_code(axis, measure, day_before_year(day), np.zeros(axis.size, np.int64))
    taken = waiting & before.inside & ~np.isin(before.codes, earlier)
    return Found(*(np.where(taken, then, now) for then, now in zip(before, found, strict=True)))


def window_starts(axis: OnAxis, measure: Measure, day: date) -> Ints:
    """Of each place the first day (an ordinal) of values that count."""
    starts = np.zeros(axis.size, np.int64)
    if measure.since is not None:
        starts[:] = measure.since.toordinal()
    elif measure.scoring.window == "year":
        for number in range(len(axis.indexes)):
            starts[axis.place_of(number)] = year_start(day, axis.year_starts_of(number)).toordinal()
    return starts


def day_before_year(day: date) -> date:
    """The last day of the academic year before, where years start as they do by default."""
    return year_start(day, DEFAULT_YEAR_STARTS) - _DAY


def columns_on(axis: OnAxis, pattern: str) -> list[str]:
    """The columns of all schools that a pattern names."""
    return list(dict.fromkeys(column for index in axis.indexes for column in index.columns_like(pattern)))


def _latest_or_code(axis: OnAxis, measure: Measure, day: date, starts: Ints) -> Found:
    present, days, scores = axis.latest(measure.column, day)
    inside = present & (days >= starts)
    if not measure.scoring.codes:
        return Found(inside, days, scores, np.full(axis.size, NO_CODE, np.int64))
    codes = _codes_along(axis, measure.scoring, inside, scores)
    for column in columns_on(axis, measure.siblings):
        if column == measure.column:
            continue
        there, when, told = axis.latest(column, day)
        coded = _codes_along(axis, measure.scoring, there & (when >= starts), told)
        taken = (coded != NO_CODE) & (~inside | (when >= days))
        inside = inside | taken
        days, scores, codes = (np.where(taken, new, old) for new, old in ((when, days), (told, scores), (coded, codes)))
    return Found(inside, days, scores, codes)


def _codes_along(axis: OnAxis, scoring: Scoring, inside: Mask, scores: Ints) -> Ints:
    codes = np.full(axis.size, NO_CODE, np.int64)
    for number, index in enumerate(axis.indexes):
        place = axis.place_of(number)
        mine = np.full(place.stop - place.start, NO_CODE, np.int64)
        mine[inside[place]] = _codes_at(index, scoring)[scores[place][inside[place]]]
        codes[place] = mine
    return codes


def _worth_of_code(scoring: Scoring, number: int) -> int:
    rule = scoring.codes[number]
    return NOT_APPLICABLE if not rule.counts else 0 if rule.lowest else NO_DATA


def _amounts_at(index: SchoolIndex, scoring: Scoring) -> Ints:
    """What each score of a school's document is worth."""
    if scoring is PLAIN:
        return index.score_amounts
    return _kept(index, ("amounts", scoring), lambda: amounts_of(index.document.scores, scoring))


def _codes_at(index: SchoolIndex, scoring: Scoring) -> Ints:
    return _kept(index, ("codes", scoring), lambda: codes_of(index.document.scores, scoring))


def _kept(index: SchoolIndex, key: tuple[str, Scoring], make: Callable[[], Ints]) -> Ints:
    """What was made of a document once."""
    found: Ints | None = index.derived.get(key)
    if found is None:
        found = index.derived[key] = make()
    return found


# --- Combined measures -------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """Along the axis: who has a value or a code that counts, who meets what is asked for, and the number of the code
    that leaves somebody out, or NO_CODE."""

    there: Mask
    met: Mask
    left_out: Ints


def read_combined(axis: OnAxis, measure: Measure, day: date) -> External:
    """Yes or no by several tests at once; nobody is asked before the year group that it is about."""
    combination = combination_of(measure)
    amounts = np.full(axis.size, NOT_APPLICABLE, np.int64)
    codes = np.full(axis.size, NO_CODE, np.int64)
    for members, windows in _groups(axis, combination, day):
        judged = [_judge(axis, measure, combination, on, since) for on, since in windows]
        met, missed = (np.logical_or.reduce([one[n] for one in judged]) for n in range(2))
        out = np.where(met | missed, NO_CODE, np.maximum.reduce([one[2] for one in judged]))
        left = np.where(out == NO_CODE, NO_DATA, NOT_APPLICABLE)
        verdict = np.where(met, YES_AMOUNT, np.where(missed, NO_AMOUNT, left))
        amounts[members], codes[members] = verdict[members], out[members]
    for number, index in enumerate(axis.indexes):
        place = axis.place_of(number)
        if not any(index.columns_like(pattern) for part in combination.parts for pattern in part.columns("*")):
            amounts[place] = NOT_APPLICABLE
    sources = [Verdicts(amounts[axis.place_of(n)], measure.scoring.values) for n in range(len(axis.indexes))]
    return External(amounts, sources, codes if (codes != NO_CODE).any() else None)


def combined_days(combination: Combination, day: date) -> list[date]:
    """The days whose latest values a combination looks at."""
    back = [day for _, day, _ in _years_back(day)] if combination.years else [day]
    return [*back, day_before_year(day)]


def _groups(
    axis: OnAxis, combination: Combination, day: date
) -> Iterator[tuple[Mask, Sequence[tuple[date, date | None]]]]:
    """Who is asked of which windows: (last day, first day; None = the test's own window)."""
    if not combination.years:
        yield np.ones(axis.size, np.bool_), ((day, None),)
        return
    numbers, windows = axis.year_groups(day), {back: (on, since) for back, on, since in _years_back(day)}
    for name, number in axis.year_group_names.items():
        year = _YEAR_GROUP.fullmatch(name)
        asked = [int(year[1]) - wanted for wanted in combination.years] if year is not None else []
        if asked and min(asked) >= 0 and max(asked) <= YEARS_BACK_MAX:
            yield numbers == number, [windows[back] for back in asked]


def _years_back(day: date) -> Iterator[tuple[int, date, date]]:
    """The academic years up to the day's own: how long ago, the last day (of this one the day), the first."""
    first = year_start(day, DEFAULT_YEAR_STARTS)
    for back in range(YEARS_BACK_MAX + 1):
        starts = first.replace(year=first.year - back)
        yield back, day if not back else starts.replace(year=starts.year + 1) - _DAY, starts


def _judge(
    axis: OnAxis, measure: Measure, combination: Combination, on: date, since: date | None
) -> tuple[Mask, Mask, Ints]:
    """Along the axis: who meets all parts; who misses one; and the code that leaves others out, if any does."""
    parts = [_read_part(axis, measure, combination, part, on, since) for part in combination.parts]
    met = np.logical_and.reduce([part.met for part in parts])
    missed = np.logical_or.reduce([part.there & ~part.met for part in parts])
    return met, missed, np.maximum.reduce([part.left_out for part in parts])


def _read_part(
    axis: OnAxis, measure: Measure, combination: Combination, part: Part, on: date, since: date | None
) -> _Part:
    """The latest of the values that a part may be told by."""
    there, met = (np.zeros(axis.size, np.bool_) for _ in range(2))
    left_out = np.full(axis.size, NO_CODE, np.int64)
    latest = np.zeros(axis.size, np.int64)
    for column in (column for pattern in part.columns(combination.test) for column in columns_on(axis, pattern)):
        one = _measure_of(column, measure)
        found = find_latest(axis, one, on, window_starts(axis, one if since is None else _since(one, since), on))
        left = np.isin(found.codes, [n for n, rule in enumerate(one.scoring.codes) if not rule.counts])
        reached = found.inside & (found.codes == NO_CODE) & _reached(axis, one, combination, part, found, on)
        newer = found.inside & (found.days > latest)
        equal = found.inside & (found.days == latest)
        there = np.where(newer, ~left, there | (equal & ~left))
        met = np.where(newer, reached, met | (equal & reached))
        left_out = np.where(newer | equal, np.where(left, found.codes, NO_CODE), left_out)
        latest = np.where(newer, found.days, latest)
    return _Part(there, met, left_out)


def _reached(axis: OnAxis, measure: Measure, combination: Combination, part: Part, found: Found, on: date) -> Mask:
    """Who has the score that is asked for: of the part itself, of the year group's stage, or expected by the test."""
    amounts = amounts_along(axis, measure.scoring, found)
    asked = part.asked(measure.score_type)
    if asked is not None:
        needed = measure.scoring.amount(asked)
        return np.zeros(axis.size, np.bool_) if needed is None else amounts >= needed
    if measure.score_type == "level" and combination.stages:
        return (amounts >= 0) & (amounts >= _stages(axis, measure.scoring, combination, on))
    return meets_expected(measure.scoring, amounts, found.days)


def _stages(axis: OnAxis, scoring: Scoring, combination: Combination, on: date) -> Ints:
    out_of_reach = np.iinfo(np.int64).max
    stages = {name: scoring.amount(value) for name, value in combination.stages}
    needed = [stages.get(name) or out_of_reach for name in axis.year_group_names]
    return np.array([*needed, out_of_reach], np.int64)[axis.year_groups(on)]


def amounts_along(axis: OnAxis, scoring: Scoring, found: Found) -> Ints:
    """What is found is worth, along the axis; NO_DATA for nothing and for codes."""
    amounts = np.full(axis.size, NO_DATA, np.int64)
    plain = found.inside & (found.codes == NO_CODE)
    for number, index in enumerate(axis.indexes):
        place = axis.place_of(number)
        mine = np.full(place.stop - place.start, NO_DATA, np.int64)
        mine[plain[place]] = _amounts_at(index, scoring)[found.scores[place][plain[place]]]
        amounts[place] = mine
    return amounts


def meets_expected(scoring: Scoring, amounts: Ints, days: Ints) -> Mask:
    """Which amounts reach what is expected of a sitting on their day; the threshold belongs to the year."""
    if not scoring.thresholds:
        return np.zeros(amounts.size, np.bool_)
    starts = np.array([each.starts for each in scoring.thresholds], np.int64)
    which = np.searchsorted(starts, days, side="right") - 1
    needed = np.array([*(each.amount for each in scoring.thresholds), np.iinfo(np.int64).max], np.int64)[which]
    return (amounts >= 0) & (amounts >= needed)


def numbers_of(names: Mapping[str, int], wanted: Iterable[str]) -> list[int]:
    """The numbers of the year groups that are meant: `6`, `Y6` and `Year 6` are one, as `R` and `Reception`."""
    meant = {_plain_year_group(name) for name in wanted}
    return [number for name, number in names.items() if _plain_year_group(name) in meant]


def _plain_year_group(name: str) -> str:
    found = _YEAR_GROUP.fullmatch(name)
    if found is not None:
        return str(int(found[1]))
    return "r" if name.casefold() in _RECEPTION else name.casefold()


def _measure_of(column: str, combined: Measure) -> Measure:
    """The measure of a test's column, with what the test declares."""
    _, test, subject, component, score_type = column.split(":")
    return Measure(
        kind="test",
        text=column,
        test=test,
        subject=subject,
        component="" if component == "-" else component,
        score_type=score_type,
        scoring=dict(combined.parts).get(score_type) or dict(combined.parts).get("") or PLAIN,
    )


def _since(measure: Measure, since: date) -> Measure:
    return Measure(kind="test", text=measure.text, subject=measure.subject, since=since)
