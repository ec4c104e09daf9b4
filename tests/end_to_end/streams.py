"""What the tests of the intake do with a real broker: send messages, read topics, make and delete them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.topics import INTAKE

Headers = Sequence[tuple[str, bytes]]
JSON: Headers = (("content-type", b"application/json"),)
LARGE = 8 * 1024 * 1024


def body(*events: Mapping[str, Any]) -> bytes:
    """A body of POST /v1/events."""
    return json.dumps({"events": list(events)}).encode()


def send(
    bootstrap: str, values: Iterable[bytes | None], *, headers: Headers = JSON, topic: str = INTAKE.name, key: str = "k"
) -> list[str]:
    """Messages of one key, in order; their origins, durable."""

    async def work() -> list[str]:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=LARGE)
        async with producer:
            sent = [await producer.send(topic, value, key=key.encode(), headers=list(headers)) for value in values]
            done = await asyncio.gather(*sent)
        return [f"{each.topic}/{each.partition}/{each.offset}" for each in done]

    return asyncio.run(work())


def read(bootstrap: str, topic: str) -> list[Any]:
    """Every record of a topic that is there now."""

    async def work() -> list[Any]:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        async with consumer:
            partitions = [TopicPartition(topic, each) for each in await _partitions(consumer, topic)]
            ends = {at: end for at, end in (await consumer.end_offsets(partitions)).items() if end}
            if not ends:
                return []
            consumer.assign(list(ends))
            await consumer.seek_to_beginning(*ends)
            records: list[Any] = []
            while any([await consumer.position(at) < end for at, end in ends.items()]):
                for found in (await consumer.getmany(timeout_ms=200)).values():
                    records.extend(found)
            return records

    return asyncio.run(work())


def count(bootstrap: str, topic: str) -> int:
    """How many records a topic was ever given."""

    async def work() -> int:
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer:
            partitions = [TopicPartition(topic, each) for each in await _partitions(consumer, topic)]
            return sum((await consumer.end_offsets(partitions)).values())

    return asyncio.run(work())


def make_topic(bootstrap: str, topic: str, partitions: int = 1) -> None:
    """A topic of the tests' own."""

    async def work() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic, partitions, 1)])
        finally:
            await admin.close()

    asyncio.run(work())


def delete_topic(bootstrap: str, topic: str) -> None:
    """Delete it; whoever reads it may make it anew at once."""

    async def work() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([topic])
        finally:
            await admin.close()

    asyncio.run(work())


def topics(bootstrap: str) -> set[str]:
    """The names of all topics."""

    async def work() -> set[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            return set(await admin.list_topics())
        finally:
            await admin.close()

    return asyncio.run(work())


def header(record: Any, name: str) -> str:
    """A header as text; "" if there is none."""
    return next((value.decode() for each, value in record.headers if each == name), "")


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    found = consumer.partitions_for_topic(topic)
    while not found:
        await consumer._client.force_metadata_update()
        await consumer.topics()
        found = consumer.partitions_for_topic(topic)
    return sorted(found)
