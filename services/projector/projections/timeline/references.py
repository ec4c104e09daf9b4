"""Facts found by sixteen bytes, an identity or a key: a sorted array of what they hash to, and the facts behind it.

Eight bytes a fact stand for sixteen: whoever has the fact says whether it is the one. What came one by one since the
last sorting is in a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Ref = int

RECENT_MAX = 512


class References:
    """References to facts by sixteen bytes. `told`: the bytes of a fact that is kept."""

    def __init__(self, told: Callable[[Ref], bytes]) -> None:
        self._told = told
        self._hashes = np.zeros(0, np.int64)
        self._refs = np.zeros(0, np.int32)
        self._recent: dict[bytes, list[Ref]] = {}

    def add(self, value: bytes, ref: Ref) -> None:
        """One more fact."""
        self._recent.setdefault(value, []).append(ref)
        if len(self._recent) > RECENT_MAX:
            refs = [ref for refs in self._recent.values() for ref in refs]
            values = [value for value, refs in self._recent.items() for _ in refs]
            self._recent = {}
            self._sort_in(hashes_of(b"".join(values)), np.array(refs, np.int32))

    def add_all(self, values: bytes | bytearray, first: Ref) -> None:
        """Facts `first` and on, with the bytes of each behind those of the one before."""
        hashes = hashes_of(values)
        if hashes.size > RECENT_MAX - len(self._recent):
            self._sort_in(hashes, np.arange(first, first + hashes.size, dtype=np.int32))
        else:
            for place in range(hashes.size):
                self.add(bytes(values[16 * place : 16 * place + 16]), first + place)

    def find(self, value: bytes) -> tuple[Ref, ...]:
        """All facts with these bytes."""
        found = list(self._recent.get(value, ()))
        if self._hashes.size:
            wanted = int.from_bytes(value[:8], "little", signed=True) ^ int.from_bytes(value[8:], "little", signed=True)
            at = int(np.searchsorted(self._hashes, wanted))
            while at < self._hashes.size and self._hashes[at] == wanted:
                ref = int(self._refs[at])
                if self._told(ref) == value:
                    found.append(ref)
                at += 1
        return tuple(found)

    def are_new(self, values: Sequence[bytes]) -> bool:
        """Whether all these differ, and none was added. False may be an error, True never is."""
        hashes = np.sort(hashes_of(b"".join(values)))
        if (hashes[1:] == hashes[:-1]).any() or not self._recent.keys().isdisjoint(values if self._recent else ()):
            return False
        if not self._hashes.size:
            return True
        at = np.minimum(np.searchsorted(self._hashes, hashes), self._hashes.size - 1)
        return not (self._hashes[at] == hashes).any()

    def shared(self) -> Iterator[list[Ref]]:
        """The facts of all bytes that were added more than once."""
        again = np.flatnonzero(self._hashes[1:] == self._hashes[:-1])
        values = {self._told(int(ref)) for ref in self._refs[np.concatenate([again, again + 1])]}
        for value in sorted(values | self._recent.keys()):
            if len(found := self.find(value)) > 1:
                yield list(found)

    def _sort_in(self, hashes: Ints, refs: NDArray[np.int32]) -> None:
        order = np.argsort(hashes)
        at = np.searchsorted(self._hashes, hashes[order])
        self._hashes = np.insert(self._hashes, at, hashes[order])
        self._refs = np.insert(self._refs, at, refs[order])


def hashes_of(values: bytes | bytearray) -> Ints:
    """What each sixteen of these bytes hash to: of a made id (all of it, or its end, is random) its halves together."""
    halves = np.frombuffer(values, "<i8").reshape(-1, 2)
    hashes: Ints = halves[:, 0] ^ halves[:, 1]
    return hashes
