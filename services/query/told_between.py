"""The facts told between two instants that concern a pupil's value in a measure on a day. Pure."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np

from schemas.detail import identity_of
from schemas.events import CurriculumPublished, FactWithdrawn, JudgementRecorded, ResultRecorded
from services.domain.measures import Measure
from services.query.facts_held import HeldFacts, OtherFact
from services.query.facts_known import KnownFacts


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
