"""The servers of a test run: one of each kind for the whole session, a fresh database for each test.

`backend` runs a test on the embedded default and again on real Kafka with a real PostgreSQL server.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from tests.servers.backend import Backend, delete_topics
from tests.servers.embedded import EmbeddedServer
from tests.servers.kafka import KafkaBroker
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerMissing, skip_or_fail

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def embedded_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The product's embedded PostgreSQL."""
    server = EmbeddedServer(tmp_path_factory.mktemp("embedded"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server of the machine."""
    try:
        server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    except ServerMissing as missing:
        skip_or_fail("postgres", missing)
        raise
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A real Kafka node."""
    try:
        server = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    except ServerMissing as missing:
        skip_or_fail("kafka", missing)
        raise
    server.start()
    yield server
    server.stop()


@pytest.fixture
def embedded_database_url(embedded_postgres: EmbeddedServer) -> Iterator[str]:
    """A fresh database on the embedded PostgreSQL (started again if a test left it dead)."""
    embedded_postgres.start()
    yield from _fresh_database(embedded_postgres.url)


@pytest.fixture
def server_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh database on the PostgreSQL server (started again if a test left it dead)."""
    postgres_server.start()
    yield from _fresh_database(postgres_server.url)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.postgres_server])])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A back end with nothing in it: `embedded`, or `kafka` with a PostgreSQL server."""
    if request.param == "embedded":
        server = request.getfixturevalue("embedded_postgres")
        url = request.getfixturevalue("embedded_database_url")
        yield Backend("embedded", url, (), tmp_path / "data", log_server=server, database_server=server)
        return
    broker = request.getfixturevalue("kafka_broker")
    server = request.getfixturevalue("postgres_server")
    url = request.getfixturevalue("server_database_url")
    broker.start()
    asyncio.run(delete_topics(broker.bootstrap))
    yield Backend("kafka", url, (broker.bootstrap,), tmp_path / "data", log_server=broker, database_server=server)


def _fresh_database(server_url: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    asyncio.run(_execute(server_url, f"CREATE DATABASE {name}"))
    yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    asyncio.run(_execute(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
