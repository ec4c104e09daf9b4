"""Which partitions are ours: every projector process takes its share, by leases in PostgreSQL and no consumer group.

A worker keeps one lease alive by its heartbeat and owns the partitions that carry its name; when the lease runs out
they are free for the others. Ownership alone protects nothing: each transaction compares and sets the offset under
the owner's name, so that a worker that slept through the end of its lease writes nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from services.projector.feed import Feed
from services.runtime.log.interface import LogRecreated

LEASE_SECONDS = 5.0
HEARTBEAT_SECONDS = 1.0
_FORGET_AFTER_SECONDS = 60.0

_ADD_PARTITIONS = """
INSERT INTO projection.partition (projection, version, topic, partition, log_id)
SELECT $1, $2, $3, partition, $4 FROM generate_series(0, $5::integer - 1) AS partition
ON CONFLICT DO NOTHING"""

_LOG_IDS = """
SELECT DISTINCT log_id FROM projection.partition WHERE projection = $1 AND version = $2 AND topic = $3"""

_HEARTBEAT = """
INSERT INTO projection.worker AS w (worker, projection, version, lease_until, log_seen_at)
VALUES ($3, $1, $2, clock_timestamp() + make_interval(secs => $4), clock_timestamp() - make_interval(secs => $5))
ON CONFLICT (worker) DO UPDATE SET lease_until = excluded.lease_until, log_seen_at = excluded.log_seen_at"""

_COUNT_LIVE = """
SELECT count(*) FROM projection.worker
 WHERE projection = $1 AND version = $2 AND lease_until > clock_timestamp()"""

_RELEASE = """
UPDATE projection.partition SET owner = NULL
 WHERE projection = $1 AND version = $2 AND topic = $3 AND owner = $4 AND partition = ANY($5::integer[])"""

_CLAIM = """
WITH free AS (
    SELECT partition FROM projection.partition AS p
     WHERE projection = $1 AND version = $2 AND topic = $3
       AND NOT EXISTS (SELECT 1 FROM projection.worker AS w
                        WHERE w.worker = p.owner AND w.lease_until > clock_timestamp())
     ORDER BY partition LIMIT $5 FOR UPDATE SKIP LOCKED)
UPDATE projection.partition AS p SET owner = $4 FROM free
 WHERE p.projection = $1 AND p.version = $2 AND p.topic = $3 AND p.partition = free.partition"""

_OWNED = """
SELECT partition, next_offset FROM projection.partition
 WHERE projection = $1 AND version = $2 AND topic = $3 AND owner = $4 ORDER BY partition"""


class Leases:
    """The leases of one worker on one feed. `worker` is a name that no other run of any process has."""

    def __init__(self, pool: asyncpg.Pool, feed: Feed, worker: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._pool = pool
        self._feed = feed
        self._lease_seconds = lease_seconds
        self._log_seen: float | None = None
        self.worker = worker

    async def enter(self) -> None:
        """Make the rows of the feed. Raises LogRecreated where stored offsets belong to another topic."""
        feed = self._feed
        async with self._pool.acquire() as connection:
            await connection.execute(_ADD_PARTITIONS, *feed.key, feed.log_id, feed.partitions)
            stored = await connection.fetch(_LOG_IDS, *feed.key)
        others = [row["log_id"] for row in stored if row["log_id"] != feed.log_id]
        if others:
            raise LogRecreated(
                f"{feed.topic} is {feed.log_id}, but the offsets of {feed.projection} were stored for {others[0]}"
            )

    async def beat(self) -> None:
        """Keep the lease alive; to be called every HEARTBEAT_SECONDS, also while a batch is worked on."""
        await self._beat(self._pool)

    def saw_log(self) -> None:
        """The log has just answered; the next heartbeat says so."""
        self._log_seen = asyncio.get_running_loop().time()

    async def balance(self) -> dict[int, int]:
        """Give up what is more than our share, take what is free, and return our partitions with their offsets.

        Only to be called between batches: nothing may be under way in a partition that is given up.
        """
        feed = self._feed
        async with self._pool.acquire() as connection, connection.transaction():
            await self._beat_and_forget_the_dead(connection)
            live = await connection.fetchval(_COUNT_LIVE, feed.projection, feed.version)
            share = -(-feed.partitions // max(live, 1))
            owned = await self._owned(connection)
            if len(owned) > share:
                surplus = sorted(owned)[share:]
                await connection.execute(_RELEASE, *feed.key, self.worker, surplus)
                owned = {partition: offset for partition, offset in owned.items() if partition not in surplus}
            elif len(owned) < share:
                await connection.execute(_CLAIM, *feed.key, self.worker, share - len(owned))
                owned = await self._owned(connection)
            return owned

    async def leave(self) -> None:
        """Give up everything at once, so that the others need not wait for the lease to run out."""
        feed = self._feed
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE projection.partition SET owner = NULL"
                " WHERE projection = $1 AND version = $2 AND topic = $3 AND owner = $4",
                *feed.key,
                self.worker,
            )
            await connection.execute("DELETE FROM projection.worker WHERE worker = $1", self.worker)

    async def _beat_and_forget_the_dead(self, connection: Any) -> None:
        await self._beat(connection)
        await connection.execute(
            "DELETE FROM projection.worker WHERE lease_until < clock_timestamp() - make_interval(secs => $1)",
            _FORGET_AFTER_SECONDS,
        )

    async def _beat(self, connection: Any) -> None:
        feed = self._feed
        ago = None if self._log_seen is None else asyncio.get_running_loop().time() - self._log_seen
        await connection.execute(_HEARTBEAT, feed.projection, feed.version, self.worker, self._lease_seconds, ago)

    async def _owned(self, connection: Any) -> dict[int, int]:
        rows = await connection.fetch(_OWNED, *self._feed.key, self.worker)
        return {row["partition"]: row["next_offset"] for row in rows}
