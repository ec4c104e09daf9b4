"""Backups tried: yesterday's database catches up from the log; a database that is newer than its log is refused."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from schemas.events import AnyFact
from schemas.topics import FACTS
from services.console.backups import last_backup, print_make, print_restore
from services.console.data_directory import locked
from services.console.database import database_of
from services.console.failures import UsageError
from services.ingest.registry import Registry
from services.projector.main import run_projector, verify_views
from services.projector.projections import timeline
from services.projector.verify import VerifyResult
from services.query.health import read_readiness
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.log.interface import LogRecreated
from services.runtime.postgres import open_pool
from services.runtime.settings import Settings, read_settings
from tests.integration.ingest_service import ASSESSMENTS, PUPILS, Service, assessments, served, set_up
from tests.projector_bench import QUICK, Worker, append, assessed, caught_up, open_feed, until
from tests.servers.backend import Backend
from tests.servers.embedded import EmbeddedServer

TODAY = assessments([f"m{n},{state},2026-02-0{n}" for n, state in ((1, "not_yet"), (2, "achieved"))])


@asynccontextmanager
async def projecting(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[None]:
    """A projector at work inside the block."""
    stop = asyncio.Event()
    projector = asyncio.create_task(run_projector(settings, stop=stop, pace=QUICK))

    async def works() -> bool:
        if await pool.fetchval("SELECT to_regclass('projection.partition')") is None:
            return False
        return bool(await pool.fetchval("SELECT count(*) FROM projection.partition WHERE owner IS NOT NULL"))

    try:
        await until(works)
        yield
    finally:
        stop.set()
        await projector


async def verified(service: Service, settings: Settings) -> VerifyResult:
    """What `verify` says once a projector has read all."""
    async with projecting(settings, service.pool):
        return await verify_views(service.pool, service.log)


async def told(there: Backend, *, read_back: bool = True) -> list[AnyFact]:
    """Yesterday's facts, folded; read back from the log if that is wanted."""
    async with served(there) as service:
        await set_up(service)
        await service.counts("assessments", ASSESSMENTS)
        result = await verified(service, there.settings)
        assert result.equal and result.behind == 0
        return await service.facts() if read_back else []


@pytest.mark.kafka
@pytest.mark.postgres_server
@pytest.mark.parametrize("backend", ["kafka"], indirect=True)
async def test_yesterdays_database_catches_up_from_the_log(backend: Backend, tmp_path: Path) -> None:
    await told(backend, read_back=False)
    assert await asyncio.to_thread(print_make, backend.settings, tmp_path / "backup", False) == 0
    async with served(backend) as service:
        assert (await last_backup(service.pool) or (99, ""))[1] == str(tmp_path / "backup")
        reversed_id = (await service.send("assessments", TODAY, source="other")).json()["import_id"]
        assert (await service.http.post(f"/v1/imports/{reversed_id}/reverse")).json()["withdrawn"] == 2
        assert await service.counts("assessments", TODAY) == (2, 1, 0, 0)
        today = await service.facts()

    await administer(backend, f"DROP DATABASE {database_name(backend)}", f"CREATE DATABASE {database_name(backend)}")
    assert await asyncio.to_thread(print_restore, backend.settings, tmp_path / "backup", False) == 0
    with pytest.raises(UsageError, match="not empty"):
        await asyncio.to_thread(print_restore, backend.settings, tmp_path / "backup", False)

    async with served(backend) as service:  # ingest catches up at its start, before it takes anything
        assert await service.counts("assessments", TODAY) == (0, 0, 2, 0)
        assert await service.counts("pupils", PUPILS) == (0, 0, 3, 0)
        assert await service.facts() == today  # nothing lost, nothing twice
        after = await verified(service, backend.settings)
        assert after.equal and after.behind == 0 and after.dead_letters == 0, after


def database_name(backend: Backend) -> str:
    return urlsplit(backend.database_url).path.removeprefix("/")


async def administer(backend: Backend, *statements: str) -> None:
    connection = await asyncpg.connect(urlunsplit(urlsplit(backend.database_url)._replace(path="/postgres")))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Backend]:
    """An installation of its own on the embedded log in `directory`, as `up` has it."""
    settings = read_settings(data_dir=directory, pupil_key="p" * 40, identity_key="i" * 40, kafka_bootstrap=())
    async with database_of(settings) as url:
        nothing: EmbeddedServer = None  # type: ignore[assignment]  # nobody hurts it
        yield Backend("embedded", url, (), directory, nothing, nothing)


