"""The fixture of a Kafka node without topics, for a product of its own; a conftest takes it from here."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers.backend import delete_topics
from tests.servers.kafka import KafkaBroker


@pytest.fixture
def fresh_kafka(kafka_broker: KafkaBroker) -> KafkaBroker:
    """A broker on which nothing is left of other tests."""
    asyncio.run(delete_topics(kafka_broker.bootstrap))
    return kafka_broker
