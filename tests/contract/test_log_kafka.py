"""The contract of the log on a real Kafka node."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from services.runtime.log.interface import Log
from services.runtime.log.kafka import KafkaLog
from tests.contract.log_suite import LogBench, LogSuite
from tests.servers.backend import delete_topics
from tests.servers.kafka import KafkaBroker

pytestmark = pytest.mark.kafka


class KafkaBench:
    """The log on one real node."""

    def __init__(self, server: KafkaBroker) -> None:
        self.server = server

    def open(self, append_seconds_max: float = 20.0) -> Log:
        return KafkaLog([self.server.bootstrap], append_seconds_max=append_seconds_max)

    async def delete_topic(self, topic: str) -> None:
        await delete_topics(self.server.bootstrap)

    async def cut_before(self, topic: str, partition: int, offset: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=[self.server.bootstrap])
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})
        finally:
            await admin.close()


@pytest.fixture
async def bench(kafka_broker: KafkaBroker) -> AsyncIterator[LogBench]:
    """The node without topics."""
    kafka_broker.start()
    await delete_topics(kafka_broker.bootstrap)
    yield KafkaBench(kafka_broker)


class TestKafkaLog(LogSuite):
    """All of the contract."""
