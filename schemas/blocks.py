"""The packed form of a view block: bytes to arrays and back, and the two reads that reports make.

A block holds what a stream was at its start (the base, summed by key) and every later change as an entry
(recorded_at, key, day, change); a tail is the same bytes for the entries of one commit. A change of the overall sum and
a change of the sum assessed in the academic year stand in one entry if they are equal. Bytes are canonical: they are a
function of what is summed, not of the order in which it came. Which entry belongs to which block is decided in
`services.projector.projections.placement`.

    header 16 B | base keys | base overall | base assessed | recorded_at u32 | keys | day << 2 | flags u16 | changes
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.block_sums import DAY_MAX as DAY_MAX
from schemas.block_sums import KEY_BITS as KEY_BITS
from schemas.block_sums import KEY_MASK, any_part, joined_base, sum_by_key
from schemas.block_sums import Array as Array
from schemas.block_sums import Base as Base
from schemas.block_sums import Entries as Entries
from schemas.block_sums import Ints as Ints
from schemas.block_sums import days_of_months as days_of_months
from schemas.block_sums import joined_entries as joined_entries
from schemas.block_sums import months_of_days as months_of_days
from schemas.block_sums import months_of_instants as months_of_instants
from schemas.block_sums import no_base as no_base
from schemas.block_sums import no_entries as no_entries
from schemas.block_sums import of_stream as of_stream
from schemas.block_sums import ranks_by as ranks_by
from schemas.block_sums import reduce_base as reduce_base
from schemas.block_sums import reduce_entries as reduce_entries
from schemas.block_sums import select as select
from schemas.block_sums import start_day as start_day
from schemas.block_sums import start_instant as start_instant
from schemas.block_sums import sum_sorted as sum_sorted

OVERALL, ASSESSED = 1, 2

_HEADER = struct.Struct("<BBBBIII")
_FORMAT = 1
_KEY_TYPES: dict[int, Any] = {2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<i8")}
_CHANGE_TYPES: dict[int, Any] = {1: np.dtype("<i1"), 2: np.dtype("<i2"), 4: np.dtype("<i4"), 8: np.dtype("<i8")}


class InvalidBlock(ValueError):
    """The bytes are not a block of a format that this release reads."""


class Packed(msgspec.Struct, frozen=True):
    """A decoded block or tail, as views of its bytes. `flags`: OVERALL | ASSESSED; `day_flags`: day << 2 | flags."""

    starts: int
    parts: int
    base_keys: Array
    base_overall: Array
    base_assessed: Array
    recorded_at: Array
    keys: Array
    days: Array
    flags: Array
    changes: Array
    day_flags: Array


# --- reading -----------------------------------------------------------------------------------------------------


def totals_at(
    block: bytes | None,
    tails: Sequence[bytes],
    *,
    keys: int,
    parts: int,
    day: int,
    known_at: int,
    year_start: int,
    assessed: bool,
) -> Ints:
    """The sums of all keys 0..keys-1 as at `day` (an ordinal), as known at `known_at`: int64, (parts, keys).

    `year_start`: the first day of the academic year that holds `day`. A key of a pupil that came later than this block
    is 0.
    """
    totals = np.zeros((parts, keys), np.int64)
    wanted = ASSESSED if assessed else OVERALL
    for data in (*((block,) if block is not None else ()), *tails):
        packed = unpack(data)
        started = start_day(packed.starts)
        year_day = year_start - started if assessed else 0
        if year_day <= 0 and packed.base_keys.size:
            totals[:, packed.base_keys] += packed.base_assessed if assessed else packed.base_overall
        count = int(np.searchsorted(packed.recorded_at, known_at, "right"))
        if not count:
            continue
        days = packed.days[:count]
        taken = (days <= day - started) & ((packed.flags[:count] & wanted) != 0)
        if year_day > 0:
            taken &= days >= year_day
        for part in range(parts):
            np.add.at(totals[part], packed.keys[:count][taken], packed.changes[part, :count][taken].astype(np.int64))
    return totals


def split_totals(totals: Ints, bits: int) -> tuple[Ints, Ints]:
    """(numerator, covered) of sums as `totals_at` gives them; `bits` as the lane says."""
    if totals.shape[0] == 2:
        return totals[0], totals[1]
    return totals[0] & ((1 << bits) - 1), totals[0] >> bits


def matrix_at(
    block: bytes | None, tails: Sequence[bytes], *, values: int, slots: int, day: int, known_at: int
) -> NDArray[np.bool_]:
    """Which roster values hold for which pupils: (values, slots), of a stream with key = slot << 16 | value."""
    counts = np.zeros((values, slots), np.int64)
    for data in (*((block,) if block is not None else ()), *tails):
        packed = unpack(data)
        keys = packed.base_keys.astype(np.int64)
        counts[keys & 0xFFFF, keys >> 16] += packed.base_overall[0]
        count = int(np.searchsorted(packed.recorded_at, known_at, "right"))
        taken = packed.days[:count] <= day - start_day(packed.starts)
        keys = packed.keys[:count][taken].astype(np.int64)
        np.add.at(counts, (keys & 0xFFFF, keys >> 16), packed.changes[0, :count][taken].astype(np.int64))
    return counts > 0


def present_at(block: bytes | None, tails: Sequence[bytes], *, day: int, known_at: int) -> Ints:
    """The keys of a roster stream that hold, rising."""
    found_keys, found_changes = [], []
    for data in (*((block,) if block is not None else ()), *tails):
        packed = unpack(data)
        count = int(np.searchsorted(packed.recorded_at, known_at, "right"))
        taken = packed.days[:count] <= day - start_day(packed.starts)
        found_keys += [packed.base_keys.astype(np.int64), packed.keys[:count][taken].astype(np.int64)]
        found_changes += [
            packed.base_overall[0].astype(np.int64),
            packed.changes[0, :count][taken].astype(np.int64),
        ]
    if not found_keys:
        return np.zeros(0, np.int64)
    return _keys_above_zero(np.concatenate(found_keys), np.concatenate(found_changes))


_TABLE_CELLS_MAX = 1 << 20


def _keys_above_zero(keys: Ints, changes: Ints) -> Ints:
    """The keys (slot << 16 | value) whose changes sum to more than 0, rising; counted in a table where it is small."""
    if not keys.size:
        return keys
    slots, values = keys >> 16, keys & 0xFFFF
    width = int(values.max()) + 1
    if (int(slots.max()) + 1) * width > _TABLE_CELLS_MAX:
        keys, (totals,) = sum_by_key(keys, [changes[None, :]])
        found: Ints = keys[totals[0] > 0]
        return found
    sums = np.bincount(slots * width + values, weights=changes)  # small whole numbers: floats hold them exactly
    there = np.flatnonzero(sums > 0)
    present: Ints = (there // width) << 16 | there % width
    return present


# --- bytes -------------------------------------------------------------------------------------------------------


def unpack(data: bytes) -> Packed:
    """The arrays of a block or tail, without a copy. Raises InvalidBlock."""
    if len(data) < _HEADER.size or data[0] != _FORMAT:
        raise InvalidBlock("not a block of format 1")
    _, key_width, change_width, parts, starts, n_base, n = _HEADER.unpack_from(data)
    key_type, change_type = _KEY_TYPES[key_width], _CHANGE_TYPES[change_width]
    at = _HEADER.size

    def take(kind: Any, count: int) -> Array:
        nonlocal at
        array = np.frombuffer(data, kind, count, at)
        at += count * kind.itemsize
        return array

    base_keys = take(key_type, n_base)
    base_overall = take(change_type, parts * n_base).reshape(parts, n_base)
    base_assessed = take(change_type, parts * n_base).reshape(parts, n_base)
    recorded_at, keys, days = take(np.dtype("<u4"), n), take(key_type, n), take(np.dtype("<u2"), n)
    changes = take(change_type, parts * n).reshape(parts, n)
    if at != len(data):
        raise InvalidBlock(f"{len(data) - at} bytes beyond the end")
    return Packed(
        starts, parts, base_keys, base_overall, base_assessed, recorded_at, keys, days >> 2, days & 3, changes, days
    )


def pack(starts: int, base: Base, entries: Entries) -> bytes:
    """Canonical bytes of a base and entries that `reduce_base` and `reduce_entries` gave, in their order."""
    return pack_each(starts, base, entries, [0])[0]


def pack_each(starts: int, base: Base, entries: Entries, streams: Sequence[int]) -> list[bytes]:
    """The same for several streams at once, whose numbers (rising) stand in the keys (`of_stream`)."""
    recorded_at, keys, days, flags, changes = _single_sums(entries)
    bases, added = _Ranges(base.keys, streams), _Ranges(keys, streams)
    key_widths = map(
        _key_width, np.maximum(bases.highest(base.keys & KEY_MASK), added.highest(keys & KEY_MASK)).tolist()
    )
    rooms = (bases.highest(_room(base.overall)), bases.highest(_room(base.assessed)), added.highest(_room(changes)))
    change_widths = map(_change_width, np.maximum.reduce(rooms).tolist())
    recorded_at, day_flags = recorded_at.astype("<u4"), (days << 2 | flags).astype("<u2")
    packed = []
    for b, n, key_width, change_width in zip(bases.slices, added.slices, key_widths, change_widths, strict=True):
        key_type, change_type = _KEY_TYPES[key_width], _CHANGE_TYPES[change_width]
        sizes = b.stop - b.start, n.stop - n.start
        pieces = [_HEADER.pack(_FORMAT, key_width, change_width, base.overall.shape[0], starts, *sizes)]
        if sizes[0]:
            pieces.append((base.keys[b] & KEY_MASK).astype(key_type).tobytes())
            pieces.append(base.overall[:, b].astype(change_type, order="C").tobytes())
            pieces.append(base.assessed[:, b].astype(change_type, order="C").tobytes())
        if sizes[1]:
            pieces.append(recorded_at[n].tobytes())
            pieces.append((keys[n] & KEY_MASK).astype(key_type).tobytes())
            pieces.append(day_flags[n].tobytes())
            pieces.append(changes[:, n].astype(change_type, order="C").tobytes())
        packed.append(b"".join(pieces))
    return packed


class _Ranges:
    """Where each stream has its keys."""

    def __init__(self, keys: Ints, streams: Sequence[int]) -> None:
        if len(streams) == 1:
            self._edges = np.array([0, keys.size])
        else:
            self._edges = np.append(np.searchsorted(keys >> KEY_BITS, streams), keys.size)
        self.slices = [slice(*edges) for edges in pairwise(self._edges.tolist())]

    def highest(self, values: Ints) -> Ints:
        """The highest of some values in each of them, 0 where there is none."""
        highest = np.zeros(len(self.slices), np.int64)
        there = self._edges[1:] > self._edges[:-1]
        if there.any():
            highest[there] = np.maximum.reduceat(values, self._edges[:-1][there])
        return highest


def _room(changes: Ints) -> Ints:
    """What has to fit beside a sign."""
    rooms = changes ^ changes >> 63
    room: Ints = rooms[0] if len(rooms) == 1 else rooms.max(axis=0)
    return room


def _single_sums(entries: Entries) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Instants, keys, days, flags and changes: an entry that changes the two sums differently becomes one for each."""
    overall, assessed = any_part(entries.overall), any_part(entries.assessed)
    both = ~any_part(entries.overall - entries.assessed)
    flags = np.where(both, OVERALL | ASSESSED, np.where(overall, OVERALL, ASSESSED))
    changes = np.where(overall, entries.overall, entries.assessed)
    split = np.flatnonzero(overall & assessed & ~both)
    columns = (entries.recorded_at, entries.keys, entries.days)
    if not split.size:
        return *columns, flags, changes
    rows = np.sort(np.concatenate([np.arange(flags.size), split]))
    second = np.flatnonzero(rows[1:] == rows[:-1]) + 1
    flags, changes = flags[rows], changes[:, rows]
    flags[second] = ASSESSED
    changes[:, second] = entries.assessed[:, split]
    recorded_at, keys, days = (column[rows] for column in columns)
    return recorded_at, keys, days, flags, changes


