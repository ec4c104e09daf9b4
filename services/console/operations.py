"""`markledger verify`, `projector status`, `deadletters list`: what an operator asks of the database and the log.

They connect directly, with the settings of a service; they print and change nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import msgspec

from services.console.database import database_of
from services.console.printing import clean, table_of, terminal
from services.projector.main import verify_views
from services.projector.status import PartitionStatus, read_status
from services.runtime.log.opening import open_log
from services.runtime.postgres import open_pool
from services.runtime.settings import Settings

EXIT_OK = 0
EXIT_NOT_EQUAL = 1
EXIT_NOT_HEALTHY = 4
DEAD_LETTERS_MAX = 1_000

Answer = TypeVar("Answer")

_DEAD_LETTERS = """
SELECT projection, version, topic, partition, record_offset, reason, dead_at
  FROM projection.dead_letter ORDER BY dead_at, topic, partition, record_offset LIMIT $1"""


def print_verification(settings: Settings, as_json: bool) -> int:
    """Compare the views with a replay; 0 if they are equal, else 1."""

    async def compare(pool: asyncpg.Pool) -> Any:
        log = await open_log(settings, pool)
        try:
            return await verify_views(pool, log)
        finally:
            await log.close()

    result = asyncio.run(_with_pool(settings, compare))
    if as_json:
        print(msgspec.json.encode(result).decode())
    else:
        print("equal" if result.equal else "NOT EQUAL")
        print(f"views   {result.checksum_views}\nreplay  {result.checksum_replay}")
        counts = f"{result.schools:,} schools, {result.facts:,} facts, {result.dead_letters:,} dead letters"
        print(f"{counts}, {result.behind:,} records not yet folded")
        for difference in result.differences:
            print(clean(f"differs: {difference}").plain)
    return EXIT_OK if result.equal else EXIT_NOT_EQUAL


def print_projector_status(settings: Settings, as_json: bool) -> int:
    """How far every partition is; 0 if each is owned and none stopped, else 4."""
    partitions = asyncio.run(_with_pool(settings, read_status))
    healthy = bool(partitions) and all(p.owned and p.stopped_reason is None for p in partitions)
    if as_json:
        print(msgspec.json.encode({"healthy": healthy, "partitions": partitions}).decode())
    else:
        columns = ["projection", "topic", "partition", "offset", "behind", "seconds", "facts", "dead letters", "state"]
        terminal().print(table_of(columns, (_status_line(partition) for partition in partitions)))
    return EXIT_OK if healthy else EXIT_NOT_HEALTHY


def _status_line(partition: PartitionStatus) -> list[Any]:
    return [
        f"{partition.projection} v{partition.version}",
        partition.topic,
        partition.partition,
        partition.next_offset,
        partition.lag_records,
        f"{partition.lag_seconds:.1f}",
        partition.facts,
        partition.dead_letters,
        partition.stopped_reason or ("running" if partition.owned else "nobody works on it"),
    ]


def print_dead_letters(settings: Settings, as_json: bool) -> int:
    """The records that were set aside, oldest first."""
    rows = asyncio.run(_with_pool(settings, _read_dead_letters))
    if as_json:
        print(json.dumps({"dead_letters": rows}, ensure_ascii=False))
    else:
        columns = ["projection", "version", "topic", "partition", "offset", "reason", "set aside"]
        terminal().print(table_of(columns, (list(row.values()) for row in rows)))
    return EXIT_OK


async def _read_dead_letters(pool: asyncpg.Pool) -> list[dict[str, Any]]:
    if await pool.fetchval("SELECT to_regclass('projection.dead_letter')") is None:
        return []
    rows = await pool.fetch(_DEAD_LETTERS, DEAD_LETTERS_MAX)
    return [{**row, "dead_at": row["dead_at"].isoformat(timespec="seconds")} for row in rows]


async def _with_pool(settings: Settings, work: Callable[[asyncpg.Pool], Awaitable[Answer]]) -> Answer:
    async with _pool(settings) as pool:
        return await work(pool)


@asynccontextmanager
async def _pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with database_of(settings) as url:
        pool = await open_pool(url, size_max=4, wait_seconds=10, application="markledger command")
        try:
            yield pool
        finally:
            await pool.close()
