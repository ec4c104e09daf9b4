"""Appending to Kafka: idempotent, acknowledged by all replicas, one writer per partition, bounded in time.

aiokafka never gives up an idempotent batch. So an append that runs out of time has an unknown outcome, and what it
handed over stays in its place in the queue: later appends come after it. Only a producer that can no longer be used
is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer, errors

from services.runtime.log.interface import (
    RECORD_BYTES_MAX,
    AppendOutcomeUnknown,
    LogUnavailable,
    RecordTooLarge,
)
from services.runtime.log.kafka_topics import BATCH_OVERHEAD_BYTES
from services.runtime.log.turns import Turns

BATCH_BYTES_MAX: Final = 512 * 1024
REQUEST_MS_MAX: Final = 10_000
WEDGED_SECONDS: Final = 30.0
CLOSE_SECONDS_MAX: Final = 15.0

_Item = tuple[bytes, bytes | None]


class KafkaAppender:
    """Appends to the topics of one cluster."""

    def __init__(self, bootstrap: list[str], seconds_max: float) -> None:
        self._bootstrap = bootstrap
        self._seconds_max = seconds_max
        self._producer: AIOKafkaProducer | None = None
        self._last_success = 0.0
        self._starting = asyncio.Lock()
        self._turns = Turns(seconds_max)
        self._closing: set[asyncio.Task[None]] = set()

    async def append(self, topic: str, partition: int, items: Sequence[_Item]) -> list[int]:
        """The offsets of the items, in their order. See `interface.Log.append` for the failures."""
        async with self._turns.turn(topic, partition):
            producer = await self._ready_producer()
            handed: list[asyncio.Future[Any]] = []
            try:
                async with asyncio.timeout(self._seconds_max):
                    batches = _batches(producer, items)
                    for batch in batches:
                        handed.append(await producer.send_batch(batch, topic, partition=partition))
                    acknowledged = [await future for future in handed]
            except (errors.KafkaError, TimeoutError, AssertionError) as error:
                self._judge(producer, error)
                raise _failure(topic, bool(handed), error) from error
            finally:
                for future in handed:
                    future.add_done_callback(_retrieve)
            self._last_success = time.monotonic()
        offsets: list[int] = []
        for batch, metadata in zip(batches, acknowledged, strict=True):
            if metadata.offset < 0:
                raise AppendOutcomeUnknown(f"{topic}/{partition}: durable, but the broker no longer tells where")
            offsets.extend(range(metadata.offset, metadata.offset + batch.record_count()))
        return offsets

    async def close(self) -> None:
        """Stop the producer; what is still queued is dropped, as its appends have failed."""
        if self._producer is not None:
            self._replace()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _ready_producer(self) -> AIOKafkaProducer:
        try:
            async with asyncio.timeout(self._seconds_max), self._starting:
                if self._producer is not None and _is_dead(self._producer):
                    self._replace()
                if self._producer is None:
                    self._producer = await self._start_producer()
                    self._last_success = time.monotonic()
                return self._producer
        except (errors.KafkaError, TimeoutError) as error:
            raise LogUnavailable(f"Kafka does not answer: {error!r}") from error

    async def _start_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=RECORD_BYTES_MAX + BATCH_OVERHEAD_BYTES,
            request_timeout_ms=REQUEST_MS_MAX,
            linger_ms=0,
        )
        try:
            await producer.start()
        except BaseException:
            await _discard(producer)
            raise
        return producer

    def _judge(self, producer: AIOKafkaProducer, error: Exception) -> None:
        """Replace the producer when its place in the sequence is lost, or when nothing has gone through for long."""
        refused = not isinstance(error, TimeoutError | errors.KafkaTimeoutError)
        wedged = time.monotonic() - self._last_success > WEDGED_SECONDS
        if producer is self._producer and (refused or wedged or _is_dead(producer)):
            self._replace()

    def _replace(self) -> None:
        producer, self._producer = self._producer, None
        task = asyncio.create_task(_discard(producer))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _batches(producer: AIOKafkaProducer, items: Sequence[_Item]) -> list[Any]:
    """The items in as many batches as they need, each within what a broker takes."""
    batches = [producer.create_batch()]
    for key, value in items:
        if batches[-1].append(key=key, value=value, timestamp=None) is None:
            batches[-1].close()
            batches.append(producer.create_batch())
            batches[-1].append(key=key, value=value, timestamp=None)
    batches[-1].close()
    return batches


def _failure(topic: str, handed_over: bool, error: Exception) -> Exception:
    if isinstance(error, errors.MessageSizeTooLargeError | errors.RecordListTooLargeError):
        return RecordTooLarge(f"the broker refuses a record of {topic} as too large")
    if not handed_over:
        return LogUnavailable(f"topic {topic} cannot be written now: {error!r}")
    return AppendOutcomeUnknown(f"no acknowledgement for an append to {topic}: {error!r}")


def _is_dead(producer: AIOKafkaProducer) -> bool:
    task = producer._sender.sender_task
    return task is None or task.done()


async def _discard(producer: AIOKafkaProducer) -> None:
    """Close without flushing: `producer.stop()` would wait for batches that may never be acknowledged."""
    producer._closed = True
    with contextlib.suppress(errors.KafkaError, TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await producer._sender.close()
    with contextlib.suppress(errors.KafkaError, OSError):
        await producer.client.close()


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Nobody asks any more how a batch ended whose append has failed."""
    if not future.cancelled():
        future.exception()
