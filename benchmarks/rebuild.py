"""How fast all views are rebuilt from the log itself, on both cores, against eventsourcing's rate on a sample."""

from __future__ import annotations

import asyncio
import os
import time

import asyncpg

from benchmarks.figures import Figure, UnequalAnswers, not_measured, ratio
from benchmarks.filled import POLL_SECONDS
from benchmarks.stage import Stage
from schemas.topics import EMBEDDED_PARTITIONS, FACTS
from services.projector.builders import Builders
from services.projector.comparison import compare
from services.projector.feed import Feed
from services.projector.loop import Loop, Pace
from services.projector.projections import timeline
from services.projector.rebuild import rebuild
from services.projector.tables import create_tables
from services.runtime.log.embedded import EmbeddedLog

COMPARED_FACTS_MAX = 600_000
PEER_EVENTS = 3_000


async def measure(stage: Stage) -> list[Figure]:
    """The rebuild of everything on the stage; the peer right before it."""
    peer, reason = 0.0, ""
    try:
        peer = await _peer(stage)
    except Exception as error:  # the peer cannot be had
        reason = f"{type(error).__name__}: {error}"
    log = EmbeddedLog(stage.pool)
    try:
        await stage.pool.execute("CHECKPOINT")
        started = time.perf_counter()
        builders = Builders(os.cpu_count() or 1, timeline.__name__, stage.url)
        await rebuild(stage.pool, log, timeline, FACTS.name, worker="benchmark of the rebuild", builders=builders)
        seconds = time.perf_counter() - started
        compared = "not compared at this size; the small run compares"
        if stage.facts <= COMPARED_FACTS_MAX:
            found = await compare(stage.pool, log, timeline, FACTS.name, (1, 2))
            if not found.equal:
                raise UnequalAnswers(f"the rebuilt views differ: {found.differences}")
            compared = "equal to the live views"
    finally:
        await log.close()
    rate = stage.facts / seconds
    note = f"{stage.facts:,} facts in {seconds:,.1f} s, from the log itself, timeline, {compared}"
    return [
        Figure("rebuild, scaled to 10 million facts", 1e7 / rate, "s", "≤ 60", note),
        Figure("  facts a second", rate, "facts/s", "", note),
        ratio(f"eventsourcing, {PEER_EVENTS:,} events", peer, rate, "≥ 1,000", unit="facts/s")
        if peer
        else not_measured("  against eventsourcing", reason, "≥ 1,000"),
    ]


async def _peer(stage: Stage) -> float:
    from benchmarks.event_peers import append_by_eventsourcing, project_by_eventsourcing
    from benchmarks.projection import judged_of

    await stage.pool.execute("CREATE DATABASE eventsourcing")
    url = stage.url.replace("/markledger?", "/eventsourcing?")
    judged = judged_of(stage.made[0][1])[:PEER_EVENTS]
    await asyncio.to_thread(append_by_eventsourcing, url, judged, 1_000)
    return await asyncio.to_thread(project_by_eventsourcing, url, len(judged))


async def fold_live(pool: asyncpg.Pool, log: EmbeddedLog, facts: int, pace: Pace | None = None) -> float:
    """The seconds until the loop of the projector has folded everything."""
    await create_tables(pool, timeline.NAME, timeline.VERSION)
    feed = Feed(timeline.NAME, timeline.VERSION, FACTS.name, await log.log_id(FACTS.name), EMBEDDED_PARTITIONS)
    stop = asyncio.Event()
    started = time.perf_counter()
    folding = asyncio.create_task(Loop(pool, log, feed, timeline, "benchmark of the loop", pace or Pace()).run(stop))
    while not folding.done() and await pool.fetchval("SELECT sum(facts) FROM projection.partition") != facts:  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - started
    stop.set()
    await folding
    return seconds
