"""A product filled with the load, without HTTP: facts appended to the embedded log, folded by the real projector."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import psutil

from benchmarks.load import School
from schemas.codec import encode_fact
from schemas.topics import EMBEDDED_PARTITIONS, FACTS, partition_for
from services.console.database import embedded_postgres
from services.projector.main import run_projector
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.postgres import open_pool
from services.runtime.settings import read_settings
from tests.end_to_end.product import COMMAND, clean_environment

APPEND_RECORDS = 5_000
POLL_SECONDS = 0.05


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[tuple[str, asyncpg.Pool]]:
    """An embedded server of its own, and a pool on it."""
    async with embedded_postgres(directory) as url:
        pool = await open_pool(url, application="markledger benchmark")
        try:
            yield url, pool
        finally:
            await pool.close()


async def append_schools(pool: asyncpg.Pool, schools: Iterable[School]) -> int:
    """Append every fact of these schools, each to the partition of its school; how many there were."""
    log = EmbeddedLog(pool)
    await log.create_topic(FACTS.name, EMBEDDED_PARTITIONS, retention_ms=FACTS.retention_ms, compacted=FACTS.compacted)
    total = 0
    for school in schools:
        key, waiting = school.name.encode(), []
        partition = partition_for(key, EMBEDDED_PARTITIONS)
        for fact in school.facts():
            waiting.append((key, encode_fact(fact)))
            if len(waiting) == APPEND_RECORDS:
                total += len(await log.append(FACTS.name, partition, waiting))
                waiting = []
        total += len(await log.append(FACTS.name, partition, waiting)) if waiting else 0
    await log.close()
    return total


async def project(url: str, pool: asyncpg.Pool, facts: int) -> float:
    """Run the projector until the views hold everything; the seconds it took."""
    stop = asyncio.Event()
    started = time.perf_counter()
    projector = asyncio.create_task(run_projector(read_settings(database_url=url, pupil_key="x" * 32), stop=stop))
    while not projector.done():
        await asyncio.sleep(POLL_SECONDS)
        if await _folded(pool) >= facts:
            break
    seconds = time.perf_counter() - started
    stop.set()
    await projector
    return seconds


async def project_in_process(url: str, pool: asyncpg.Pool, facts: int, directory: Path) -> tuple[float, float]:
    """The same by `markledger projector`: the seconds, and its largest resident size in MB."""
    told = {
        "DATABASE_URL": url,
        "REPORTING": "false",
        "DATA_DIR": str(directory),
        "PUPIL_KEY": "x" * 32,
        "IDENTITY_KEY": "i" * 40,
    }
    environment = clean_environment({f"MARKLEDGER_{name}": value for name, value in told.items()})
    started, largest = time.perf_counter(), 0
    process = subprocess.Popen([str(COMMAND), "projector"], env=environment)  # noqa: ASYNC220
    try:
        while process.poll() is None and await _folded(pool) < facts:
            with suppress(psutil.Error):
                largest = max(largest, psutil.Process(process.pid).memory_info().rss)
            await asyncio.sleep(POLL_SECONDS)
        if process.poll() is not None:
            raise RuntimeError(f"the projector ended with {process.returncode}")
        return time.perf_counter() - started, largest / 1e6
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def _folded(pool: asyncpg.Pool) -> int:
    try:
        return int(
            await pool.fetchval(
                "SELECT coalesce(sum(next_offset), 0) FROM projection.partition WHERE projection = $1", "timeline"
            )
        )
    except asyncpg.PostgresError:
        return 0  # the projector has not made its tables yet
