"""How fast all views are rebuilt from the log itself, on both cores, against eventsourcing's rate on a sample."""

from __future__ import annotations

import asyncio
import os
import time

import asyncpg

from benchmarks.figures import Figure, UnequalAnswers, not_measured, ratio
from benchmarks.filled import POLL_SECONDS, rebuild_all, settling
from benchmarks.stage import Stage
from schemas.topics import EMBEDDED_PARTITIONS, FACTS
from services.projector.comparison import compare
from services.projector.feed import Feed
from services.projector.keeping import BLOCKS, Keeping
from services.projector.loop import Loop, Pace
from services.projector.projections import timeline
from services.projector.tables import create_tables
from services.projector.versions import read_versions
from services.runtime.log.embedded import EmbeddedLog

COMPARED_FACTS_MAX = 600_000
PEER_EVENTS = 3_000


async def measure(stage: Stage) -> list[Figure]:
    """The rebuild that filled the stage; the peer right now. A small stage is built again, and must come out equal."""
    peer, reason = 0.0, ""
    try:
        peer = await _peer(stage)
    except Exception as error:  # the peer cannot be had
        reason = f"{type(error).__name__}: {error}"
    filled = stage.filled
    compared = "a second one compared in the small run only"
    if filled.facts <= COMPARED_FACTS_MAX:
        await rebuild_all(stage.url, stage.pool)
        await _compare(stage)
        compared = "views of a second one equal to these and what was folded live since"
    rate = filled.rebuilt / filled.rebuild_seconds
    note = f"{filled.rebuilt:,} facts in {filled.rebuild_seconds:,.1f} s from the log itself, timeline, {compared}"
    return [
        Figure("rebuild, scaled to 10 million facts", 1e7 / rate, "s", "≤ 60", note),
        Figure("  facts a second", rate, "facts/s", "", f"{os.cpu_count()} builders; {stage.note}"),
        ratio(f"eventsourcing, {PEER_EVENTS:,} events", peer, rate, "≥ 1,000", unit="facts/s")
        if peer
        else not_measured("  against eventsourcing", reason, "≥ 1,000"),
    ]


async def _compare(stage: Stage) -> None:
    """Raise UnequalAnswers unless the views that were rebuilt last are those that reports read."""
    versions = {each.version: each.active for each in await read_versions(stage.pool, timeline.NAME)}
    (active,) = (version for version, is_active in versions.items() if is_active)
    log = EmbeddedLog(stage.pool)
    try:
        found = await compare(stage.pool, log, timeline, FACTS.name, (active, max(versions)))
    finally:
        await log.close()
    if not found.equal:
        raise UnequalAnswers(f"the rebuilt views differ: {found.differences}")


async def _peer(stage: Stage) -> float:
    from benchmarks.event_peers import append_by_eventsourcing, project_by_eventsourcing
    from benchmarks.projection import judged_of

    await stage.pool.execute("CREATE DATABASE eventsourcing")
    url = stage.url.replace("/markledger?", "/eventsourcing?")
    judged = judged_of(stage.made[0][1])[:PEER_EVENTS]
    await asyncio.to_thread(append_by_eventsourcing, url, judged, 1_000)
    return await asyncio.to_thread(project_by_eventsourcing, url, len(judged))


async def fold_live(
    pool: asyncpg.Pool,
    log: EmbeddedLog,
    facts: int,
    pace: Pace | None = None,
    keeping: Keeping = BLOCKS,
    *,
    settle: bool = False,
) -> float:
    """The seconds until the loop of the projector has folded everything. `settle`: it goes on merging tails then."""
    await create_tables(pool, timeline.NAME, timeline.VERSION)
    feed = Feed(timeline.NAME, timeline.VERSION, FACTS.name, await log.log_id(FACTS.name), EMBEDDED_PARTITIONS)
    stop = asyncio.Event()
    started = time.perf_counter()
    loop = Loop(pool, log, feed, timeline, "benchmark of the loop", pace or Pace(), keeping=keeping)
    folding = asyncio.create_task(loop.run(stop))
    while not folding.done() and await pool.fetchval("SELECT sum(facts) FROM projection.partition") != facts:  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - started
    unsettled = settling(pool)
    while settle and await unsettled():
        pass
    stop.set()
    await folding
    return seconds
