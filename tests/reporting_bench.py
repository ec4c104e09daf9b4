"""A reporting projection under test: its loop on an embedded log, and what a reader asks of its views."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from schemas.codec import encode_fact
from schemas.events import AnyFact
from schemas.topics import FACTS, partition_for
from services.projector.feed import Feed
from services.projector.keeping import ROWS
from services.projector.loop import Loop, Pace
from services.projector.projections import reporting
from services.projector.status import read_status
from services.projector.tables import create_tables
from services.runtime.log.interface import Log
from tests.projector_bench import PARTITIONS, QUICK, until


async def open_reporting(pool: asyncpg.Pool, log: Log) -> Feed:
    """The topic and the tables, made if need be."""
    await log.create_topic(FACTS.name, PARTITIONS, retention_ms=FACTS.retention_ms, compacted=FACTS.compacted)
    await create_tables(pool, reporting.NAME, reporting.VERSION)
    return Feed(reporting.NAME, reporting.VERSION, FACTS.name, await log.log_id(FACTS.name), PARTITIONS)


async def send(log: Log, facts: Sequence[AnyFact]) -> None:
    """Append facts, each to the partition of its school, in order."""
    partitions = await log.partitions(FACTS.name)
    by_partition: dict[int, list[tuple[bytes, bytes | None]]] = {}
    for fact in facts:
        key = fact.school.encode()
        by_partition.setdefault(partition_for(key, partitions), []).append((key, encode_fact(fact)))
    for partition, items in by_partition.items():
        await log.append(FACTS.name, partition, items)


@asynccontextmanager
async def following(pool: asyncpg.Pool, log: Log, feed: Feed, name: str, pace: Pace = QUICK) -> AsyncIterator[None]:
    """A worker of its own inside the block; at its end everything that is in the log is in the rows."""
    stop = asyncio.Event()
    task = asyncio.create_task(Loop(pool, log, feed, reporting, name, pace, keeping=ROWS).run(stop))
    try:
        yield

        async def done() -> bool:
            if task.done():
                task.result()
            return await is_level(pool, log)

        await until(done)
    finally:
        stop.set()
        await task


async def is_level(pool: asyncpg.Pool, log: Log) -> bool:
    """Whether the reporting rows hold all that is in the log."""
    rows = [row for row in await read_status(pool) if row.projection == reporting.NAME]
    offsets = {row.partition: row.next_offset for row in rows}
    ends = {number: (await log.bounds(FACTS.name, number))[1] for number in range(await log.partitions(FACTS.name))}
    return offsets == ends
