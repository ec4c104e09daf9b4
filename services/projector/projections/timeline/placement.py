"""Which block holds which change (`views.md` 3, with blocks that start only where something begins).

With e = month of the day and h = month of recorded_at (UTC), block b, which serves questions whose earlier clock lies
in [b, next block): its base sums changes with max(e, h) < b; its entries are those with min(e, h) < next block and
max(e, h) ≥ b; what assessed sums had before the academic year of b is left out. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from schemas import blocks
from schemas.blocks import Base, Entries, Ints
from services.projector.projections.timeline.school import Span, year_start_day

ROSTER_MONTH = 8
"""Roster blocks start in Septembers (month index from 0)."""
_LABEL = struct.Struct("<II")
NEVER = 12 * 10_000
"""A month after every other."""


def begins(days: Ints, recorded_at: Ints, *, yearly: bool) -> list[int]:
    """The months in which some of these changes begin to matter, rising: where blocks have to start."""
    if not days.size:
        return []
    months = np.minimum(blocks.months_of_days(days), blocks.months_of_instants(recorded_at))
    if yearly:
        months = (months - ROSTER_MONTH) // 12 * 12 + ROSTER_MONTH
    first = int(months.min())
    return [first + month for month in np.flatnonzero(np.bincount(months - first)).tolist()]


def visible(boundaries: Sequence[int], span: Span) -> tuple[int, ...]:
    """The blocks that a lane needs whose questions lie in the months of `span`."""
    first, last = span
    started = [month for month in boundaries if month <= first]
    return tuple(
        month
        for month in boundaries
        if month >= (started[-1] if started else first) and (last is None or month <= last)
    )


class Dealt(msgspec.Struct, frozen=True):
    """Changes (absolute days) with the months of their two clocks: the earlier and the later of each.

    They are in the order of (stream, recorded_at, key, day), so that no block has to sort what it takes of them.
    """

    entries: Entries
    earlier: Ints
    later: Ints

    @property
    def earliest(self) -> int:
        """A block that ends before this month has nothing of them."""
        return int(self.earlier.min()) if self.earlier.size else NEVER


def deal(streams: Sequence[Entries]) -> Dealt:
    """Changes of some streams, ready to be put into blocks; the place of a stream here is its number in their keys."""
    entries = blocks.joined_entries([blocks.of_stream(each, number) for number, each in enumerate(streams)])
    numbers = np.repeat(np.arange(len(streams)), [each.keys.size for each in streams])
    entries = blocks.select(entries, blocks.ranks_by(numbers, entries.recorded_at, entries.keys, entries.days))
    days, told = blocks.months_of_days(entries.days), blocks.months_of_instants(entries.recorded_at)
    return Dealt(entries, np.minimum(days, told), np.maximum(days, told))


def tail_of(starts: int, next_starts: int | None, dealt: Dealt, year_month: int | None) -> bytes | None:
    """The bytes that these changes add to the blocks of their streams (a bundle), or None if it is nothing."""
    old = dealt.later < starts
    kept = ~old if next_starts is None else ~old & (dealt.earlier < next_starts)
    entries = dealt.entries
    patches, added = np.flatnonzero(old), np.flatnonzero(kept)
    if not patches.size and not added.size:
        return None
    order = np.concatenate([patches[np.argsort(entries.keys[patches])], added])
    if patches.size and added.size:
        order = order[np.argsort((entries.keys[order] >> blocks.KEY_BITS).astype(np.int16), kind="stable")]
    placed, patch = blocks.select(entries, order), old[order]
    started = blocks.start_day(starts)
    assessed = placed.assessed
    if year_month is not None:
        assessed = np.where(placed.days >= year_start_day(started, year_month), assessed, 0)
    reduced = blocks.sum_sorted(
        Entries(
            np.where(patch, 0, placed.recorded_at),
            placed.keys,
            np.where(patch, 0, np.clip(placed.days - started, 0, blocks.DAY_MAX)),
            placed.overall,
            assessed,
        )
    )
    if not reduced.keys.size:
        return None
    numbers = (reduced.keys >> blocks.KEY_BITS).tolist()
    streams = list(dict.fromkeys(numbers))
    packed = blocks.pack_each(starts, blocks.no_base(placed.overall.shape[0]), reduced, streams)
    return bundle(zip(streams, packed, strict=True))


def empty_block(starts: int, parts: int) -> bytes:
    """A block before anything happened."""
    return blocks.pack(starts, blocks.no_base(parts), blocks.no_entries(parts))


def next_block(stored: bytes, tails: Sequence[bytes], starts: int, year_month: int | None) -> bytes:
    """The blocks at `starts` of some streams, made of those that served their months before; all are bundles."""
    sources = dict(unbundle(stored))
    numbered = [*sources.items(), *(each for bundled in tails for each in unbundle(bundled))]
    packed = [blocks.unpack(data) for _, data in numbered]
    base, entries = blocks.together(packed, packed[0].parts, [number for number, _ in numbered])
    before, started = blocks.start_day(packed[0].starts), blocks.start_day(starts)
    days = entries.days + before
    past = (days < started) & (entries.recorded_at < blocks.start_instant(starts))
    assessed, base_assessed = entries.assessed, base.assessed
    if year_month is not None:
        year_start = year_start_day(started, year_month)
        if year_start > before:
            assessed = np.where(days >= year_start, assessed, 0)
            base_assessed = np.zeros_like(base_assessed)
    moved = Entries(entries.recorded_at, entries.keys, np.maximum(days - started, 0), entries.overall, assessed)
    gone, left = blocks.select(moved, past), blocks.select(moved, ~past)
    bases = [Base(base.keys, base.overall, base_assessed), Base(gone.keys, gone.overall, gone.assessed)]
    order = blocks.ranks_by(left.keys >> blocks.KEY_BITS, left.recorded_at, left.keys, left.days)
    streams = sorted(sources)
    following = blocks.pack_each(
        starts, blocks.reduce_base(bases), blocks.sum_sorted(blocks.select(left, order)), streams
    )
    return bundle(zip(streams, following, strict=True))


def bundle(numbered: Iterable[tuple[int, bytes]]) -> bytes:
    """Blocks or tails of several streams as one: each behind the number of its stream and its length."""
    return b"".join(_LABEL.pack(number, len(data)) + data for number, data in numbered)


def unbundle(bundled: bytes) -> Iterator[tuple[int, bytes]]:
    """What a bundle holds."""
    at = 0
    while at < len(bundled):
        number, length = _LABEL.unpack_from(bundled, at)
        at += _LABEL.size
        yield number, bundled[at : at + length]
        at += length
