"""Who was where from when to when, as known now: stays of pupils, from the changes of the roster's sum."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from services.domain.curriculum import LAST_DAY
from services.projector.projections.timeline.emissions import Emitted, Ints


class Stays(msgspec.Struct, frozen=True):
    """Stays by slot, value and day: the roster value `values[n]` holds for a slot on the days starts..ends (inclusive).

    A stay without an end ends on the last day that there is.
    """

    slots: Ints
    values: Ints
    starts: Ints
    ends: Ints

    def only(self, mask: npt.NDArray[np.bool_]) -> Stays:
        """Those that the mask marks."""
        return Stays(self.slots[mask], self.values[mask], self.starts[mask], self.ends[mask])


def stays_of(changes: Emitted) -> Stays:
    """The stays that changes of the roster sum up to: a value holds where its sum is 1 (it is never another but 0)."""
    order = np.lexsort((changes.days, changes.values, changes.slots))
    slots, values, days = changes.slots[order], changes.values[order], changes.days[order]
    if not slots.size:
        return Stays(slots, values, days, days)
    new = np.ones(slots.size, np.bool_)
    new[1:] = (slots[1:] != slots[:-1]) | (values[1:] != values[:-1]) | (days[1:] != days[:-1])
    first = np.flatnonzero(new)
    counts = np.add.reduceat(changes.counts[order], first)
    turns = np.flatnonzero(counts)  # a value comes with +1 and goes with -1, in turns
    slots, values, days, counts = slots[first][turns], values[first][turns], days[first][turns], counts[turns]
    comes = np.flatnonzero(counts > 0)
    goes = np.minimum(comes + 1, max(slots.size - 1, 0))
    ended = (counts[goes] < 0) & (slots[goes] == slots[comes]) & (values[goes] == values[comes])
    ends = np.where(ended, days[goes] - 1, LAST_DAY)
    return Stays(slots[comes], values[comes], days[comes], ends)
