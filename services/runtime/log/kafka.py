"""The log on Apache Kafka, for trusts and nations: the same contract as the embedded log, by aiokafka.

Appending is in `kafka_producer`, reading in `kafka_reader`, what a topic is in `kafka_topics`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from services.runtime.log.interface import RECORD_BYTES_MAX, LogError, LogUnavailable, RecordTooLarge
from services.runtime.log.kafka_producer import KafkaAppender
from services.runtime.log.kafka_reader import KafkaReader
from services.runtime.log.kafka_topics import REQUEST_SECONDS_MAX, KafkaTopics

APPEND_SECONDS_MAX: Final = 15.0


class _Asked:
    """Partitions whose bounds are asked for with one request."""

    def __init__(self, partitions: set[int]) -> None:
        self.partitions = partitions
        self.task: asyncio.Task[dict[int, tuple[int, int]]] | None = None


class KafkaLog:
    """The log in the cluster behind `bootstrap`; see `services.runtime.log.interface.Log` for the contract."""

    def __init__(self, bootstrap: Sequence[str], *, append_seconds_max: float = APPEND_SECONDS_MAX) -> None:
        self._bootstrap = list(bootstrap)
        self._topics = KafkaTopics(self._bootstrap)
        self._appender = KafkaAppender(self._bootstrap, append_seconds_max)
        self._bounds_consumer: AIOKafkaConsumer | None = None
        self._bounding = asyncio.Lock()
        self._asked: dict[tuple[str, bool], _Asked] = {}
        self._counts: dict[str, int] = {}

    async def create_topic(self, topic: str, partitions: int, *, retention_ms: int, compacted: bool) -> None:
        """Create the topic if it is missing."""
        try:
            found = (await self._topics.describe(topic)).partitions
        except LogUnavailable:
            raise
        except LogError:
            await self._topics.create(topic, partitions, retention_ms=retention_ms, compacted=compacted)
            found = (await self._topics.describe(topic)).partitions
        if found != partitions:
            raise LogError(f"topic {topic} has {found} partitions, not {partitions}; the count is fixed for life")

    async def log_id(self, topic: str) -> str:
        """Cluster id and topic id."""
        return (await self._topics.describe(topic)).log_id

    async def partitions(self, topic: str) -> int:
        """The partition count of an existing topic."""
        return (await self._topics.describe(topic)).partitions

    async def append(self, topic: str, partition: int, items: Sequence[tuple[bytes, bytes | None]]) -> list[int]:
        """Append the items; they may lie in several batches, always in this order."""
        if not items:
            return []
        for key, value in items:
            if len(key) + len(value or b"") > RECORD_BYTES_MAX:
                raise RecordTooLarge(f"a record of {topic} exceeds {RECORD_BYTES_MAX} bytes")
        return await self._appender.append(topic, partition, items)

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset and the end. Who asks at the same time is answered by one request."""
        return await self._ask(topic, partition, with_first=True)

    async def end(self, topic: str, partition: int) -> int:
        """The end alone: one request, and none about the topic, whose partitions are as many for life."""
        return (await self._ask(topic, partition, with_first=False))[1]

    async def _ask(self, topic: str, partition: int, *, with_first: bool) -> tuple[int, int]:
        together = self._asked.get((topic, with_first))
        if together is None:
            together = self._asked[topic, with_first] = _Asked(set())
            together.task = asyncio.create_task(self._find_bounds(topic, together, with_first=with_first))
            together.task.add_done_callback(_retrieve)
        together.partitions.add(partition)
        assert together.task is not None
        found = (await asyncio.shield(together.task)).get(partition)
        if found is None:
            raise LogError(f"topic {topic} has no partition {partition}")
        return found

    async def _find_bounds(self, topic: str, asked: _Asked, *, with_first: bool) -> dict[int, tuple[int, int]]:
        async with self._bounding:
            self._asked.pop((topic, with_first))  # from here on others would ask too late
            known = self._counts.get(topic)
            if known is None or with_first:
                known = self._counts[topic] = (await self._topics.describe(topic)).partitions
            at = [TopicPartition(topic, partition) for partition in asked.partitions if 0 <= partition < known]
            if not at:
                return {}
            try:
                async with asyncio.timeout(REQUEST_SECONDS_MAX):
                    consumer = await self._started_bounds_consumer()
                    firsts = await consumer.beginning_offsets(at) if with_first else dict.fromkeys(at, 0)
                    ends = await consumer.end_offsets(at)
            except (errors.KafkaError, TimeoutError) as error:
                await self._drop_bounds_consumer()
                raise LogUnavailable(f"Kafka does not answer: {error!r}") from error
        return {each.partition: (int(firsts[each]), int(ends[each])) for each in at}

    def reader(self, topic: str) -> KafkaReader:
        """A new reader without partitions."""
        return KafkaReader(self._bootstrap, self._topics, topic)

    async def close(self) -> None:
        """Leave the cluster."""
        await self._appender.close()
        await self._drop_bounds_consumer()
        await self._topics.close()

    async def _started_bounds_consumer(self) -> AIOKafkaConsumer:
        """A consumer that reads nothing: it is asked for bounds, and kept because connecting takes longer."""
        if self._bounds_consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                enable_auto_commit=False,
                request_timeout_ms=int(REQUEST_SECONDS_MAX * 1000),
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._bounds_consumer = consumer
        return self._bounds_consumer

    async def _drop_bounds_consumer(self) -> None:
        consumer, self._bounds_consumer = self._bounds_consumer, None
        if consumer is not None:
            await consumer.stop()


def _retrieve(task: asyncio.Task[dict[int, tuple[int, int]]]) -> None:
    """Perhaps nobody waits any more for what it found."""
    if not task.cancelled():
        task.exception()
