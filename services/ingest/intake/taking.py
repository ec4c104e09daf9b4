"""Messages to facts: many of them at once through the one way in, until all that is good is durable, and the rest told.

Data that is wrong costs its own events and no others. A fault of the surroundings (database, log) is waited out, for as
long as it takes: nothing is set aside for it. `take` returns when everything of the messages is durable, in the ledger
or in the dead topic; it raises only to give up, and then the same messages may be taken again without any harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

import asyncpg
import msgspec
import structlog

from services.access.problems import Problem
from services.ingest import event_requests
from services.ingest.columns import RowContext
from services.ingest.decisions import Caller
from services.ingest.event_bodies import BODY_BYTES_MAX, Fault, SentEvent, decode_item
from services.ingest.event_requests import EventsAnswer, ItemError, ItemResult, Judged
from services.ingest.intake.bad_messages import BadMessage
from services.ingest.intake.letters import Letter, letter_of_events, letter_of_message
from services.ingest.intake.messages import Message, ReadEvents, read_events
from services.ingest.ledger import Ledger
from services.ingest.problem_codes import PROBLEM_CODES
from services.runtime.log.interface import LogError, RecordTooLarge
from services.runtime.observability import INTAKE_DEAD_LETTERS, INTAKE_EVENTS, INTAKE_MESSAGES
from services.runtime.positions import encode_position

EVENTS_AT_ONCE: Final = 2_000
"""How many events are judged and appended together, whatever messages they came in: bounds memory and transactions."""

EVENTS_WITHOUT_PAUSE: Final = 100

WAIT_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

CALLER: Final = Caller(actor="intake", all=True, schools=frozenset(), trusts=frozenset(), may_migrate=False)
"""Who may write to the topic is for the broker's access list to say; a given recorded_at is refused."""

_DATA_STATES = ("22", "23", "54")
"""SQLSTATE classes of data: exceptions, integrity, limits."""

_NOT_TAKEN = "The product failed on this event; its log has the error."

_log = structlog.get_logger("markledger.intake")
_Result = TypeVar("_Result")


class GivenUp(Exception):
    """The process is told to stop while it waits."""


class Outgoing(Protocol):
    """Where dead letters and answers go."""

    async def bury(self, letters: Sequence[Letter]) -> None:
        """Returns when they are durable. Raises LogError."""

    def answer(self, message: Message, answer: EventsAnswer | Problem) -> None:
        """Sends it in time, or not at all."""


class _Taken(msgspec.Struct):
    """A message whose events are being judged."""

    message: Message
    read: ReadEvents
    results: list[ItemResult] = []
    offsets: dict[int, int] = {}


class _Chunk(msgspec.Struct):
    """What is judged at once. `ended`: the messages whose last events these are; `letters`: those without any event."""

    events: list[tuple[_Taken, SentEvent]] = []
    ended: list[_Taken] = []
    letters: list[Letter] = []


