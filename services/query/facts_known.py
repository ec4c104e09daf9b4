"""The facts of one school as known at one instant: whose assessment of an objective is the latest, and what was before.

Pure. What an assessment is worth stands in the curriculum in force on the day that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np

from schemas.events import CurriculumPublished, JudgementRecorded, Objective, ResultRecorded, Subject
from services.domain.curriculum import LaneContent, in_force, lane_content
from services.domain.periods import holds_at
from services.domain.sittings import sitting_of
from services.domain.standing import Told, alive
from services.query.facts_held import STATE_BITS, HeldFacts, Ints, Mask, OtherFact


class Winners(NamedTuple):
    """The assessments that count: of pupil `slots[n]` in objective `objectives[n]` (a number of the facts) the row."""

    slots: Ints
    objectives: Ints
    rows: Ints


class Sitting(NamedTuple):
    """A result or a judgement: the fact, its column, what it says, its day, and whether it stands."""

    other: OtherFact
    column: str
    score: str
    on: date
    stands: bool


class Taught(msgspec.Struct, frozen=True, dict=True):
    """What a school teaches in a subject on a day: the framework version in force and its objectives."""

    version: CurriculumPublished
    subject: Subject
    year_starts: int

    @cached_property
    def content(self) -> LaneContent:
        """What its facts are worth, in integers."""
        return lane_content(self.version, self.subject, self.year_starts)

    @cached_property
    def in_scope(self) -> dict[str, Objective]:
        """The objectives with a weight, by name, in the order of the source."""
        return {each.objective: each for each in self.subject.objectives if Fraction(each.weight) > 0}

    def weight(self, objective: str) -> int:
        """The scaled weight of an objective; 0 = out of scope."""
        return self.content.objectives.get(objective, (0, 0))[1]


class KnownFacts:
    """The facts of a school as known at an instant."""

    def __init__(self, held: HeldFacts, known_at: int) -> None:
        self.held = held
        self.known_at = known_at
        self._taught: dict[tuple[date, int], Mapping[str, Taught]] = {}

    @cached_property
    def stands(self) -> Mask:
        """Which assessments stand."""
        return self.held.standing_at(self.known_at)

    @cached_property
    def owners(self) -> Ints:
        """Of each slot that of the pupil who it is."""
        return self.held.owners_at(self.known_at)

    def taught(self, day: date, year_starts: int) -> Mapping[str, Taught]:
        """What is taught on a day, by subject."""
        key = (day, year_starts)
        if key not in self._taught:
            known = [version for version in self.held.versions if holds_at(version.stands, self.known_at)]
            self._taught[key] = {
                subject.subject: Taught(version.fact, subject, year_starts)
                for version, subject in in_force(known, day.toordinal())
            }
        return self._taught[key]

    def winners(self, subject: str, day: date) -> Winners:
        """Of each pupil and objective of a subject the assessment that counts on a day, whatever its state is worth."""
        held = self.held
        rows = held.rows_of(subject)
        rows = rows[self.stands[rows] & (held.days[rows] <= day.toordinal())]
        slots, objectives = self.owners[held.slots[rows]], held.values[rows] >> STATE_BITS
        key = slots * max(len(held.objectives), 1) + objectives
        order = np.argsort(key, kind="stable")  # among equals the last is the latest by the order of truth
        last = order[np.flatnonzero(np.diff(key[order], append=-1))]
        return Winners(slots[last], objectives[last], rows[last])

    def chains(self, subject: str, slot: int, day: date) -> dict[str, list[int]]:
        """The assessments up to a day of the pupil in a slot, by objective, whether they stand or not (all that were
        told by then), in the order of truth."""
        held = self.held
        rows = held.rows_of(subject)
        mine = self.owners[held.slots[rows]] == slot
        mine &= (held.days[rows] <= day.toordinal()) & (held.recorded_at[rows] <= self.known_at)
        found: dict[str, list[int]] = {}
        for row in rows[mine].tolist():
            found.setdefault(held.objective_name(row), []).append(row)
        return found

    def sittings(self, patterns: Sequence[str], slot: int, day: date) -> list[Sitting]:
        """The results or judgements up to a day of the pupil in a slot, in columns of some patterns (`*` = any part),
        in the order of truth."""
        held = self.held
        pupils = [held.pupils[other] for other in np.flatnonzero(self.owners == slot).tolist()]
        named = [
            each for each in held.others_naming(pupils) if isinstance(each.fact, ResultRecorded | JudgementRecorded)
        ]
        stands = held.stands_of(self._with_families(named))
        found = []
        for each in named:
            said = sitting_of(each.fact)
            if said is None or each.told.recorded_at > self.known_at or getattr(each.fact, "pupil", "") not in pupils:
                continue
            (_, column), score, on = said
            if on <= day.toordinal() and any(fnmatchcase(column, pattern) for pattern in patterns):
                order = (on, each.fact.sequence, each.told.recorded_at, each.told.offset)
                stood = holds_at(stands[each.told.offset], self.known_at)
                found.append((order, Sitting(each, column, score, date.fromordinal(on), stood)))
        return [sitting for _, sitting in sorted(found, key=lambda each: each[0])]

    def is_withdrawn(self, told: Told) -> bool:
        """Whether a fact that was told is withdrawn, rather than replaced by another of its key."""
        return not holds_at(alive(told, self.held.withdrawals), self.known_at)

    def _with_families(self, named: Sequence[OtherFact]) -> list[OtherFact]:
        """These facts and, of other pupils, those with one of their keys: a correction may have moved a row."""
        keys = {other.fact.key for other in named if other.fact.key}
        offsets = {other.told.offset for other in named}
        moved = [
            other
            for other in self.held.others_naming(keys)
            if other.fact.key in keys and other.told.offset not in offsets
        ]
        return [*named, *moved]
