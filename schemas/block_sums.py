"""Sums of a block as arrays: bases and entries, how they are added up, and the months that say which block has what.

Nothing here knows the bytes; that is `schemas.blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import prod
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Ints = NDArray[np.int64]

DAY_MAX = (1 << 14) - 1
"""Days after the start of a block are told apart up to this one; no block serves that long."""


KEY_BITS = 48
"""A key has no more; above them stands the number of a stream where several are worked on at once."""
KEY_MASK = (1 << KEY_BITS) - 1


class Base(msgspec.Struct, frozen=True):
    """Sums at the start of a block: `overall` and `assessed` are (parts, n) beside `keys` (n, rising)."""

    keys: Ints
    overall: Ints
    assessed: Ints


class Entries(msgspec.Struct, frozen=True):
    """Changes: instants, keys, days after the block's start, and what is added to either sum, (parts, n)."""

    recorded_at: Ints
    keys: Ints
    days: Ints
    overall: Ints
    assessed: Ints


def no_base(parts: int) -> Base:
    """A base without a key."""
    none = np.zeros((parts, 0), np.int64)
    return Base(np.zeros(0, np.int64), none, none)


def no_entries(parts: int) -> Entries:
    """No change at all."""
    none, empty = np.zeros((parts, 0), np.int64), np.zeros(0, np.int64)
    return Entries(empty, empty, empty, none, none)


def start_day(starts: int) -> int:
    """The ordinal of the first day of a month number (year * 12 + month - 1)."""
    return date(starts // 12, starts % 12 + 1, 1).toordinal()


def of_stream(entries: Entries, stream: int) -> Entries:
    """The same with the number of a stream in their keys, so that several streams can be worked on at once."""
    return Entries(
        entries.recorded_at, entries.keys | stream << KEY_BITS, entries.days, entries.overall, entries.assessed
    )


def select(entries: Entries, taken: NDArray[np.bool_] | Ints) -> Entries:
    """The entries that `taken` marks or names."""
    return Entries(
        entries.recorded_at[taken],
        entries.keys[taken],
        entries.days[taken],
        entries.overall[:, taken],
        entries.assessed[:, taken],
    )


def reduce_base(bases: Sequence[Base]) -> Base:
    """The sum of bases: one entry a key, rising; keys whose sums are 0 go."""
    joined = joined_base(bases)
    keys, (overall, assessed) = sum_by_key(joined.keys, [joined.overall, joined.assessed])
    kept = any_part(overall) | any_part(assessed)
    return Base(keys[kept], overall[:, kept], assessed[:, kept])


def reduce_entries(parts: Sequence[Entries]) -> Entries:
    """One entry for each (recorded_at, key, day), in that order; what cancels out goes."""
    joined = joined_entries(parts)
    return sum_sorted(select(joined, ranks_by(joined.recorded_at, joined.keys, joined.days)))


def ranks_by(*columns: Ints) -> Ints:
    """The order by these columns, the first counting most; what is equal in all may come in any order."""
    if not columns[0].size:
        return np.zeros(0, np.int64)
    lowest = [int(column.min()) for column in columns]
    spans = [int(column.max()) - low + 1 for column, low in zip(columns, lowest, strict=True)]
    if prod(spans) >= 1 << 62:
        return np.lexsort(columns[::-1])
    mixed = columns[0] - lowest[0]
    for column, low, span in zip(columns[1:], lowest[1:], spans[1:], strict=True):
        mixed = mixed * span + (column - low)
    ranks: Ints = np.argsort(mixed)
    return ranks


def sum_sorted(entries: Entries) -> Entries:
    """The same for entries that are in that order already."""
    recorded_at, keys, days = entries.recorded_at, entries.keys, entries.days
    overall, assessed = entries.overall, entries.assessed
    same = (recorded_at[1:] == recorded_at[:-1]) & (keys[1:] == keys[:-1]) & (days[1:] == days[:-1])
    if same.any():
        first = np.flatnonzero(np.concatenate([[True], ~same]))
        recorded_at, keys, days = recorded_at[first], keys[first], days[first]
        overall, assessed = np.add.reduceat(overall, first, axis=1), np.add.reduceat(assessed, first, axis=1)
    summed = Entries(recorded_at, keys, days, overall, assessed)
    kept = any_part(overall) | any_part(assessed)
    return summed if kept.all() else select(summed, kept)


def months_of_days(days: Ints) -> Ints:
    """Month numbers (year * 12 + month - 1) of date ordinals."""
    at = days - _EPOCH_DAY
    if at.size and (at.min() < 0 or at.max() >= _MONTHS.size):
        return _months_since_epoch(at)
    months: Ints = _MONTHS[at]
    return months


def days_of_months(months: Ints) -> Ints:
    """The ordinals of the first days of month numbers."""
    return (months - 1970 * 12).astype("M8[M]").astype("M8[D]").astype(np.int64) + _EPOCH_DAY


def months_of_instants(instants: Ints) -> Ints:
    """Month numbers, in UTC, of seconds since the epoch."""
    return months_of_days(instants // 86_400 + _EPOCH_DAY)


def start_instant(starts: int) -> int:
    """The first second (UTC) of a month number, since the epoch."""
    return (start_day(starts) - _EPOCH_DAY) * 86_400


def _months_since_epoch(days: Ints) -> Ints:
    return days.astype("M8[D]").astype("M8[M]").astype(np.int64) + 1970 * 12


_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MONTHS = _months_since_epoch(np.arange(date(2150, 1, 1).toordinal() - _EPOCH_DAY))
"""The month of each day since 1970, looked up: working it out costs twenty times as much."""


def sum_by_key(keys: Ints, columns: Sequence[Ints]) -> tuple[Ints, list[Ints]]:
    """Rising keys, and the sum of each column (parts, n) by key."""
    if (keys[1:] > keys[:-1]).all():
        return keys, list(columns)
    ranks = np.argsort(keys, kind="stable")
    keys = keys[ranks]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], [np.add.reduceat(column[:, ranks], first, axis=1) for column in columns]


def joined_base(bases: Sequence[Base]) -> Base:
    """Bases one behind the other, not summed."""
    if len(bases) == 1:
        return bases[0]
    return Base(
        np.concatenate([b.keys for b in bases]),
        np.concatenate([b.overall for b in bases], axis=1),
        np.concatenate([b.assessed for b in bases], axis=1),
    )


def joined_entries(parts: Sequence[Entries]) -> Entries:
    """Entries one behind the other, not summed."""
    if len(parts) == 1:
        return parts[0]
    return Entries(
        np.concatenate([e.recorded_at for e in parts]),
        np.concatenate([e.keys for e in parts]),
        np.concatenate([e.days for e in parts]),
        np.concatenate([e.overall for e in parts], axis=1),
        np.concatenate([e.assessed for e in parts], axis=1),
    )


def any_part(sums: Ints) -> NDArray[np.bool_]:
    """Where a sum (parts, n) is not 0."""
    there: NDArray[np.bool_] = sums[0] != 0 if len(sums) == 1 else (sums != 0).any(axis=0)
    return there
