"""The dispatcher: which application gets a request, and that both are started and stopped."""

from __future__ import annotations

from typing import Any

import pytest

from services.console.web import WebApplication, is_for_ingest


@pytest.mark.parametrize("path", ["/v1/events", "/v1/imports", "/v1/imports/imp_1/errors.csv", "/v1/keys/key_1"])
def test_what_writes_goes_to_ingest(path: str) -> None:
    assert is_for_ingest(path)


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/eventsources", "/v1/reports/overview", "/reports/overview", "/readyz"]
)
def test_everything_else_goes_to_query(path: str) -> None:
    assert not is_for_ingest(path)


class Recorder:
    """An application that notes what it is asked, and can fail to start."""

    def __init__(self, name: str, notes: list[str], fails: str = "") -> None:
        self.name, self.notes, self.fails = name, notes, fails

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            self.notes.append(f"{self.name} {scope['path']}")
            return
        for phase in ("startup", "shutdown"):
            question = await receive()
            assert question["type"] == f"lifespan.{phase}"
            self.notes.append(f"{self.name} {phase}")
            if self.fails == "dies":
                raise RuntimeError("no database")
            await send({"type": f"lifespan.{phase}.{'failed' if self.fails == phase else 'complete'}", "message": "x"})


async def _live(application: WebApplication) -> list[str]:
    questions = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    answers: list[str] = []

    async def receive() -> Any:
        return next(questions)

    async def send(message: Any) -> None:
        answers.append(message["type"])

    await application({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return answers


async def test_both_live_and_die_in_order() -> None:
    notes: list[str] = []
    answers = await _live(WebApplication(Recorder("ingest", notes), Recorder("query", notes)))
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert notes == ["ingest startup", "query startup", "query shutdown", "ingest shutdown"]


@pytest.mark.parametrize("fault", ["startup", "dies"])
async def test_a_failed_start_of_either_is_a_failed_start(fault: str) -> None:
    notes: list[str] = []
    answers = await _live(WebApplication(Recorder("ingest", notes, fault), Recorder("query", notes)))
    assert answers == ["lifespan.startup.failed"]
    assert "query startup" not in notes


async def test_a_failed_stop_of_one_does_not_keep_the_other_running() -> None:
    notes: list[str] = []
    answers = await _live(WebApplication(Recorder("ingest", notes), Recorder("query", notes, "shutdown")))
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.failed"]
    assert "ingest shutdown" in notes


async def test_requests_are_passed_on_by_path() -> None:
    notes: list[str] = []
    application: Any = WebApplication(Recorder("ingest", notes), Recorder("query", notes))
    for path in ("/v1/events", "/readyz"):
        await application({"type": "http", "path": path}, None, None)
    assert notes == ["ingest /v1/events", "query /readyz"]
