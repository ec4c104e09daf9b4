"""One POST /v1/events: its items judged in order, taken in, and answered item by item.

A withdrawal changes what is known in ways that only the registry tells; what follows one is judged in a chunk of its
own, after the chunk of the withdrawal is durable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from schemas.identifiers import event_fact_id
from services.ingest.accept import Desk
from services.ingest.decisions import Caller, Decision, Event
from services.ingest.event_bodies import Fault, SentEvent
from services.ingest.ledger import Decided, Ledger, Work
from services.ingest.recall import Wanted
from services.ingest.scores import test_to_look_up
from services.ingest.sent import SentAssessment, SentCurriculum, SentWithdrawal
from services.runtime.observability import ITEMS_REJECTED
from services.runtime.positions import encode_position

ACCEPTED, DUPLICATE, REJECTED = "accepted", "duplicate", "rejected"


class ItemError(msgspec.Struct, frozen=True, gc=False):
    """Why an item changed nothing."""

    pointer: str
    code: str
    detail: str


class ItemResult(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of one item. `errors`: all of them, where there are several."""

    index: int
    status: str
    event_id: str | None = None
    error: ItemError | None = None
    errors: tuple[ItemError, ...] = ()


class EventsAnswer(msgspec.Struct, frozen=True):
    """The body of the answer."""

    accepted: int
    duplicate: int
    rejected: int
    position: str
    results: list[ItemResult]

    def http_status(self) -> int:
        """202 if nothing was rejected, 422 if everything was, else 207."""
        if not self.rejected:
            return 202
        return 207 if self.accepted or self.duplicate else 422


class Judged(msgspec.Struct, frozen=True):
    """What became of items, in their order, and how far a reader of the log must have come to see it.

    `log_id`: "" if nothing had to be asked of the log.
    """

    results: list[ItemResult]
    offsets: dict[int, int]
    log_id: str = ""


async def tell_events(ledger: Ledger, caller: Caller, items: Sequence[SentEvent]) -> EventsAnswer:
    """Take in what is right of the `items` of one request. Raises what `Ledger.take` raises."""
    judged = await judge_events(ledger, caller, items)
    count_rejected("events", judged.results)
    return answer_of(judged.results, encode_position(judged.log_id or await ledger.log_id(), judged.offsets))


async def judge_events(ledger: Ledger, caller: Caller, items: Sequence[SentEvent]) -> Judged:
    """Take in what is right of `items`, which may be of several requests. Raises what `Ledger.take` raises."""
    results: list[ItemResult | None] = [_faulty(item) if item.sent is None else None for item in items]
    offsets: dict[int, int] = {}
    log_id = ""
    for segment in _segments(items):
        taken = await ledger.take(_work(ledger, caller, [items[place] for place in segment]))
        offsets |= taken.offsets
        log_id = taken.log_id
        for place, decision in zip(segment, taken.decided.decisions, strict=True):
            results[place] = _judged(items[place], decision)
    return Judged([result for result in results if result is not None], offsets, log_id)


def answer_of(results: list[ItemResult], position: str) -> EventsAnswer:
    """The answer to one request."""
    statuses = [result.status for result in results]
    return EventsAnswer(
        accepted=statuses.count(ACCEPTED),
        duplicate=statuses.count(DUPLICATE),
        rejected=statuses.count(REJECTED),
        position=position,
        results=results,
    )


def count_rejected(kind: str, results: Iterable[ItemResult]) -> None:
    """Tell the metrics why items were refused."""
    for result in results:
        if result.error is not None:
            ITEMS_REJECTED.labels(kind, result.error.code).inc()


def _segments(items: Sequence[SentEvent]) -> list[list[int]]:
    """The places of the items that can be judged, cut after withdrawals."""
    segments: list[list[int]] = []
    after_withdrawal = True
    for place, item in enumerate(items):
        if item.sent is None:
            continue
        is_withdrawal = type(item.sent) is SentWithdrawal  # of a Struct isinstance is dear, and this is of each event
        if not segments or (after_withdrawal and not is_withdrawal):
            segments.append([])
        segments[-1].append(place)
        after_withdrawal = is_withdrawal
    return segments


def _work(ledger: Ledger, caller: Caller, items: Sequence[SentEvent]) -> Work:
    events = [_event(item) for item in items]
    everywhere = any(type(event.sent) is SentCurriculum and not event.sent.school for event in events)

    def decide(desk: Desk) -> Decided:
        decisions = desk.decide_events(events)
        return Decided(decisions, [fact for decision in decisions for fact in decision.facts])

    return Work(
        caller=caller,
        batch_id="",
        schools=None if everywhere else frozenset(event.sent.school for event in events),
        wanted=lambda schools: _wanted(ledger, events, {*schools, *(e.sent.school for e in events if e.sent.school)}),
        decide=decide,
    )


def _wanted(ledger: Ledger, events: Iterable[Event], schools: set[str]) -> Wanted:
    wanted = Wanted(schools=schools, with_curricula=True)
    references: set[tuple[str, str]] = set()
    for event in events:
        sent: Any = event.sent
        for school in (sent.school,) if sent.school else schools:
            wanted.events.setdefault(school, []).append(event.event_id)
            if sent.event_id is not None:
                wanted.given.add((school, sent.event_id))
        if type(sent) is SentAssessment:  # nearly all: they name one pupil and nobody else
            references.add((sent.school, sent.pupil))
        else:
            references.update((sent.school, name) for name in _pupils_named(sent))
            if test := test_to_look_up(sent):
                wanted.tests.add(test)
        if type(sent) is SentWithdrawal:
            wanted.withdrawn.add((sent.school, sent.withdraws))
    wanted.pupils.update((school, ledger.ids.pupil(school, reference)) for school, reference in references)
    return wanted


def _pupils_named(sent: Any) -> list[str]:
    named = [getattr(sent, name, None) for name in ("pupil", "other")]
    return [reference for reference in named if reference is not None]


def _event(item: SentEvent) -> Event:
    assert item.sent is not None
    sent = item.sent
    made_id = "" if sent.event_id is not None else event_fact_id(sent.source, item.type_name, item.content)
    return Event(sent, item.type_name, item.content, made_id)


def _judged(item: SentEvent, decision: Decision) -> ItemResult:
    rejection = decision.rejection
    if rejection is not None:
        pointer = f"/events/{item.index}/{rejection.field}" if rejection.field else f"/events/{item.index}"
        error = ItemError(pointer, rejection.code, rejection.detail)
        return ItemResult(item.index, REJECTED, item.event_id, error)
    return ItemResult(item.index, ACCEPTED if decision.facts else DUPLICATE, decision.event_id)


def _faulty(item: SentEvent) -> ItemResult:
    errors = tuple(_error(fault) for fault in item.faults)
    return ItemResult(item.index, REJECTED, item.event_id, errors[0], errors if len(errors) > 1 else ())


def _error(fault: Fault) -> ItemError:
    return ItemError(fault.pointer, fault.code, fault.detail)
