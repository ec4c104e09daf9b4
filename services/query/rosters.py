"""The rosters of schools on one axis, on one day or on several at once, from their blocks.

Pure. One day: the entries of all schools are added up together. Several: the entries of a block are looked at once for
all days that it serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import NamedTuple

import numpy as np

from services.query.addition import Placed, add_entries, totals_on_days
from services.query.school_index import Ints
from services.query.stored import RosterCells, Stored, Words

_NONE = np.zeros(0, np.int64)


class Roster(NamedTuple):
    """Who is where on a day, as cells of 64 pupils and one roster value: the value's number on the axis, the word and
    the bits of those who have it."""

    values: Ints
    words: Ints
    bits: Words


class Start(NamedTuple):
    """Where a school begins on the axis: its first word, and the number of its first roster value."""

    word: int
    value: int


def read_rosters(
    days: Sequence[date], stored: Sequence[Sequence[Stored]], starts: Sequence[Start], known_at: int
) -> list[Roster]:
    """The rosters of some days (rising). `stored`: of each school the block that serves each day."""
    if len(days) == 1:
        return [_read_day(days[0], [of_school[0] for of_school in stored], starts, known_at)]
    pieces = [_Pieces() for _ in days]
    for of_school, start in zip(stored, starts, strict=True):
        for block, served in groupby(range(len(days)), of_school.__getitem__):
            cells = block.roster_cells
            if cells is not None:
                mine = list(served)
                ordinals = [days[number].toordinal() for number in mine]
                totals = totals_on_days(cells.segment, cells.bits, ordinals, known_at=known_at)
                for number, bits in zip(mine, totals, strict=True):
                    pieces[number].add(cells, bits, start)
    return [of_day.joined(np.concatenate([_NONE, *of_day.bits])) for of_day in pieces]


def _read_day(day: date, stored: Sequence[Stored], starts: Sequence[Start], known_at: int) -> Roster:
    pieces, placed, offset = _Pieces(), [], 0
    for block, start in zip(stored, starts, strict=True):
        cells = block.roster_cells
        if cells is not None:
            pieces.add(cells, cells.bits, start)
            placed.append(Placed(cells.segment, offset, day.toordinal()))
            offset += cells.bits.size
    totals = np.concatenate([_NONE, *pieces.bits])
    add_entries(totals[None, :], placed, known_at=known_at, assessed=False)
    return pieces.joined(totals)


class _Pieces:
    """The rosters of schools on one day, before they are one."""

    def __init__(self) -> None:
        self.bits: list[Ints] = []
        self._values: list[Ints] = [_NONE]
        self._words: list[Ints] = [_NONE]

    def add(self, cells: RosterCells, bits: Ints, start: Start) -> None:
        """One school's."""
        self._values.append(cells.values + start.value if start.value else cells.values)
        self._words.append(cells.words + start.word if start.word else cells.words)
        self.bits.append(bits)

    def joined(self, bits: Ints) -> Roster:
        """All of them; `bits`: theirs, one behind the other."""
        return Roster(np.concatenate(self._values), np.concatenate(self._words), bits.view(np.uint64))
