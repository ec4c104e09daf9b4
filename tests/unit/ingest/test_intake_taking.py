"""Taking messages: what waits, what is set aside, how much is held, and what is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import asyncpg
import pytest
import structlog

from services.access.problems import Problem
from services.ingest import event_requests
from services.ingest.event_bodies import SentEvent
from services.ingest.event_requests import EventsAnswer, ItemResult, Judged
from services.ingest.intake import taking
from services.ingest.intake.letters import Letter
from services.ingest.intake.messages import Message
from services.ingest.intake.taking import EVENTS_AT_ONCE, GivenUp, Taker
from services.runtime.log.interface import LogUnavailable
from tests.builders import instant

Judge = Callable[[Sequence[SentEvent]], Judged]


class Ledger:
    """What `Taker` asks of a ledger; what it judges is told by the test."""

    clock = staticmethod(lambda: instant("2026-03-02T09:00:00"))

    async def log_id(self) -> str:
        return "log"


class Outgoing:
    """Keeps letters and answers; `broken` letters are refused so often."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.answers: list[tuple[int, EventsAnswer | Problem]] = []
        self.broken = 0

    async def bury(self, letters: Sequence[Letter]) -> None:
        if self.broken:
            self.broken -= 1
            raise LogUnavailable("not now")
        self.letters += letters

    def answer(self, message: Message, answer: EventsAnswer | Problem) -> None:
        self.answers.append((message.offset, answer))


class Stand:
    """A taker, and how events are judged."""

    def __init__(self) -> None:
        self.outgoing = Outgoing()
        self.stopping = asyncio.Event()
        self.chunks: list[int] = []
        self.ids: list[str | None] = []
        self.before: Any = None

        async def ledger() -> Any:
            return Ledger()

        self.taker = Taker(ledger, self.outgoing, self.stopping)

    async def judge_events(self, _: Any, caller: Any, items: Sequence[SentEvent]) -> Judged:
        assert caller.actor == "intake" and caller.all and not caller.may_migrate
        if self.before is not None:
            await self.before(items)
        self.chunks.append(len(items))
        self.ids += [item.event_id for item in items]
        accepted = event_requests.ACCEPTED
        faulty = [event_requests._faulty(item) if item.sent is None else None for item in items]
        results = [
            result or ItemResult(item.index, accepted, item.event_id)
            for result, item in zip(faulty, items, strict=True)
        ]
        return Judged(results, {1: 7})


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """A stand whose judge stands in for the way in; log lines are kept from structlog's slow painter."""
    made = Stand()
    monkeypatch.setattr(event_requests, "judge_events", made.judge_events)
    monkeypatch.setattr(taking, "WAIT_SECONDS", (0.0,))
    with structlog.testing.capture_logs():
        yield made


def event(event_id: str) -> dict[str, str]:
    return {"type": "SchoolRegistered", "school": "oak", "name": "Oak", "event_id": event_id}


def message(offset: int, *events: Any, value: bytes | None = None) -> Message:
    content = json.dumps({"events": events}).encode() if value is None else value
    return Message("intake", 0, offset, 0, b"key", content, (("h", b"v"),))


async def test_many_messages_are_judged_together_in_their_order(stand: Stand) -> None:
    messages = [message(n, *(event(f"{n}-{m}") for m in range(300))) for n in range(20)]
    await stand.taker.take(messages)
    assert stand.chunks == [EVENTS_AT_ONCE, EVENTS_AT_ONCE, EVENTS_AT_ONCE]
    assert stand.ids == [f"{n}-{m}" for n in range(20) for m in range(300)]
    assert [offset for offset, _ in stand.outgoing.answers] == list(range(20))
    assert {answer.accepted for _, answer in stand.outgoing.answers if isinstance(answer, EventsAnswer)} == {300}


async def test_a_slow_log_bounds_what_is_read_ahead(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one chunk waits for the log, no more than one other is read: memory does not grow with what waits."""
    read: list[int] = []
    decode = taking.decode_item

    def counted(index: int, value: Any, context: Any) -> SentEvent:
        read.append(index)
        return decode(index, value, context)

    monkeypatch.setattr(taking, "decode_item", counted)
    gate = asyncio.Event()

    async def wait(_: Any) -> None:
        await gate.wait()

    stand.before = wait
    taken = asyncio.create_task(stand.taker.take([message(n, *([event("x")] * 500)) for n in range(40)]))
    seen = -1
    while seen != len(read):
        seen = len(read)
        for _ in range(200):
            await asyncio.sleep(0)
    assert len(read) == 2 * EVENTS_AT_ONCE + 1
    gate.set()
    await taken
    assert len(read) == 20_000


async def test_a_log_that_is_away_is_waited_for_and_nothing_is_set_aside(stand: Stand) -> None:
    failures = [LogUnavailable("away"), asyncpg.ConnectionDoesNotExistError("gone"), OSError("no route")]
    failures += [asyncpg.InsufficientPrivilegeError("no rights yet"), *[LogUnavailable("away")] * 10]

    async def fail(_: Any) -> None:
        if failures:
            raise failures.pop()

    stand.before = fail
    stand.outgoing.broken = 3
    await stand.taker.take([message(0, event("a")), message(1, value=b"poison"), message(2, event("b"))])
    assert stand.ids == ["a", "b"]
    assert [letter.reason for letter in stand.outgoing.letters] == ["invalid_json"]


async def test_what_the_product_fails_on_costs_its_own_event(stand: Stand) -> None:
    async def fail(items: Sequence[SentEvent]) -> None:
        if any(item.event_id == "bad" for item in items):
            raise asyncpg.DataError("a value that no check has foreseen")

    stand.before = fail
    events = [event(f"e{n}") for n in range(7)]
    await stand.taker.take([message(0, *events[:3], event("bad"), *events[3:]), message(1, event("last"))])
    assert stand.ids == [*(f"e{n}" for n in range(7)), "last"]
    (letter,) = stand.outgoing.letters
    assert (letter.reason, json.loads(letter.value or b"")) == ("not_taken", {"events": [event("bad")]})
    (first, second) = [answer for _, answer in stand.outgoing.answers]
    assert isinstance(first, EventsAnswer) and isinstance(second, EventsAnswer)
    assert [result.status for result in first.results].index("rejected") == 3
    assert (first.http_status(), second.http_status()) == (207, 202)


async def test_a_stop_ends_the_waiting_and_nothing_is_lost_by_it(stand: Stand) -> None:
    async def fail(_: Any) -> None:
        stand.stopping.set()
        raise LogUnavailable("away")

    stand.before = fail
    with pytest.raises(GivenUp):
        await stand.taker.take([message(0, event("a"))])
    assert not stand.outgoing.answers and not stand.outgoing.letters


async def test_a_reader_that_stumbles_stops_no_other_message(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "read_events", lambda each: _stumble(each))
    await stand.taker.take([message(0, event("a")), message(1, event("b"))])
    assert stand.ids == ["b"]
    assert [(letter.reason, letter.key) for letter in stand.outgoing.letters] == [("not_taken", b"key")]


def _stumble(each: Message) -> Any:
    from services.ingest.intake.messages import read_events

    if each.offset == 0:
        raise RecursionError
    return read_events(each)
