"""`markledger verify` and `projector status`: what an operator asks of the database and the log.

They connect directly, with the settings of a service; they print and change nothing.
"""

from __future__ import annotations

import asyncio
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

Answer = TypeVar("Answer")


def print_verification(settings: Settings, as_json: bool) -> int:
    """Compare the views with a replay; 0 if they are equal, else 1."""

    async def compare(pool: asyncpg.Pool) -> Any:
        log = await open_log(settings, pool)
        try:
            return await verify_views(pool, log)
        finally:
            await log.close()

    result = run_with_pool(settings, compare)
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
    partitions = run_with_pool(settings, read_status)
    healthy = bool(partitions) and not any(p.idle or p.stopped_reason is not None for p in partitions)
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
        partition.stopped_reason or _state_of(partition),
    ]


def _state_of(partition: PartitionStatus) -> str:
    if partition.state != "following":
        return partition.state if partition.owned else f"{partition.state}, broken off"
    return "running" if partition.owned else "nobody works on it"


def run_with_pool(settings: Settings, work: Callable[[asyncpg.Pool], Awaitable[Answer]]) -> Answer:
    """What `work` answers on a pool of the database of these settings. Raises PostgresError, and what `work` raises."""

    async def run() -> Answer:
        async with _pool(settings) as pool:
            return await work(pool)

    return asyncio.run(run())


@asynccontextmanager
async def _pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with database_of(settings) as url:
        pool = await open_pool(url, size_max=4, wait_seconds=10, application="markledger command")
        try:
            yield pool
        finally:
            await pool.close()
