"""A new version of the views built from the log beside the one that reports read, while that one serves.

Partition by partition (`builders`): folded in memory, then written with its checkpoint in one transaction, so that a
rebuild that was killed goes on with the next partition when it is asked for again. When all are built, the projectors
keep the version up to date. One rebuild of a projection at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import asyncpg
import msgspec
import structlog

from services.projector.builders import Builder, Builders, Order, Progress, build_beside, build_here
from services.projector.bulk import FACTS_HELD_MAX
from services.projector.feed import Feed, is_transient
from services.projector.leases import HEARTBEAT_SECONDS, LEASE_SECONDS, Leases
from services.projector.projection import Projection
from services.projector.store import Store
from services.projector.versions import begin_version, follow_version
from services.runtime.log.interface import Log

OWN_SECONDS_MAX = 2 * LEASE_SECONDS
_POLL_SECONDS = 0.2

logger = structlog.get_logger(__name__)

Tell = Callable[[Progress], None]


class RebuildRunning(Exception):
    """Another process rebuilds this projection at this moment."""


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
    builders: Builders | None = None,
) -> Rebuilt:
    """Build the next version, or finish the one that was begun. `worker`: a name that was never used before.

    `builders`: processes to build in, instead of this one; each may hold `facts_held_max` facts.
    Raises RebuildRunning, RebuildFailed, RolesMissing, LogRecreated, and what the log and the database raise.
    """
    started = asyncio.get_running_loop().time()
    async with _alone(pool, projection.NAME):
        version = await begin_version(pool, projection.NAME, projection.VERSION)
        partitions = await log.partitions(topic)
        feed = Feed(projection.NAME, version, topic, await log.log_id(topic), partitions)
        async with _owning(pool, feed, worker) as offsets:
            builder = Builder(log, projection, Store(pool, feed, worker))
            orders: list[Order] = []
            done: list[Progress] = []
            for partition, offset in sorted(offsets.items()):
                end = (await log.bounds(topic, partition))[1]
                if offset > 0 or end == 0:
                    done.append(Progress(partition, partitions, found=offset > 0))
                    tell(done[-1])
                else:
                    orders.append(Order(feed, worker, partition, end, facts_held_max))
            building = build_beside(builders, orders) if builders and orders else build_here(builder, orders)
            async with aclosing(building):
                async for progress in building:
                    done.append(progress)
                    tell(progress)
        await follow_version(pool, projection.NAME, version)
    return Rebuilt(
        version=version,
        partitions=partitions,
        found=sum(one.found for one in done),
        schools=sum(one.schools for one in done),
        facts=sum(one.facts for one in done),
        dead_letters=sum(one.dead_letters for one in done),
        seconds=asyncio.get_running_loop().time() - started,
    )


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
