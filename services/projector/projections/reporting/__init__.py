"""The reporting projection: what people read with SQL, as known now (`docs/decisions/0015-reporting.md`).

It folds as the timeline does and with the timeline's own fold; of the changes that come of it, it keeps what they sum
up to when every fact is known, and makes plain rows of that. Only the pupils and subjects that a batch touched are
worked out again. Everything is a function of the school's facts in order, whatever the batches. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from schemas.events import AnyFact, JudgementRecorded, ResultRecorded
from services.projector.projections.reporting import facts as open_facts
from services.projector.projections.reporting.roster import Stays, stays_of
from services.projector.projections.reporting.rows import Changes, SchoolRow, ScopeRow, ScoreRow, StayRow
from services.projector.projections.reporting.scope import lanes_of, school_of, scopes_of, segments_of
from services.projector.projections.reporting.scores import Scores, Segment
from services.projector.projections.reporting.sums import PresentSums, distinct, present_assessments, taken
from services.projector.projections.timeline import BlockKey, Stored
from services.projector.projections.timeline import detail as packing
from services.projector.projections.timeline.emissions import Emitted, Ints
from services.projector.projections.timeline.folding import SchoolFold, is_lane_sum, subject_sum
from services.projector.projections.timeline.school import ROSTER, SchoolState

NAME = "reporting"
VERSION = 1

KINDS = {"roll": "enrolment"}
"""What people call the kinds of roster values, where it is another word."""


class ReportingState:
    """What is held of a school: its facts, what they sum up to now, and what the rows say of the school itself."""

    def __init__(self, folded: SchoolState) -> None:
        self.folded = folded
        self.sums: dict[str, PresentSums] = {}
        self.segments: dict[str, tuple[Segment, ...]] = {}
        self.scopes: tuple[ScopeRow, ...] = ()
        self.school: SchoolRow | None = None
        self.joined: tuple[tuple[str, str], ...] = ()

    @property
    def facts(self) -> int:
        """How many facts it holds, for the projector's bound on memory."""
        return self.folded.facts

    def add(self, name: str, changes: Emitted) -> None:
        """Changes of a sum."""
        self.sums.setdefault(name, PresentSums()).add(changes)

    def changes_of(self, name: str, slots: Ints | None) -> Emitted:
        """The changes of these slots (None = of all) in a sum."""
        return self.sums.setdefault(name, PresentSums()).of(slots)

    def sum_subjects(self) -> None:
        """Every subject anew, from all facts: after a load, or when years start in a month that was never heard of."""
        changes = present_assessments(self.folded, self.folded.year_months)
        subjects = {subject: number for number, subject in enumerate(dict(self.folded.objectives))}
        of_objective = np.array([subjects[subject] for subject, _ in self.folded.objectives], np.int64)
        of_change = of_objective[changes.values >> 32]
        for subject, number in subjects.items():
            self.sums[subject_sum(subject)] = PresentSums()
            self.add(subject_sum(subject), taken(changes, of_change == number))


class Folded(msgspec.Struct, frozen=True):
    """A folded batch. No block has to be read before its rows are made."""

    changes: Changes
    needs: tuple[BlockKey, ...] = ()


class Dirty(msgspec.Struct):
    """Whose rows may change: pupils in subjects, pupils on the roster, and all pupils of a subject."""

    scores: dict[str, list[Ints]] = {}
    roster: Ints = msgspec.field(default_factory=lambda: np.zeros(0, np.int64))
    subjects: set[str] = set()


def load_school(school: str, detail: Sequence[bytes]) -> ReportingState:
    """The state of a school from its detail rows in the order of their seq; none = a school not seen before."""
    state = ReportingState(SchoolState(school))
    packing.load(state.folded, detail)
    if detail:
        state.sum_subjects()
        state.add(ROSTER, SchoolFold(state.folded).roster_emission().arrays())
        state.segments = segments_of(state.folded)
        state.scopes = scopes_of(state.segments)
        state.school = school_of(state.folded)
        state.joined = _joined(state.folded)
    return state


