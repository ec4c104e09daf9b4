"""Reading Kafka from offsets that PostgreSQL holds: assign and seek, no consumer group, never a reset.

Before records are given out the topic's id is asked again: an equal id says that they were fetched from the topic
that the offsets belong to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from services.runtime.log.interface import (
    Batch,
    LogError,
    LogRecreated,
    LogUnavailable,
    OffsetOutOfRange,
    Record,
)
from services.runtime.log.kafka_topics import REQUEST_SECONDS_MAX, KafkaTopics

POLL_BYTES_MAX: Final = 32 * 1024 * 1024
PAGE_RECORDS: Final = 500
FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
FETCH_PARTITION_BYTES_MAX: Final = 1024 * 1024
FETCH_WAIT_MS: Final = 100
LOOK_SECONDS: Final = 2.0
"""How often an idle reader asks whether its topic is still the same, and whether Kafka answers at all."""

_log = structlog.get_logger("markledger.log")


class KafkaReader:
    """Reads some partitions of a topic; see `services.runtime.log.interface.Reader` for the contract."""

    def __init__(self, bootstrap: list[str], topics: KafkaTopics, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._topic = topic
        self._log_id = ""
        self._consumer: AIOKafkaConsumer | None = None
        self._next: dict[int, int] = {}
        self._looked_at = 0.0

    async def assign(self, start: Mapping[int, int]) -> None:
        """Read exactly these partitions from these offsets."""
        self._next = {}
        described = await self._topics.describe(self._topic)
        self._log_id = described.log_id
        for partition in start:
            if not 0 <= partition < described.partitions:
                raise LogError(f"topic {self._topic} has no partition {partition}")
        try:
            async with asyncio.timeout(2 * REQUEST_SECONDS_MAX):
                consumer = await self._started_consumer()
                await self._check_range(consumer, start)
        except (errors.KafkaError, TimeoutError) as error:
            await self.close()
            raise LogUnavailable(f"Kafka does not answer: {error!r}") from error
        # No await from here on: between assign and seek the consumer must not fetch.
        if start:
            consumer.assign([self._at(partition) for partition in start])
        else:
            consumer.unsubscribe()
        for partition, offset in start.items():
            consumer.seek(self._at(partition), offset)
        self._next = dict(start)
        self._looked_at = time.monotonic()

    async def poll(self, records_max: int, wait_ms: int) -> dict[int, Batch]:
        """What is there, else what comes within `wait_ms`."""
        if not self._next:
            await asyncio.sleep(wait_ms / 1000)
            return {}
        if self._consumer is None:
            await self.assign(dict(self._next))
        consumer = self._consumer
        assert consumer is not None
        try:
            fetched = await self._fetch(consumer, records_max, wait_ms)
            if fetched or time.monotonic() - self._looked_at > LOOK_SECONDS:
                await self._look(consumer)
            return await self._batches(consumer, fetched)
        except errors.OffsetOutOfRangeError as error:
            await self._look(consumer)
            raise OffsetOutOfRange(f"{self._topic}: offset out of range: {error}") from error
        except errors.KafkaError as error:
            await self._forget_consumer()
            raise LogUnavailable(f"Kafka cannot be read now: {error!r}") from error
        except LogUnavailable:
            # What was fetched is given up; a new consumer begins again at the same offsets.
            await self._forget_consumer()
            raise

    async def close(self) -> None:
        """Leave the cluster."""
        self._next = {}
        await self._forget_consumer()

    async def _started_consumer(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                fetch_max_bytes=FETCH_BYTES_MAX,
                max_partition_fetch_bytes=FETCH_PARTITION_BYTES_MAX,
                fetch_max_wait_ms=FETCH_WAIT_MS,
                request_timeout_ms=int(REQUEST_SECONDS_MAX * 1000),
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer

    async def _check_range(self, consumer: AIOKafkaConsumer, start: Mapping[int, int]) -> None:
        partitions = [self._at(partition) for partition in start]
        if not partitions:
            return
        firsts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, offset in start.items():
            first, end = firsts[self._at(partition)], ends[self._at(partition)]
            if not first <= offset <= end:
                raise OffsetOutOfRange(
                    f"{self._topic}/{partition}: offset {offset} lies outside {first}..{end}; "
                    "the log was cut or made anew"
                )

    async def _fetch(self, consumer: AIOKafkaConsumer, records_max: int, wait_ms: int) -> dict[int, list[Record]]:
        """Page by page out of what the consumer holds, so that large records cannot fill the memory."""
        fetched: dict[int, list[Record]] = {}
        records = taken_bytes = 0
        while records < records_max and taken_bytes < POLL_BYTES_MAX:
            page = await consumer.getmany(
                timeout_ms=0 if fetched else wait_ms, max_records=min(PAGE_RECORDS, records_max - records)
            )
            if not page:
                break
            for at, found in page.items():
                fetched.setdefault(at.partition, []).extend(
                    Record(record.offset, record.timestamp, record.key, record.value) for record in found
                )
                records += len(found)
                taken_bytes += sum(len(record.value or b"") for record in found)
        if not fetched and consumer._fetcher.error_future.done():
            raise errors.KafkaError("the fetching task has ended")
        return fetched

    async def _batches(self, consumer: AIOKafkaConsumer, fetched: Mapping[int, list[Record]]) -> dict[int, Batch]:
        batches = {}
        for partition, records in fetched.items():
            next_offset = await consumer.position(self._at(partition))
            end_offset = max(consumer.highwater(self._at(partition)) or 0, next_offset)
            batches[partition] = Batch(records, next_offset, end_offset)
            self._next[partition] = next_offset
        return batches

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        try:
            log_id = (await self._topics.describe(self._topic)).log_id
        except LogUnavailable:
            raise
        except LogError as error:
            raise LogRecreated(f"topic {self._topic} is gone") from error
        if log_id != self._log_id:
            raise LogRecreated(f"topic {self._topic} was made anew")
        self._looked_at = time.monotonic()

    async def _forget_consumer(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            # After a broker's death stop() may end as cancelled, or fail; this reader is done with it either way.
            stopping = asyncio.ensure_future(consumer.stop())
            await asyncio.wait({stopping})
            if not stopping.cancelled() and stopping.exception() is not None:
                _log.warning("a consumer did not stop cleanly", fault=type(stopping.exception()).__name__)

    def _at(self, partition: int) -> Any:
        return TopicPartition(self._topic, partition)