def widen(packed: Packed) -> tuple[Base, Entries]:
    """A decoded block as 64-bit arrays, an entry of both sums having both."""
    return together([packed], packed.parts)


def together(packed: Sequence[Packed], parts: int, streams: Sequence[int] = ()) -> tuple[Base, Entries]:
    """Blocks and tails one after the other as 64-bit arrays, not summed; an entry of both sums has both.

    `streams`: their numbers, which then stand in the keys (`of_stream`).
    """
    if not packed:
        return no_base(parts), no_entries(parts)
    base_keys, overall, assessed = (
        np.concatenate([getattr(each, name) for each in packed], axis=-1, dtype=np.int64)
        for name in ("base_keys", "base_overall", "base_assessed")
    )
    recorded_at, keys, day_flags, changes = (
        np.concatenate([getattr(each, name) for each in packed], axis=-1, dtype=np.int64)
        for name in ("recorded_at", "keys", "day_flags", "changes")
    )
    if streams:
        base_keys |= np.repeat(streams, [each.base_keys.size for each in packed]) << KEY_BITS
        keys |= np.repeat(streams, [each.keys.size for each in packed]) << KEY_BITS
    return Base(base_keys, overall, assessed), Entries(
        recorded_at,
        keys,
        day_flags >> 2,
        np.where(day_flags & OVERALL, changes, 0),
        np.where(day_flags & ASSESSED, changes, 0),
    )


