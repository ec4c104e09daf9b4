"""A school taken to another installation: every answer the same on both clocks, whatever breaks off on the way."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from schemas.codec import decode_fact
from schemas.events import AnyFact
from schemas.topics import FACTS, partition_for
from services.access import identities
from services.access.keys import Keyring
from services.console.school_export import NothingToExport, print_export
from services.console.school_file import check_file
from services.console.school_import import bring_in, print_import
from services.ingest import adoption
from services.ingest.adoption import AdoptionRefused
from services.projector.main import run_projector, verify_views
from services.query.main import create_app
from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.log.scanning import read_stretch
from services.runtime.postgres import open_pool
from tests.integration.ingest_service import ADMIN_KEY, ASSESSMENTS, PUPILS, Service, assessments, served, set_up
from tests.projector_bench import until
from tests.servers.backend import Backend
from tests.servers.embedded import EmbeddedServer

MEASURES = "measure=markbook:maths:Y3:overall&measure=markbook:maths:any:assessed&bands=35,50,70,85"
BY = "by=year-group&by=group&by=characteristic:pupil-premium"
DAYS = ("2025-12-31", "2026-02-01", "2026-03-01", "2026-03-02")
KNOWN = ("2025-12-01T00:00:00Z", "2026-03-02T09:00:00Z", "2026-03-02T10:30:00Z", None)


async def fill(service: Service) -> None:
    """Three schools; of oak: rosters, characteristics, corrections, a withdrawal, a reversal, moved-in history."""
    await set_up(service)
    await service.counts("assessments", ASSESSMENTS)
    await service.counts("groups", "school,group,pupil,joined_on\noak,3B,A1,2025-09-01\nelm,4A,A1,2025-09-01\n")
    premium = "school,pupil,name,value,starts_on,ends_on\noak,A2,pupil-premium,yes,2025-10-01,2026-02-10\n"
    await service.counts("characteristics", premium)
    moved = "school,pupil,subject,objective,state,assessed_on,recorded_at\n"
    moved += "".join(f"oak,A{n},maths,m{n},achieved,2025-11-0{n},2025-11-1{n}T08:00:00Z\n" for n in (1, 2))
    await service.counts("assessments", moved, source="moved")
    service.pass_time(hours=1)
    await service.counts("assessments", assessments(["m1,not_yet,2026-02-01"]))
    reversed_id = (await service.send("assessments", assessments(["m2,achieved,2026-02-20"]), source="r")).json()
    service.pass_time(hours=1)
    assert (await service.http.post(f"/v1/imports/{reversed_id['import_id']}/reverse")).status_code == 200
    event = {"type": "ObjectiveAssessed", "school": "oak", "pupil": "A2", "subject": "maths", "event_id": "one-event"}
    await service.tell({**event, "objective": "m2", "state": "achieved", "assessed_on": "2026-02-03"})
    await service.tell({"type": "FactWithdrawn", "school": "oak", "withdraws": "one-event", "reason": "wrong"})


@pytest.fixture
async def source(embedded_postgres: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Backend]:
    """An embedded installation with three schools in it, in a database of its own."""
    embedded_postgres.start()
    await administer(embedded_postgres, "CREATE DATABASE school_source")
    url = urlunsplit(urlsplit(embedded_postgres.url)._replace(path="/school_source"))
    there = Backend("embedded", url, (), tmp_path / "source", embedded_postgres, embedded_postgres)
    async with served(there) as service:
        await fill(service)
    yield there
    await administer(embedded_postgres, "DROP DATABASE school_source WITH (FORCE)")


async def administer(server: EmbeddedServer, statement: str) -> None:
    connection = await asyncpg.connect(server.url)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
async def file(source: Backend, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Oak's file."""
    path = tmp_path / "oak.ndjson.zst"
    assert await asyncio.to_thread(print_export, source.settings, "oak", path, False) == 0
    assert "school   oak" in capsys.readouterr().out
    return path


@asynccontextmanager
async def opened(there: Backend) -> AsyncIterator[tuple[asyncpg.Pool, Log]]:
    """Connections and log of an installation."""
    pool = await open_pool(there.database_url)
    log = await open_log(there.settings, pool)
    try:
        yield pool, log
    finally:
        await log.close()
        await pool.close()


async def facts_of(there: Backend, school: str) -> list[AnyFact]:
    """What the log holds of a school, in order."""
    async with opened(there) as (_, log):
        partition = partition_for(school.encode(), await log.partitions(FACTS.name))
        _, end = await log.bounds(FACTS.name, partition)
        found = []
        async for records in read_stretch(log, FACTS.name, partition, 0, end):
            found += [decode_fact(record.value) for record in records if record.key == school.encode()]
        return found


async def answers(there: Backend, school: str) -> list[dict[str, Any]]:
    """What the query service says of a school, once the views hold all: every report, on both clocks, without names."""
    stop = asyncio.Event()
    projector = asyncio.create_task(run_projector(there.settings, stop=stop))
    try:
        async with opened(there) as (pool, log):
            await until(lambda: _verifiable(pool))
            verified = await verify_views(pool, log)
            assert verified.equal and verified.behind == 0 and verified.dead_letters == 0, verified
            app = create_app(there.settings, pool, Keyring(pool, ADMIN_KEY))
            transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
            headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://query", headers=headers) as http:
                return [await _answer(http, path) for path in _questions(school)]
    finally:
        stop.set()
        await projector


