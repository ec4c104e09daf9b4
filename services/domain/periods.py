"""Sets of instants as sorted, disjoint half-open periods (from, to), in whole seconds: when something stands.

Pure interval algebra; which facts stand when is decided in `services.domain.standing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.documents import FOREVER

Periods = tuple[tuple[int, int], ...]

NEVER: Periods = ()


def since(instant: int) -> Periods:
    """From `instant` on, for ever."""
    return ((instant, FOREVER),)


def holds_at(periods: Periods, instant: int) -> bool:
    """Whether `instant` lies in one of the periods."""
    return any(start <= instant < end for start, end in periods)


def without(periods: Periods, removed: Periods) -> Periods:
    """What of `periods` lies outside `removed`."""
    if not removed:
        return periods
    kept: list[tuple[int, int]] = []
    for start, end in periods:
        at = start
        for cut_start, cut_end in removed:
            if cut_end <= at or cut_start >= end:
                continue
            if cut_start > at:
                kept.append((at, cut_start))
            at = max(at, cut_end)
        if at < end:
            kept.append((at, end))
    return tuple(kept)


def union(many: Iterable[Periods]) -> Periods:
    """All instants of any of them."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(period for periods in many for period in periods):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def changes(many: Sequence[Periods]) -> list[int]:
    """The instants at which any of them begins or ends, rising, without FOREVER."""
    return sorted({edge for periods in many for period in periods for edge in period if edge != FOREVER})
