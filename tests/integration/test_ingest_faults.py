"""What goes wrong between the append and the answer: nothing acknowledged is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from schemas.events import ObjectiveAssessed
from schemas.topics import FACTS, partition_for
from services.runtime.log.interface import AppendOutcomeUnknown, Log, LogUnavailable
from tests.integration.ingest_service import (
    ASSESSMENTS,
    Service,
    assessments,
    served,
    set_up,
)
from tests.servers.backend import Backend

ROWS = [f"m1,achieved,2026-01-{day:02}" for day in range(1, 29)]
FILE = assessments(ROWS)

Items = Sequence[tuple[bytes, bytes | None]]


class FaultyLog:
    """A log whose appends go wrong as told, one fault after another; everything else is the real one."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.faults: list[str] = []
        self._late: list[tuple[str, int, Items]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, topic: str, partition: int, items: Items) -> list[int]:
        late, self._late = self._late, []
        for given_up in late:
            await self._log.append(*given_up)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "unavailable":
            raise LogUnavailable("as the test wants")
        if fault == "comes late":
            self._late.append((topic, partition, items))
            raise AppendOutcomeUnknown("as the test wants")
        offsets = await self._log.append(topic, partition, items)
        if fault == "kept but unknown":
            raise AppendOutcomeUnknown("as the test wants")
        return offsets


@pytest.fixture
async def faulty(backend: Backend) -> AsyncIterator[tuple[Service, FaultyLog]]:
    logs: list[FaultyLog] = []

    def wrap(log: Log) -> FaultyLog:
        logs.append(FaultyLog(log))
        return logs[0]

    async with served(backend, wrap) as service:
        await set_up(service)
        yield service, logs[0]


async def told(service: Service) -> list[ObjectiveAssessed]:
    return [fact for fact in await service.facts() if isinstance(fact, ObjectiveAssessed)]


@pytest.mark.parametrize("fault", ["unavailable", "kept but unknown"])
async def test_a_failed_append_is_503_and_the_same_file_again_adds_nothing_twice(
    faulty: tuple[Service, FaultyLog], fault: str
) -> None:
    service, log = faulty
    log.faults = [fault]
    answer = await service.send("assessments", FILE, import_id="imp_one")
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert (await service.http.get("/v1/imports/imp_one")).json()["status"] == "incomplete"
    again = await service.send("assessments", FILE, import_id="imp_one")
    body = again.json()
    assert (again.status_code, body["accepted"] + body["duplicate"], body["superseded"]) == (201, len(ROWS), 0)
    assert body["accepted"] == (len(ROWS) if fault == "unavailable" else 0)
    facts = await told(service)
    assert Counter(fact.event_id for fact in facts).most_common(1)[0][1] == 1
    assert len(facts) == len(ROWS)


async def test_an_append_that_comes_late_never_swallows_what_was_told_after_it(
    faulty: tuple[Service, FaultyLog],
) -> None:
    service, log = faulty
    log.faults = ["comes late"]
    assert (await service.send("assessments", assessments(["m1,achieved,2026-02-01"]))).status_code == 503
    assert (await service.send("assessments", assessments(["m1,not_yet,2026-02-01"]))).status_code == 201
    first_of_each: dict[str, ObjectiveAssessed] = {}
    for fact in await told(service):
        first_of_each.setdefault(fact.event_id, fact)
    standing = max(first_of_each.values(), key=lambda fact: fact.revision)
    assert standing.state == "not_yet"
    assert await service.counts("assessments", assessments(["m1,not_yet,2026-02-01"])) == (0, 0, 1, 0)


async def test_events_that_may_be_durable_are_duplicates_when_told_again(faulty: tuple[Service, FaultyLog]) -> None:
    service, log = faulty
    log.faults = ["kept but unknown"]
    event = {
        "type": "ObjectiveAssessed",
        "school": "oak",
        "pupil": "A1",
        "subject": "maths",
        "objective": "m1",
        "state": "achieved",
        "assessed_on": "2026-02-01",
    }
    headers = {"Idempotency-Key": "k-1"}
    assert (await service.tell(event, **headers)).status_code == 503
    assert (await service.tell(event, **headers)).json()["duplicate"] == 1
    assert len(await told(service)) == 1


async def test_a_crash_between_append_and_commit_is_caught_up_by_the_next_process(
    service: Service, backend: Backend
) -> None:
    """The registry is put back to before a chunk, as a crash leaves it; the other process has a memory of its own."""
    names = ("told", "partition", "school")
    before = {name: await service.pool.fetch(f"SELECT t::text FROM ingest.{name} AS t") for name in names}
    await service.counts("assessments", FILE)
    async with service.pool.acquire() as connection, connection.transaction():
        for name, rows in before.items():
            await connection.execute(f"DELETE FROM ingest.{name}")
            await connection.executemany(
                f"INSERT INTO ingest.{name} SELECT (($1::text)::ingest.{name}).*", [(row[0],) for row in rows]
            )
    async with served(backend) as other:
        assert await other.counts("assessments", FILE) == (0, 0, len(ROWS), 0)
    assert await service.counts("assessments", FILE) == (0, 0, len(ROWS), 0)
    assert len(await told(service)) == len(ROWS)


