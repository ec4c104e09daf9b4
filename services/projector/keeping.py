"""How a projection is kept: which store writes what it makes, and what looks after the rows between two batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import asyncpg
import msgspec

from services.projector.compaction import Compaction
from services.projector.feed import Feed
from services.projector.projection import Projection
from services.projector.reporting_store import ReportingStore
from services.projector.row_upkeep import RowUpkeep
from services.projector.schools import Schools
from services.projector.store import SchoolChanges, Store


class Upkeep(Protocol):
    """What the loop gives a bounded piece of work to between two batches."""

    def note(self, changed: Sequence[SchoolChanges]) -> None: ...

    async def watch(self, partitions: Collection[int]) -> None: ...

    def forget(self, partitions: Collection[int]) -> None: ...

    @property
    def is_due(self) -> bool: ...

    async def work(self, offsets: Mapping[int, int], *, idle: bool) -> None: ...


class Keeping(msgspec.Struct, frozen=True):
    """The store and the upkeep of a kind of projection."""

    store: Callable[[asyncpg.Pool, Feed, str], Store]
    upkeep: Callable[[asyncpg.Pool, Feed, Store, Projection, Schools], Upkeep]


def _row_upkeep(pool: asyncpg.Pool, feed: Feed, store: Store, projection: Projection, schools: Schools) -> Upkeep:
    return RowUpkeep(pool, feed, store)


BLOCKS = Keeping(Store, Compaction)
"""Blocks and tails, as the timeline."""
ROWS = Keeping(ReportingStore, _row_upkeep)
"""Plain rows, as the reporting projection."""
