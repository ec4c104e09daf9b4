"""The query service as an application: its parts put together, its routes, its start. `run` serves it alone.

It is stateless: any number of them may run beside each other. `markledger up` serves the same application together
with ingest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog
import uvicorn
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler

from schemas.topics import EMBEDDED_PARTITIONS, KAFKA_PARTITIONS
from services.access import identities, keys
from services.access.edge import with_edge
from services.access.keys import Keyring
from services.access.keystore import open_keystore
from services.access.problems import Problem, is_outage
from services.query.definitions import Definitions
from services.query.directory import Directory
from services.query.facts_reader import FactsReader
from services.query.health import METRICS_MEDIA_TYPE, read_readiness, render_metrics
from services.query.lineage import Lineage
from services.query.names import Names
from services.query.open_reports import caches
from services.query.openapi import DOCUMENT
from services.query.pages.problem_texts import PROBLEM_TEXTS
from services.query.pages.render import HTML_MEDIA_TYPE, render
from services.query.pages.routes import Site, as_page, page_handlers
from services.query.pages.settings_form import Told
from services.query.permalink_routes import permalink_handlers
from services.query.permalinks import Keep, Permalinks
from services.query.reader import Reader
from services.query.reporting import Reporting
from services.query.routes import REPORTS, report_handlers
from services.runtime.clock import utc_now
from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.observability import configure_logging, metrics_registry
from services.runtime.postgres import open_pool
from services.runtime.settings import InvalidSettings, Settings, read_settings

SERVICE = "query"
TABLES_SECONDS = 5.0
RETRY_SECONDS = 1.0

_log = structlog.get_logger("markledger.query")


def create_app(
    settings: Settings,
    pool: asyncpg.Pool,
    keyring: Keyring,
    problems: Mapping[str, str] | None = None,
    log: Log | None = None,
    topics: bytes | None = None,
    *,
    processes: int = 1,
    keep: Keep | None = None,
    tell: Told | None = None,
) -> Litestar:
    """The application. `problems`: texts of the codes of other services, for the pages under /problems; `topics`: their
    AsyncAPI document, for /docs; `processes`: how many share the memory for what is kept between reports;
    `keep`: keeps permalinks, which there are none without; `tell`: sends what forms save to the ingest service.

    `log`: where it is written down who was told names; without it, or without the identity key, there are none.
    """
    partitions = KAFKA_PARTITIONS if settings.kafka_bootstrap else EMBEDDED_PARTITIONS
    names = None
    if log is not None and settings.identity_key is not None:
        names = Names(pool, open_keystore(settings, pool), log, partitions, utc_now)
    lineage = None if log is None else Lineage(log, partitions)
    reader, facts = Reader(pool, partitions, *caches(processes)), FactsReader(pool, partitions)
    definitions = Definitions(pool)
    reporting = Reporting(reader, names, facts, lineage, settings.small_numbers, definitions)
    permalinks = Permalinks(reporting, definitions, {each.path: each for each in REPORTS}, keep, utc_now)
    texts = {**(problems or {}), **PROBLEM_TEXTS}
    site = Site(reporting, Directory(pool), keyring, utc_now, texts, definitions, permalinks, tell)

    @asynccontextmanager
    async def tables(_: Litestar) -> AsyncIterator[None]:
        making = asyncio.create_task(_make_tables(pool))
        await asyncio.wait({making}, timeout=TABLES_SECONDS)
        yield
        making.cancel()
        if names is not None:
            await names.close()

    app = Litestar(
        route_handlers=[
            *report_handlers(reporting, keyring, utc_now),
            *permalink_handlers(permalinks, keyring),
            *page_handlers(site),
            *_operation_handlers(pool),
            *_document_handlers(topics),
        ],
        exception_handlers={Problem: as_page, Exception: as_page},
        lifespan=[tables],
        openapi_config=None,
        logging_config=None,
    )
    return with_edge(app, SERVICE)


async def _make_tables(pool: asyncpg.Pool) -> None:
    """The tables of keys and identities, as soon as the database is there; until then requests answer 503."""
    while True:
        try:
            await keys.ensure_tables(pool)
            return await identities.ensure_tables(pool)
        except Exception as error:
            if not is_outage(error):
                _log.error("the tables of keys cannot be made", exc_info=error)
                raise
            _log.warning("the query service waits for its database", fault=type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)


def _operation_handlers(pool: asyncpg.Pool) -> list[HTTPRouteHandler]:
    @get("/healthz", name="alive")
    async def tell_alive() -> dict[str, str]:
        return {"status": "alive"}

    @get("/readyz", name="ready")
    async def tell_ready() -> Response[Any]:
        readiness = await read_readiness(pool)
        headers = {"Cache-Control": "no-store"}
        return Response(readiness, status_code=200 if readiness.ready else 503, headers=headers)

    @get("/metrics", name="metrics")
    async def tell_metrics() -> Response[bytes]:
        return Response(await render_metrics(pool, metrics_registry()), media_type=METRICS_MEDIA_TYPE)

    return [tell_alive, tell_ready, tell_metrics]


def _document_handlers(topics: bytes | None) -> list[HTTPRouteHandler]:
    @get("/docs", name="docs page")
    async def show_docs(request: Request[Any, Any, Any]) -> Response[bytes]:
        origin = str(request.base_url).rstrip("/")
        page = render("docs.html", who="", document=DOCUMENT, origin=origin, has_topics=topics is not None)
        return Response(page, media_type=HTML_MEDIA_TYPE)

    @get("/docs/openapi.json", name="openapi")
    async def send_document() -> Response[dict[str, Any]]:
        return Response(DOCUMENT)

    @get("/docs/asyncapi.json", name="asyncapi")
    async def send_topics() -> Response[bytes]:
        return Response(topics or b"", media_type="application/json")

    return [show_docs, send_document, *([send_topics] if topics is not None else [])]


def run(host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve the query service alone until told to stop. Raises InvalidSettings, PostgresError."""
    configure_logging(SERVICE)
    asyncio.run(_serve(read_settings(), host, port))


async def _serve(settings: Settings, host: str, port: int) -> None:
    if settings.database_dsn is None:
        raise InvalidSettings("MARKLEDGER_DATABASE_URL: the query service alone needs a PostgreSQL server")
    if settings.admin_key is None:
        raise InvalidSettings("MARKLEDGER_ADMIN_KEY: the query service alone needs the administrator's key")
    pool = await open_pool(settings.database_dsn, application=f"markledger {SERVICE}")
    log = await open_log(settings, pool)
    try:
        keyring = Keyring(pool, settings.admin_key.get_secret_value())
        app = create_app(settings, pool, keyring, log=log)
        server = uvicorn.Server(
            uvicorn.Config(app, host=host, port=port, access_log=False, log_config=None, server_header=False)
        )
        await server.serve()
    finally:
        await log.close()
        await pool.close()
