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


class Emission:
    """The changes of one sum in one batch."""

    def __init__(self) -> None:
        self._columns = tuple(array("q") for _ in range(6))

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, recorded_at: int, day: int, slot: int, value: int, flags: int, count: int) -> None:
        """One change."""
        columns = self._columns
        columns[0].append(recorded_at)
        columns[1].append(day)
        columns[2].append(slot)
        columns[3].append(value)
        columns[4].append(flags)
        columns[5].append(count)

    def add_all(self, changes: Changes) -> None:
        """Changes as the rules give them."""
        for (recorded_at, day, slot, value, flags), count in changes.items():
            if count:
                self.add(recorded_at, day, slot, value, flags, count)

    def arrays(self) -> Emitted:
        """The changes so far."""
        return Emitted(*(np.array(column, np.int64) for column in self._columns))
