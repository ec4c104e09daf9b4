"""The sums of many blocks at once: the entries of all on one axis, masked by day and instant, added up in one go.

It says what `schemas.blocks.totals_at` says of each block by itself; a call of numpy costs more than the entries of a
school, so what counts is that there are few, however many schools, subjects and days there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.blocks import ASSESSED, DAY_MAX, OVERALL
from services.query.school_index import Ints
from services.query.stored import Segment

Array = npt.NDArray[Any]

_DAY_FLAGS_MAX = DAY_MAX << 2 | 3
_KNOWN_MAX = 2**32 - 1


class Placed(NamedTuple):
    """A segment whose key 0 is `offset` on the axis, asked for a day (an ordinal).

    `year_start`: the first day of the academic year that holds the day; only what is assessed looks at it.
    """

    segment: Segment
    offset: int
    day: int
    year_start: int = 0


def add_up(placed: Sequence[Placed], *, size: int, parts: int, known_at: int, assessed: bool) -> Ints:
    """The sums of all keys as at the days of their segments, as known at an instant: int64, (parts, size).

    What is placed must not overlap. With `assessed`, only what lies in the academic year of the day.
    """
    totals = np.zeros((parts, size), np.int64)
    based = [one for one in placed if not assessed or one.year_start <= one.segment.starts_on]
    bases = [one.segment.base_assessed if assessed else one.segment.base_overall for one in based]
    if bases:
        keys = _shifted([one.segment.base_keys for one in based], based)
        totals[:, keys] = np.concatenate(bases, axis=1, dtype=np.int64)
    add_entries(totals, placed, known_at=known_at, assessed=assessed)
    return totals


def add_entries(totals: Ints, placed: Sequence[Placed], *, known_at: int, assessed: bool) -> None:
    """Add the entries that count to sums of (parts, size)."""
    live = [one for one in placed if one.segment.keys.size and one.day >= one.segment.starts_on]
    if assessed:
        live = [one for one in live if one.year_start - one.segment.starts_on <= DAY_MAX]
    if not live:
        return
    segments = [one.segment for one in live]
    day_flags = _joined([one.day_flags for one in segments])
    last = [min((one.day - one.segment.starts_on) << 2 | 3, _DAY_FLAGS_MAX) for one in live]
    taken = day_flags <= _limits(last, segments)
    taken &= (day_flags & np.uint16(ASSESSED if assessed else OVERALL)) != 0
    if assessed:
        first = [max(one.year_start - one.segment.starts_on, 0) << 2 for one in live]
        if any(first):
            taken &= day_flags >= _limits(first, segments)
    if known_at < max([one.last_recorded_at for one in segments]):
        taken &= _joined([one.recorded_at for one in segments]) <= np.uint32(min(known_at, _KNOWN_MAX))
    keys = _shifted([one.keys for one in segments], live)[taken]
    for part, sums in enumerate(totals):
        changes = _joined([one.changes[part] for one in segments])[taken]
        np.add.at(sums, keys, changes.astype(np.int64, copy=False))


def totals_on_days(segment: Segment, base: Ints, days: Sequence[int], *, known_at: int) -> Ints:
    """What a segment of overall sums says of its keys on several days (rising) at once: int64, (days, keys).

    `base`: what it says before its first day. Each entry is looked at once, however many days there are.
    """
    steps = np.zeros((len(days), base.size), np.int64)
    first = np.searchsorted(
        np.array([min(day - segment.starts_on, DAY_MAX) for day in days]), segment.day_flags.astype(np.int64) >> 2
    )
    taken = (first < len(days)) & ((segment.day_flags & np.uint16(OVERALL)) != 0)
    if known_at < segment.last_recorded_at:
        taken &= segment.recorded_at <= np.uint32(min(known_at, _KNOWN_MAX))
    places = first[taken] * base.size + segment.keys[taken]
    np.add.at(steps.reshape(-1), places, segment.changes[0, taken].astype(np.int64, copy=False))
    totals: Ints = steps.cumsum(axis=0)
    totals += base
    return totals


def _limits(limits: Sequence[int], segments: Sequence[Segment]) -> Any:
    """One limit for every entry if all segments have the same, else one for each."""
    if min(limits) == max(limits):
        return np.uint16(limits[0])
    return np.repeat(np.array(limits, np.uint16), [one.keys.size for one in segments])


def _joined(arrays: Sequence[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _shifted(keys: Sequence[Array], placed: Sequence[Placed]) -> Ints:
    """The keys of all segments on the axis."""
    joined = np.concatenate(keys, dtype=np.int64, casting="unsafe")
    if len(placed) == 1:
        return joined + placed[0].offset if placed[0].offset else joined
    joined += np.repeat(np.array([one.offset for one in placed]), [one.size for one in keys])
    return joined
