"""Changes of one batch on their way from the fold to the blocks, as growing columns, one set for each sum.

A sum is a subject (all its lanes share the changes, each lane gives them its own worth) or the roster.
"""

from __future__ import annotations

from array import array

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.domain.timeline import Changes

Ints = NDArray[np.int64]


class Emitted(msgspec.Struct, frozen=True):
    """Changes as arrays of one length: see `services.domain.timeline.Change`; `counts`: how often, perhaps negative."""

    recorded_at: Ints
    days: Ints
    slots: Ints
    values: Ints
    flags: Ints
    counts: Ints

    def take(self, which: Ints | slice) -> Emitted:
        """Some of them."""
        return Emitted(*(column[which] for column in msgspec.structs.astuple(self)))


_FIELDS = len(Emitted.__struct_fields__)


class Emission:
    """The changes of one sum in one batch."""

    def __init__(self) -> None:
        self._single = array("q")
        self._many: list[Emitted] = []

    def __len__(self) -> int:
        return len(self._single) // _FIELDS + sum(many.counts.size for many in self._many)

    def add(self, recorded_at: int, day: int, slot: int, value: int, flags: int, count: int) -> None:
        """One change."""
        self._single.extend((recorded_at, day, slot, value, flags, count))

    def add_all(self, changes: Changes) -> None:
        """Changes as the rules give them."""
        for (recorded_at, day, slot, value, flags), count in changes.items():
            if count:
                self.add(recorded_at, day, slot, value, flags, count)

    def add_many(self, changes: Emitted) -> None:
        """Changes as arrays."""
        self._many.append(changes)

    def arrays(self) -> Emitted:
        """The changes so far."""
        single = np.array(self._single, np.int64).reshape(-1, _FIELDS).T
        parts = [tuple(single), *(msgspec.structs.astuple(many) for many in self._many)]
        return Emitted(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
