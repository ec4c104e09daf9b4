"""The assessments of a batch folded at once: the short cut of `folding`, on columns instead of one fact after another.

Facts that come last in their chains, under keys never told before, of pupils who are joined with nobody, become changes
by arithmetic on arrays. The others of the run go the general way afterwards: every step emits what the state is worth
after it less before it, so that the order of the steps does not show in the sums. A run goes on across facts of the
roster between its assessments (`reach.ends_run` says across which it does not).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from schemas.blocks import days_of_months, months_of_days
from schemas.events import ObjectiveAssessed
from services.domain.timeline import OVERALL
from services.projector.projections.timeline.chains import ABSENT, Mask, by_chain, firsts
from services.projector.projections.timeline.columns import NO_KEY, Columns, Ints, key_of
from services.projector.projections.timeline.emissions import Emitted
from services.projector.projections.timeline.school import SchoolState

RUN_MIN = 24
"""Shorter batches and runs are folded faster fact by fact."""

Assessed = tuple[int, ObjectiveAssessed]


class Run:
    """The assessments of a batch, each new, with the indices of their pupils, objectives and states.

    `read` goes on to the next fact that is none, `fold_run` folds what was read and not folded before: `waiting`. What
    stands in the way of the short cut is found out when a fact is read, so that it is what was known then. `seen`: the
    identities and keys of the batch. A chain that a fact which is not plain touches goes the general way as a whole:
    where blocks begin is told by each step, so the steps of a chain keep their order.
    """

    def __init__(
        self, state: SchoolState, facts: Sequence[Assessed], identities: Sequence[bytes], slots: Sequence[int]
    ) -> None:
        self._state = state
        self.facts = facts
        self.identities = identities
        self.keys = [key_of(fact.key) if fact.key else NO_KEY for _, fact in facts]
        self._keyed = any(key is not NO_KEY for key in self.keys)
        self.columns = _columns(state, facts, slots)
        self.folded = self._read = 0
        self._plain = np.ones(len(facts), bool)
        self._entangled: set[int] = set()
        self._keys_read: set[bytes] = set()
        self._shared_keys: set[bytes] = set()

    @cached_property
    def seen(self) -> set[bytes]:
        """The identities and keys of all its facts."""
        return {*self.identities, *self.keys} - {NO_KEY}

    @cached_property
    def chains(self) -> set[int]:
        """The chains of all its facts: slot << 32 | objective."""
        return set(self.columns.chains().tolist())

    @property
    def waiting(self) -> slice:
        """What was read and is not folded."""
        return slice(self.folded, self._read)

    @property
    def waits(self) -> int:
        """How many that are."""
        return self._read - self.folded

    def read(self, until: int) -> None:
        """Look at the facts before place `until`."""
        state = self._state
        if state.groups or state.withdrawals or self._keyed:
            for place in range(self._read, until):
                self._look_at(place)
        self._read = until

    def plain(self) -> Mask:
        """Which of those that wait may take the short cut."""
        plain: Mask = self._plain[self.waiting]
        if not plain.all():
            chains = self.columns.chains()[self.waiting]
            keys = self.keys[self.waiting] if self._shared_keys else ()
            shared = [int(chains[place]) for place, key in enumerate(keys) if key in self._shared_keys]
            plain = plain & ~np.isin(chains, np.array([*self._entangled, *shared], np.int64))
        return plain

    def note_folded(self) -> None:
        """Those that waited are folded."""
        self.folded = self._read
        self._entangled, self._keys_read, self._shared_keys = set(), set(), set()

    def _look_at(self, place: int) -> None:
        state, identity, key = self._state, self.identities[place], self.keys[place]
        slot = int(self.columns.slots[place])
        is_shared = key in self._keys_read
        is_plain = slot not in state.groups and identity not in state.withdrawals and not is_shared
        if not is_plain or (key != NO_KEY and state.known.is_told(key)):
            rows = state.known.rows
            self._plain[place] = False
            self._entangled.add(slot << 32 | int(self.columns.values[place]) >> 32)
            self._entangled.update(rows.chain(row) for row in state.known.family(key) if row >= 0)
            if is_shared:
                self._shared_keys.add(key)
        if key != NO_KEY:
            self._keys_read.add(key)


def _columns(state: SchoolState, facts: Sequence[Assessed], slots: Sequence[int]) -> Columns:
    """The facts as columns; objectives and states that are new get their indices here."""
    told = [fact for _, fact in facts]
    objectives = state.objectives_of([fact.subject for fact in told], [fact.objective for fact in told])
    states = state.states_of([fact.state for fact in told])
    return Columns(
        np.array(slots, np.int64),
        np.array(objectives, np.int64) << 32 | np.array(states, np.int64),
        np.array([fact.assessed_on.toordinal() for fact in told], np.int64),
        np.array([fact.sequence for fact in told], np.int64),
        np.array([fact.recorded_at.timestamp() for fact in told], np.float64).astype(np.int64),
        np.array([offset for offset, _ in facts], np.int64),
    )


class Predecessors(NamedTuple):
    """What stood last in the chain of each fact before it; where nothing did, `there` is False."""

    there: Mask
    values: Ints
    days: Ints
    sequences: Ints
    told_at: Ints

    def take(self, which: Ints) -> Predecessors:
        """Those of some facts."""
        there, *columns = (column[which] for column in self)
        return Predecessors(there.astype(bool), *(column.astype(np.int64) for column in columns))


def fold_run(state: SchoolState, run: Run) -> tuple[Emitted, Sequence[Assessed]]:
    """Fold what waits and can be folded at once: its changes, and the facts left to the general way, in order."""
    told, facts = run.columns.take(run.waiting), run.facts[run.waiting]
    plain = np.flatnonzero(run.plain())
    order = plain[by_chain(told.slots[plain], told.values[plain] >> 32)]
    columns = told.take(order)
    chains = columns.chains()
    first = firsts(chains)
    before, clean = _predecessors(state, chains, columns, first)
    fits = clean & _comes_last(columns, before)
    if not fits.all():
        starts = np.flatnonzero(first)
        whole = np.logical_and.reduceat(fits, starts)
        fits = np.repeat(whole, np.diff(np.append(starts, order.size)))
    fitting = np.flatnonzero(fits)
    changes = changes_of(state.year_months, columns.take(fitting), before.take(fitting))
    taken = np.zeros(len(facts), bool)
    taken[order[fitting]] = True
    _keep(state, run, told, np.flatnonzero(taken))
    rows = np.cumsum(taken) - 1 + len(state.known.rows) - fitting.size
    state.chains.add_all(chains[fitting], rows[order[fitting]], np.ones(fitting.size, bool))
    run.note_folded()
    return changes, [facts[place] for place in np.flatnonzero(~taken).tolist()]


def _predecessors(state: SchoolState, chains: Ints, columns: Columns, first: Mask) -> tuple[Predecessors, Mask]:
    """The fact before each in its chain, of the run or of the state; and whether the short cut may use it."""
    there, clean = ~first, np.ones(first.size, bool)
    before = [np.concatenate([column[:1], column[:-1]]) for column in columns[1:5]]
    places = np.flatnonzero(first)
    found = state.chains.find(chains[places])
    there[places] = found != ABSENT
    simple = found >= 0
    last = state.known.rows.columns(found[simple])
    for column, values in zip(before, last[1:5], strict=True):
        column[places[simple]] = values
    for place in places[(found < 0) & (found != ABSENT)].tolist():
        of_chain = state.last_of(state.chains.of(int(chains[place])))
        clean[place] = of_chain is not None
        for column, value in zip(before, of_chain or (), strict=False):
            column[place] = value
    return Predecessors(there, *before), clean


def _comes_last(columns: Columns, before: Predecessors) -> Mask:
    """Whether a fact is last of its chain by the order of truth and by when it was told."""
    later = (columns.days > before.days) | ((columns.days == before.days) & (columns.sequences >= before.sequences))
    last: Mask = ~before.there | (later & (columns.told_at >= before.told_at))
    return last


def changes_of(year_months: Sequence[int], columns: Columns, before: Predecessors) -> Emitted:
    """Each takes over from the fact before it, in each academic year in which that one counted."""
    every = OVERALL | sum(2 << index for index in range(len(year_months)))
    ended = np.full(columns.days.size, OVERALL, np.int64)
    for index, month in enumerate(year_months):
        ended |= np.where(before.days >= _year_starts(columns.days, month), 2 << index, 0)
    same = before.there & (before.values == columns.values)
    begun = np.where(same, every & ~ended, every)
    left = np.flatnonzero(before.there & ~same)
    new = np.flatnonzero(begun)
    return Emitted(
        *(
            np.concatenate([ours, theirs])
            for ours, theirs in (
                (columns.told_at[new], columns.told_at[left]),
                (columns.days[new], columns.days[left]),
                (columns.slots[new], columns.slots[left]),
                (columns.values[new], before.values[left]),
                (begun[new], ended[left]),
                (np.ones(new.size, np.int64), np.full(left.size, -1, np.int64)),
            )
        )
    )


def straight_changes(state: SchoolState, rows: Ints) -> Emitted:
    """What rows of straight chains, of pupils who are joined with nobody, changed when they came."""
    columns, before = state.known.rows.columns(rows), state.chains.before(rows)
    last = state.known.rows.columns(np.maximum(before, 0))
    return changes_of(state.year_months, columns, Predecessors(before >= 0, *last[1:5]))


def keep_loaded(state: SchoolState, columns: Columns, first_row: int) -> None:
    """Put assessments that were kept before in their chains; which of these are straight is seen from their order."""
    order = by_chain(columns.slots, columns.values >> 32)
    columns = columns.take(order)
    chains = columns.chains()
    first = firsts(chains)
    before, clean = _predecessors(state, chains, columns, first)
    state.chains.add_all(chains, first_row + order, clean & _comes_last(columns, before))


def _year_starts(days: Ints, month: int) -> Ints:
    """`calendar.year_start` of each day, as ordinals."""
    months = months_of_days(days)
    return days_of_months(months - (months - (month - 1)) % 12)


def _keep(state: SchoolState, run: Run, told: Columns, taken: Ints) -> None:
    """Keep the facts that were taken (`told`: columns of all that wait); they are found by identity and key."""
    identities, keys = run.identities[run.waiting], run.keys[run.waiting]
    if taken.size < len(identities):
        places = taken.tolist()
        identities, keys = [identities[place] for place in places], [keys[place] for place in places]
    state.known.add_assessments(told.take(taken), b"".join(identities), b"".join(keys))
