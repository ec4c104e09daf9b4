"""How fast the reporting projection follows the log, and what the timeline loses by it: the same facts, five runs.

The timeline alone and both in one process, as the projector runs them, in turns and twice, so that a noisy minute hits
both; then the reporting projection alone, as when the timeline is level. The log is there before the runs begin. The
figure of processor time says what a machine would do that does nothing else.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg
import psutil

from benchmarks.figures import Figure
from schemas import events as e
from schemas.codec import encode_fact
from schemas.topics import EMBEDDED_PARTITIONS, FACTS, partition_for
from services.projector.feed import Feed
from services.projector.keeping import BLOCKS
from services.projector.loop import Loop, Pace
from services.projector.projections import reporting, timeline
from services.projector.reporting import follow_reporting
from services.projector.status import read_status
from services.projector.tables import create_tables
from services.projector.turns import Leading
from services.runtime.log.embedded import EmbeddedLog
from tests.servers.embedded import EmbeddedServer

SCHOOLS, PUPILS, GROUPS = 20, 240, 8
SUBJECTS = ("maths", "reading", "writing", "science", "history", "art")
OBJECTIVES_PER_YEAR = 10
DAYS = 400
STARTS_ON = date(2025, 9, 1)
STATES = ("not_yet", "partly", "achieved")
CHUNK = 5_000
ROUNDS = 2
POLL_SECONDS = 0.05


def measure_reporting(assessments: int, back_end: str) -> Iterator[Figure]:
    """Facts a second of `assessments` over some schools, told in the order of their days."""
    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory:
        server = EmbeddedServer(Path(directory))
        server.start()
        try:
            rates = asyncio.run(_measure(server.url, assessments))
        finally:
            server.stop()
    note = f"{assessments:,} assessments, {SCHOOLS} schools, {back_end}"
    yield Figure("reporting follows the log", rates.follows, "facts/s", "≥ 10,000", note)
    yield Figure(
        "reporting, by processor time", rates.by_processor, "facts/s", "≥ 10,000", f"{note}, PostgreSQL included"
    )
    yield Figure("timeline alone", rates.alone, "facts/s", "", note)
    goal = f"≥ {rates.alone * 2 / 3:,.0f}"
    yield Figure("timeline with reporting", rates.shared, "facts/s", goal, f"{note}, same process")


class _Rates(NamedTuple):
    alone: float
    shared: float
    follows: float
    by_processor: float


async def _measure(url: str, assessments: int) -> _Rates:
    async with asyncpg.create_pool(url, min_size=2, max_size=8) as pool:
        log = EmbeddedLog(pool)
        try:
            await log.create_topic(FACTS.name, EMBEDDED_PARTITIONS, retention_ms=-1, compacted=False)
            facts = await _fill(log, assessments)
            log_id = await log.log_id(FACTS.name)
            feeds = {
                name: Feed(name, 1, FACTS.name, log_id, EMBEDDED_PARTITIONS) for name in (timeline.NAME, reporting.NAME)
            }
            seconds: dict[bool, list[float]] = {False: [], True: []}
            for shared in (False, True) * ROUNDS:
                running = (timeline.NAME, reporting.NAME) if shared else (timeline.NAME,)
                seconds[shared].append(await _run(pool, log, feeds, running, timeline.NAME))
            processor = _processor_seconds()
            follows = facts / await _run(pool, log, feeds, (reporting.NAME,), reporting.NAME)
            return _Rates(
                alone=facts * ROUNDS / sum(seconds[False]),
                shared=facts * ROUNDS / sum(seconds[True]),
                follows=follows,
                by_processor=facts / (_processor_seconds() - processor),
            )
        finally:
            await log.close()


async def _run(
    pool: asyncpg.Pool, log: EmbeddedLog, feeds: dict[str, Feed], running: Sequence[str], watched: str
) -> float:
    """The seconds until the watched projection is level, from nothing."""
    for name in feeds:
        await pool.execute(f"DROP SCHEMA IF EXISTS {name}_v1 CASCADE")
        await create_tables(pool, name, 1)
    await pool.execute("TRUNCATE projection.partition, projection.worker")
    await pool.execute("CHECKPOINT")
    stop, leading = asyncio.Event(), Leading()
    started = time.monotonic()
    tasks = []
    if timeline.NAME in running:
        loop = Loop(pool, log, feeds[timeline.NAME], timeline, f"t{started}", Pace(), keeping=BLOCKS, turns=leading)
        tasks.append(asyncio.create_task(loop.run(stop)))
    if reporting.NAME in running:
        loop = follow_reporting(pool, log, feeds[reporting.NAME], f"r{started}", Pace(), leading)
        tasks.append(asyncio.create_task(loop.run(stop)))
    try:
        while not await _is_level(pool, log, watched):
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(POLL_SECONDS)
        return time.monotonic() - started
    finally:
        stop.set()
        await asyncio.gather(*tasks)


def _processor_seconds() -> float:
    """Of this process and of the servers that it started."""
    seconds = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


async def _is_level(pool: asyncpg.Pool, log: EmbeddedLog, name: str) -> bool:
    offsets = {row.partition: row.next_offset for row in await read_status(pool) if row.projection == name}
    ends = [(await log.bounds(FACTS.name, number))[1] for number in range(EMBEDDED_PARTITIONS)]
    return offsets == dict(enumerate(ends))


async def _fill(log: EmbeddedLog, assessments: int) -> int:
    by_partition: dict[int, list[tuple[bytes, bytes | None]]] = {number: [] for number in range(EMBEDDED_PARTITIONS)}
    count = 0
    for fact in _facts(assessments):
        key = fact.school.encode()
        by_partition[partition_for(key, EMBEDDED_PARTITIONS)].append((key, encode_fact(fact)))
        count += 1
    for partition, items in by_partition.items():
        for at in range(0, len(items), CHUNK):
            await log.append(FACTS.name, partition, items[at : at + CHUNK])
    return count


def _facts(assessments: int) -> Iterator[e.AnyFact]:
    told = datetime(2025, 9, 1, 8, tzinfo=UTC)
    schools = [f"school-{number}" for number in range(SCHOOLS)]
    for school in schools:
        yield e.SchoolRegistered(event_id=f"{school}-s", school=school, recorded_at=told, name=school)
        yield _curriculum(school, told)
        for number in range(PUPILS):
            yield from _pupil(school, number, told)
    rng = random.Random(20251125)
    for number in range(assessments):
        day = STARTS_ON + timedelta(days=number * DAYS // assessments)
        pupil = rng.randrange(PUPILS)
        objective = f"{pupil * 6 // PUPILS + 1}-{rng.randrange(OBJECTIVES_PER_YEAR)}"
        yield e.ObjectiveAssessed(
            event_id=f"{number:08x}-0000-4000-8000-000000000000",
            school=rng.choice(schools),
            recorded_at=datetime(day.year, day.month, day.day, 15, tzinfo=UTC),
            pupil=f"pup_{pupil:026}",
            subject=rng.choice(SUBJECTS),
            objective=objective,
            state=rng.choice(STATES),
            assessed_on=day,
        )


def _curriculum(school: str, told: datetime) -> e.CurriculumPublished:
    objectives = tuple(
        e.Objective(objective=f"{year}-{number}", ability=f"Y{year}", year_group=str(year))
        for year in range(1, 7)
        for number in range(OBJECTIVES_PER_YEAR)
    )
    return e.CurriculumPublished(
        event_id=f"{school}-c",
        school=school,
        recorded_at=told,
        framework="nc",
        framework_version="1",
        subjects=tuple(e.Subject(subject=subject, objectives=objectives) for subject in SUBJECTS),
        states=tuple(e.State(state=state, weight=f"{n / 2:g}") for n, state in enumerate(STATES)),
    )


def _pupil(school: str, number: int, told: datetime) -> Iterator[e.AnyFact]:
    envelope = {"school": school, "recorded_at": told}
    pupil = f"pup_{number:026}"
    years = (e.YearGroupFrom(str(number * 6 // PUPILS + 1), STARTS_ON),)
    yield e.PupilEnrolled(
        event_id=f"{school}-{number}-p",
        pupil=pupil,
        enrolled_on=STARTS_ON,
        year_groups=years,
        sex="FM"[number % 2],
        **envelope,
    )
    group = f"class {number % GROUPS}"
    yield e.GroupJoined(event_id=f"{school}-{number}-g", pupil=pupil, group=group, joined_on=STARTS_ON, **envelope)
    yield e.CharacteristicSet(
        event_id=f"{school}-{number}-c",
        pupil=pupil,
        name="send",
        value="yes" if number % 5 else "no",
        starts_on=STARTS_ON,
        **envelope,
    )
