"""Versions of the views: rebuilt beside the live one, compared, promoted, retired; and all that may go wrong there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date

import asyncpg
import msgspec
import pytest

from schemas.codec import InvalidFact, decode_fact, encode_fact
from schemas.events import AnyFact, PupilEnrolled, SchoolRegistered
from schemas.topics import FACTS, partition_for
from services.access.keys import ADMINISTRATOR
from services.projector import decoding
from services.projector.builders import Builders, RebuildFailed
from services.projector.bulk import PartitionBuild
from services.projector.comparison import compare
from services.projector.main import run_projector
from services.projector.projections import timeline
from services.projector.promotion import Behind, Unequal, promote
from services.projector.rebuild import RebuildRunning, Rebuilt, rebuild
from services.projector.verify import verify
from services.projector.versions import NoSuchVersion, VersionInUse, active_version, read_versions, retire
from services.query.reader import Reader
from services.runtime.log.interface import Log, LogUnavailable
from tests.builders import Book
from tests.integration.test_projector_timeline import SCHOOLS, some_records
from tests.integration.test_reader import question_of
from tests.projector_bench import QUICK, until
from tests.servers.backend import Backend

PACE = msgspec.structs.replace(QUICK, records_max=40)
RECORDS = some_records(random.Random(20251130))
BEECH = Book("beech")
BEECH.tell(SchoolRegistered, "2025-09-01", name="Beech")
BEECH.tell(PupilEnrolled, "2025-09-01", pupil="ann", enrolled_on="2025-09-01")
SEEN_ON = date(2026, 3, 1)
EMBEDDED = pytest.mark.parametrize("backend", ["embedded"], indirect=True)


@pytest.fixture
def pool(projector_pool: asyncpg.Pool) -> asyncpg.Pool:
    return projector_pool


@pytest.fixture
async def log(backend: Backend, projector_log: Log) -> Log:
    partitions = 96 if backend.kafka_bootstrap else 8
    await projector_log.create_topic(FACTS.name, partitions, retention_ms=-1, compacted=False)
    return projector_log


async def tell(log: Log, records: Sequence[tuple[str, bytes]]) -> None:
    """Append records of schools, each to its partition."""
    partitions = await log.partitions(FACTS.name)
    for school, value in records:
        await log.append(FACTS.name, partition_for(school.encode(), partitions), [(school.encode(), value)])


@asynccontextmanager
async def projecting(backend: Backend) -> AsyncIterator[asyncio.Task[None]]:
    """The projector itself at work, on the timeline alone."""
    settings = backend.settings.model_copy(update={"reporting": False})
    stop = asyncio.Event()
    task = asyncio.create_task(run_projector(settings, stop=stop, pace=PACE))
    try:
        yield task
    finally:
        stop.set()
        await task


async def level(pool: asyncpg.Pool, log: Log, *versions: int) -> None:
    """Wait until these versions hold all that is in the log."""
    ends = {p: (await log.bounds(FACTS.name, p))[1] for p in range(await log.partitions(FACTS.name))}
    query = "SELECT partition, next_offset FROM projection.partition WHERE projection = 'timeline' AND version = $1"

    async def there() -> bool:
        if await pool.fetchval("SELECT to_regclass('projection.partition')") is None:
            return False
        stands = [{row[0]: row[1] for row in await pool.fetch(query, version)} for version in versions]
        return all(stand.get(p, 0) == end for stand in stands for p, end in ends.items())

    await until(there)


async def built(pool: asyncpg.Pool, log: Log, name: str = "rebuild 1") -> Rebuilt:
    return await rebuild(pool, log, timeline, FACTS.name, worker=name)


async def states(pool: asyncpg.Pool) -> dict[int, str]:
    return {one.version: one.state for one in await read_versions(pool, timeline.NAME)}


async def is_equal_to_the_log(pool: asyncpg.Pool, log: Log, version: int | None = None) -> bool:
    result = await verify(pool, log, projection=timeline, topic=FACTS.name, version=version)
    return result.equal and result.behind == 0


async def test_a_version_is_built_beside_the_live_one_compared_promoted_and_retired(
    backend: Backend, pool: asyncpg.Pool, log: Log
) -> None:
    await tell(log, [("beech", encode_fact(fact)) for _, fact in BEECH.history])
    await tell(log, RECORDS[:150])
    reader = Reader(pool, await log.partitions(FACTS.name))

    async def version_read() -> int:
        reading = await reader.read(ADMINISTRATOR, question_of("beech", on=SEEN_ON))
        assert reading.schools[0].index.document.pupils == ("ann",)
        return reading.provenance.views["timeline"]

    async with projecting(backend) as live:
        await level(pool, log, 1)
        importing = asyncio.create_task(tell(log, RECORDS[150:]))
        done = await built(pool, log)
        await importing
        assert (done.version, done.found, done.schools) == (2, 0, len(SCHOOLS) + 1)
        assert await states(pool) == {1: "following", 2: "following"}
        await level(pool, log, 1, 2)
        assert await is_equal_to_the_log(pool, log, 2)
        comparison = await compare(pool, log, timeline, FACTS.name, (2, 1))
        assert (comparison.equal, comparison.schools) == (True, len(SCHOOLS) + 1)
        assert await version_read() == 1
        with pytest.raises(VersionInUse):
            await retire(pool, timeline.NAME, 1)
        promoted = await promote(pool, log, timeline, FACTS.name, 2)
        assert (promoted.version, promoted.before, await version_read()) == (2, 1, 2)
        await promote(pool, log, timeline, FACTS.name, 1)  # the way back
        assert await version_read() == 1
        await promote(pool, log, timeline, FACTS.name, 2)
        await retire(pool, timeline.NAME, 1)
        assert await states(pool) == {1: "retired", 2: "following"}
        assert await pool.fetchval("SELECT to_regnamespace('timeline_v1')") is None
        assert (
            await pool.fetchval(
                "SELECT count(*) FROM projection.partition WHERE version = 1 AND projection = 'timeline'"
            )
            == 0
        )
        assert await version_read() == 2
        assert not live.done()
    async with projecting(backend):  # a start makes no retired version again
        assert (await built(pool, log, "rebuild 2")).version == 3
        await level(pool, log, 2, 3)
    assert await states(pool) == {1: "retired", 2: "following", 3: "following"}
    assert await is_equal_to_the_log(pool, log)


@EMBEDDED
async def test_a_version_that_is_behind_is_compared_where_the_other_stands(
    backend: Backend, pool: asyncpg.Pool, log: Log
) -> None:
    await tell(log, RECORDS[:200])
    async with projecting(backend):
        await level(pool, log, 1)
    await built(pool, log)
    await tell(log, RECORDS[200:])
    await pool.execute("UPDATE projection.version SET state = 'building' WHERE version = 2")  # nobody follows it
    async with projecting(backend):
        await level(pool, log, 1)
        await pool.execute("UPDATE projection.version SET state = 'following' WHERE version = 2")
        result = await compare(pool, log, timeline, FACTS.name, (1, 2))
    assert result.equal
    assert result.facts > len(RECORDS[:200])


@EMBEDDED
async def test_a_partition_too_large_for_memory_takes_more_passes_and_comes_out_the_same(log: Log) -> None:
    dead = [("oak", b"no fact"), ("elm", b"{}"), ("yew", b'{"type":"PupilPraised","event_id":"x"}')]
    await tell(log, [*RECORDS[:100], *dead, *RECORDS[100:]])
    partitions = await log.partitions(FACTS.name)
    passes = 0
    for partition in range(partitions):
        reader, end = log.reader(FACTS.name), (await log.bounds(FACTS.name, partition))[1]
        whole = await PartitionBuild(timeline, partition, partitions).run(reader, end)
        small = await PartitionBuild(timeline, partition, partitions, facts_held_max=50).run(reader, end)
        await reader.close()
        passes = max(passes, small.passes)
        by_school = {one.school: one for one in small.schools}
        assert {one.school: one for one in whole.schools} == by_school
        assert (small.facts, small.skipped, small.dead_letters) == (whole.facts, whole.skipped, whole.dead_letters)
    assert passes == 2  # oak and yew share a partition


@EMBEDDED
async def test_a_rebuild_that_broke_off_goes_on_with_the_next_partition(
    backend: Backend, pool: asyncpg.Pool, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(log, RECORDS)
    async with projecting(backend):
        await level(pool, log, 1)
        run, folded = PartitionBuild.run, 0

        async def break_off(self: PartitionBuild, *arguments: object) -> object:
            nonlocal folded
            folded += 1
            if folded == 3:
                raise LogUnavailable("the log is away")
            return await run(self, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(PartitionBuild, "run", break_off)
        with pytest.raises(LogUnavailable):
            await built(pool, log)
        assert await states(pool) == {1: "following", 2: "building"}
        with pytest.raises(NoSuchVersion):
            await promote(pool, log, timeline, FACTS.name, 2)
        done = await built(pool, log, "rebuild 2")
        assert (done.version, done.found) == (2, 2)
        await level(pool, log, 2)
        assert (await compare(pool, log, timeline, FACTS.name, (1, 2))).equal


@EMBEDDED
async def test_a_rule_that_raises_fails_the_rebuild_and_writes_nothing(
    backend: Backend, pool: asyncpg.Pool, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(log, RECORDS[:50])

    def refuse(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(timeline, "fold", refuse)
    with pytest.raises(RebuildFailed, match=r"partition .* cannot be folded: ZeroDivisionError"):
        await built(pool, log)
    assert await pool.fetchval("SELECT max(next_offset) FROM projection.partition") == 0
    assert await pool.fetchval("SELECT count(*) FROM timeline_v1.school_document") == 0
    assert await states(pool) == {1: "building"}


@EMBEDDED
async def test_the_second_of_two_rebuilds_is_told_so(
    pool: asyncpg.Pool, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(log, RECORDS[:50])
    began, go_on = asyncio.Event(), asyncio.Event()
    run = PartitionBuild.run

    async def wait(self: PartitionBuild, *arguments: object) -> object:
        began.set()
        await go_on.wait()
        return await run(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PartitionBuild, "run", wait)
    first = asyncio.create_task(built(pool, log))
    await began.wait()
    with pytest.raises(RebuildRunning):
        await built(pool, log, "rebuild 2")
    go_on.set()
    assert (await first).facts == 50


@EMBEDDED
async def test_versions_that_differ_are_not_promoted_unless_that_is_said(
    backend: Backend, pool: asyncpg.Pool, log: Log
) -> None:
    await tell(log, RECORDS)
    async with projecting(backend):
        await level(pool, log, 1)
        await built(pool, log)
        await level(pool, log, 2)
        await pool.execute("DELETE FROM timeline_v2.block WHERE school = 'elm' AND stream = 'r'")
        with pytest.raises(Unequal) as caught:
            await promote(pool, log, timeline, FACTS.name, 2)
        assert [line.split(":")[0] for line in caught.value.comparison.differences] == ["school elm"]
        assert await active_version(pool, timeline.NAME) == 1
        done = await promote(pool, log, timeline, FACTS.name, 2, despite_differences=True)
        assert not done.comparison.equal
        assert await active_version(pool, timeline.NAME) == 2


@EMBEDDED
async def test_a_version_that_stays_behind_or_is_not_there_is_not_promoted(
    backend: Backend, pool: asyncpg.Pool, log: Log
) -> None:
    await tell(log, RECORDS[:60])
    async with projecting(backend):
        await level(pool, log, 1)
    await built(pool, log)
    await tell(log, RECORDS[60:70])
    with pytest.raises(Behind, match="10 records behind"):
        await promote(pool, log, timeline, FACTS.name, 2, seconds=0)
    for version in (1, 3):
        with pytest.raises(NoSuchVersion):
            await promote(pool, log, timeline, FACTS.name, version)
    with pytest.raises(NoSuchVersion):
        await retire(pool, timeline.NAME, 3)
    assert await active_version(pool, timeline.NAME) == 1


@EMBEDDED
async def test_a_version_that_a_projector_does_not_let_go_is_not_dropped(
    backend: Backend, pool: asyncpg.Pool, log: Log
) -> None:
    await tell(log, RECORDS[:60])
    async with projecting(backend):
        await level(pool, log, 1)
    await built(pool, log)
    await pool.execute("INSERT INTO projection.worker VALUES ('old', 'timeline', 2, now(), now() + interval '1 hour')")
    with pytest.raises(VersionInUse, match="old still works"):
        await retire(pool, timeline.NAME, 2, seconds=0)
    assert await pool.fetchval("SELECT count(*) FROM timeline_v2.school_document") > 0
    await pool.execute("DELETE FROM projection.worker")
    await retire(pool, timeline.NAME, 2)
    assert await states(pool) == {1: "following", 2: "retired"}


@EMBEDDED
async def test_a_record_that_only_this_release_reads_gets_into_place_by_a_rebuild(
    backend: Backend, pool: asyncpg.Pool, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = RECORDS[120][1]

    def decode_as_the_release_before(value: bytes | None) -> AnyFact:
        if value == poison:
            raise InvalidFact("not known yet")
        return decode_fact(value)

    await tell(log, RECORDS)
    with monkeypatch.context() as before:
        before.setattr(decoding, "decode_fact", decode_as_the_release_before)
        before.setattr(decoding, "decode_facts", lambda values: None)  # each record is looked at
        async with projecting(backend):
            await level(pool, log, 1)
    async with projecting(backend):
        letters = "SELECT version FROM projection.dead_letter WHERE projection = 'timeline'"
        assert [row["version"] for row in await pool.fetch(letters)] == [1]
        assert not await is_equal_to_the_log(pool, log)
        assert (await built(pool, log)).dead_letters == 0
        await level(pool, log, 2)
        with pytest.raises(Unequal) as caught:
            await promote(pool, log, timeline, FACTS.name, 2)
        assert any("dead letters" in line for line in caught.value.comparison.differences)
        await promote(pool, log, timeline, FACTS.name, 2, despite_differences=True)
        assert await is_equal_to_the_log(pool, log)
        await retire(pool, timeline.NAME, 1)
        assert await pool.fetch(letters) == []


async def test_a_rebuild_in_processes_beside_this_one_makes_the_same_views(
    pool: asyncpg.Pool, log: Log, backend: Backend
) -> None:
    await tell(log, RECORDS)
    here = await rebuild(pool, log, timeline, FACTS.name, worker="here")
    url = backend.settings.database_dsn
    assert url is not None
    builders = Builders(2, timeline.__name__, url, backend.kafka_bootstrap)
    beside = await rebuild(pool, log, timeline, FACTS.name, worker="beside", builders=builders)
    assert (beside.facts, beside.schools, beside.found) == (here.facts, here.schools, 0)
    assert (await compare(pool, log, timeline, FACTS.name, (here.version, beside.version))).equal
