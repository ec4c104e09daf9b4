"""How a topic of Kafka is kept: its replicas and the settings that decide whether it can lose anything. Only read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.runtime.log.interface import RECORD_BYTES_MAX, LogError, LogUnavailable
from services.runtime.log.kafka_topics import BATCH_OVERHEAD_BYTES, REQUEST_SECONDS_MAX


class TopicSettings(msgspec.Struct, frozen=True):
    """`replicas` is the smallest number that a partition has, `brokers` how many there are to hold them.

    `behind`: partitions of which a replica is out of step, or which no broker leads. `unclean`: a replica that is out
    of step may become the leader, and what it lacks is lost.
    """

    brokers: int
    replicas: int
    insync_replicas_min: int
    retention_ms: int
    cleanup_policy: str
    behind: int = 0
    unclean: bool = False
    message_bytes_max: int = RECORD_BYTES_MAX + BATCH_OVERHEAD_BYTES


async def read_topic_settings(bootstrap: Sequence[str], topic: str) -> TopicSettings:
    """The settings of a topic. Raises LogUnavailable, and LogError where they may not be read."""
    milliseconds = int(REQUEST_SECONDS_MAX * 1000)
    admin = AIOKafkaAdminClient(bootstrap_servers=list(bootstrap), request_timeout_ms=milliseconds)
    try:
        async with asyncio.timeout(REQUEST_SECONDS_MAX):
            await admin.start()
            described = (await admin.describe_topics([topic]))[0]
            cluster = await admin.describe_cluster()
            answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailable(f"Kafka does not answer: {error!r}") from error
    finally:
        await admin.close()
    error_code, message, _, _, entries = answers[0].resources[0]
    if error_code or described["error_code"]:
        raise LogError(f"the settings of {topic} cannot be read: {message or described['error_code']}")
    configs = {entry[0]: entry[1] for entry in entries}
    return TopicSettings(
        brokers=len(cluster["brokers"]),
        replicas=min(len(partition["replicas"]) for partition in described["partitions"]),
        insync_replicas_min=int(configs["min.insync.replicas"]),
        retention_ms=int(configs["retention.ms"]),
        cleanup_policy=configs["cleanup.policy"],
        behind=sum(
            len(partition["isr"]) < len(partition["replicas"]) or partition["leader"] < 0
            for partition in described["partitions"]
        ),
        unclean=configs.get("unclean.leader.election.enable") == "true",
        message_bytes_max=int(configs["max.message.bytes"]),
    )
