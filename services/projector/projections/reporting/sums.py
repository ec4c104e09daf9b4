"""What a school's facts sum up to as known now: the changes of the timeline's fold, without the clock of knowledge.

The sum of the changes of a day D and before is the value at D (`views.md` 1), so what is kept here answers every day.
Nothing is ever taken out: a fact that goes leaves changes that cancel those which it brought.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.blocks import months_of_days
from services.domain.timeline import OVERALL
from services.projector.projections.reporting.facts import NOW, stands_now
from services.projector.projections.timeline.emissions import Emitted, Ints
from services.projector.projections.timeline.school import SchoolState

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_COLUMNS = ("days", "slots", "values", "flags", "counts")


class PresentSums:
    """The changes of one sum (a subject, or the roster), growing."""

    def __init__(self) -> None:
        nothing = np.zeros(0, np.int64)
        self._all = Emitted(nothing, nothing, nothing, nothing, nothing, nothing)
        self._new: list[Emitted] = []

    def add(self, changes: Emitted) -> None:
        """More changes, whenever they were told."""
        self._new.append(msgspec.structs.replace(changes, recorded_at=np.zeros(0, np.int64)))

    def of(self, slots: Ints | None) -> Emitted:
        """The changes of these slots (None = of all); `recorded_at` is 0."""
        if self._new:
            parts = (self._all, *self._new)
            columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
            self._all = Emitted(recorded_at=np.zeros(columns["days"].size, np.int64), **columns)
            self._new = []
        return self._all if slots is None else taken(self._all, np.isin(self._all.slots, slots))


def present_assessments(state: SchoolState, year_starts: Sequence[int]) -> Emitted:
    """What the assessments of all subjects sum up to: of each chain the standing facts, the last of each day."""
    rows = state.known.rows
    names = ("slots", "values", "days", "sequences", "recorded_at", "offsets")
    standing = np.ones(len(rows), np.bool_)
    intricate = [row for row in state.intricate if row >= 0]
    standing[intricate] = [stands_now(state, row) for row in intricate]
    slots, values, days, sequences, recorded_at, offsets = (
        np.array(getattr(rows, name), np.int64)[standing] for name in names
    )
    owners = np.arange(len(state.pupils))
    for slot in state.groups:
        owners[slot] = state.people(slot).owner(slot, NOW)
    slots, chains = owners[slots], values >> 32
    order = np.lexsort((offsets, recorded_at, sequences, days, chains, slots))
    slots, chains, values, days = slots[order], chains[order], values[order], days[order]
    last_of_day = np.ones(order.size, np.bool_)
    last_of_day[:-1] = (slots[1:] != slots[:-1]) | (chains[1:] != chains[:-1]) | (days[1:] != days[:-1])
    slots, chains, values, days = slots[last_of_day], chains[last_of_day], values[last_of_day], days[last_of_day]
    follows = np.flatnonzero((slots[1:] == slots[:-1]) & (chains[1:] == chains[:-1])) + 1
    every = OVERALL | sum(2 << index for index in range(len(year_starts)))
    ended = np.full(follows.size, OVERALL)
    for index, month in enumerate(year_starts):
        ended |= np.where(days[follows - 1] >= year_start_days(days[follows], month), 2 << index, 0)
    return Emitted(
        np.zeros(days.size + follows.size, np.int64),
        np.concatenate([days, days[follows]]),
        np.concatenate([slots, slots[follows]]),
        np.concatenate([values, values[follows - 1]]),
        np.concatenate([np.full(days.size, every), ended]),
        np.concatenate([np.ones(days.size, np.int64), np.full(follows.size, -1)]),
    )


def year_start_days(days: Ints, year_starts: int) -> Ints:
    """The first day of the academic year of each day (ordinals)."""
    months = months_of_days(days)
    first = months - (months - (year_starts - 1)) % 12
    return (first - 1970 * 12).astype("M8[M]").astype("M8[D]").astype(np.int64) + _EPOCH_DAY


def taken(changes: Emitted, mask: npt.NDArray[np.bool_]) -> Emitted:
    """Those of the changes that the mask marks."""
    return Emitted(*(column[mask] for column in msgspec.structs.astuple(changes)))


def distinct(parts: Iterable[Ints]) -> Ints:
    """Every number of any of them, rising."""
    return np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))
