"""A product filled with the load, without HTTP: most of it by the rebuild's builders, the last of it by the projector.

So ten million facts are there in minutes, the rebuild is measured on them, and the projector holds what it needs of
every school, whose size is measured. Facts are made and appended by a process for each core.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import asyncpg
import psutil

from benchmarks.load import Recipe, School, make
from schemas.codec import encode_fact
from schemas.topics import EMBEDDED_PARTITIONS, FACTS, partition_for
from services.console.database import embedded_postgres
from services.projector.builders import Builders
from services.projector.projections import timeline
from services.projector.rebuild import rebuild
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.postgres import open_pool
from tests.end_to_end.product import COMMAND, clean_environment

APPEND_RECORDS = 5_000
POLL_SECONDS = 0.05
LIVE_SHARE = 0.05
"""Of each school's facts, the last that are folded by the projector as they would be any day."""
SETTLED_SECONDS = 4

Waiting = list[tuple[Recipe, list[bytes]]]


class Filled(NamedTuple):
    """How a product was filled. Sizes in MB: the largest of all builders together, and of the projector."""

    facts: int
    rebuilt: int
    rebuild_seconds: float
    builders_mb: float
    live: int
    live_seconds: float
    projector_mb: float
    tails: int


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[tuple[str, asyncpg.Pool]]:
    """An embedded server of its own, and a pool on it."""
    async with embedded_postgres(directory) as url:
        pool = await open_pool(url, application="markledger benchmark")
        try:
            yield url, pool
        finally:
            await pool.close()


async def fill(url: str, pool: asyncpg.Pool, recipes: Sequence[Recipe], directory: Path) -> Filled:
    """Append and fold everything that these schools were told."""
    appended, waiting = await _append_beside(url, pool, recipes)
    rebuilding = asyncio.create_task(rebuild_all(url, pool))
    mine = {child.pid for child in psutil.Process().children(recursive=True)}
    largest = 0.0
    while not rebuilding.done():
        largest = max(largest, _size_mb(c for c in psutil.Process().children(recursive=True) if c.pid not in mine))
        await asyncio.sleep(POLL_SECONDS)
    rebuild_seconds = rebuilding.result()
    live = await _append_waiting(pool, waiting)
    seconds, projector_mb, tails = await _project(url, pool, appended + live, directory)
    return Filled(appended + live, appended, rebuild_seconds, largest, live, seconds, projector_mb, tails)


async def append_schools(pool: asyncpg.Pool, schools: Iterable[School]) -> int:
    """Append every fact of these schools, each to the partition of its school; how many there were."""
    log = await _topic(pool)
    total = 0
    for school in schools:
        total += await _append(log, school.name, [encode_fact(fact) for fact in school.facts()])
    await log.close()
    return total


async def rebuild_all(url: str, pool: asyncpg.Pool) -> float:
    """The next version of the views from the log, by a builder for each core; the seconds it took."""
    log = EmbeddedLog(pool)
    try:
        await pool.execute("CHECKPOINT")
        started = time.perf_counter()
        builders = Builders(os.cpu_count() or 1, timeline.__name__, url)
        worker = f"benchmark of the rebuild, {time.time_ns()}"
        await rebuild(pool, log, timeline, FACTS.name, worker=worker, builders=builders)
        return time.perf_counter() - started
    finally:
        await log.close()


async def _append_beside(url: str, pool: asyncpg.Pool, recipes: Sequence[Recipe]) -> tuple[int, Waiting]:
    """All but the last facts of each school are appended, the others given back."""
    await (await _topic(pool)).close()
    loop, cores = asyncio.get_running_loop(), os.cpu_count() or 1
    with ProcessPoolExecutor(min(cores, len(recipes)), mp_context=get_context("spawn")) as processes:
        appended = await asyncio.gather(*(loop.run_in_executor(processes, _append_one, url, one) for one in recipes))
    total = sum(count for count, _ in appended)
    return total, [(recipe, rest) for recipe, (_, rest) in zip(recipes, appended, strict=True)]


