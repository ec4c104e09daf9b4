"""Blocks as they are stored, and what is made of their bytes once, however many reports then read them.

A decoded block holds for every day and instant that the block serves, so it may be kept for as long as the bytes stand.
Which bytes are the right ones is the reader's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.blocks import OVERALL, InvalidBlock, Packed, start_day, unpack
from services.query.school_index import Ints

Array = npt.NDArray[Any]
Words = npt.NDArray[np.uint64]

WORD_BITS = 64
_TABLE_MAX = 1 << 20
"""Cells of a roster that are looked up in a table; more are sorted."""
_DECODED_FACTOR = 2
"""About how much larger than its bytes a block is with everything that was made of it."""


class Segment(msgspec.Struct, frozen=True):
    """A block and its tails as one: sums at its start by key, and entries in no order that matters.

    `starts_on`: the ordinal of its first day. `changes`, `base_overall`, `base_assessed`: (parts, n).
    """

    starts_on: int
    base_keys: Array
    base_overall: Array
    base_assessed: Array
    recorded_at: Array
    keys: Array
    day_flags: Array
    changes: Array
    last_recorded_at: int


class RosterCells(msgspec.Struct, frozen=True):
    """A roster block as bitmaps: a cell is 64 pupils and one roster value, with those to whom it applies.

    Cells are in the order of (value, word). Whether a value applies is 0 or 1, so a change of it is added to the cell
    as ±1 << bit, and the sum of a cell's changes is its bitmap: `segment` has the cells for keys.
    """

    values: Ints
    words: Ints
    bits: Ints
    segment: Segment


class Stored:
    """A block and its tails, as they are stored."""

    def __init__(self, block: bytes | None, tails: Sequence[bytes]) -> None:
        self.block = block
        self.tails = tuple(tails)

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return 2_000 + _DECODED_FACTOR * (len(self.block or b"") + sum(map(len, self.tails)))

    @cached_property
    def segment(self) -> Segment | None:
        """The arrays; None if nothing is stored. Raises InvalidBlock."""
        pieces = [unpack(data) for data in ((self.block, *self.tails) if self.block is not None else self.tails)]
        if not pieces:
            return None
        return _segment_of(pieces[0]) if len(pieces) == 1 else _join(pieces)

    @cached_property
    def roster_cells(self) -> RosterCells | None:
        """The cells of a roster block; None if nothing is stored. Raises InvalidBlock."""
        return None if self.segment is None else _cells_of(self.segment)


NOTHING = Stored(None, ())


def _segment_of(packed: Packed) -> Segment:
    return Segment(
        starts_on=start_day(packed.starts),
        base_keys=packed.base_keys,
        base_overall=packed.base_overall,
        base_assessed=packed.base_assessed,
        recorded_at=packed.recorded_at,
        keys=packed.keys,
        day_flags=packed.day_flags,
        changes=packed.changes,
        last_recorded_at=int(packed.recorded_at[-1]) if packed.recorded_at.size else 0,
    )


def _join(pieces: Sequence[Packed]) -> Segment:
    """One segment of a block and its tails, which all begin where the block does."""
    first = pieces[0]
    if any(each.starts != first.starts or each.parts != first.parts for each in pieces):
        raise InvalidBlock("a tail is not of its block")
    with_base = [each for each in pieces if each.base_keys.size] or [first]
    if len(with_base) > 1:
        raise InvalidBlock("a tail has a base of its own")
    return Segment(
        starts_on=start_day(first.starts),
        base_keys=with_base[0].base_keys,
        base_overall=with_base[0].base_overall,
        base_assessed=with_base[0].base_assessed,
        recorded_at=np.concatenate([each.recorded_at for each in pieces]),
        keys=np.concatenate([each.keys for each in pieces]),
        day_flags=np.concatenate([each.day_flags for each in pieces]),
        changes=np.concatenate([each.changes for each in pieces], axis=1),
        last_recorded_at=max(int(each.recorded_at[-1]) if each.recorded_at.size else 0 for each in pieces),
    )


def _cells_of(segment: Segment) -> RosterCells:
    overall = (segment.day_flags & OVERALL) != 0
    keys = np.concatenate([segment.base_keys, segment.keys[overall]], dtype=np.int64, casting="unsafe")
    changes = np.concatenate([segment.base_overall[0], segment.changes[0, overall]], dtype=np.int64, casting="unsafe")
    slots, values = keys >> 16, keys & 0xFFFF
    codes, cell, words = _number_cells(values, slots // WORD_BITS)
    deltas = changes << (slots % WORD_BITS)
    based = segment.base_keys.size
    bits = np.zeros(codes.size, np.int64)
    np.add.at(bits, cell[:based], deltas[:based])
    later = Segment(
        starts_on=segment.starts_on,
        base_keys=_NO_KEYS,
        base_overall=_NO_SUMS,
        base_assessed=_NO_SUMS,
        recorded_at=segment.recorded_at[overall],
        keys=cell[based:],
        day_flags=segment.day_flags[overall],
        changes=deltas[None, based:],
        last_recorded_at=segment.last_recorded_at,
    )
    return RosterCells(codes // words, codes % words, bits, later)


def _number_cells(values: Ints, words: Ints) -> tuple[Ints, Ints, int]:
    """The cells that there are, as value × count + word and rising; of each key the number of its cell; the count."""
    count = int(words.max()) + 1 if words.size else 1
    codes = values * count + words
    reach = int(codes.max()) + 1 if codes.size else 0
    if reach > _TABLE_MAX:
        found, cell = np.unique(codes, return_inverse=True)
        return found, cell, count
    there = np.zeros(reach, np.bool_)
    there[codes] = True
    return np.flatnonzero(there), (there.cumsum() - 1)[codes], count


_NO_KEYS = np.zeros(0, np.int64)
_NO_SUMS = np.zeros((1, 0), np.int64)
