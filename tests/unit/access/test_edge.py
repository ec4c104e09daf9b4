"""Nobody waits for ever: when something behind a service stands still, the request is answered 503."""

from __future__ import annotations

import asyncio

import httpx
from litestar import Litestar, get, post

from services.access.edge import with_edge
from services.access.problems import PROBLEM_HANDLERS


def client(app: Litestar) -> httpx.AsyncClient:
    edged = with_edge(app, "test", patience_seconds=0.05)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=edged), base_url="http://test")


async def test_a_request_that_stands_still_is_told_to_come_again() -> None:
    cancelled = asyncio.Event()

    @get("/v1/reports/overview")
    async def stands_still() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    async with client(Litestar([stands_still], exception_handlers=PROBLEM_HANDLERS)) as asking:
        answer = await asking.get("/v1/reports/overview")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "/problems/unavailable"
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_an_import_may_take_its_time() -> None:
    goes_on = asyncio.Event()

    @post("/v1/imports")
    async def slow_import() -> str:
        asyncio.get_running_loop().call_later(0.2, goes_on.set)
        await goes_on.wait()
        return "done"

    async with client(Litestar([slow_import])) as asking:
        assert (await asking.post("/v1/imports")).status_code == 201
