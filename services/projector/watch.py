"""What a projector that runs alone shows of itself over HTTP: that it lives, and its metrics. No views, no reports."""

from __future__ import annotations

from litestar import Litestar, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.runtime.observability import metrics_registry


@get("/healthz", sync_to_thread=False)
def answer_alive() -> dict[str, str]:
    """The process lives and its event loop turns; whether the views keep up is said by `projector_lag_*`."""
    return {"status": "alive"}


@get("/metrics", sync_to_thread=False)
def answer_metrics() -> Response[bytes]:
    """The metrics of this process, in Prometheus' text format."""
    return Response(generate_latest(metrics_registry()), media_type=CONTENT_TYPE_LATEST)


def create_app() -> Litestar:
    """The application to be served on a port of the projector's own."""
    return Litestar([answer_alive, answer_metrics], openapi_config=None)
