"""Every refusal has one shape, tells nothing of the inside, and an outage is no fault of the request."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar, Request, get, post
from structlog.testing import capture_logs

from services.access.edge import with_edge
from services.access.problems import PROBLEM_HANDLERS, Problem, ProblemError
from services.runtime.log.interface import AppendOutcomeUnknown, LogUnavailable

SECRET = "Amy Smith upn:A123"
RAISED: dict[str, Exception] = {
    "problem": Problem(
        422, "no_settings", "Title", "Detail", [ProblemError("no_settings", "Give bands.", parameter="bands")]
    ),
    "defect": ValueError(SECRET),
    "away": asyncpg.CannotConnectNowError("starting up"),
    "closed": asyncpg.InterfaceError("connection is closed"),
    "broken": asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    "refused": ConnectionRefusedError(),
    "slow": TimeoutError(),
    "log": LogUnavailable("no broker"),
    "unknown": AppendOutcomeUnknown("no answer"),
    "argument": asyncpg.DataError(SECRET),
}


@get("/raise/{what:str}")
async def raise_something(request: Request[Any, Any, Any]) -> None:
    raise RAISED[request.path_params["what"]]


@post("/echo", request_max_body_size=10)
async def echo(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@get("/number/{number:int}")
async def number(request: Request[Any, Any, Any]) -> int:
    return int(request.path_params["number"])


@get("/healthz")
async def tell_alive() -> str:
    return "alive"


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = Litestar(
        [raise_something, echo, number, tell_alive],
        exception_handlers=PROBLEM_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    transport = httpx.ASGITransport(app=with_edge(app, "test"), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def problem_in(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    assert body["type"].startswith("/problems/")
    assert body["title"] and body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["instance"] == response.request.url.path
    return body


async def test_a_problem_says_all_that_it_knows(client: httpx.AsyncClient) -> None:
    body = problem_in(await client.get("/raise/problem"))
    assert (body["status"], body["type"], body["title"], body["detail"]) == (
        422,
        "/problems/no_settings",
        "Title",
        "Detail",
    )
    assert body["errors"] == [{"code": "no_settings", "detail": "Give bands.", "parameter": "bands"}]


@pytest.mark.parametrize("what", ["defect", "argument"])
async def test_a_defect_is_a_500_that_tells_nothing_of_the_inside(client: httpx.AsyncClient, what: str) -> None:
    with capture_logs() as lines:
        response = await client.get(f"/raise/{what}")
    assert problem_in(response)["status"] == 500
    assert SECRET not in response.text
    assert "Traceback" not in response.text
    failed = next(line for line in lines if line["log_level"] == "error")
    assert failed["request_id"] == response.headers["x-request-id"]
    assert failed["exc_info"] is RAISED[what]


@pytest.mark.parametrize("what", ["away", "closed", "broken", "refused", "slow", "log", "unknown"])
async def test_an_outage_is_a_503_with_retry_after(client: httpx.AsyncClient, what: str) -> None:
    response = await client.get(f"/raise/{what}")
    assert problem_in(response)["type"] == "/problems/unavailable"
    assert (response.status_code, int(response.headers["retry-after"]) > 0) == (503, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", b"", 404, "not_found"),
        ("GET", "/number/x", b"", 404, "not_found"),
        ("DELETE", "/number/1", b"", 405, "method_not_allowed"),
        ("POST", "/echo", b"x" * 11, 413, "body_too_large"),
    ],
)
async def test_errors_of_the_framework_are_problems_too(
    client: httpx.AsyncClient, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    response = await client.request(method, path, content=body)
    assert problem_in(response)["type"] == f"/problems/{code}"
    assert response.status_code == status


async def test_a_wrong_method_is_told_the_right_ones(client: httpx.AsyncClient) -> None:
    assert "GET" in (await client.delete("/number/1")).headers["allow"]


async def test_the_edge_repeats_a_harmless_request_id_and_makes_one_else(client: httpx.AsyncClient) -> None:
    given = await client.get("/number/1", headers={"x-request-id": "proxy-1"})
    assert given.headers["x-request-id"] == "proxy-1"
    odd = await client.get("/number/1", headers={"x-request-id": 'a"\\b'})
    assert odd.headers["x-request-id"] != 'a"\\b'
    other = await client.get("/number/1")
    assert other.headers["x-request-id"] not in ("", odd.headers["x-request-id"])


async def test_a_log_line_has_the_route_and_nothing_that_was_typed(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await client.get("/number/7?name=Amy%0ASmith")
        await client.get("/Amy-Smith")
    written = [line for line in lines if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in written] == [("/number/{number}", 200), ("none", 404)]
    assert "Amy" not in json.dumps(written)


async def test_probes_are_silent_while_all_is_well(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await client.get("/healthz")
        await client.get("/number/1")
    assert [line["log_level"] for line in lines] == ["debug", "info"]


async def test_every_answer_forbids_what_pages_do_not_need(client: httpx.AsyncClient) -> None:
    for path in ("/number/1", "/nowhere"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