class Taker:
    """Takes batches of messages, one at a time."""

    def __init__(self, ledger: Callable[[], Awaitable[Ledger]], outgoing: Outgoing, stopping: asyncio.Event) -> None:
        self._ledger = ledger
        self._outgoing = outgoing
        self._stopping = stopping

    async def take(self, messages: Sequence[Message]) -> None:
        """All of these, in their order. Raises GivenUp."""
        ledger = await self._lasting(self._ledger)
        context = RowContext(today=ledger.clock().date())
        judging: asyncio.Task[None] | None = None
        try:
            async for chunk in self._chunks(messages, context):
                if judging is not None:
                    await judging
                judging = asyncio.create_task(self._judge(ledger, chunk))  # while the next one is being read
            if judging is not None:
                await judging
        finally:
            if judging is not None and not judging.done():
                judging.cancel()
                await asyncio.gather(judging, return_exceptions=True)
        INTAKE_MESSAGES.inc(len(messages))

    async def _chunks(self, messages: Sequence[Message], context: RowContext) -> AsyncIterator[_Chunk]:
        """Events of several messages, or a part of one, and the messages that end with them."""
        chunk = _Chunk()
        for message in messages:
            read = _read(message)
            if isinstance(read, str):
                chunk.letters.append(letter_of_message(message, read))
                self._outgoing.answer(message, _problem(read))
                continue
            taken = _Taken(message, read)
            for item in _sent_events(read, context):
                if len(chunk.events) >= EVENTS_AT_ONCE:
                    yield chunk
                    chunk = _Chunk()
                chunk.events.append((taken, item))
                if len(chunk.events) % EVENTS_WITHOUT_PAUSE == 0:
                    await asyncio.sleep(0)  # what is being judged goes on meanwhile
            chunk.ended.append(taken)
        if chunk.events or chunk.letters:
            yield chunk

    async def _judge(self, ledger: Ledger, chunk: _Chunk) -> None:
        judged = await self._lasting(lambda: judge(ledger, [item for _, item in chunk.events]))
        for (taken, _), result in zip(chunk.events, judged.results, strict=True):
            taken.results.append(result)
        for taken in {id(each): each for each, _ in chunk.events}.values():
            taken.offsets |= judged.offsets
        await self._close(ledger, chunk.ended, chunk.letters)

    async def _close(self, ledger: Ledger, messages: Sequence[_Taken], letters: list[Letter]) -> None:
        """The end of these messages: what was refused is set aside, and who asked is answered."""
        for taken in messages:
            if any(result.error is not None for result in taken.results):
                letters.append(letter_of_events(taken.message, taken.read.items, taken.read.source, taken.results))
        if letters:
            await self._lasting(lambda: self._outgoing.bury(letters))
            for letter in letters:
                INTAKE_DEAD_LETTERS.labels(letter.reason).inc()
        if messages:
            log_id = await self._lasting(ledger.log_id)
        for taken in messages:
            answer = event_requests.answer_of(taken.results, encode_position(log_id, taken.offsets))
            event_requests.count_rejected("intake", taken.results)
            for outcome in (event_requests.ACCEPTED, event_requests.DUPLICATE, event_requests.REJECTED):
                INTAKE_EVENTS.labels(outcome).inc(getattr(answer, outcome))
            self._outgoing.answer(taken.message, answer)

    async def _lasting(self, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """Do it, again and again while the surroundings fail. Raises GivenUp."""
        failures = 0
        while not self._stopping.is_set():
            try:
                return await work()
            except Exception as error:
                seconds = WAIT_SECONDS[min(failures, len(WAIT_SECONDS) - 1)]
                failures += 1
                _log.warning("the intake waits", failures=failures, exc_info=error)
                try:
                    await asyncio.wait_for(self._stopping.wait(), seconds)
                except TimeoutError:
                    continue
        raise GivenUp


async def judge(ledger: Ledger, items: Sequence[SentEvent]) -> Judged:
    """Judge all of them; of events on which the product itself fails, each is refused alone. Raises what passes by."""
    try:
        return await event_requests.judge_events(ledger, CALLER, items)
    except Exception as error:
        if not is_of_data(error):
            raise
        if len(items) == 1:
            _log.error("an event cannot be taken", exc_info=error)
            return Judged([_not_taken(items[0])], {})
    half = len(items) // 2
    first, second = await judge(ledger, items[:half]), await judge(ledger, items[half:])
    return Judged([*first.results, *second.results], {**first.offsets, **second.offsets})


def is_of_data(error: Exception) -> bool:
    """Whether an event is to blame: what the database or the log refuse for its content, or a fault of the code.

    All else (connections, locks, rights, another log) is a state of the surroundings, however long it lasts.
    """
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_DATA_STATES)
    if isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, ValueError)
    if isinstance(error, LogError):
        return isinstance(error, RecordTooLarge)
    return not isinstance(error, OSError | asyncpg.InternalClientError | Problem)


def _read(message: Message) -> ReadEvents | str:
    """The events of a message, or the code why there are none."""
    try:
        return read_events(message)
    except BadMessage as bad:
        return bad.code
    except Exception as error:  # whatever a reader stumbles over, the messages behind it must not wait for ever
        _log.error("a message cannot be read", exc_info=error)
        return "not_taken"


def _sent_events(read: ReadEvents, context: RowContext) -> Iterator[SentEvent]:
    """The events one by one, so that no more of a large message is held than what is judged at once."""
    own = msgspec.structs.replace(context, source=read.source)
    for index, value in enumerate(read.items):
        try:
            item = decode_item(index, value, own)
        except Exception as error:  # as above
            _log.error("an event cannot be read", exc_info=error)
            item = _refused(index, None, "not_taken", _NOT_TAKEN)
        if len(item.content) > BODY_BYTES_MAX:
            detail = f"The event has {len(item.content):,} bytes: one has at most {BODY_BYTES_MAX:,}."
            item = _refused(index, item.event_id, "body_too_large", detail)
        yield item


def _refused(index: int, event_id: str | None, code: str, detail: str) -> SentEvent:
    return SentEvent(index, "", event_id, b"", None, (Fault(f"/events/{index}", code, detail),))


def _not_taken(item: SentEvent) -> ItemResult:
    error = ItemError(f"/events/{item.index}", "not_taken", _NOT_TAKEN)
    return ItemResult(item.index, event_requests.REJECTED, item.event_id, error)


def _problem(code: str) -> Problem:
    return Problem(422, code, "The message was refused", PROBLEM_CODES[code])
