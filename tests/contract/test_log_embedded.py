"""The contract of the log on the embedded back end, and what only that one promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.runtime.log.embedded import EmbeddedLog
from services.runtime.log.interface import Log, LogError
from services.runtime.postgres import open_pool
from tests.contract.log_suite import (
    COMPACTED,
    COMPACTED_BATCHES,
    PARTITIONS,
    TOPIC,
    LogBench,
    LogSuite,
    numbered,
)
from tests.servers.embedded import EmbeddedServer


class EmbeddedBench:
    """The embedded log in a fresh database."""

    def __init__(self, server: EmbeddedServer, pool: asyncpg.Pool) -> None:
        self.server = server
        self.pool = pool

    def open(self, append_seconds_max: float = 20.0) -> Log:
        return EmbeddedLog(self.pool, append_seconds_max=append_seconds_max)

    async def delete_topic(self, topic: str) -> None:
        await self.pool.execute(
            "WITH gone AS (DELETE FROM log.topic WHERE name = $1 RETURNING topic) "
            "DELETE FROM log.record WHERE topic IN (SELECT topic FROM gone)",
            topic,
        )

    async def cut_before(self, topic: str, partition: int, offset: int) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            number = await connection.fetchval("SELECT topic FROM log.topic WHERE name = $1", topic)
            await connection.execute(
                "UPDATE log.partition SET first_offset = $3 WHERE topic = $1 AND partition = $2",
                number,
                partition,
                offset,
            )
            await connection.execute(
                'DELETE FROM log.record WHERE topic = $1 AND partition = $2 AND "offset" < $3',
                number,
                partition,
                offset,
            )


@pytest.fixture
async def bench(embedded_postgres: EmbeddedServer, embedded_database_url: str) -> AsyncIterator[LogBench]:
    """The embedded log in a fresh database."""
    pool = await open_pool(embedded_database_url, size_max=20)
    yield EmbeddedBench(embedded_postgres, pool)
    pool.terminate()


class TestEmbeddedLog(LogSuite):
    """All of the contract."""

    async def test_offsets_have_no_gaps_even_where_an_append_rolled_back(self, bench: EmbeddedBench, log: Log) -> None:
        await log.append(TOPIC, 0, numbered(3))
        async with bench.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("UPDATE log.partition SET next_offset = next_offset + 5")
            waiting = asyncio.create_task(log.append(TOPIC, 0, numbered(2)))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            assert not done
            await transaction.rollback()
        assert await waiting == [3, 4]

    async def test_only_topics_without_an_end_are_made(self, bench: LogBench) -> None:
        log = bench.open()
        with pytest.raises(LogError):
            await log.create_topic("short", 1, retention_ms=1000, compacted=False)
        await log.close()

    async def test_what_was_replaced_is_gone_at_once(self, bench: EmbeddedBench, log: Log) -> None:
        await log.create_topic(COMPACTED, PARTITIONS, retention_ms=-1, compacted=True)
        for batch in COMPACTED_BATCHES:
            await log.append(COMPACTED, 1, batch)
            await log.append(COMPACTED, 2, batch)
            await log.append(TOPIC, 1, batch)
        last = dict(item for batch in COMPACTED_BATCHES for item in batch)
        rows = await bench.pool.fetch("SELECT name, partition, key, value FROM log.record JOIN log.topic USING (topic)")
        for partition in (1, 2):
            kept = [(row["key"], row["value"]) for row in rows if (row[0], row[1]) == (COMPACTED, partition)]
            assert sorted(kept) == sorted(last.items())
        assert sum(row["name"] == TOPIC for row in rows) == sum(map(len, COMPACTED_BATCHES))
