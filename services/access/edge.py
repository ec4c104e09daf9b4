"""The edge of an HTTP service: a request id for each request, one line in the log for it, and its metrics.

It wraps the whole application, so that nothing is answered without it (Litestar's own middlewares do not see a 404).
It logs the template of the route and never the path, the query or a header: those may hold what a stranger typed.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

import structlog
from litestar import Litestar
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "markledger_http_requests",
    "Requests answered. Unit: requests.",
    ["service", "route", "status"],
)
REQUEST_SECONDS = Histogram(
    "markledger_http_request_seconds",
    "Time from the start of a request to the end of its answer. Unit: seconds.",
    ["service", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)

_PROBES = ("/healthz", "/readyz", "/metrics")
"""Asked every second by machines: written to the log only when something is wrong."""

_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'"),
)
_log = structlog.get_logger("markledger.requests")


class Edge:
    """An ASGI application around another one; see `with_edge`."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and tell of it."""
        started = time.perf_counter()
        request_id = _given_id(scope) or secrets.token_hex(8)
        scope["state"]["request_id"] = request_id
        status = 499  # the client went away before an answer

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *_HEADERS]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            self._tell(scope, status, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("path_template") or "none"
        REQUESTS.labels(self._service, route, str(status)).inc()
        REQUEST_SECONDS.labels(self._service, route).observe(seconds)
        state: dict[str, Any] = scope["state"]
        tell = _log.debug if route in _PROBES and status == 200 else _log.info
        tell(
            "request",
            service=self._service,
            request_id=state["request_id"],
            method=scope.get("method"),
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            key_id=state.get("key_id"),
            problem=state.get("problem"),
        )


def with_edge(app: Litestar, service: str) -> Litestar:
    """Put the edge around everything that `app` answers, errors of its router included."""
    app.asgi_handler = Edge(app.asgi_handler, service)
    return app


def _given_id(scope: Scope) -> str:
    """The id that a proxy or a client gave, if it is harmless to repeat."""
    for name, value in scope.get("headers", ()):
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
            return value.decode("ascii")
    return ""
