"""One ASGI application of two: what writes goes to the ingest service, everything else to the query service.

It looks at the path of a request and nothing else, and runs the start and stop of both applications.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

INGEST_PATHS = (
    "/v1/events",
    "/v1/imports",
    "/v1/keys",
    "/v1/erasures",
    "/v1/tests",
    "/v1/scales",
    "/v1/settings",
    "/v1/saved-reports",
)


def is_for_ingest(path: str) -> bool:
    """Whether a request for `path` belongs to the ingest service."""
    return any(path == start or path.startswith(start + "/") for start in INGEST_PATHS)


class WebApplication:
    """Ingest and query on one port."""

    def __init__(self, ingest: ASGIApp, query: ASGIApp) -> None:
        self._ingest = ingest
        self._query = query

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if str(scope["type"]) == "lifespan":
            await _run_lifespans((self._ingest, self._query), scope, receive, send)
        elif is_for_ingest(scope["path"]):
            await self._ingest(scope, receive, send)
        else:
            await self._query(scope, receive, send)


class _Lifespan:
    """The lifespan conversation with one application, one question at a time."""

    def __init__(self, application: ASGIApp, scope: Scope) -> None:
        self._questions: asyncio.Queue[Any] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        # Each application gets a scope of its own: it may keep state in it.
        own_scope: Any = {**scope, "state": {}}
        self._task = asyncio.ensure_future(application(own_scope, self._questions.get, self._answers.put))

    async def ask(self, phase: str) -> Message:
        """The application's answer to `lifespan.PHASE`; an application that dies has failed."""
        self._questions.put_nowait({"type": f"lifespan.{phase}"})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        error = None if self._task.cancelled() else self._task.exception()
        failed: Any = {"type": f"lifespan.{phase}.failed", "message": str(error or "ended early")}
        return failed  # type: ignore[no-any-return]


async def _run_lifespans(applications: Sequence[ASGIApp], scope: Scope, receive: Receive, send: Send) -> None:
    lifespans = [_Lifespan(application, scope) for application in applications]
    await receive()
    if not await _ask_all(lifespans, "startup", send):
        return
    await receive()
    await _ask_all(list(reversed(lifespans)), "shutdown", send)


async def _ask_all(lifespans: Sequence[_Lifespan], phase: str, send: Send) -> bool:
    """Pass `phase` on, one application after the other; tell the server the first failure, or that all is well.

    A failed start stops there; a failed stop must not keep the next application from stopping.
    """
    failed: Message | None = None
    for lifespan in lifespans:
        answer = await lifespan.ask(phase)
        if answer["type"].endswith(".failed"):
            failed = failed or answer
            if phase == "startup":
                break
    complete: Any = {"type": f"lifespan.{phase}.complete"}
    await send(failed or complete)
    return failed is None
