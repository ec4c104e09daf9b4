"""The edge of an HTTP service: a request id for each request, one line in the log for it, and its metrics.

It wraps the whole application, so that nothing is answered without it (Litestar's own middlewares do not see a 404).
It logs the template of the route and never the path, the query or a header: those may hold what a stranger typed.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from typing import Any

import structlog
from litestar import Litestar
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from services.access.problems import MEDIA_TYPE, encode_problem, unavailable

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

PATIENCE_SECONDS = 45.0
"""No request but an import is worked on for longer: reports wait 30 seconds for a position at most."""

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

    def __init__(self, app: ASGIApp, service: str, patience_seconds: float) -> None:
        self._app = app
        self._service = service
        self._patience_seconds = patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and tell of it."""
        started = time.perf_counter()
        request_id = _given_id(scope) or secrets.token_hex(8)
        scope["state"]["request_id"] = request_id
        status = 499  # the client went away before an answer
        given_up = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if given_up:
                return
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *_HEADERS]
            await send(message)

        try:
            if _takes_its_time(scope):
                await self._app(scope, receive, send_with_headers)
            elif not await self._answered_in_time(scope, receive, send_with_headers):
                if status == 499:
                    await _send_unavailable(scope, send_with_headers)
                given_up = True
        finally:
            self._tell(scope, status, time.perf_counter() - started)

    async def _answered_in_time(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the application was done in time; else it is left to itself, for a server that stands still may not
        even hear that a query is cancelled."""
        answer = asyncio.ensure_future(self._app(scope, receive, send))
        try:
            done, _ = await asyncio.wait({answer}, timeout=self._patience_seconds)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        if not done:
            answer.cancel()
            return False
        answer.result()
        return True

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


def with_edge(app: Litestar, service: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Litestar:
    """Put the edge around everything that `app` answers, errors of its router included."""
    app.asgi_handler = Edge(app.asgi_handler, service, patience_seconds)
    return app


def _takes_its_time(scope: Scope) -> bool:
    """An import may stream for hours; everything else is answered, or refused, while somebody waits."""
    return scope.get("method") == "POST" and scope["path"].startswith("/v1/imports")


async def _send_unavailable(scope: Scope, send: Send) -> None:
    problem = unavailable()
    scope["state"]["problem"] = problem.code
    body = encode_problem(problem, instance=scope["path"], request_id=scope["state"]["request_id"])
    headers = {**problem.headers, "Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    start: Any = {
        "type": "http.response.start",
        "status": problem.status,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await send(start)
    rest: Any = {"type": "http.response.body", "body": body, "more_body": False}
    await send(rest)


def _given_id(scope: Scope) -> str:
    """The id that a proxy or a client gave, if it is harmless to repeat."""
    for name, value in scope.get("headers", ()):
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
            return value.decode("ascii")
    return ""
