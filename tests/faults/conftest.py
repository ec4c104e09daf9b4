"""A running product on each back end, and fixtures taken from their module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.fresh_kafka import fresh_kafka
from tests.end_to_end.product import Product
from tests.servers.kafka import KafkaBroker

__all__ = ["fresh_kafka"]


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.postgres_server])])
def back_end(request: pytest.FixtureRequest) -> str:
    """`embedded`, or `kafka` with a PostgreSQL server."""
    return str(request.param)


@pytest.fixture
def broker(request: pytest.FixtureRequest, back_end: str) -> KafkaBroker | None:
    """The Kafka node of the test, if it runs on one; it runs again afterwards."""
    return request.getfixturevalue("fresh_kafka") if back_end == "kafka" else None


@pytest.fixture
def product(
    request: pytest.FixtureRequest, back_end: str, broker: KafkaBroker | None, tmp_path: Path
) -> Iterator[Product]:
    """A running product on the back end."""
    environment = {}
    if broker is not None:
        environment["MARKLEDGER_KAFKA_BOOTSTRAP"] = broker.bootstrap
        environment["MARKLEDGER_DATABASE_URL"] = request.getfixturevalue("server_database_url")
    with Product(tmp_path / "data", environment) as running:
        yield running
