"""The processes that serve: ingest and query on one port for `up`, each alone for real deployments, the projector.

Here pool, log and keys are opened and closed; the applications are put together in `services.ingest.main` and
`services.query.main`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Literal

import asyncpg
import uvicorn
import uvloop
from litestar.types import ASGIApp

from services.access.keys import Keyring
from services.console import data_directory
from services.console.answering import AnsweringProtocol
from services.console.database import database_of
from services.console.forwarding import forward_to
from services.console.permalinks import permalink_keeper
from services.console.web import WebApplication
from services.ingest.intake.asyncapi import DOCUMENT as TOPICS_DOCUMENT
from services.ingest.problem_codes import PROBLEM_CODES
from services.query.pages.settings_form import Told
from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.observability import configure_logging
from services.runtime.postgres import open_pool
from services.runtime.settings import InvalidSettings, Settings, read_settings

Part = Literal["ingest", "query", "web"]

CONNECTIONS_MAX = 16
STOP_SECONDS = 5
KEEP_ALIVE_SECONDS = 75
COLLECT_AFTER = (50_000, 20, 20)
"""Containers made before the collector looks: a report makes thousands, in no circle, beside documents that stay."""


def serve_shared(part: Part, listener: socket.socket, processes: int) -> None:
    """Serve on a socket that listens already, as one of so many processes, until told to stop."""
    configure_logging(part)
    settings = with_known_secrets(read_settings())
    uvloop.run(_serve(part, settings, uvicorn_config(), listener, processes=processes))


def serve_alone(part: Literal["ingest", "query"], settings: Settings, host: str, port: int, processes: int) -> None:
    """Serve one of them on an address of its own. Raises CannotStart, InvalidSettings, PostgresError."""
    configure_logging(part)
    if processes == 1:
        uvloop.run(_serve_alone(part, settings, host, port))
    else:
        from services.console.several import run_several

        asyncio.run(run_several(part, settings, host, port, processes))


async def run_projector_process() -> None:
    """The projector as a child of `up`."""
    await _run_projector(read_settings())


async def run_projector_alone(settings: Settings, host: str, port: int | None) -> None:
    """The projector in a process of its own, with health and metrics on a port if there is one.

    Raises InvalidSettings, PostgresError.
    """
    async with database_of(settings) as url:
        told = settings_with(settings, database_url=url)
        if port is None:
            await _run_projector(told)
        else:
            from services.projector.watch import create_app

            await _watched(_run_projector(told), create_app(), uvicorn_config(host, port))


async def run_intake_process() -> None:
    """The intake as a child of `up`."""
    await _run_intake(read_settings(), None)


async def run_intake_alone(settings: Settings, host: str, port: int | None) -> None:
    """The intake in a process of its own, with health, metrics and documentation on a port if there is one.

    Raises InvalidSettings, PostgresError.
    """
    from services.ingest.intake.main import check_settings

    known = with_known_secrets(settings)
    check_settings(known)
    async with database_of(known) as url:
        config = None if port is None else uvicorn_config(host, port)
        await _run_intake(settings_with(known, database_url=url), config)


async def _run_intake(settings: Settings, config: uvicorn.Config | None) -> None:
    from services.ingest.intake.main import create_app, create_intake, run_intake

    configure_logging("intake")
    if settings.database_dsn is None:
        raise InvalidSettings("MARKLEDGER_DATABASE_URL: the intake needs a database")
    stop = _stop_on_signals()
    pool = await open_pool(settings.database_dsn, size_max=CONNECTIONS_MAX, application="markledger intake")
    try:
        log = await open_log(settings, pool)
        try:
            intake, entrance = create_intake(settings, pool, log)
            work = run_intake(intake, entrance, stop)
            await (work if config is None else _watched(work, create_app(intake), config))
        finally:
            await log.close()
    finally:
        await _close(pool)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _watched(work: Coroutine[Any, Any, None], application: ASGIApp, config: uvicorn.Config) -> None:
    config.app = application
    server = _BesideServer(config)
    serving = asyncio.ensure_future(server.serve())
    try:
        await work
    finally:
        server.should_exit = True
        await serving


async def _run_projector(settings: Settings) -> None:
    from services.projector.main import run_projector

    configure_logging("projector")
    await run_projector(settings, stop=_stop_on_signals())


async def _serve_alone(part: Literal["ingest", "query"], settings: Settings, host: str, port: int) -> None:
    async with database_of(settings) as url:
        told = settings_with(settings, database_url=url)
        await _serve(part, with_known_secrets(told), uvicorn_config(host, port))


def settings_with(settings: Settings, **changed: str) -> Settings:
    """The same settings with some of them changed."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set if name not in changed}
    return read_settings(**given, **changed)


def with_known_secrets(settings: Settings) -> Settings:
    """The secrets of the data directory stand in for those that were not given; nothing is made here."""
    found = {}
    for name in data_directory.SECRETS:
        if getattr(settings, f"{name}_key") is None:
            secret = data_directory.read_secret(settings.data_dir, name)
            if secret is not None:
                found[f"{name}_key"] = secret
    return settings_with(settings, **found) if found else settings


def uvicorn_config(host: str = "127.0.0.1", port: int = 0) -> uvicorn.Config:
    """How every service is served; the application is put in later."""
    return uvicorn.Config(
        app="",
        host=host,
        port=port,
        http=AnsweringProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


class _Server(uvicorn.Server):
    """Stops on a signal without raising it again afterwards, so that pool and log are closed in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


class _BesideServer(uvicorn.Server):
    """Runs beside the work of the process, which takes the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    part: Part,
    settings: Settings,
    config: uvicorn.Config,
    listener: socket.socket | None = None,
    *,
    processes: int = 1,
) -> None:
    if settings.database_dsn is None:
        raise InvalidSettings(f"MARKLEDGER_DATABASE_URL: {part} needs a database")
    pool = await open_pool(settings.database_dsn, size_max=CONNECTIONS_MAX, application=f"markledger {part}")
    try:
        async with _application(part, settings, pool, processes) as application:
            config.app = application
            gc.freeze()
            gc.set_threshold(*COLLECT_AFTER)
            await _Server(config).serve(sockets=[listener] if listener is not None else None)
    finally:
        await _close(pool)


async def _close(pool: asyncpg.Pool) -> None:
    """Close the pool; connections that do not come back (their server is gone) are dropped."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


@contextlib.asynccontextmanager
async def _application(part: Part, settings: Settings, pool: asyncpg.Pool, processes: int) -> AsyncIterator[ASGIApp]:
    """The application of `part`, on a pool that the caller closes."""
    if settings.admin_key is None:
        raise InvalidSettings(f"MARKLEDGER_ADMIN_KEY: {part} needs the administrator's key")
    keyring = Keyring(pool, settings.admin_key.get_secret_value())
    log = await open_log(settings, pool)
    try:
        if part == "query":
            yield _query(settings, pool, keyring, log, processes)
            return
        from services.ingest import main as ingest_main

        ingest = ingest_main.create_app(settings, pool, log, keyring)
        if part == "ingest":
            yield ingest
            return
        yield WebApplication(ingest, _query(settings, pool, keyring, log, processes, forward_to(ingest)))
    finally:
        await log.close()


def _query(
    settings: Settings, pool: asyncpg.Pool, keyring: Keyring, log: Log, processes: int, tell: Told | None = None
) -> ASGIApp:
    from services.query import main as query_main

    keep = permalink_keeper(settings, pool, log)
    return query_main.create_app(
        settings, pool, keyring, PROBLEM_CODES, log, TOPICS_DOCUMENT, processes=processes, keep=keep, tell=tell
    )
