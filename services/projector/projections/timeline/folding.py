"""One fact after another into the state of its school, and the changes that each of them causes.

The law (`views.md` 1): a fact turns the value of some chains; what is emitted is their changes after it less their
changes before it, and nothing else. The usual assessment, told last and dated last, takes a short cut to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from schemas.columns import column_stream, pack_value
from schemas.events import (
    AnyFact,
    FactWithdrawn,
    ObjectiveAssessed,
    PupilEnrolled,
)
from services.domain.people import People
from services.domain.roster import Chain, Said, dated, said_by, steps_of
from services.domain.sittings import COLUMN, sitting_of
from services.domain.standing import Told
from services.domain.timeline import OVERALL, Changes, Dated, chain_changes, latest
from services.projector.projections.timeline import reach
from services.projector.projections.timeline.batches import read_batch
from services.projector.projections.timeline.chains import firsts
from services.projector.projections.timeline.columns import NO_KEY, Ref, identity_of, key_of
from services.projector.projections.timeline.emissions import Emission, Emitted
from services.projector.projections.timeline.reach import Dirty, chains_of, decides_grid
from services.projector.projections.timeline.runs import RUN_MIN, Run, fold_run, straight_changes
from services.projector.projections.timeline.school import ROSTER, SchoolState, year_start_day
from services.projector.projections.timeline.stays import StayChange, first_changes, short_changes


class SchoolFold:
    """Folds a batch of one school's facts; `emissions` by sum, `grid_changed` if curriculum or school facts changed."""

    def __init__(self, state: SchoolState) -> None:
        self.state = state
        self.emissions: dict[str, Emission] = {}
        self.grid_changed = False

    def fold_all(self, records: Sequence[tuple[int, AnyFact]]) -> None:
        """Fold the next facts (offset, fact); assessments are folded at once where they can be."""
        if len(records) < RUN_MIN:
            for offset, fact in records:
                self.fold(offset, fact)
            return
        batch = read_batch(self.state, records)
        run = Run(self.state, batch.assessed, batch.identities, batch.slots)
        for before, identity, offset, fact in batch.others:
            run.read(before)
            if run.waits and reach.ends_run(self.state, run, fact):
                self._fold_run(run)
            self._fold_other(fact, Told(identity, int(fact.recorded_at.timestamp()), offset))
        run.read(len(batch.assessed))
        self._fold_run(run)

    def _fold_run(self, run: Run) -> None:
        if run.waits < RUN_MIN:
            rest = run.facts[run.waiting]
            run.note_folded()
        else:
            changes, rest = fold_run(self.state, run)
            self._emit_by_subject(changes)
        for offset, fact in rest:
            self.fold(offset, fact)

    def _emit_by_subject(self, changes: Emitted) -> None:
        subjects = np.array(self.state.subject_of, np.int16)[changes.values >> 32]
        order = np.argsort(subjects, kind="stable")
        by_subject = changes.take(order)
        starts = np.flatnonzero(firsts(subjects[order])).tolist()
        for start, end in pairwise([*starts, order.size]):
            subject = self.state.subjects[subjects[order[start]]]
            self._emission(subject_sum(subject)).add_many(by_subject.take(slice(start, end)))

    def fold(self, offset: int, fact: AnyFact) -> None:
        """Fold the next fact of the school's order; one whose id came before changes nothing."""
        identity = identity_of(fact.event_id)
        if self.state.known.is_known(identity):
            return
        told = Told(identity, int(fact.recorded_at.timestamp()), offset)
        if isinstance(fact, ObjectiveAssessed):
            self._fold_assessment(fact, told, key_of(fact.key))
        else:
            self._fold_other(fact, told)

    # --- assessments ---

    def _fold_assessment(self, fact: ObjectiveAssessed, told: Told, key: bytes) -> None:
        state = self.state
        slot = state.slot_of(fact.pupil)
        objective = state.objective_of(fact.subject, fact.objective)
        value = objective << 32 | state.state_of(fact.state)
        place = (slot, value, fact.assessed_on.toordinal(), fact.sequence, told.recorded_at, told.offset)
        rows = state.chains.get(slot, objective)
        family = state.known.family(key)
        plain = not family and slot not in state.groups and told.identity not in state.withdrawals
        if plain and (not rows or self._comes_last(rows, place)):
            self._emit_last(rows, place, self._emission(subject_sum(fact.subject)))
            state.keep_assessment(place, told.identity, key)
            return
        dirty = reach.chains_reached(state, reach.facts_reached(state, family))
        dirty[0].add((slot, objective))

        self._emit_difference(dirty, lambda: state.keep_assessment(place, told.identity, key))

    def _comes_last(self, rows: tuple[int, ...], place: tuple[int, int, int, int, int, int]) -> bool:
        """Whether a fact is last of its chain by the order of truth and by when it was told, and the others stand."""
        columns, intricate = self.state.known.rows, self.state.intricate
        _, _, day, sequence, recorded_at, _ = place
        return all(
            (columns.days[row], columns.sequences[row]) <= (day, sequence)
            and columns.recorded_at[row] <= recorded_at
            and row not in intricate
            for row in rows
        )

    def _emit_last(self, rows: tuple[int, ...], place: tuple[int, int, int, int, int, int], into: Emission) -> None:
        """The short cut: it takes over from the fact before it, in each year in which that one counted."""
        slot, value, day, _, recorded_at, _ = place
        months = self.state.year_months
        flags = OVERALL | sum(2 << index for index in range(len(months)))
        if not rows:
            into.add(recorded_at, day, slot, value, flags, 1)
            return
        columns = self.state.known.rows
        before = max(
            rows,
            key=lambda row: (
                columns.days[row],
                columns.sequences[row],
                columns.recorded_at[row],
                columns.offsets[row],
            ),
        )
        ended = OVERALL | sum(
            2 << index for index, month in enumerate(months) if columns.days[before] >= year_start_day(day, month)
        )
        if columns.values[before] == value:
            if flags != ended:
                into.add(recorded_at, day, slot, value, flags & ~ended, 1)
            return
        into.add(recorded_at, day, slot, value, flags, 1)
        into.add(recorded_at, day, slot, columns.values[before], ended, -1)

    # --- every other fact ---

    def _fold_other(self, fact: AnyFact, told: Told) -> None:
        key, said = key_of(fact.key), said_by(fact)
        if not said or not self._fold_stay(fact, told, key, said):
            self._fold_any(fact, told, key)

    def _fold_stay(self, fact: Any, told: Told, key: bytes, said: Sequence[Said]) -> bool:
        """The short cut of a roster fact that is the first of its chains or follows the others; False if it is not."""
        state = self.state
        if fact.sequence < 0 or told.identity in state.withdrawals or (key != NO_KEY and state.known.is_told(key)):
            return False
        slot = state.slot_of(fact.pupil)
        person = fact.same_person if isinstance(fact, PupilEnrolled) else ""
        if slot in state.groups or (person and state.persons_with(person)):
            return False
        changes = short_changes(state, slot, told.recorded_at, said)
        if changes is None:
            return False
        state.keep_stay(fact, told, key, slot, said)
        if changes:
            self._add_stay(self._emission(ROSTER), told.recorded_at, slot, changes)
        return True

    def _fold_any(self, fact: AnyFact, told: Told, key: bytes) -> None:
        state = self.state
        targets: list[Ref] = []
        if isinstance(fact, FactWithdrawn):
            target = state.known.find(identity_of(fact.withdraws))
            targets = [] if target is None else [target]
        touched = reach.facts_reached(state, (*targets, *state.known.family(key)))
        dirty = reach.chains_reached(state, touched)
        slots = state.slots_named(fact)
        dirty[1].update((slot, chain) for slot in slots for chain in chains_of(fact))
        reach.add_people(state, dirty, (fact, *(state.known.other(ref).fact for ref in touched if ref < 0)), slots)
        if decides_grid(fact) or any(ref < 0 and decides_grid(state.known.other(ref).fact) for ref in touched):
            self.grid_changed = True

        def keep() -> None:
            state.keep(fact, told)
            state.mark_intricate(touched)
            if self.grid_changed:
                state.note_year_months()

        self._emit_difference(dirty, keep)

    # --- the law ---

    def _emit_difference(self, dirty: Dirty, keep: Callable[[], None]) -> None:
        before = self._changes_of(dirty)
        for slot, _ in (*dirty[0], *dirty[1]):
            self.state.forget_people((slot,))
        keep()
        for slot, _ in (*dirty[0], *dirty[1]):
            self.state.forget_people((slot,))
        after = self._changes_of(dirty)
        for name in sorted({*before, *after}):
            difference = after.get(name, Changes())
            difference.subtract(before.get(name, Changes()))
            if any(difference.values()):
                self._emission(name).add_all(difference)

    def _changes_of(self, dirty: Dirty) -> dict[str, Changes]:
        state = self.state
        found: dict[str, Changes] = {}
        for members, objective in {(state.members(slot), objective) for slot, objective in dirty[0]}:
            name = subject_sum(state.objectives[objective][0])
            found.setdefault(name, Changes()).update(self.assessment_changes(members, objective))
        for members, chain in {(state.members(slot), chain) for slot, chain in dirty[1]}:
            found.setdefault(sum_of(chain), Changes()).update(self._chain_changes(members, chain))
        return found

    def assessment_changes(self, members: tuple[int, ...], objective: int) -> Changes:
        """All changes of one objective of pupils who are one at some instant (or of one pupil), by the general path."""
        state, columns = self.state, self.state.known.rows
        facts = [
            Dated(
                value=columns.values[row],
                day=columns.days[row],
                sequence=columns.sequences[row],
                recorded_at=columns.recorded_at[row],
                offset=columns.offsets[row],
                slot=slot,
                stands=state.stands(row),
            )
            for slot in members
            for row in state.chains.get(slot, objective)
        ]
        people = state.people(members[0])
        return chain_changes(
            facts,
            latest,
            owner=_owner(people),
            owner_instants=people.instants,
            year_starts=[partial(_year_start, month) for month in state.year_months],
        )

    def _chain_changes(self, members: tuple[int, ...], chain: Chain) -> Changes:
        """All changes of a roster chain, or of a column of tests or judgements, by the general path."""
        state = self.state
        facts: list[Dated] = []
        for slot in members:
            for ref in state.of_chain.get((slot, chain), ()):
                kept, stands = state.known.other(ref), state.stands(ref)
                told = (kept.told.recorded_at, kept.told.offset)
                if (sitting := sitting_of(kept.fact)) is not None:
                    _, score, day = sitting
                    value = pack_value(day, state.score_of(score))
                    facts.append(Dated(value, day, kept.fact.sequence, *told, slot, stands))
                else:
                    facts += dated(kept.fact, chain, value_index=state.value_of, told=told, slot=slot, stands=stands)
        people = state.people(members[0])
        return chain_changes(facts, steps_of(chain), owner=_owner(people), owner_instants=people.instants)

    def subject_emission(self, subject: str) -> Emission:
        """All changes of a subject, from everything that is kept: for a lane that is opened now."""
        state, into = self.state, Emission()
        if subject not in state.subjects:
            return into
        values = np.array(state.known.rows.values, np.int64)
        rows = np.flatnonzero(np.array(state.subject_of)[values >> 32] == state.subjects.index(subject))
        columns = state.known.rows.columns(rows)
        chains = columns.chains()
        straight = (state.chains.find(chains) >= 0) & ~np.isin(columns.slots, list(state.groups))
        into.add_many(straight_changes(state, rows[straight]))
        bent = np.unique(chains[~straight]).tolist()
        for chain in dict.fromkeys((state.members(each >> 32), each & 0xFFFFFFFF) for each in bent):
            into.add_all(self.assessment_changes(*chain))
        return into

    def roster_emission(self) -> Emission:
        """All changes of the roster, from everything that is kept."""
        state, into = self.state, Emission()
        done: set[tuple[tuple[int, ...], Chain]] = set()
        for (slot, chain), refs in state.of_chain.items():
            if chain[0] == COLUMN or (state.members(slot), chain) in done:
                continue
            done.add((state.members(slot), chain))
            said = [each for each in said_by(state.known.other(refs[0]).fact) if each[0] == chain]
            simple = len(refs) == len(said) == 1 and refs[0] not in state.intricate and slot not in state.groups
            if simple and (changes := first_changes(said[0])) is not None:
                self._add_stay(into, state.known.told(refs[0]).recorded_at, slot, changes)
            else:
                into.add_all(self._chain_changes(state.members(slot), chain))
        return into

    def _add_stay(self, into: Emission, recorded_at: int, slot: int, changes: Sequence[StayChange]) -> None:
        for day, value, count in changes:
            into.add(recorded_at, day, slot, self.state.value_of(value), OVERALL, count)

    def _emission(self, name: str) -> Emission:
        found = self.emissions.get(name)
        if found is None:
            found = self.emissions[name] = Emission()
        return found


def sum_of(chain: Chain) -> str:
    """The name of the sum that a chain's changes go to: the roster, or its column."""
    return column_stream(chain[1]) if chain[0] == COLUMN else ROSTER


def subject_sum(subject: str) -> str:
    """The name of the sum that the lanes of a subject share."""
    return f"s:{subject}"


def is_lane_sum(name: str) -> bool:
    """Whether a sum (or a stream) belongs to a subject, whose lanes give its changes their worth."""
    return name.startswith("s:")


def _owner(people: People) -> Callable[[int, int], int]:
    return people.owner if people.instants else lambda slot, _: slot


def _year_start(month: int, day: int) -> int:
    return year_start_day(day, month)
