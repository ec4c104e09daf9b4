"""Which topic of which cluster this is: its partitions, and the id that a topic made anew does not share.

aiokafka speaks Metadata up to version 5, which names no topic id; this module adds version 12 (Kafka 3.1 and newer)
with aiokafka's own building blocks. It also creates topics.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any, ClassVar, Final

import msgspec
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from services.runtime.log.interface import RECORD_BYTES_MAX, LogError, LogUnavailable

REQUEST_SECONDS_MAX: Final = 10.0
REPLICAS_MAX: Final = 3
BATCH_OVERHEAD_BYTES: Final = 64 * 1024


class TopicDescription(msgspec.Struct, frozen=True):
    """A topic as its cluster tells it now."""

    log_id: str
    partitions: int
    led: bool
    """Whether every partition has a leader."""


class KafkaTopics:
    """Asks one cluster about its topics, over a connection of its own."""

    def __init__(self, bootstrap: list[str]) -> None:
        self._bootstrap = bootstrap
        self._client: AIOKafkaClient | None = None
        self._one_at_a_time = asyncio.Lock()

    async def describe(self, topic: str) -> TopicDescription:
        """The topic as it is now. Raises LogError if there is none, LogUnavailable."""
        response = await self._request(_MetadataRequest(topic))
        for error_code, name, topic_id, _, partitions, _, _ in response.topics:
            if name != topic or error_code == errors.UnknownTopicOrPartitionError.errno:
                break
            if error_code:
                raise LogUnavailable(f"topic {topic}: {errors.for_code(error_code).__name__}")
            led = all(leader >= 0 for _, _, leader, *_ in partitions)
            return TopicDescription(f"kafka-{response.cluster_id}-{topic_id.hex()}", len(partitions), led)
        raise LogError(f"there is no topic {topic}")

    async def create(self, topic: str, partitions: int, *, retention_ms: int, compacted: bool) -> None:
        """Create the topic if it is missing, with up to three replicas; returns when it can be written."""
        brokers = len((await self._request(_MetadataRequest(topic))).brokers)
        replicas = min(REPLICAS_MAX, brokers)
        new = NewTopic(
            topic,
            partitions,
            replicas,
            topic_configs={
                "retention.ms": str(retention_ms),
                "cleanup.policy": "compact" if compacted else "delete",
                "min.insync.replicas": str(max(1, replicas - 1)),
                "max.message.bytes": str(RECORD_BYTES_MAX + BATCH_OVERHEAD_BYTES),
                "message.timestamp.type": "LogAppendTime",
                "compression.type": "producer",
            },
        )
        milliseconds = int(REQUEST_SECONDS_MAX * 1000)
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=milliseconds)
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                await admin.start()
                response = await admin.create_topics([new])
                for _, error_code, message in response.topic_errors:
                    if error_code not in (0, errors.TopicAlreadyExistsError.errno):
                        raise LogError(f"topic {topic} cannot be created: {message}")
                while not await self._is_led(topic):  # noqa: ASYNC110 - nothing tells when
                    await asyncio.sleep(0.05)
        except (errors.KafkaError, TimeoutError) as error:
            raise LogUnavailable(f"topic {topic} cannot be created now: {error!r}") from error
        finally:
            await admin.close()

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _is_led(self, topic: str) -> bool:
        try:
            return (await self.describe(topic)).led
        except LogError:
            return False

    async def _request(self, request: _MetadataRequest) -> Any:
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(REQUEST_SECONDS_MAX):
                    return await self._send(request)
            except (errors.IncompatibleBrokerVersion, NotImplementedError) as error:
                raise LogError("this Kafka is too old; Markledger needs 3.1 or newer") from error
            except (errors.KafkaError, OSError) as error:
                await self.close()
                raise LogUnavailable(f"Kafka does not answer: {error!r}") from error

    async def _send(self, request: _MetadataRequest) -> Any:
        if self._client is None:
            client = AIOKafkaClient(
                bootstrap_servers=self._bootstrap, request_timeout_ms=int(REQUEST_SECONDS_MAX * 1000)
            )
            try:
                await client.bootstrap()
            except BaseException:
                await client.close()
                raise
            self._client = client
        node = self._client.get_random_node()
        if node is None:
            raise errors.KafkaConnectionError("no broker is known")
        return await self._client.send(node, request)


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


class _MetadataResponse_v12(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequest_v12(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION: ClassVar[bool] = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _MetadataResponse_v12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequest_v12]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataRequest_v12]) -> _MetadataRequest_v12:
        return request_struct_class([(bytes(16), self._topic, {})], False, False, {})
