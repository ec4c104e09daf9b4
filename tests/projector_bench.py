"""A projector under test: a log, a database, workers on the counting projection, and what should come of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import asyncpg
import msgspec

from schemas.codec import encode_fact
from schemas.events import ObjectiveAssessed
from schemas.topics import FACTS, partition_for
from services.projector.feed import Feed
from services.projector.loop import Loop, Pace
from services.projector.projection import Projection
from services.projector.status import read_status
from services.projector.store import create_tables, join_tails
from services.runtime.log.interface import Log
from tests.counting import counts

PARTITIONS = 8
QUICK = Pace(records_max=200, poll_ms=20, lease_seconds=1.0, heartbeat_seconds=0.1, retry_seconds=(0.2,))
SCHOOLS = tuple(f"school-{number}" for number in range(12))


def assessed(school: str, pupil: str, number: int) -> ObjectiveAssessed:
    """The `number`-th assessment of a school: its id, day and instant follow from that."""
    told = datetime(2025, 9, 1, tzinfo=UTC) + timedelta(hours=7 * number % 5000)
    return ObjectiveAssessed(
        event_id=f"{school}-{number}",
        school=school,
        recorded_at=told,
        pupil=pupil,
        subject="maths",
        objective="m1",
        state="achieved",
        assessed_on=date(2025, 9, 1) + timedelta(days=number * 11 % 300),
    )


def record(fact: ObjectiveAssessed) -> tuple[bytes, bytes]:
    """Its record in the log."""
    return fact.school.encode(), encode_fact(fact)


def home(school: str) -> int:
    """The partition of a school."""
    return partition_for(school.encode(), PARTITIONS)


async def append(log: Log, facts: Sequence[ObjectiveAssessed]) -> None:
    """Append facts, each to the partition of its school, in order."""
    by_partition: dict[int, list[tuple[bytes, bytes | None]]] = {}
    for fact in facts:
        by_partition.setdefault(home(fact.school), []).append(record(fact))
    for partition, items in by_partition.items():
        await log.append(FACTS.name, partition, items)


async def open_feed(pool: asyncpg.Pool, log: Log, projection: Projection) -> Feed:
    """The topic and the tables, made if need be."""
    await log.create_topic(FACTS.name, PARTITIONS, retention_ms=FACTS.retention_ms, compacted=FACTS.compacted)
    await create_tables(pool, projection.NAME, projection.VERSION)
    return Feed(projection.NAME, projection.VERSION, FACTS.name, await log.log_id(FACTS.name), PARTITIONS)


class Worker:
    """One worker in this process."""

    def __init__(self, pool: asyncpg.Pool, log: Log, feed: Feed, projection: Projection, name: str = "w") -> None:
        self.loop = Loop(pool, log, feed, projection, name, QUICK)
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(self.loop.run(self._stop))

    async def stop(self) -> None:
        """Stop in order. Raises what the worker ended with."""
        self._stop.set()
        await self.task

    async def __aenter__(self) -> Worker:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[bool]], worker: Worker | None = None, seconds: float = 60) -> None:
    """Wait for a condition; a worker that ends meanwhile fails the test with its error."""
    async with asyncio.timeout(seconds):
        while not await condition():
            if worker is not None and worker.task.done():
                worker.task.result()
                raise AssertionError("the worker has ended")
            await asyncio.sleep(0.02)


async def caught_up(pool: asyncpg.Pool, log: Log, partitions: Sequence[int] = range(PARTITIONS)) -> bool:
    """Whether the views hold all that is in the log of these partitions."""
    offsets = {status.partition: status.next_offset for status in await read_status(pool)}
    for partition in partitions:
        if offsets.get(partition) != (await log.bounds(FACTS.name, partition))[1]:
            return False
    return True


async def viewed(pool: asyncpg.Pool) -> dict[tuple[str, str], int]:
    """How many facts of each (school, pupil) the views hold."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        documents = await connection.fetch("SELECT school, data FROM timeline_v1.school_document")
        blocks = join_tails(
            await connection.fetch("SELECT * FROM timeline_v1.block"),
            await connection.fetch("SELECT * FROM timeline_v1.tail ORDER BY seq"),
        )
    found: dict[tuple[str, str], int] = {}
    for row in documents:
        stored = [block.stored for block in blocks if block.school == row["school"]]
        for pupil, number in counts(row["data"], stored).items():
            found[row["school"], pupil] = number
    return found


def expected(facts: Sequence[ObjectiveAssessed]) -> dict[tuple[str, str], int]:
    """What `viewed` must give: each event id once."""
    return dict(Counter((fact.school, fact.pupil) for fact in {fact.event_id: fact for fact in facts}.values()))


async def partition_row(pool: asyncpg.Pool, partition: int) -> asyncpg.Record:
    """The status of a partition."""
    return await pool.fetchrow("SELECT * FROM projection.status WHERE partition = $1", partition)


def some_facts(count: int, *, schools: Sequence[str] = SCHOOLS, first: int = 0) -> list[ObjectiveAssessed]:
    """Facts of these schools in turn, a dozen pupils each."""
    return [
        assessed(schools[number % len(schools)], f"pupil-{number // len(schools) % 12}", number)
        for number in range(first, first + count)
    ]


def renamed(fact: ObjectiveAssessed, pupil: str) -> ObjectiveAssessed:
    """The same about another pupil."""
    return msgspec.structs.replace(fact, pupil=pupil)