def _append_one(url: str, recipe: Recipe) -> tuple[int, list[bytes]]:
    async def append() -> tuple[int, list[bytes]]:
        values = [encode_fact(fact) for fact in make(recipe).facts()]
        first = len(values) - int(len(values) * LIVE_SHARE)
        pool = await open_pool(url, size_max=1, application="markledger benchmark")
        log = EmbeddedLog(pool)
        try:
            return await _append(log, recipe.name, values[:first]), values[first:]
        finally:
            await log.close()
            await pool.close()

    return asyncio.run(append())


async def _append_waiting(pool: asyncpg.Pool, waiting: Waiting) -> int:
    log = EmbeddedLog(pool)
    try:
        return sum([await _append(log, recipe.name, values) for recipe, values in waiting])
    finally:
        await log.close()


async def _append(log: EmbeddedLog, school: str, values: Sequence[bytes]) -> int:
    key = school.encode()
    partition = partition_for(key, EMBEDDED_PARTITIONS)
    for at in range(0, len(values), APPEND_RECORDS):
        await log.append(FACTS.name, partition, [(key, value) for value in values[at : at + APPEND_RECORDS]])
    return len(values)


async def _topic(pool: asyncpg.Pool) -> EmbeddedLog:
    log = EmbeddedLog(pool)
    await log.create_topic(FACTS.name, EMBEDDED_PARTITIONS, retention_ms=FACTS.retention_ms, compacted=FACTS.compacted)
    return log


async def _project(url: str, pool: asyncpg.Pool, facts: int, directory: Path) -> tuple[float, float, int]:
    """`markledger projector` until it is level: the seconds, its largest size in MB, the tails left after a while."""
    told = {
        "DATABASE_URL": url,
        "REPORTING": "false",
        "DATA_DIR": str(directory),
        "PUPIL_KEY": "x" * 32,
        "IDENTITY_KEY": "i" * 40,
    }
    environment = clean_environment({f"MARKLEDGER_{name}": value for name, value in told.items()})
    started, largest = time.perf_counter(), 0.0
    with (directory.parent / "projector.log").open("ab") as said:
        process = subprocess.Popen([str(COMMAND), "projector"], env=environment, stdout=said, stderr=said)  # noqa: ASYNC220
    running = psutil.Process(process.pid)

    async def still(folding: Callable[[], Awaitable[bool]]) -> None:
        nonlocal largest
        while process.poll() is None and await folding():
            largest = max(largest, _size_mb([running]))
            await asyncio.sleep(POLL_SECONDS)
        if process.poll() is not None:
            raise RuntimeError(f"the projector ended with {process.returncode}")

    async def behind() -> bool:
        return await _folded(pool) < facts

    try:
        await still(behind)
        seconds = time.perf_counter() - started
        await still(settling(pool))
        return seconds, largest, await _tails(pool)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


def settling(pool: asyncpg.Pool) -> Callable[[], Awaitable[bool]]:
    """Whether the projector still merges tails into blocks: until their number has stood still for some seconds."""
    seen: list[int] = []

    async def unsettled() -> bool:
        await asyncio.sleep(1)
        seen.append(await _tails(pool))
        return (seen[-1] > 0 and len(set(seen[-SETTLED_SECONDS:])) > 1) or len(seen) < SETTLED_SECONDS

    return unsettled


async def _tails(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval(f"SELECT count(*) FROM timeline_v{timeline.VERSION}.tail"))


async def _folded(pool: asyncpg.Pool) -> int:
    stands = "SELECT coalesce(sum(next_offset), 0) FROM projection.partition WHERE projection = $1"
    return int(await pool.fetchval(stands, timeline.NAME))


def _size_mb(processes: Iterable[psutil.Process]) -> float:
    size = 0
    for process in processes:
        with suppress(psutil.Error):
            size += process.memory_info().rss
    return size / 1e6
