"""The reporting projection beside the timeline in one process: loops that give way, and what becomes of a failure.

Reports do not read these rows, so a defect here must not stop the timeline: it is logged, and the loops start again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import structlog

from services.projector.feed import Feed
from services.projector.following import VersionLoops
from services.projector.keeping import ROWS
from services.projector.loop import Loop, Pace, wait_for
from services.projector.projections import reporting
from services.projector.turns import Following, Leading
from services.projector.versions import ensure_versions
from services.runtime.log.interface import Log

FACTS_HELD_MAX = 50_000
"""Less than the timeline holds: two projections share the memory of a process."""
RECORDS_MAX = 10_000
"""Fewer at a time than the timeline: each fact makes rows."""
START_AGAIN_SECONDS = 5.0
READERS_ROLE = "markledger_reporting"

logger = structlog.get_logger(__name__)


class Reporting:
    """Keeps the reporting rows, whatever happens to it."""

    def __init__(self, pool: asyncpg.Pool, loops: VersionLoops) -> None:
        self._pool = pool
        self._loops = loops

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`."""
        while not stop.is_set():
            try:
                await ensure_versions(self._pool, reporting.NAME, reporting.VERSION)
                await self._look_for_role()
                await self._loops.run(stop)
            except Exception as error:  # the edge of what is not needed for a report
                logger.error("the reporting rows are not kept; to be tried again", exc_info=error)
                await wait_for(stop, START_AGAIN_SECONDS)

    async def _look_for_role(self) -> None:
        if await self._pool.fetchval("SELECT to_regrole($1)", READERS_ROLE) is None:
            logger.warning("nobody can be let in to read: this database user may not make roles", missing=READERS_ROLE)


@asynccontextmanager
async def reporting_beside(kept: Reporting | None, stop: asyncio.Event) -> AsyncIterator[None]:
    """Keep the reporting rows while the block runs; None = they are switched off."""
    task = None if kept is None else asyncio.create_task(kept.run(stop))
    try:
        yield
    except BaseException:
        if task is not None:
            task.cancel()
        raise
    finally:
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)


def follow_reporting(pool: asyncpg.Pool, log: Log, feed: Feed, worker: str, pace: Pace, leader: Leading) -> Loop:
    """A loop on a version of the reporting projection that gives way to `leader`."""
    pace = msgspec.structs.replace(
        pace,
        facts_held_max=min(pace.facts_held_max, FACTS_HELD_MAX),
        records_max=min(pace.records_max, RECORDS_MAX),
    )
    return Loop(pool, log, feed, reporting, worker, pace, keeping=ROWS, turns=Following(leader))
