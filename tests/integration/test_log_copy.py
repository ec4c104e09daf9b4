"""A log copied to one with more partitions: the order of every school, dead letters that stay dead, and going on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import pytest

from schemas.definitions import ScaleDefined, ScaleValue
from schemas.topics import DEFINITIONS, EMBEDDED_PARTITIONS, FACTS, IDENTITY, KAFKA_PARTITIONS, partition_for
from services.console.log_copy import copy_topics, print_log_copy, refuse_while_running, run_statements, unbinding
from services.ingest.definition_log import DefinitionLog
from services.ingest.registry import Registry
from services.projector.decoding import decode_records
from services.projector.main import run_projector, verify_views
from services.projector.verify import VerifyResult
from services.runtime.clock import utc_now
from services.runtime.log.copying import Copied, CopyRefused, copy_compacted_topic, copy_topic
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.log.interface import Log, LogRecreated, Record
from services.runtime.log.kafka import KafkaLog
from services.runtime.log.scanning import read_stretch
from services.runtime.postgres import open_pool
from services.runtime.settings import Settings, read_settings
from tests.projector_bench import append, assessed, home, record, some_facts, until
from tests.servers.backend import delete_topics
from tests.servers.embedded import EmbeddedServer
from tests.servers.kafka import KafkaBroker

FACTS_COUNT = 600


async def create(log: Log, partitions: int) -> None:
    await log.create_topic(FACTS.name, partitions, retention_ms=-1, compacted=False)


async def fill(log: Log) -> None:
    """Facts of a dozen schools; bytes that are no fact; a fact under another's key, and one in a foreign partition."""
    await create(log, EMBEDDED_PARTITIONS)
    await append(log, some_facts(FACTS_COUNT // 2))
    oak = assessed("oak", "pupil-1", 1)
    await log.append(FACTS.name, home("oak"), [(b"oak", b"no fact"), (b"oak", None)])
    await log.append(FACTS.name, home("elm"), [(b"elm", record(oak)[1])])
    await log.append(FACTS.name, (home("oak") + 1) % EMBEDDED_PARTITIONS, [record(oak)])
    await append(log, some_facts(FACTS_COUNT // 2, first=FACTS_COUNT // 2))


async def read(log: Log, partitions: int) -> dict[int, list[Record]]:
    """All that a log holds."""
    found: dict[int, list[Record]] = {}
    for partition in range(partitions):
        _, end = await log.bounds(FACTS.name, partition)
        reader = log.reader(FACTS.name)
        await reader.assign({partition: 0})
        while len(found.setdefault(partition, [])) < end:
            found[partition] += (await reader.poll(1_000, 1_000))[partition].records
        await reader.close()
    return found


async def decoded(log: Log, partitions: int) -> tuple[dict[str, list[str]], int]:
    """The ids of the facts of each school in order, and the number of dead letters."""
    schools: dict[str, list[str]] = {}
    dead = 0
    for partition, records in (await read(log, partitions)).items():
        found = decode_records(records, partition, partitions)
        dead += len(found.dead_letters)
        schools |= {school: [fact.event_id for _, fact in facts] for school, facts in found.schools.items()}
    return schools, dead


async def copied(source: Log, target: Log) -> Copied:
    return await copy_topic(source, target, FACTS.name, lambda _: None)


@pytest.fixture
async def source(embedded_database_url: str) -> AsyncIterator[Log]:
    """A log of 8 partitions with facts and dead letters in it."""
    pool = await open_pool(embedded_database_url)
    log = EmbeddedLog(pool)
    await fill(log)
    yield log
    await log.close()
    await pool.close()


@pytest.fixture
async def target(embedded_postgres: EmbeddedServer, source: Log) -> AsyncIterator[Log]:
    """An empty log of 96 partitions in a database of its own."""
    await administer(embedded_postgres, "CREATE DATABASE copy_target")
    pool = await open_pool(urlunsplit(urlsplit(embedded_postgres.url)._replace(path="/copy_target")))
    log = EmbeddedLog(pool)
    await create(log, KAFKA_PARTITIONS)
    yield log
    await log.close()
    await pool.close()
    await administer(embedded_postgres, "DROP DATABASE copy_target WITH (FORCE)")


async def administer(server: EmbeddedServer, statement: str) -> None:
    connection = await asyncpg.connect(server.url)
    await connection.execute(statement)
    await connection.close()


async def test_every_school_keeps_its_order_and_dead_letters_stay_dead(source: Log, target: Log) -> None:
    result = await copied(source, target)
    assert (result.records, result.found, result.copied) == (FACTS_COUNT + 4, 0, FACTS_COUNT + 4)
    before, after = await decoded(source, EMBEDDED_PARTITIONS), await decoded(target, KAFKA_PARTITIONS)
    assert before == after
    assert before[1] == 4 and sum(map(len, before[0].values())) == FACTS_COUNT


async def test_a_copy_that_broke_off_goes_on_and_a_whole_one_has_nothing_to_do(source: Log, target: Log) -> None:
    class Broken(Exception):
        pass

    def break_off(_: int) -> None:
        raise Broken

    with pytest.raises(Broken):
        await copy_topic(source, target, FACTS.name, break_off)
    there = sum(map(len, (await read(target, KAFKA_PARTITIONS)).values()))
    assert 0 < there < FACTS_COUNT
    result = await copied(source, target)
    assert (result.found, result.copied) == (there, FACTS_COUNT + 4 - there)
    assert await decoded(target, KAFKA_PARTITIONS) == await decoded(source, EMBEDDED_PARTITIONS)
    assert (await copied(source, target)).copied == 0


@pytest.mark.parametrize("strange", [b"another", None])
async def test_a_target_with_other_records_is_refused_and_gets_nothing(
    source: Log, target: Log, strange: bytes | None
) -> None:
    school = "school-1"
    await target.append(FACTS.name, partition_for(school.encode(), KAFKA_PARTITIONS), [(school.encode(), strange)])
    with pytest.raises(CopyRefused, match="not the beginning"):
        await copied(source, target)
    assert sum(map(len, (await read(target, KAFKA_PARTITIONS)).values())) == 1


async def test_a_target_with_more_than_the_source_is_refused(source: Log, target: Log) -> None:
    await copied(source, target)
    await append_to(target, "school-1")
    with pytest.raises(CopyRefused, match="not the beginning"):
        await copied(source, target)


async def test_a_source_that_grows_is_told_and_the_rest_comes_with_the_next_copy(source: Log, target: Log) -> None:
    appended: list[asyncio.Task[Any]] = []

    def grow(_: int) -> None:
        if not appended:
            appended.append(asyncio.ensure_future(append(source, [assessed("oak", "pupil-9", 9)])))

    with pytest.raises(CopyRefused, match="grew"):
        await copy_topic(source, target, FACTS.name, grow)
    await appended[0]
    assert (await copied(source, target)).copied == 1


async def test_of_a_compacted_topic_the_last_values_are_copied_and_gaps_do_not_matter(source: Log, target: Log) -> None:
    name = IDENTITY.name
    await source.create_topic(name, EMBEDDED_PARTITIONS, retention_ms=-1, compacted=True)
    await target.create_topic(name, KAFKA_PARTITIONS, retention_ms=-1, compacted=True)
    schools = [f"school-{number}".encode() for number in range(12)]
    last: dict[bytes, bytes | None] = {}
    for value in (b"first", b"second", None, b"last"):
        for number, school in enumerate(schools):
            partition = partition_for(school, EMBEDDED_PARTITIONS)
            items = [(school + b"\0pup_%d\0e" % pupil, value) for pupil in range(3 if value != b"last" else number % 3)]
            await source.append(name, partition, items)
            last.update(items)
    one = await copy_compacted_topic(source, target, name, lambda _: None)
    assert (one.records, one.copied, one.found) == (36, 36, 0)
    again = await copy_compacted_topic(source, target, name, lambda _: None)
    assert (again.records, again.copied, again.found) == (36, 0, 36)
    key = schools[0] + b"\0pup_0\0e"
    await source.append(name, partition_for(schools[0], EMBEDDED_PARTITIONS), [(key, b"newer")])
    assert (await copy_compacted_topic(source, target, name, lambda _: None)).copied == 1
    found: dict[bytes | None, bytes | None] = {}
    for school in schools:
        partition = partition_for(school, KAFKA_PARTITIONS)
        _, end = await target.bounds(name, partition)
        async for records in read_stretch(target, name, partition, 0, end):
            found |= {record.key: record.value for record in records}
    assert found == {**last, key: b"newer"}
    await target.append(name, 0, [(b"foreign\0pup_0\0e", b"x")])
    with pytest.raises(CopyRefused, match="this log has not"):
        await copy_compacted_topic(source, target, name, lambda _: None)


async def test_definitions_come_along_and_their_tables_come_again(
    source: Log, target: Log, embedded_database_url: str
) -> None:
    def define(_: object, heading: Any) -> ScaleDefined:
        return ScaleDefined(**msgspec.structs.asdict(heading), name="Effort", values=(ScaleValue(value="1"),))

    pool = await open_pool(embedded_database_url)
    before = DefinitionLog(pool, source, EMBEDDED_PARTITIONS, utc_now)
    await before.start()
    for scale in ("scale:a", "scale:b", "scale:a"):
        await before.write(scale, "admin", define)
    copies = {each.topic: each.copied for each in await copy_topics(source, target)}
    assert copies[DEFINITIONS.name] == 3
    after = DefinitionLog(pool, target, KAFKA_PARTITIONS, utc_now)
    with pytest.raises(LogRecreated):
        await after.start()
    await run_statements(pool, await unbinding(pool))
    await after.start()
    rows = await pool.fetch("SELECT definition, number FROM definition.version ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [("scale:a", 1), ("scale:a", 2), ("scale:b", 1)]
    await pool.close()


async def test_no_copy_while_a_service_runs(embedded_database_url: str) -> None:
    ingest = await open_pool(embedded_database_url, application="markledger ingest")
    with pytest.raises(CopyRefused, match="markledger ingest"):
        await refuse_while_running(ingest)
    await ingest.close()


async def append_to(log: Log, school: str) -> None:
    await log.append(
        FACTS.name, partition_for(school.encode(), KAFKA_PARTITIONS), [record(assessed(school, "p", 5000))]
    )


@pytest.mark.kafka
async def test_the_command_moves_a_ledger_to_kafka(
    kafka_broker: KafkaBroker, embedded_database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka_broker.start()
    await delete_topics(kafka_broker.bootstrap)
    old = read_settings(database_url=embedded_database_url, data_dir=tmp_path, kafka_bootstrap=())
    new = read_settings(
        database_url=embedded_database_url, data_dir=tmp_path, kafka_bootstrap=(kafka_broker.bootstrap,)
    )
    pool = await open_pool(embedded_database_url)
    embedded, kafka = EmbeddedLog(pool), KafkaLog(new.kafka_bootstrap)
    try:
        await fill(embedded)
        before = await folded(old, pool, embedded)
        told = await pool.fetchval("SELECT count(*) FROM ingest.given_event")

        capsys.readouterr()  # what the projector logged
        assert await asyncio.to_thread(print_log_copy, new, unbind=False, as_json=True) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["topics"][0]["copied"] == FACTS_COUNT + 4
        with pytest.raises(LogRecreated):
            await Registry(pool, kafka, FACTS.name).start()
        assert answer["statements"] == await unbinding(pool)
        await run_statements(pool, answer["statements"])

        after = await folded(new, pool, kafka)
        assert before.equal and after.equal
        assert (before.facts, before.dead_letters, before.schools) == (after.facts, after.dead_letters, after.schools)
        assert await pool.fetchval("SELECT count(*) FROM ingest.given_event") == told > 0
    finally:
        await kafka.close()
        await embedded.close()
        await pool.close()


async def folded(settings: Settings, pool: asyncpg.Pool, log: Log) -> VerifyResult:
    """Let the registry and a projector read the whole log; what `verify` says then."""
    stop = asyncio.Event()
    projector = asyncio.create_task(run_projector(settings, stop=stop))
    try:
        await until(lambda: made(pool))
        await Registry(pool, log, FACTS.name).start()
        return await verify_views(pool, log)
    finally:
        stop.set()
        await projector


async def made(pool: asyncpg.Pool) -> bool:
    """Whether a projector has its rows."""
    if await pool.fetchval("SELECT to_regclass('projection.partition')") is None:
        return False
    return bool(await pool.fetchval("SELECT count(*) FROM projection.partition"))