def gather(block: bytes | None, tails: Sequence[bytes], parts: int) -> tuple[Base, Entries]:
    """A block and its tails as one base and one list of entries; base patches (recorded_at 0) are in the base."""
    base, entries = together([unpack(data) for data in (*((block,) if block is not None else ()), *tails)], parts)
    patch = entries.recorded_at == 0
    if patch.any():
        patches, entries = select(entries, patch), select(entries, ~patch)
        base = joined_base([base, Base(patches.keys, patches.overall, patches.assessed)])
    return reduce_base([base]), reduce_entries([entries])


def compact(block: bytes | None, tails: Sequence[bytes], next_starts: int | None) -> bytes:
    """One canonical block of a block and its tails. Entries that only concern the block at `next_starts` go."""
    packed = unpack(block if block is not None else tails[0])
    base, entries = gather(block, tails, packed.parts)
    if next_starts is not None and entries.keys.size:
        first_month = np.minimum(
            months_of_days(entries.days + start_day(packed.starts)), months_of_instants(entries.recorded_at)
        )
        entries = select(entries, first_month < next_starts)
    return pack(packed.starts, base, entries)


def _key_width(highest: int) -> int:
    return 2 if highest < 1 << 16 else 4 if highest < 1 << 32 else 8


def _change_width(room: int) -> int:
    return next(width for width in (1, 2, 4, 8) if room < 1 << 8 * width - 1)
