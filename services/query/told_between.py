"""The facts told between two instants that concern a pupil's value in a measure on a day. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from schemas.detail import identity_of
from schemas.events import CurriculumPublished, FactWithdrawn, JudgementRecorded, ResultRecorded
from services.domain.measures import Measure
from services.query.axis import unpack_words
from services.query.facts_held import STATE_BITS, HeldFacts, OtherFact
from services.query.facts_known import KnownFacts
from services.query.population import population_words
from services.query.requests import Population
from services.query.vectors import SchoolReading
from services.query.watched import Watched


class Window(NamedTuple):
    """Told after one instant and up to another."""

    after: int
    until: int

    def holds(self, instant: int) -> bool:
        """Whether it was told in between."""
        return self.after < instant <= self.until


class Between(NamedTuple):
    """What was told: assessments (rows), those of them and of earlier ones that were taken back, with the withdrawal,
    and everything else."""

    rows: list[int]
    withdrawn: list[tuple[int, OtherFact]]
    others: list[OtherFact]

    def offsets(self, held: HeldFacts) -> list[int]:
        """Those that only the log knows all of."""
        return [int(held.offsets[row]) for row in (*self.rows, *(row for row, _ in self.withdrawn))]


def told_between(known: KnownFacts, slot: int, measure: Measure, on: date, window: Window) -> Between:
    """The facts of the pupil in a slot that were told in a window."""
    held = known.held
    pupils = [held.pupils[each] for each in np.flatnonzero(known.owners == slot).tolist()]
    withdrawals = _withdrawals_in(held, window)
    rows: list[int] = []
    withdrawn: list[tuple[int, OtherFact]] = []
    if measure.kind == "markbook":
        chain = [row for rows in known.chains(measure.subject, slot, on).values() for row in rows]
        rows = [row for row in chain if window.holds(int(held.recorded_at[row]))]
        for row in chain:
            withdrawn += [(row, each) for each in withdrawals.get(held.identities[row].tobytes(), ())]
    others = [
        each for each in held.others_naming(pupils) if window.holds(each.told.recorded_at) and _concerns(each, measure)
    ]
    others += [
        each
        for each in held.others_of(CurriculumPublished)
        if window.holds(each.told.recorded_at) and _teaches(each, measure.subject)
    ]
    for each in held.others_naming(pupils):
        if _concerns(each, measure):
            others += withdrawals.get(each.told.identity, ())
    return Between(rows, withdrawn, sorted(others, key=lambda each: each.told.offset))


def _withdrawals_in(held: HeldFacts, window: Window) -> dict[bytes, list[OtherFact]]:
    """The withdrawals of a window, by what they take back."""
    if not any(window.holds(told.recorded_at) for tellings in held.withdrawals.values() for told in tellings):
        return {}
    found: dict[bytes, list[OtherFact]] = {}
    for each in held.others_of(FactWithdrawn):
        if window.holds(each.told.recorded_at) and isinstance(each.fact, FactWithdrawn):
            found.setdefault(identity_of(each.fact.withdraws), []).append(each)
    return found


def _concerns(other: OtherFact, measure: Measure) -> bool:
    """Whether a fact of a pupil may be why: of results and judgements those of the measure alone."""
    match other.fact:
        case ResultRecorded():
            return measure.kind in ("eyfs", "combined") or (measure.kind == "test" and measure.test == other.fact.test)
        case JudgementRecorded():
            return measure.kind == "judgement" and measure.scale == other.fact.scale
    return True


def _teaches(other: OtherFact, subject: str) -> bool:
    fact = other.fact
    return isinstance(fact, CurriculumPublished) and any(each.subject == subject for each in fact.subjects)


def count_told(
    known: KnownFacts,
    school: SchoolReading,
    population: Population,
    on: date,
    measures: Sequence[Watched],
    window: Window,
) -> int:
    """How many facts were told in a window of the pupils of a population, or of the curriculum of a measure.

    Of assessments and results those count that are dated up to a measure's own day; without any measure all do.
    """
    held = known.held
    there = unpack_words(population_words(school.axis, population, on))
    mine = there[known.owners] if known.owners.size else np.zeros(0, np.bool_)
    rows = np.flatnonzero((held.recorded_at > window.after) & (held.recorded_at <= window.until))
    last_days = _last_days(measures)
    subjects = [subject for subject, _ in held.objectives]
    counted = [row for row in rows.tolist() if mine[held.slots[row]] and _in_time(held, row, subjects, last_days)]
    pupils = {held.pupils[slot] for slot in np.flatnonzero(mine).tolist()}
    taken_back = _withdrawals_in(held, window)
    others = [
        each for each in held.others_told(window.after, window.until) if _counts(each, pupils, measures, last_days)
    ]
    if not taken_back:
        return len(counted) + len(others)
    withdrawn = sum(
        len(taken_back.get(held.identities[row].tobytes(), ()))
        for row in np.flatnonzero(mine[held.slots]).tolist()
        if _in_time(held, row, subjects, last_days)
    )
    return len(counted) + len(others) + withdrawn


def _last_days(measures: Sequence[Watched]) -> dict[str, int] | None:
    """Of each subject of a markbook measure the last day that matters; None: everything does."""
    if not measures:
        return None
    found: dict[str, int] = {}
    for measure, on in measures:
        if measure.kind == "markbook":
            found[measure.subject] = max(found.get(measure.subject, 0), on.toordinal())
    return found


def _in_time(held: HeldFacts, row: int, subjects: Sequence[str], last_days: Mapping[str, int] | None) -> bool:
    """Whether an assessment is of a subject that matters, and dated early enough."""
    if last_days is None:
        return True
    return bool(held.days[row] <= last_days.get(subjects[int(held.values[row]) >> STATE_BITS], 0))


def _counts(
    other: OtherFact, pupils: set[str], measures: Sequence[Watched], last_days: Mapping[str, int] | None
) -> bool:
    fact = other.fact
    if isinstance(fact, CurriculumPublished):
        return last_days is None or any(each.subject in last_days for each in fact.subjects)
    if isinstance(fact, ResultRecorded | JudgementRecorded):
        day = fact.sat_on if isinstance(fact, ResultRecorded) else fact.judged_on
        wanted = not measures or any(_concerns(other, each.measure) and day <= each.on for each in measures)
        return wanted and fact.pupil in pupils
    return getattr(fact, "pupil", None) in pupils or getattr(fact, "other", None) in pupils
