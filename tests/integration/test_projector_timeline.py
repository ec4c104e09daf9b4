"""The real projection under the real loop: views are what a replay gives, whatever batches, restarts and sharing."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import msgspec

from schemas.codec import encode_fact
from schemas.topics import FACTS, partition_for
from services.projector.loop import Pace
from services.projector.main import run_projector, verify_views
from services.runtime.log.interface import Log
from tests.projector_bench import QUICK, caught_up, until
from tests.properties.histories import generate_history
from tests.servers.backend import Backend

SCHOOLS = ("oak", "elm", "ash", "yew", "fir")


def some_records(rng: random.Random) -> list[tuple[str, bytes]]:
    """Records of several schools, (school, bytes), interleaved; each school's in order."""
    queues = {
        school: [msgspec.structs.replace(fact, school=school) for _, fact in generate_history(rng, 60)]
        for school in SCHOOLS
    }
    records = []
    while queues:
        school = rng.choice(list(queues))
        records.append((school, encode_fact(queues[school].pop(0))))
        queues = {name: facts for name, facts in queues.items() if facts}
    return records


async def run_until_caught_up(backend: Backend, pool: asyncpg.Pool, log: Log, pace: Pace, workers: int) -> None:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(run_projector(backend.settings, stop=stop, pace=pace)) for _ in range(workers)]
    partitions = range(await log.partitions(FACTS.name))

    async def done() -> bool:
        for task in tasks:
            if task.done():
                task.result()
        return await caught_up(pool, log, partitions)

    try:
        await until(done)
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def test_views_equal_a_replay_whatever_the_batches(
    backend: Backend, projector_pool: asyncpg.Pool, projector_log: Log
) -> None:
    pool, log = projector_pool, projector_log
    rng = random.Random(20251130)
    await log.create_topic(FACTS.name, 96 if backend.kafka_bootstrap else 8, retention_ms=-1, compacted=False)
    partitions = await log.partitions(FACTS.name)
    records = some_records(rng)
    for records_max, workers in ((1, 1), (7, 2), (10_000, 1)):
        part, records = records[:100], records[100:]
        for school, value in part:
            await log.append(FACTS.name, partition_for(school.encode(), partitions), [(school.encode(), value)])
        await run_until_caught_up(backend, pool, log, msgspec.structs.replace(QUICK, records_max=records_max), workers)
        result = await verify_views(pool, log)
        assert result.equal, result.differences
        assert result.behind == 0
    assert result.schools == len(SCHOOLS)
    assert result.facts == 300
