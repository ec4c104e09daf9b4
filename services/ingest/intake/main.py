"""The intake's composition root: settings → database, log and way in → the intake; and what it shows over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import asyncpg
from litestar import Litestar, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.topics import KAFKA_PARTITIONS
from services.ingest.intake.asyncapi import DOCUMENT, render_page
from services.ingest.intake.running import Health, Intake
from services.ingest.serving import Entrance, secrets_of
from services.runtime.clock import utc_now
from services.runtime.log.interface import Log
from services.runtime.observability import metrics_registry
from services.runtime.settings import InvalidSettings, Settings

HTML = "text/html; charset=utf-8"


def check_settings(settings: Settings) -> None:
    """Raises InvalidSettings for what the intake cannot run with."""
    if not settings.kafka_bootstrap:
        raise InvalidSettings("MARKLEDGER_KAFKA_BOOTSTRAP: the intake takes messages from Kafka and needs its address")
    if settings.pupil_key is None:
        raise InvalidSettings("MARKLEDGER_PUPIL_KEY: the intake needs it, the same one as the ingest service")


def create_intake(
    settings: Settings, pool: asyncpg.Pool, log: Log, *, clock: Callable[[], datetime] = utc_now
) -> tuple[Intake, Entrance]:
    """The intake, and the way in that must be started before and stopped after. Raises InvalidSettings."""
    check_settings(settings)
    entrance = Entrance(pool, log, secrets_of(settings, pool, "intake"), KAFKA_PARTITIONS, clock)
    return Intake(settings.kafka_bootstrap, log, entrance, clock), entrance


async def run_intake(intake: Intake, entrance: Entrance, stop: asyncio.Event) -> None:
    """Take messages until `stop`. Raises LogRecreated, and whatever is a defect of the program."""
    await entrance.start()
    try:
        await intake.run(stop)
    finally:
        await entrance.stop()


def create_app(intake: Intake) -> Litestar:
    """What the intake shows of itself on a port of its own."""

    @get("/healthz", sync_to_thread=False)
    def tell_health() -> Health:
        return intake.health

    @get("/readyz", sync_to_thread=False)
    def tell_ready() -> Response[Health]:
        health = intake.health
        return Response(health, status_code=200 if health.status == "taking" else 503)

    @get("/metrics", sync_to_thread=False)
    def tell_metrics() -> Response[bytes]:
        return Response(generate_latest(metrics_registry()), media_type=CONTENT_TYPE_LATEST)

    @get("/docs", sync_to_thread=False)
    def show_docs() -> Response[str]:
        return Response(render_page(), media_type=HTML)

    @get("/docs/asyncapi.json", sync_to_thread=False)
    def send_document() -> Response[bytes]:
        return Response(DOCUMENT, media_type="application/json")

    handlers = [tell_health, tell_ready, tell_metrics, show_docs, send_document]
    return Litestar(handlers, openapi_config=None, logging_config=None)