async def test_on_the_embedded_log_yesterday_is_yesterday(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path / "one", pupil_key="p" * 40, identity_key="i" * 40)
    async with running(tmp_path / "one") as there:
        yesterday = await told(there)
        # while it runs: a dump
        assert await asyncio.to_thread(print_make, settings, tmp_path / "backup", False) == 0
    with locked(tmp_path / "one"):  # stopped: a copy of the directory
        await asyncio.to_thread(shutil.copytree, tmp_path / "one", tmp_path / "copy")
    async with running(tmp_path / "one") as there, served(there) as service:
        assert await service.counts("assessments", TODAY) == (2, 1, 0, 0)

    elsewhere = replace_dir(settings, tmp_path / "two")
    assert await asyncio.to_thread(print_restore, elsewhere, tmp_path / "backup", False) == 0
    for directory in (tmp_path / "two", tmp_path / "copy"):
        async with running(directory) as there, served(there) as service:
            assert await service.facts() == yesterday
            # what was sent since then is sent again, and taken
            assert await service.counts("assessments", ASSESSMENTS) == (0, 0, 3, 0)
            assert await service.counts("assessments", TODAY) == (2, 1, 0, 0)
            result = await verified(service, there.settings)
            assert result.equal and result.behind == 0, result


def replace_dir(settings: Settings, directory: Path) -> Settings:
    return settings.model_copy(update={"data_dir": directory})


async def test_a_log_older_than_the_database_is_refused_and_the_right_one_goes_on(
    embedded_postgres: EmbeddedServer, embedded_database_url: str
) -> None:
    """The log in a database of its own stands for Kafka: so it can be put back while views and registry stay."""
    log_urls = [
        urlunsplit(urlsplit(embedded_postgres.url)._replace(path=f"/{name}")) for name in ("log_now", "log_old")
    ]
    server = Backend("embedded", embedded_postgres.url, (), Path(), embedded_postgres, embedded_postgres)
    await administer(server, "CREATE DATABASE log_now")
    pool = await open_pool(embedded_database_url)
    try:
        await _follow(pool, log_urls[0], 0, 20)
        await administer(server, "CREATE DATABASE log_old TEMPLATE log_now")
        views = await _follow(pool, log_urls[0], 20, 30)

        old_pool = await open_pool(log_urls[1])
        old = EmbeddedLog(old_pool)
        with pytest.raises(LogRecreated, match="ends at 20, but the registry has read up to 30"):
            await Registry(pool, old, FACTS.name).start()
        async with Worker(pool, old, await open_feed(pool, old, timeline), timeline) as worker:
            await until(lambda: _stands(pool), worker)
            assert any("outside the log (0 to 20)" in each for each in (await read_readiness(pool)).reasons)
            assert await _views(pool) == views  # never reset
        await old.close()
        await old_pool.close()

        assert await _follow(pool, log_urls[0], 30, 31) != views
        assert (await read_readiness(pool)).partitions[0].stopped_reason is None
    finally:
        await pool.close()
        for name in ("log_now", "log_old"):
            await administer(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def _follow(pool: asyncpg.Pool, log_url: str, first: int, end: int) -> list[asyncpg.Record]:
    """Some facts more, in registry and views; what the views are then."""
    log_pool = await open_pool(log_url)
    log = EmbeddedLog(log_pool)
    try:
        feed = await open_feed(pool, log, timeline)
        async with Worker(pool, log, feed, timeline) as worker:
            await append(log, [assessed("oak", "p", number) for number in range(first, end)])
            await Registry(pool, log, FACTS.name).start()
            await until(lambda: caught_up(pool, log), worker)
            result = await verify_views(pool, log)
            assert result.equal and result.facts == end
        return await _views(pool)
    finally:
        await log.close()
        await log_pool.close()


async def _views(pool: asyncpg.Pool) -> list[asyncpg.Record]:
    return list(await pool.fetch("SELECT partition, next_offset, facts FROM projection.partition ORDER BY partition"))


async def _stands(pool: asyncpg.Pool) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM projection.partition WHERE stopped_reason IS NOT NULL"))