def fold(state: ReportingState, records: Sequence[tuple[int, AnyFact]]) -> Folded:
    """Fold the next facts of the school (offset, fact), in order; changes `state`."""
    folded = state.folded
    before, months = packing.mark(folded), len(folded.year_months)
    folding = SchoolFold(folded)
    folding.fold_all(records)
    told = [*range(before.rows, len(folded.known.rows)), *range(-len(folded.known.others), -before.others)]
    offsets = {folded.known.told(ref).offset for ref in told if ref < 0}
    offsets.update(folded.known.rows.offsets[before.rows :])
    dirty = _take_in(state, folding, summed_anew=len(folded.year_months) > months)
    stays = stays_of(state.changes_of(ROSTER, None))
    school, scopes, joined = state.school, state.scopes, state.joined
    if folding.grid_changed or school is None:
        state.school, state.scopes = school_of(folded), scopes_of(state.segments)
    if folded.groups:
        state.joined = _joined(folded)
    rows = [open_facts.row_of(offset, fact, stands=True) for offset, fact in records if offset in offsets]
    standing = open_facts.standing(folded, open_facts.concerned(folded, told), (ResultRecorded, JudgementRecorded))
    return Folded(
        Changes(
            detail=packing.pack_since(folded, before) if told else b"",
            scores=tuple(_score_rows(state, dirty, stays)),
            stays_of=tuple(folded.pupils[slot] for slot in dirty.roster.tolist()),
            stays=tuple(_stay_rows(state, stays.only(np.isin(stays.slots, dirty.roster)))),
            facts=tuple(row for row in rows if row is not None),
            standing=tuple(standing),
            school=state.school if state.school != school else None,
            scopes=state.scopes if state.scopes != scopes else None,
            joined=state.joined if state.joined != joined else None,
        )
    )


def place(state: ReportingState, folded: Folded, found: Mapping[BlockKey, Stored]) -> Changes:
    """The rows of a folded batch."""
    return folded.changes


def next_starts(state: ReportingState, key: BlockKey) -> int | None:
    """There are no blocks."""
    return None


def _take_in(state: ReportingState, folding: SchoolFold, *, summed_anew: bool) -> Dirty:
    """Add what was emitted to the sums, lay the grid anew where that is due, and say what that touches."""
    folded, dirty = state.folded, Dirty()
    for name, emission in folding.emissions.items():
        changes = emission.arrays()
        if name == ROSTER:
            state.add(name, changes)
            dirty.roster = distinct([changes.slots])
            is_year_group = np.array([value.kind == "year-group" for value in folded.values])
            moved = distinct([changes.slots[is_year_group[changes.values]]])
            for subject in state.segments if moved.size else ():
                dirty.scores.setdefault(subject, []).append(moved)
        elif is_lane_sum(name):
            state.add(name, changes)
            dirty.scores.setdefault(name[len(subject_sum("")) :], []).append(changes.slots)
    if folding.grid_changed:
        if summed_anew:
            state.sum_subjects()
        old, state.segments = state.segments, segments_of(folded)
        dirty.subjects = {
            subject
            for subject in old.keys() | state.segments.keys()
            if lanes_of(old.get(subject, ())) != lanes_of(state.segments.get(subject, ()))
        }
    return dirty


def _score_rows(state: ReportingState, dirty: Dirty, stays: Stays) -> Iterable[ScoreRow]:
    folded = state.folded
    if not dirty.scores and not dirty.subjects:
        return
    is_year_group = np.array([value.kind == "year-group" for value in folded.values])
    years = stays.only(is_year_group[stays.values])
    for subject in sorted(dirty.scores.keys() | dirty.subjects):
        slots = None if subject in dirty.subjects else distinct(dirty.scores[subject])
        changes = state.changes_of(subject_sum(subject), slots)
        if slots is None:
            slots = distinct([changes.slots, *dirty.scores.get(subject, ())])
        spans = Scores(folded, state.segments.get(subject, ())).spans(changes, years)
        first = np.searchsorted(spans.slots, slots, side="left").tolist()
        after = np.searchsorted(spans.slots, slots, side="right").tolist()
        for slot, start, end in zip(slots.tolist(), first, after, strict=True):
            yield ScoreRow(subject, folded.pupils[slot], spans, start, end)


def _stay_rows(state: ReportingState, stays: Stays) -> Iterable[StayRow]:
    pupils, values = state.folded.pupils, state.folded.values
    columns = (stays.slots, stays.values, stays.starts, stays.ends)
    for slot, index, starts, ends in zip(*(column.tolist() for column in columns), strict=True):
        value = values[index]
        yield StayRow(pupils[slot], KINDS.get(value.kind, value.kind), value.name, value.value, starts, ends)


def _joined(folded: SchoolState) -> tuple[tuple[str, str], ...]:
    """The pupil ids that are another pupil as known now, and which."""
    found = []
    for slot in sorted(folded.groups):
        owner = folded.people(slot).owner(slot, open_facts.NOW)
        if owner != slot:
            found.append((folded.pupils[slot], folded.pupils[owner]))
    return tuple(found)
