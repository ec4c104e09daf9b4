"""The composition root of ingest: from settings, pool and log to the ASGI application. The only wiring of the service.

`services.console.serving` opens and closes what it stands on, and serves it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import asyncpg
import structlog
from litestar import Litestar, Request, Response, get
from litestar.handlers import BaseRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.topics import EMBEDDED_PARTITIONS, KAFKA_PARTITIONS
from services.access.edge import with_edge
from services.access.keys import Keyring
from services.access.problems import PROBLEM_HANDLERS, Problem, as_response
from services.ingest.routes import ingest_handlers
from services.ingest.serving import Serving, secrets_of
from services.runtime.clock import utc_now
from services.runtime.log.interface import Log, LogRecreated, OffsetOutOfRange
from services.runtime.observability import metrics_registry
from services.runtime.settings import Settings

SERVICE = "ingest"
_log = structlog.get_logger("markledger.ingest")


def create_app(
    settings: Settings, pool: asyncpg.Pool, log: Log, keyring: Keyring, *, clock: Callable[[], datetime] = utc_now
) -> Litestar:
    """The service on what is given; the caller closes pool and log. Raises InvalidSettings."""
    serving = Serving(
        pool=pool,
        log=log,
        keyring=keyring,
        secrets=secrets_of(settings, pool, SERVICE),
        partitions=KAFKA_PARTITIONS if settings.kafka_bootstrap else EMBEDDED_PARTITIONS,
        clock=clock,
    )
    app = Litestar(
        route_handlers=[*ingest_handlers(serving), *_operation_handlers(serving)],
        on_startup=[serving.start],
        on_shutdown=[serving.stop],
        exception_handlers={**PROBLEM_HANDLERS, LogRecreated: _another_log, OffsetOutOfRange: _another_log},
        openapi_config=None,
        logging_config=None,
    )
    return with_edge(app, SERVICE)


def _another_log(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The log is not the one that the registry was built from: nothing may be taken in, and waiting does not help."""
    _log.error("the log is another one than before", exc_info=error)
    problem = Problem(
        503,
        "another_log",
        "The log is not the one that this product has written so far",
        "Nothing was accepted. An operator has to connect the right log, or to rebuild the registry from this one.",
        headers={"Retry-After": "60"},
    )
    return as_response(request, problem)


def _operation_handlers(serving: Serving) -> list[BaseRouteHandler]:
    """For the service alone; beside the query service that one answers these addresses."""

    @get("/healthz", name="alive")
    async def tell_alive() -> dict[str, str]:
        return {"status": "alive"}

    @get("/readyz", name="ready")
    async def tell_ready() -> dict[str, bool]:
        await serving.ledger()
        return {"ready": True}

    @get("/metrics", name="metrics")
    async def tell_metrics() -> Response[bytes]:
        return Response(generate_latest(metrics_registry()), media_type=CONTENT_TYPE_LATEST)

    return [tell_alive, tell_ready, tell_metrics]
