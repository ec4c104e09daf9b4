"""The subscription to the intake topic, by FastStream: which batch is taken when, and what is committed.

FastStream commits the positions of its consumer after a handler that returned, and on an error seeks back, partition by
partition, if it can: a partition that was taken away in the meantime makes it leave the others where they are, which
loses them at the next commit. So a handler here never returns unless everything is durable, and after one error none
returns any more: the subscription is over, and whoever runs it opens another, from what is committed.

The group's name holds the id of the topic: a topic that was deleted and made anew is another group's, which reads it
from its beginning; old offsets mean nothing in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from schemas.topics import INTAKE
from services.ingest.intake.messages import Message

MESSAGES_AT_ONCE: Final = 500
BATCH_WAIT_MS: Final = 50
FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
SESSION_MS: Final = 6_000
"""A process that was killed holds its partitions no longer than this."""

REBALANCE_MS: Final = 60_000
STOP_SECONDS: Final = 8.0

Take = Callable[[Sequence[Message]], Awaitable[None]]


class Lag(msgspec.Struct, frozen=True):
    """`records`: messages not done with. `oldest_ms`: when one of the oldest of them was appended; None: not known."""

    records: int
    oldest_ms: int | None


class Subscription:
    """One member of the group, from `open` to `close`."""

    def __init__(self, bootstrap: Sequence[str], topic_id: str, take: Take, clock: Callable[[], datetime]) -> None:
        self._take = take
        self._clock = clock
        self.progress_at: datetime | None = None
        self.failed = asyncio.Event()
        self.batches = 0
        self.error: BaseException | None = None
        self.group = f"markledger.intake.{topic_id}"
        self._in_hand = 0
        self._appended_ms: dict[int, int] = {}
        self._broker = KafkaBroker(
            list(bootstrap),
            consumer_only=True,
            allow_auto_create_topics=False,
            ack_policy=AckPolicy.NACK_ON_ERROR,
            graceful_timeout=STOP_SECONDS,
            apply_types=False,
            logger=logging.getLogger("faststream"),
            client_id="markledger-intake",
        )
        self._subscriber: Any = self._broker.subscriber(
            INTAKE.name,
            batch=True,
            group_id=self.group,
            auto_offset_reset="earliest",
            max_records=MESSAGES_AT_ONCE,
            batch_timeout_ms=BATCH_WAIT_MS,
            fetch_max_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=100,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 3,
            rebalance_timeout_ms=REBALANCE_MS,
            parser=self._parse,
            decoder=_records_of,
        )
        self._subscriber(self._handle)

    async def open(self) -> None:
        """Join the group and begin. Raises KafkaError."""
        await self._broker.start()

    async def close(self) -> None:
        """Leave the group; what is under way is not committed unless it ends in time."""
        await self._broker.stop()

    @property
    def is_taking(self) -> bool:
        """Whether a batch is under way, perhaps waiting for the log."""
        return self._in_hand > 0

    async def lag(self) -> Lag:
        """How far behind the end of its partitions this member is. Raises KafkaError."""
        consumer = self._subscriber.consumer
        if consumer is None:
            return Lag(0, None)
        assigned = list(consumer.assignment())
        ends = await consumer.end_offsets(assigned) if assigned else {}
        records, oldest_ms = self._in_hand, None
        for at, end in ends.items():
            waiting = end - await consumer.position(at)
            records += max(waiting, 0)
            seen_ms = self._appended_ms.get(at.partition)
            if seen_ms is not None and (waiting > 0 or self._in_hand):
                oldest_ms = seen_ms if oldest_ms is None else min(oldest_ms, seen_ms)
        return Lag(records, oldest_ms)

    async def _handle(self, records: tuple[Any, ...]) -> None:
        if self.failed.is_set():
            raise _Over
        self._in_hand = len(records)
        for record in reversed(records):
            self._appended_ms[record.partition] = record.timestamp
        try:
            await self._take([_message(record) for record in records])
        except BaseException as error:
            self.error = error
            self.failed.set()
            raise
        for record in records:
            self._appended_ms[record.partition] = record.timestamp
        self._in_hand = 0
        self.batches += 1
        self.progress_at = self._clock()

    async def _parse(self, records: tuple[Any, ...]) -> KafkaAckableMessage:
        """Headers may hold any bytes: FastStream's own parser raises for what is not UTF-8, for ever."""
        return KafkaAckableMessage(raw_message=records, body=b"", consumer=self._subscriber.consumer)


class _Over(Exception):
    """The subscription has failed; nothing more may be committed."""


async def _records_of(message: Any) -> tuple[Any, ...]:
    records: tuple[Any, ...] = message.raw_message
    return records


def _message(record: Any) -> Message:
    headers = tuple((name, value or b"") for name, value in record.headers)
    return Message(record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, headers)