async def test_two_processes_take_turns(service: Service, backend: Backend) -> None:
    async with served(backend) as other:
        answers = await asyncio.gather(
            *(each.send("assessments", FILE) for each in (service, other, service, other)),
            *(each.send("assessments", ASSESSMENTS) for each in (service, other)),
        )
        assert [answer.status_code for answer in answers] == [201] * 6
        assert sum(answer.json()["accepted"] for answer in answers) == len(ROWS) + 3
        new_pupil = "school,pupil,enrolled_on\noak,N1,2025-09-01\n"
        assert await service.counts("pupils", new_pupil) == (1, 0, 0, 0)
        row = "school,pupil,year_group,starts_on\noak,N1,3,2025-09-01\n"
        assert await other.counts("year-groups", row) == (1, 0, 0, 0), "known from the moment it was acknowledged"
    assert len({fact.event_id for fact in await told(service)}) == len(await told(service)) == len(ROWS) + 3


async def test_a_log_that_is_another_one_takes_nothing_in(service: Service, backend: Backend) -> None:
    await service.pool.execute("UPDATE ingest.partition SET log_id = 'another'")
    answer = await service.send("assessments", FILE)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/another_log")
    assert await told(service) == []


async def test_a_registry_ahead_of_its_log_takes_nothing_in(service: Service) -> None:
    """As after a restore of an older log."""
    await service.pool.execute("UPDATE ingest.partition SET next_offset = next_offset + 1000")
    answer = await service.send("assessments", FILE)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/another_log")
    assert await told(service) == []


async def test_a_connection_that_is_cut_keeps_the_complete_rows(service: Service) -> None:
    cut = FILE[: len(FILE) - 12].encode()
    await service.send_and_hang_up("/v1/imports", "kind=assessments&import_id=imp_cut", cut)
    record = (await service.http.get("/v1/imports/imp_cut")).json()
    assert (record["status"], record["accepted"]) == ("incomplete", len(ROWS) - 1)
    assert await service.counts("assessments", FILE) == (1, 0, len(ROWS) - 1, 0)


async def test_an_import_whose_process_died_is_incomplete_and_may_be_sent_again(service: Service) -> None:
    await service.counts("assessments", FILE, import_id="imp_dead")
    await service.pool.execute(
        "UPDATE ingest.import SET status = 'running', touched_at = now() - interval '10 minutes'"
        " WHERE import_id = 'imp_dead'"
    )
    assert (await service.http.get("/v1/imports/imp_dead")).json()["status"] == "incomplete"
    assert await service.counts("assessments", FILE, import_id="imp_dead") == (0, 0, len(ROWS), 0)


async def test_an_import_shows_while_it_runs(service: Service) -> None:
    may_end = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield FILE[:200].encode()
        await may_end.wait()
        yield FILE[200:].encode()

    async def post() -> httpx.Response:
        return await service.http.post(
            "/v1/imports?kind=assessments&import_id=imp_slow", content=slowly(), headers={"Content-Type": "text/csv"}
        )

    posting = asyncio.create_task(post())
    async with asyncio.timeout(20):
        while (await service.http.get("/v1/imports/imp_slow")).status_code == 404:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (await service.http.get("/v1/imports/imp_slow")).json()["status"] == "running"
    assert (await service.http.post("/v1/imports/imp_slow/reverse")).status_code == 409
    may_end.set()
    assert (await posting).json()["accepted"] == len(ROWS)


@pytest.fixture
async def service(backend: Backend) -> AsyncIterator[Service]:
    async with served(backend) as service:
        await set_up(service)
        yield service


async def test_facts_of_a_school_lie_in_its_own_partition(service: Service) -> None:
    await service.counts("assessments", ASSESSMENTS)
    partitions = await service.log.partitions(FACTS.name)
    for school in ("oak", "elm"):
        _, end = await service.log.bounds(FACTS.name, partition_for(school.encode(), partitions))
        assert end > 0


async def test_the_registry_is_built_again_from_the_log_alone(service: Service, backend: Backend) -> None:
    await service.counts("assessments", assessments(["m1,achieved,2026-02-01", "m2,not_yet,2026-02-01"]))
    reversed_ = await service.send("assessments", assessments(["m1,not_yet,2026-02-01"]))
    await service.http.post(f"/v1/imports/{reversed_.json()['import_id']}/reverse")
    event = {"type": "PupilEnrolled", "school": "oak", "pupil": "E1", "enrolled_on": "2025-09-01", "event_id": "e-1"}
    await service.tell(event)
    tables = ("school", "school_fact", "curriculum", "pupil", "told", "given_event", "withdrawal", "partition")

    async def content() -> dict[str, list[str]]:
        return {
            table: sorted(str(row[0]) for row in await service.pool.fetch(f"SELECT t::text FROM ingest.{table} AS t"))
            for table in tables
        }

    before = await content()
    assert all(before.values())
    await service.pool.execute("DROP SCHEMA ingest CASCADE")
    async with served(backend) as again:
        assert await content() == before
        assert await again.counts("assessments", assessments(["m1,achieved,2026-02-01"])) == (0, 0, 1, 0)
        assert (await again.tell(event)).json()["duplicate"] == 1
        other = {**event, "enrolled_on": "2025-09-02"}
        assert (await again.tell(other)).json()["results"][0]["error"]["code"] == "event_id_conflict"
