"""A run of assessments folded at once: the short cut of `folding`, on columns instead of one fact after another.

Facts that come last in their chains, under keys never told before, of pupils who are joined with nobody, become changes
by arithmetic on arrays. The others of the run go the general way afterwards: every step emits what the state is worth
after it less before it, so that the order of the steps does not show in the sums. A run goes on across facts of the
roster between its assessments (`folding.SchoolFold._ends` says across which it does not).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.blocks import days_of_months, months_of_days
from schemas.events import ObjectiveAssessed
from services.domain.timeline import OVERALL
from services.projector.projections.timeline.columns import NO_KEY, identity_of, key_of
from services.projector.projections.timeline.emissions import Emitted, Ints
from services.projector.projections.timeline.school import SchoolState

RUN_MIN = 24
"""Shorter batches and runs are folded faster fact by fact."""

Assessed = tuple[int, ObjectiveAssessed]
Mask = NDArray[np.bool_]


class Columns(NamedTuple):
    """Assessments as arrays of one length; `values`: objective << 32 | state (indices), `told_at` in seconds."""

    slots: Ints
    values: Ints
    days: Ints
    sequences: Ints
    told_at: Ints
    offsets: Ints

    def take(self, which: Ints) -> Columns:
        """Some of them."""
        return Columns(*(column[which] for column in self))


class Run:
    """Assessments of a batch, read in the order of the log and folded at once, later.

    Reading gives the indices, so that they are those of the order of the log whenever the run is folded. `plain`: no
    key, pupil or withdrawal stands in the way of the short cut. `seen`: the identities and keys of the run, `chains`:
    slot << 32 | objective. A chain that a fact which is not plain touches goes the general way as a whole: where blocks
    begin is told by each step, so the steps of a chain keep their order.
    """

    def __init__(self, state: SchoolState) -> None:
        self._state = state
        self.facts: list[Assessed] = []
        self.identities: list[bytes] = []
        self.keys: list[bytes] = []
        self.seen: set[bytes] = set()
        self.chains: set[int] = set()
        self._entangled: set[int] = set()
        self._shared_keys: set[bytes] = set()
        self._plain: list[bool] = []
        self._slots: list[int] = []
        self._values: list[int] = []

    def __len__(self) -> int:
        return len(self.facts)

    def read(self, told: Assessed) -> None:
        """Take a fact into the run, unless its id came before."""
        state, seen, fact = self._state, self.seen, told[1]
        identity = identity_of(fact.event_id)
        if identity in seen or state.known.is_known(identity):
            return
        key = key_of(fact.key)
        slot, mark = state.slots.get(fact.pupil), state.state_index.get(fact.state)
        objective = state.objective_index.get((fact.subject, fact.objective))
        if slot is None or objective is None or mark is None:
            slot, objective = state.slot_of(fact.pupil), state.objective_of(fact.subject, fact.objective)
            mark = state.state_of(fact.state)
        chain, is_shared = slot << 32 | objective, key != NO_KEY and key in seen
        plain = slot not in state.groups and identity not in state.withdrawals and not is_shared
        plain = plain and (key == NO_KEY or not state.known.is_told(key))
        if not plain:
            rows = state.known.rows
            self._entangled.update((chain, *(rows.chain(row) for row in state.known.family(key) if row >= 0)))
            if is_shared:
                self._shared_keys.add(key)
        self.chains.add(chain)
        self._plain.append(plain)
        seen.add(identity)
        if key != NO_KEY:
            seen.add(key)
        self.facts.append(told)
        self.identities.append(identity)
        self.keys.append(key)
        self._slots.append(slot)
        self._values.append(objective << 32 | mark)

    def plain(self, chains: Ints) -> Mask:
        """Which of the facts may take the short cut; `chains`: those of the facts."""
        entangled = set(self._entangled)
        if self._shared_keys:
            entangled.update(int(chains[n]) for n, key in enumerate(self.keys) if key in self._shared_keys)
        plain: Mask = np.array(self._plain, bool) & ~np.isin(chains, np.array(sorted(entangled), np.int64))
        return plain

    def columns(self) -> Columns:
        """The facts as columns."""
        return Columns(
            np.array(self._slots, np.int64),
            np.array(self._values, np.int64),
            np.array([fact.assessed_on.toordinal() for _, fact in self.facts], np.int64),
            np.array([fact.sequence for _, fact in self.facts], np.int64),
            np.array([int(fact.recorded_at.timestamp()) for _, fact in self.facts], np.int64),
            np.array([offset for offset, _ in self.facts], np.int64),
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


def fold_run(state: SchoolState, run: Run) -> tuple[Emitted, list[Assessed]]:
    """Fold what can be folded at once: its changes, and the facts that are left to the general way, in order."""
    told = run.columns()
    chains = told.slots << 32 | told.values >> 32
    plain = np.flatnonzero(run.plain(chains))
    order = plain[np.argsort(chains[plain], kind="stable")]  # by chain, and in each as they were told
    columns, sorted_chains = told.take(order), chains[order]
    first = np.ones(order.size, bool)
    first[1:] = sorted_chains[1:] != sorted_chains[:-1]
    before, clean = _predecessors(state, sorted_chains, columns, first)
    fits = clean & _comes_last(columns, before)
    if order.size:
        starts = np.flatnonzero(first)
        whole = np.logical_and.reduceat(fits, starts)
        fits = np.repeat(whole, np.diff(np.append(starts, order.size)))
    taken = np.zeros(len(run.facts), bool)
    taken[order[fits]] = True
    fitting = np.flatnonzero(fits)
    changes = _changes(state.year_months, columns.take(fitting), before.take(fitting))
    _keep(state, run, (told, chains), np.flatnonzero(taken))
    return changes, [run.facts[place] for place in np.flatnonzero(~taken).tolist()]


def _predecessors(state: SchoolState, chains: Ints, columns: Columns, first: Mask) -> tuple[Predecessors, Mask]:
    """The fact before each in its chain, of the run or of the state; and whether the short cut may use it."""
    there, clean = ~first, np.ones(first.size, bool)
    before = [np.concatenate([column[:1], column[:-1]]) for column in columns[1:5]]
    for place, chain in zip(np.flatnonzero(first).tolist(), chains[first].tolist(), strict=True):
        rows = state.chains.of(chain)
        if rows:
            last = state.last_of(rows)
            clean[place] = last is not None
            there[place] = True
            if last is not None:
                for column, value in zip(before, last, strict=True):
                    column[place] = value
    return Predecessors(there, *before), clean


def _comes_last(columns: Columns, before: Predecessors) -> Mask:
    """Whether a fact is last of its chain by the order of truth and by when it was told."""
    later = (columns.days > before.days) | ((columns.days == before.days) & (columns.sequences >= before.sequences))
    last: Mask = ~before.there | (later & (columns.told_at >= before.told_at))
    return last


def _changes(year_months: Sequence[int], columns: Columns, before: Predecessors) -> Emitted:
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


def _year_starts(days: Ints, month: int) -> Ints:
    """`calendar.year_start` of each day, as ordinals."""
    months = months_of_days(days)
    return days_of_months(months - (months - (month - 1)) % 12)


def _keep(state: SchoolState, run: Run, told: tuple[Columns, Ints], taken: Ints) -> None:
    """Keep the facts that were taken (`told`: columns, chains of all); they are found by identity, key and chain."""
    places, (columns, chains) = taken.tolist(), told
    rows = state.known.add_assessments(
        columns.take(taken), [run.identities[n] for n in places], [run.keys[n] for n in places]
    )
    state.chains.add_all(chains[taken].tolist(), rows)
