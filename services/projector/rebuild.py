"""A new version of the views built from the log beside the one that reports read, while that one serves.

Partition by partition: folded in memory (`bulk`), then written with its checkpoint in one transaction, so that a
rebuild that was killed goes on with the next partition when it is asked for again. When all are built, the projectors
keep the version up to date. One rebuild of a projection at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import structlog

from services.projector.bulk import Built, PartitionBuild
from services.projector.feed import Feed, is_transient
from services.projector.leases import HEARTBEAT_SECONDS, LEASE_SECONDS, Leases
from services.projector.projection import Projection
from services.projector.schools import FACTS_HELD_MAX
from services.projector.store import Move, SchoolChanges, Store
from services.projector.versions import begin_version, follow_version
from services.runtime.log.interface import Log

PART_BYTES = 16 * 2**20
"""What is sent to PostgreSQL in one go."""
OWN_SECONDS_MAX = 2 * LEASE_SECONDS
_POLL_SECONDS = 0.2

logger = structlog.get_logger(__name__)

Tell = Callable[["Progress"], None]


class RebuildRunning(Exception):
    """Another process rebuilds this projection at this moment."""


class RebuildFailed(Exception):
    """A rule cannot fold a partition; nothing of it was written."""


class Progress(msgspec.Struct, frozen=True):
    """A partition is done; `found` if an earlier run had built it."""

    partition: int
    partitions: int
    schools: int = 0
    facts: int = 0
    dead_letters: int = 0
    found: bool = False


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild did. `found`: partitions that an earlier run had built."""

    version: int
    partitions: int
    found: int
    schools: int
    facts: int
    dead_letters: int
    seconds: float


async def rebuild(
    pool: asyncpg.Pool,
    log: Log,
    projection: Projection,
    topic: str,
    *,
    worker: str,
    tell: Tell = lambda _: None,
    facts_held_max: int = FACTS_HELD_MAX,
) -> Rebuilt:
    """Build the next version, or finish the one that was begun. `worker`: a name that was never used before.

    Raises RebuildRunning, RebuildFailed, RolesMissing, LogRecreated, and what the log and the database raise.
    """
    started = asyncio.get_running_loop().time()
    async with _alone(pool, projection.NAME):
        version = await begin_version(pool, projection.NAME, projection.VERSION)
        partitions = await log.partitions(topic)
        feed = Feed(projection.NAME, version, topic, await log.log_id(topic), partitions)
        async with _owning(pool, feed, worker) as offsets:
            work = _Rebuild(log, projection, feed, Store(pool, feed, worker), facts_held_max, tell)
            try:
                await work.build(offsets)
            finally:
                await work.close()
        await follow_version(pool, projection.NAME, version)
    return Rebuilt(
        version=version,
        partitions=partitions,
        found=sum(one.found for one in work.done),
        schools=sum(one.schools for one in work.done),
        facts=sum(one.facts for one in work.done),
        dead_letters=sum(one.dead_letters for one in work.done),
        seconds=asyncio.get_running_loop().time() - started,
    )


class _Rebuild:
    """The work on the partitions, one after the other; one is written while the next is folded."""

    def __init__(
        self, log: Log, projection: Projection, feed: Feed, store: Store, facts_held_max: int, tell: Tell
    ) -> None:
        self._log = log
        self._projection = projection
        self._feed = feed
        self._store = store
        self._facts_held_max = facts_held_max
        self._tell = tell
        self._reader = log.reader(self._feed.topic)
        self.done: list[Progress] = []

    async def build(self, offsets: Mapping[int, int]) -> None:
        """Build the partitions that stand at 0, each to its present end."""
        writing: asyncio.Task[None] | None = None
        try:
            for partition, offset in sorted(offsets.items()):
                end = (await self._log.bounds(self._feed.topic, partition))[1]
                if offset > 0 or end == 0:
                    self._note(Progress(partition, self._feed.partitions, found=offset > 0))
                    continue
                built = await self._fold(partition, end)
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(partition, built))
        finally:
            if writing is not None:
                await writing

    async def close(self) -> None:
        """Leave the log."""
        await self._reader.close()

    async def _fold(self, partition: int, end: int) -> Built:
        build = PartitionBuild(self._projection, partition, self._feed.partitions, facts_held_max=self._facts_held_max)
        try:
            return await build.run(self._reader, end)
        except Exception as error:
            if is_transient(error) or type(error).__module__.startswith("services.runtime."):
                raise
            raise RebuildFailed(f"partition {partition} cannot be folded: {type(error).__name__}") from error

    async def _write(self, partition: int, built: Built) -> None:
        move = Move(
            partition=partition,
            expected=0,
            next_offset=built.until,
            end_offset=built.until,
            appended_ms=built.appended_ms,
            facts=built.facts,
            skipped=built.skipped,
            fold_seconds=built.fold_seconds,
        )
        dead_letters = [(partition, dead) for dead in built.dead_letters]
        await self._store.commit_in_parts([move], _in_parts(built.schools), dead_letters)
        self._note(
            Progress(
                partition,
                self._feed.partitions,
                schools=len(built.schools),
                facts=built.facts,
                dead_letters=len(built.dead_letters),
            )
        )

    def _note(self, progress: Progress) -> None:
        self.done.append(progress)
        self._tell(progress)


@asynccontextmanager
async def _alone(pool: asyncpg.Pool, projection: str) -> AsyncIterator[None]:
    """Nobody else rebuilds the projection; a process that dies lets go at once. Raises RebuildRunning."""
    async with pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", f"rebuild {projection}"):
            raise RebuildRunning(f"another process rebuilds {projection} at this moment: wait for it")
        yield


@asynccontextmanager
async def _owning(pool: asyncpg.Pool, feed: Feed, worker: str) -> AsyncIterator[dict[int, int]]:
    """All partitions of the feed are ours, with where they stand; a killed rebuild's lease runs out first."""
    leases = Leases(pool, feed, worker)
    await leases.enter()
    beating = asyncio.create_task(_beat(leases))
    try:
        owned = await leases.balance()
        async with asyncio.timeout(OWN_SECONDS_MAX):
            while len(owned) < feed.partitions:
                await asyncio.sleep(_POLL_SECONDS)
                owned = await leases.balance()
        yield owned
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        await leases.leave()


async def _beat(leases: Leases) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        try:
            await leases.beat()
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("the lease was not renewed", exc_info=error)


def _in_parts(schools: Sequence[SchoolChanges]) -> list[list[SchoolChanges]]:
    """The schools in parts of about PART_BYTES, each school whole."""
    parts: list[list[SchoolChanges]] = [[]]
    room = PART_BYTES
    for one in schools:
        if room <= 0:
            parts.append([])
            room = PART_BYTES
        parts[-1].append(one)
        room -= len(one.changes.detail) + sum(len(data) for _, data in one.changes.blocks)
    return parts
