"""Which assessments belong to a pupil's objective: of each chain the row told last, of each row the one before it.

A chain is a number: slot << 32 | objective index. It is *straight* while each of its facts came last in it, by the
order of truth and by when it was told, and simply stands since: then its last row says all that the next fact has to
know.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from services.projector.projections.timeline.columns import Ints

Mask = NDArray[np.bool_]

ABSENT = -(1 << 40)
"""What is found of a chain that there is not; a row is its number, and its complement if the chain is not straight."""

RECENT_MAX = 256
_OBJECTIVE = 0xFFFFFFFF
_PLACES = (1 << 20) - 1


def row_of(found: Ints) -> Ints:
    """The rows behind what was found; -1 for none."""
    return np.where(found == ABSENT, -1, np.where(found < 0, ~found, found))


class Chains:
    """The chains of a school: sorted arrays, and a few that came since in a dict."""

    def __init__(self) -> None:
        self._chains = np.zeros(0, np.int64)
        self._last = np.zeros(0, np.int64)
        self._recent: dict[int, int] = {}
        self._before = array("i")

    def add(self, chain: int, row: int, *, straight: bool) -> None:
        """Put the next row in its chain; `straight`: whether the chain is, with it."""
        last = self.last(chain)
        self._before.append(-1 if last == ABSENT else last if last >= 0 else ~last)
        self._set(chain, row if straight else ~row)

    def add_all(self, chains: Ints, rows: Ints, straight: Mask) -> None:
        """Put the next rows in their chains; they are sorted by chain, those of one chain in the order they came.

        `straight`: whether each came last of its chain.
        """
        if not rows.size:
            return
        first = firsts(chains)
        starts = np.flatnonzero(first)
        heads = chains[starts]
        found = self.find(heads)
        before = np.concatenate([rows[:1], rows[:-1]])
        before[starts] = row_of(found)
        self._before.frombytes(bytes(4 * rows.size))
        np.frombuffer(self._before, np.int32)[rows] = before
        whole = np.logical_and.reduceat(straight, starts) & ((found >= 0) | (found == ABSENT))
        last = rows[np.append(starts[1:], rows.size) - 1]
        self._set_all(heads, np.where(whole, last, ~last), found != ABSENT)

    def bend(self, chain: int) -> None:
        """A row of the chain does not simply stand since it was told."""
        last = self.last(chain)
        if last >= 0:
            self._set(chain, ~last)

    def last(self, chain: int) -> int:
        """What is found of a chain: the row told last, its complement if the chain is not straight, or ABSENT."""
        found = self._recent.get(chain)
        if found is not None:
            return found
        at = int(np.searchsorted(self._chains, chain))
        return int(self._last[at]) if at < self._chains.size and self._chains[at] == chain else ABSENT

    def find(self, chains: Ints) -> Ints:
        """The same for many chains."""
        self._sort_in_recent()
        if not self._chains.size:
            return np.full(chains.size, ABSENT)
        at = np.minimum(np.searchsorted(self._chains, chains), self._chains.size - 1)
        return np.where(self._chains[at] == chains, self._last[at], ABSENT)

    def before(self, rows: Ints) -> Ints:
        """The row before each in its chain, or -1."""
        if not rows.size:
            return rows
        before: Ints = np.frombuffer(self._before, np.int32)[rows].astype(np.int64)
        return before

    def get(self, slot: int, objective: int) -> tuple[int, ...]:
        """The rows of a chain, in the order they came."""
        return self.of(slot << 32 | objective)

    def of(self, chain: int) -> tuple[int, ...]:
        """The same for slot << 32 | objective."""
        last = self.last(chain)
        row = -1 if last == ABSENT else last if last >= 0 else ~last
        rows = []
        while row >= 0:
            rows.append(row)
            row = self._before[row]
        return tuple(reversed(rows))

    def objectives_of(self, slots: set[int]) -> set[int]:
        """The objectives in which any of these pupils was assessed; looks through all chains."""
        chains = self._chains[np.isin(self._chains >> 32, list(slots))]
        recent = {chain & _OBJECTIVE for chain in self._recent if chain >> 32 in slots}
        return recent | set((chains & _OBJECTIVE).tolist())

    def _set(self, chain: int, last: int) -> None:
        at = int(np.searchsorted(self._chains, chain))
        if at < self._chains.size and self._chains[at] == chain:
            self._last[at] = last
            return
        self._recent[chain] = last
        if len(self._recent) > RECENT_MAX:
            self._sort_in_recent()

    def _set_all(self, chains: Ints, last: Ints, there: Mask) -> None:
        self._last[np.searchsorted(self._chains, chains[there])] = last[there]
        new = ~there
        if np.count_nonzero(new) <= RECENT_MAX:
            self._recent.update(zip(chains[new].tolist(), last[new].tolist(), strict=True))
        else:
            self._sort_in(chains[new], last[new])

    def _sort_in_recent(self) -> None:
        if self._recent:
            recent, self._recent = np.array([*self._recent.items()], np.int64), {}
            self._sort_in(recent[:, 0], recent[:, 1])

    def _sort_in(self, chains: Ints, last: Ints) -> None:
        order = np.argsort(chains)
        at = np.searchsorted(self._chains, chains[order])
        self._chains = np.insert(self._chains, at, chains[order])
        self._last = np.insert(self._last, at, last[order])


def firsts(chains: Ints) -> Mask:
    """Where another chain begins, in sorted chains."""
    first = np.ones(chains.size, bool)
    first[1:] = chains[1:] != chains[:-1]
    return first


def by_chain(slots: Ints, objectives: Ints) -> Ints:
    """The order by chain, in each as they came."""
    if not slots.size or slots.size > _PLACES:
        return np.argsort(slots << 32 | objectives, kind="stable")
    chains = slots * (int(objectives.max()) + 1) + objectives
    ranks: Ints = np.sort(chains * (_PLACES + 1) + np.arange(slots.size)) & _PLACES
    return ranks
