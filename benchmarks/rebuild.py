"""How fast views are rebuilt beside the live ones, against the live fold of the same log in the same minutes."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from benchmarks.figures import Figure
from benchmarks.filled import POLL_SECONDS, append_schools, opened
from benchmarks.load import make_school
from schemas.topics import EMBEDDED_PARTITIONS, FACTS
from services.projector.builders import Builders
from services.projector.comparison import compare
from services.projector.feed import Feed
from services.projector.loop import Loop, Pace
from services.projector.projections import timeline
from services.projector.rebuild import rebuild
from services.projector.tables import create_tables
from services.runtime.log.embedded import EmbeddedLog

SEED = 4


def measure_rebuild(schools: int, back_end: str) -> Iterator[Figure]:
    """Facts a second of both, over so many schools of the load (about 45,000 facts each)."""
    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory:
        facts, live, rebuilt = asyncio.run(_measure(Path(directory), schools))
    note = f"{facts:,} facts of {schools} schools, timeline alone, {back_end}"
    yield Figure("live fold", facts / live, "facts/s", "", note)
    yield Figure("rebuild beside it", facts / rebuilt, "facts/s", f"≥ {facts / live:,.0f}", f"{note}; both were equal")


async def _measure(directory: Path, schools: int) -> tuple[int, float, float]:
    async with opened(directory) as (url, pool):
        facts = await append_schools(pool, (make_school(number, SEED) for number in range(schools)))
        log = EmbeddedLog(pool)
        try:
            live = await _fold_live(pool, log, facts)
            started = time.perf_counter()
            builders = Builders(len(os.sched_getaffinity(0)), timeline.__name__, url)
            await rebuild(pool, log, timeline, FACTS.name, worker="benchmark of the rebuild", builders=builders)
            rebuilt = time.perf_counter() - started
            compared = await compare(pool, log, timeline, FACTS.name, (1, 2))
            assert compared.equal, compared.differences
        finally:
            await log.close()
    return facts, live, rebuilt


async def _fold_live(pool: asyncpg.Pool, log: EmbeddedLog, facts: int) -> float:
    """The seconds until the loop of the projector has folded everything."""
    await create_tables(pool, timeline.NAME, timeline.VERSION)
    feed = Feed(timeline.NAME, timeline.VERSION, FACTS.name, await log.log_id(FACTS.name), EMBEDDED_PARTITIONS)
    stop = asyncio.Event()
    started = time.perf_counter()
    folding = asyncio.create_task(Loop(pool, log, feed, timeline, "benchmark of the loop", Pace()).run(stop))
    while not folding.done() and await pool.fetchval("SELECT sum(facts) FROM projection.partition") != facts:  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - started
    stop.set()
    await folding
    return seconds
