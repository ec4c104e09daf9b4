"""The projector's composition root: settings → database and log → the loop; and `verify` on the real projection.

Logging and signals are the caller's; so is the server, where the database is the embedded one.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket

import asyncpg
import structlog

from schemas.topics import EMBEDDED_PARTITIONS, FACTS, KAFKA_PARTITIONS
from services.projector.changes import announced, announcing
from services.projector.feed import Feed, is_transient
from services.projector.following import Source, VersionLoops
from services.projector.keeping import BLOCKS
from services.projector.loop import Loop, Pace, wait_for
from services.projector.projections import reporting, timeline
from services.projector.reporting import Reporting, follow_reporting, reporting_beside
from services.projector.turns import Leading
from services.projector.verify import VerifyResult, verify
from services.projector.versions import ensure_versions
from services.runtime.clock import utc_now
from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.postgres import open_pool
from services.runtime.settings import InvalidSettings, Settings

START_AGAIN_SECONDS = 0.5
CONNECTIONS_MAX = 8
CLOSE_SECONDS = 5.0

logger = structlog.get_logger(__name__)


async def run_projector(settings: Settings, *, stop: asyncio.Event, pace: Pace | None = None) -> None:
    """Keep the views at the end of the log until `stop`.

    Raises InvalidSettings, PostgresError when no database comes, RolesMissing, LogRecreated, and whatever is a defect
    of the program.
    """
    if settings.database_dsn is None:
        raise InvalidSettings("MARKLEDGER_DATABASE_URL: the projector alone needs a database; `markledger up` has one")
    pool = await open_pool(settings.database_dsn, size_max=CONNECTIONS_MAX, application="markledger projector")
    try:
        log = await open_log(settings, pool)
        try:
            partitions = KAFKA_PARTITIONS if settings.kafka_bootstrap else EMBEDDED_PARTITIONS
            source = await _open_source(pool, log, partitions, stop)
            if source is None:
                return
            leading = Leading()
            async with (
                announcing(settings, log, utc_now) as announcer,
                reporting_beside(_reporting(settings, pool, log, source, pace, leading), stop),
            ):

                def make_loop(feed: Feed) -> Loop:
                    keeping = announced(BLOCKS, announcer)
                    return Loop(
                        pool, log, feed, timeline, worker_name(), pace or Pace(), keeping=keeping, turns=leading
                    )

                await VersionLoops(pool, source, timeline, make_loop).run(stop)
        finally:
            await log.close()
    finally:
        await _close(pool)


def _reporting(
    settings: Settings, pool: asyncpg.Pool, log: Log, source: Source, pace: Pace | None, leading: Leading
) -> Reporting | None:
    """What keeps the reporting rows beside the timeline, unless it is switched off."""

    def make_loop(feed: Feed) -> Loop:
        return follow_reporting(pool, log, feed, worker_name(), pace or Pace(), leading)

    return Reporting(pool, VersionLoops(pool, source, reporting, make_loop)) if settings.reporting else None


async def _close(pool: asyncpg.Pool) -> None:
    """Close the pool; connections that do not come back, as after an error of ours, are dropped."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def verify_views(pool: asyncpg.Pool, log: Log) -> VerifyResult:
    """Compare the timeline views with a replay of the log; see `verify`."""
    return await verify(pool, log, projection=timeline, topic=FACTS.name)


def worker_name() -> str:
    """A name that no other run of any process has, and that tells an operator where to look."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


async def _open_source(pool: asyncpg.Pool, log: Log, partitions: int, stop: asyncio.Event) -> Source | None:
    """The topic and the tables, made if they are missing; None if `stop` comes before the log does."""
    while not stop.is_set():
        try:
            await log.create_topic(FACTS.name, partitions, retention_ms=FACTS.retention_ms, compacted=FACTS.compacted)
            await ensure_versions(pool, timeline.NAME, timeline.VERSION)
            return Source(FACTS.name, await log.log_id(FACTS.name), partitions)
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("waiting to start", exc_info=error)
            await wait_for(stop, START_AGAIN_SECONDS)
    return None