async def _verifiable(pool: asyncpg.Pool) -> bool:
    if await pool.fetchval("SELECT to_regclass('projection.partition')") is None:
        return False
    return bool(await pool.fetchval("SELECT count(*) FROM projection.partition WHERE owner IS NOT NULL"))


def _questions(school: str) -> list[str]:
    clocks = [f"as_at={day}" + (f"&as_known_at={known}" if known else "") for day in DAYS for known in KNOWN]
    paths = [f"overview?school={school}&{MEASURES}&{BY}&{clock}" for clock in clocks]
    paths += [f"overview/members?school={school}&{MEASURES}&row=whole&{clock}" for clock in clocks]
    return [*paths, f"score-tracking?school={school}&measure=markbook:maths:Y3:overall&as_at=2026-03-02"]


async def _answer(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await http.get(f"/v1/reports/{path}")
    assert answer.status_code == 200, (path, answer.text)
    body = answer.json()
    for where, field in (("provenance", "position"), ("provenance", "views")):
        body[where].pop(field)
    for pupil in body.get("pupils", ()):
        pupil.pop("name", None)
        pupil.pop("reference", None)
    return dict(body)


async def test_every_answer_is_the_same_in_the_other_installation(
    source: Backend, file: Path, backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(print_import, backend.settings, file, True) == 0
    imported = json.loads(capsys.readouterr().out.splitlines()[-1])
    before, after = await facts_of(source, "oak"), await facts_of(backend, "oak")
    assert after == before and len(before) == imported["written"] == check_file(file).manifest.facts > 25
    assert await facts_of(backend, "elm") == []

    there, here = await answers(source, "oak"), await answers(backend, "oak")
    assert len({json.dumps(answer) for answer in here}) > 10
    assert here == there

    async with served(backend) as service:  # the school goes on here: what was told is known, names come again
        service.pass_time(hours=3)
        again = await service.send("pupils", PUPILS)
        assert (again.json()["accepted"], again.json()["duplicate"]) == (0, 2), again.text  # elm is not here
        assert await service.counts("assessments", assessments(["m1,not_yet,2026-02-01"])) == (0, 0, 1, 0)
        assert await service.counts("assessments", assessments(["m1,achieved,2026-02-01"])) == (1, 1, 0, 0)
        assert (await facts_of(backend, "oak"))[: len(before)] == before


async def test_what_broke_off_goes_on(
    source: Backend, file: Path, embedded_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = replace(source, database_url=embedded_database_url, data_dir=tmp_path / "target")
    monkeypatch.setattr(adoption, "CHUNK_FACTS", 4)
    manifest = check_file(file).manifest

    async with opened(target) as (pool, log):
        await log.create_topic(FACTS.name, 8, retention_ms=-1, compacted=False)
        await identities.ensure_tables(pool)
        for found in (4, 8):  # the second call of each attempt comes after one more chunk
            with pytest.raises(Broken):
                await bring_in(pool, log, file, manifest, _at_call(2))
            assert len(await facts_of(target, "oak")) == found
        partition = partition_for(b"oak", 8)
        records = [record async for each in read_stretch(log, FACTS.name, partition, 0, 4) for record in each]
        # an append whose outcome was unknown, and that was made again: the same facts twice are the same facts
        await log.append(FACTS.name, partition, [(b"oak", record.value) for record in records])
        imported = await bring_in(pool, log, file, manifest, lambda _: None)
        assert (imported.found, imported.written) == (found, manifest.facts - found)
        assert (await bring_in(pool, log, file, manifest, lambda _: None)).written == 0
    assert len(await facts_of(target, "oak")) == manifest.facts + 4
    assert await answers(target, "oak") == await answers(source, "oak")


class Broken(Exception):
    """The import ends here."""


def _at_call(number: int) -> Callable[[int], None]:
    """Breaks off when it is called so often."""
    calls = itertools.count(1)

    def count(_: int) -> None:
        if next(calls) == number:
            raise Broken

    return count


async def test_a_school_with_other_facts_is_refused_and_gets_none(
    source: Backend, file: Path, embedded_database_url: str, tmp_path: Path
) -> None:
    target = replace(source, database_url=embedded_database_url, data_dir=tmp_path / "target")
    async with served(target) as service:
        await set_up(service)
    before = await facts_of(target, "oak")
    with pytest.raises(AdoptionRefused, match="not the beginning"):
        await asyncio.to_thread(print_import, target.settings, file, False)
    assert await facts_of(target, "oak") == before


async def test_somebody_who_sends_meanwhile_is_told(
    source: Backend, file: Path, embedded_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = replace(source, database_url=embedded_database_url, data_dir=tmp_path / "target")
    monkeypatch.setattr(adoption, "CHUNK_FACTS", 10)
    async with served(target) as service:
        sent: list[asyncio.Task[httpx.Response]] = []

        def send_once(count: int) -> None:
            if count and not sent:
                event = {"type": "SchoolRegistered", "school": "oak", "name": "Another", "event_id": "x"}
                sent.append(asyncio.ensure_future(service.tell(event)))

        with pytest.raises(AdoptionRefused, match="somebody else"):
            await bring_in(service.pool, service.log, file, check_file(file).manifest, send_once)
        assert (await sent[0]).status_code == 202


async def test_a_school_that_is_not_there_gives_no_file(source: Backend, tmp_path: Path) -> None:
    with pytest.raises(NothingToExport):
        await asyncio.to_thread(print_export, source.settings, "nowhere", tmp_path / "x.ndjson", False)
    assert not await asyncio.to_thread(lambda: [*tmp_path.glob("*.ndjson"), *tmp_path.glob(".*")])
