"""How far the views are behind the log, and what stands still: written by the owner of a partition, read by anyone.

`projection.status` is the view to read with SQL; `read_status` is the same for the command line and the metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import asyncpg
import msgspec

from services.projector.decoding import printable
from services.projector.feed import Feed

_OURS = "projection = $1 AND version = $2 AND topic = $3 AND owner = $4"

_STOP = f"""
UPDATE projection.partition
   SET stopped_reason = $6, stopped_at = coalesce(stopped_at, clock_timestamp()),
       applied_at = greatest(applied_at, clock_timestamp() - make_interval(secs => $7))
 WHERE {_OURS} AND partition = $5"""

_STOP_ALL = """
UPDATE projection.partition SET stopped_reason = $4, stopped_at = coalesce(stopped_at, clock_timestamp())
 WHERE projection = $1 AND version = $2 AND topic = $3"""

_SET_END = f"""
UPDATE projection.partition AS p SET end_offset = e.end_offset
  FROM unnest($5::integer[], $6::bigint[]) AS e (partition, end_offset)
 WHERE {_OURS} AND p.partition = e.partition AND p.end_offset <> e.end_offset"""

_CLEAR = f"""
UPDATE projection.partition SET stopped_reason = NULL, stopped_at = NULL
 WHERE {_OURS} AND partition = ANY($5::integer[]) AND stopped_reason IS NOT NULL"""


class PartitionStatus(msgspec.Struct, frozen=True):
    """One partition of a projection. `owned`: a living process works on it; `stopped_reason`: and why it does not.

    `state`: that of its version, see `projection.version`.
    """

    projection: str
    version: int
    topic: str
    partition: int
    next_offset: int
    end_offset: int
    lag_records: int
    lag_seconds: float
    applied_at: datetime
    owner: str | None
    owned: bool
    stopped_reason: str | None
    stopped_at: datetime | None
    facts: int
    skipped: int
    fold_seconds: float
    dead_letters: int
    state: str = "following"

    @property
    def idle(self) -> bool:
        """Whether a projector should work on it and none does; what a rebuild has begun is the rebuild's."""
        return self.state == "following" and not self.owned


async def read_status(pool: asyncpg.Pool) -> list[PartitionStatus]:
    """Every partition of every projection; nothing before the first projector has started."""
    if await pool.fetchval("SELECT to_regclass('projection.status')") is None:
        return []
    columns = ", ".join(PartitionStatus.__struct_fields__)
    rows = await pool.fetch(f"SELECT {columns} FROM projection.status ORDER BY projection, version, topic, partition")
    return [PartitionStatus(**row) for row in rows]


class StatusWriter:
    """Writes into the rows of the partitions that `worker` owns."""

    def __init__(self, pool: asyncpg.Pool, feed: Feed, worker: str) -> None:
        self._pool = pool
        self._feed = feed
        self._ours = (*feed.key, worker)

    async def stop(self, partition: int, reason: str, level_seconds_ago: float) -> None:
        """The partition stands still; `level_seconds_ago` it was not behind."""
        await self._pool.execute(_STOP, *self._ours, partition, printable(reason), level_seconds_ago)

    async def stop_all(self, reason: str) -> None:
        """The whole feed stands still, whoever owns it."""
        await self._pool.execute(_STOP_ALL, *self._feed.key, printable(reason))

    async def set_ends(self, ends: Mapping[int, int]) -> None:
        """The ends of partitions that are not read at the moment."""
        if ends:
            await self._pool.execute(_SET_END, *self._ours, list(ends), list(ends.values()))

    async def clear(self, partitions: Collection[int]) -> None:
        """These partitions have nothing left to do, so nothing stops them: a reason that another owner left is void."""
        if partitions:
            await self._pool.execute(_CLEAR, *self._ours, list(partitions))
