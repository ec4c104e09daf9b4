"""What the intake writes back to Kafka: dead letters, which must last, and answers, which may be lost.

A producer of its own and not FastStream's: that one makes an empty value of a tombstone, and a dead letter must hold
what was sent. Answers wait in a bounded queue; where they cannot go they are counted and forgotten.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer, errors

from schemas.topics import INTAKE_DEAD
from services.access.problems import Problem, encode_problem
from services.ingest.event_requests import EventsAnswer
from services.ingest.intake.letters import Letter
from services.ingest.intake.messages import CONTENT_TYPE, JSON, Message
from services.runtime.log.interface import RECORD_BYTES_MAX, LogUnavailable
from services.runtime.log.kafka_topics import BATCH_OVERHEAD_BYTES
from services.runtime.observability import INTAKE_REPLIES_LOST

REPLY_TO: Final = "reply_to"
CORRELATION_ID: Final = "correlation_id"
STATUS: Final = "markledger-status"
OWN_TOPICS: Final = "markledger."
"""Nobody may have answers written where the product keeps its facts."""

BURY_SECONDS_MAX: Final = 15.0
REPLY_SECONDS_MAX: Final = 5.0
REPLIES_WAITING_MAX: Final = 1_000
TOPIC_AWAY_SECONDS: Final = 30.0

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_log = structlog.get_logger("markledger.intake")


class _Reply(msgspec.Struct, frozen=True):
    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class Outbox:
    """One producer, for as long as the process lives; a broken one is replaced."""

    def __init__(self, bootstrap: Sequence[str]) -> None:
        self._bootstrap = list(bootstrap)
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._replies: asyncio.Queue[_Reply] = asyncio.Queue(REPLIES_WAITING_MAX)
        self._away_until: dict[str, float] = {}
        self._replying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to send answers."""
        self._replying = asyncio.create_task(self._send_replies())

    async def close(self) -> None:
        """Drop what still waits."""
        if self._replying is not None:
            self._replying.cancel()
            await asyncio.gather(self._replying, return_exceptions=True)
        await self._drop_producer()

    async def bury(self, letters: Sequence[Letter]) -> None:
        """Returns when they are durable in the dead topic. Raises LogUnavailable; then some of them may be."""
        try:
            async with asyncio.timeout(BURY_SECONDS_MAX):
                producer = await self._ready_producer()
                sent = [
                    await producer.send(INTAKE_DEAD.name, each.value, key=each.key, headers=list(each.headers))
                    for each in letters
                ]
                await asyncio.gather(*sent)
        except (errors.KafkaError, TimeoutError) as error:
            await self._drop_producer()
            raise LogUnavailable(f"dead letters cannot be written now: {error!r}") from error

    def answer(self, message: Message, answer: EventsAnswer | Problem) -> None:
        """Send it where the message asks for it, soon; never wait."""
        topic = message.header(REPLY_TO)
        if not topic:
            return
        if not _TOPIC.fullmatch(topic) or topic.startswith(OWN_TOPICS):
            INTAKE_REPLIES_LOST.inc()
            return
        if isinstance(answer, Problem):
            body, kind, status = encode_problem(answer, instance="", request_id=""), "application/problem+json", 422
        else:
            body, kind, status = msgspec.json.encode(answer), JSON, answer.http_status()
        headers = [(CONTENT_TYPE, kind.encode()), (STATUS, str(status).encode())]
        headers += [(name, value) for name, value in message.headers if name.lower() == CORRELATION_ID]
        try:
            self._replies.put_nowait(_Reply(topic, message.key, body, headers))
        except asyncio.QueueFull:
            INTAKE_REPLIES_LOST.inc()

    async def _send_replies(self) -> None:
        while True:
            reply = await self._replies.get()
            if self._away_until.get(reply.topic, 0.0) > time.monotonic():
                INTAKE_REPLIES_LOST.inc()
                continue
            try:
                async with asyncio.timeout(REPLY_SECONDS_MAX):
                    producer = await self._ready_producer()
                    sent = await producer.send(reply.topic, reply.value, key=reply.key, headers=reply.headers)
                sent.add_done_callback(_count_lost)
            except (errors.KafkaError, TimeoutError) as error:
                INTAKE_REPLIES_LOST.inc()
                if len(self._away_until) > REPLIES_WAITING_MAX:
                    self._away_until.clear()
                self._away_until[reply.topic] = time.monotonic() + TOPIC_AWAY_SECONDS
                _log.warning("an answer cannot be published", exc_info=error)

    async def _ready_producer(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    acks="all",
                    enable_idempotence=True,
                    compression_type="zstd",
                    linger_ms=2,
                    max_request_size=RECORD_BYTES_MAX + BATCH_OVERHEAD_BYTES,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            stopping = asyncio.ensure_future(producer.stop())  # it waits for what may never be acknowledged
            await asyncio.wait({stopping}, timeout=REPLY_SECONDS_MAX)
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)


def _count_lost(sent: asyncio.Future[Any]) -> None:
    if sent.cancelled() or sent.exception() is not None:
        INTAKE_REPLIES_LOST.inc()
