"""The peers for writing: `eventsourcing` on PostgreSQL, message-db's SQL, upsert projectors by asyncpg.

Each is used as its documentation shows, on the same PostgreSQL server, on a sample: their rates do not depend on how
many events came before at these sizes, and 10 million would take them hours.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import msgspec
import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner

Judged = tuple[int, int, int, int, int]
"""Pupil, subject, objective (with its year), state and day."""

MESSAGE_DB = Path(".cache/message-db/package/database")
_MESSAGE_DB_FILES = (
    *("schema/message-store", "types/message", "tables/messages"),
    *(f"functions/{name}" for name in ("message-store-version", "hash-64", "acquire-lock", "category", "is-category")),
    *(f"functions/{name}" for name in ("id", "cardinal-id", "stream-version", "write-message")),
    *("indexes/messages-id", "indexes/messages-category", "indexes/messages-stream"),
)
_LATEST = """CREATE TABLE {table} (pupil int, subject int, objective int, state int, day int,
             PRIMARY KEY (pupil, subject, objective))"""
_LATEST_FACTS = """CREATE TABLE {table} (pupil text, subject text, objective text, state text, day date,
                   PRIMARY KEY (pupil, subject, objective))"""
_UPSERT = """INSERT INTO {table} VALUES ({places}) ON CONFLICT (pupil, subject, objective)
             DO UPDATE SET state = excluded.state, day = excluded.day WHERE excluded.day >= {table}.day"""


class Judgements(Aggregate):
    """The judgements of one pupil."""

    @event("Judged")
    def judge(self, pupil: int, subject: int, objective: int, state: int, day: int) -> None:
        """Nothing is kept here; the projection reads the events."""


class Ledger(Application):  # type: ignore[type-arg]
    """The application of the peer."""


class LatestView(PostgresTrackingRecorder):
    """The latest judgement of each pupil and objective, kept with the position in one transaction."""

    def __init__(self, datastore: Any, **named: Any) -> None:
        super().__init__(datastore, **named)
        self.upserts = _UPSERT.format(table="es_latest", places="%s, %s, %s, %s, %s")

    def put(self, judged: Judged, tracking: Tracking) -> None:
        """One event."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self.upserts, judged)


class LatestProjection(Projection[LatestView]):
    """Every Judged becomes an upsert."""

    name = "latest"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """One event of any kind."""
        if isinstance(domain_event, Judgements.Judged):  # type: ignore[attr-defined]
            e: Any = domain_event
            self.view.put((e.pupil, e.subject, e.objective, e.state, e.day), tracking)
        else:
            self.view.insert_tracking(tracking)


def environment(url: str) -> dict[str, str]:
    """What `eventsourcing` wants to know of a database."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.strip("/"),
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": str(parts.port or 5432),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "none",
    }


def append_by_eventsourcing(url: str, judged: Sequence[Judged], per_save: int) -> float:
    """Events a second, so many in each save."""
    application: Any = Ledger(env=environment(url))
    ours: Any = Judgements()
    started = time.perf_counter()
    for place, one in enumerate(judged, 1):
        ours.judge(*one)
        if place % per_save == 0:
            application.save(ours)
    application.save(ours)
    seconds = time.perf_counter() - started
    application.close()
    return len(judged) / seconds


def project_by_eventsourcing(url: str, events: int) -> float:
    """Events a second of its ProjectionRunner over what was appended, until its view has it all."""
    with psycopg.connect(_conninfo(url), autocommit=True) as connection:
        connection.execute(_LATEST.format(table="es_latest"))
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=Ledger, projection_class=LatestProjection, view_class=LatestView, env=environment(url)
    ) as runner:
        recorder: Any = runner.app.recorder
        runner.wait(recorder.max_notification_id(), timeout=600)
        return events / (time.perf_counter() - started)


def _conninfo(url: str) -> str:
    told = environment(url)
    return (
        f"host={told['POSTGRES_HOST']} port={told['POSTGRES_PORT']} user={told['POSTGRES_USER']}"
        f" dbname={told['POSTGRES_DBNAME']} password={told['POSTGRES_PASSWORD']}"
    )


class Assessed(msgspec.Struct):
    """What an upsert takes from the bytes of a judgement."""

    pupil: str
    subject: str
    objective: str
    state: str
    assessed_on: str


async def upsert(url: str, values: Sequence[bytes], batch: int) -> float:
    """Judgements a second from their bytes, as the log has them, to upserts and the position, a transaction a batch."""
    table = f"facts_{batch}"
    decoder = msgspec.json.Decoder(Assessed)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_LATEST_FACTS.format(table=table))
        await connection.execute("CREATE TABLE IF NOT EXISTS position (name text PRIMARY KEY, next_offset bigint)")
        await connection.execute("INSERT INTO position VALUES ($1, 0)", table)
        statement = _UPSERT.format(table=table, places="$1, $2, $3, $4, $5::text::date")
        started = time.perf_counter()
        for at in range(0, len(values), batch):
            told = [decoder.decode(each) for each in values[at : at + batch]]
            rows = [(e.pupil, e.subject, e.objective, e.state, e.assessed_on) for e in told]
            async with connection.transaction():
                await connection.executemany(statement, rows)
                await connection.execute("UPDATE position SET next_offset = $2 WHERE name = $1", table, at + len(told))
        return len(values) / (time.perf_counter() - started)
    finally:
        await connection.close()


async def latest(url: str, table: str) -> set[tuple[Any, ...]]:
    """What a peer's view holds."""
    connection = await asyncpg.connect(url)
    try:
        return {tuple(row) for row in await connection.fetch(f"SELECT * FROM {table}")}
    finally:
        await connection.close()


async def append_by_message_db(url: str, judged: Sequence[Judged], per_transaction: int) -> float:
    """Events a second through message-db's write_message. Raises FileNotFoundError where its files are missing."""
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT to_regclass('message_store.messages')") is None:
            for name in _MESSAGE_DB_FILES:
                await connection.execute((MESSAGE_DB / f"{name}.sql").read_text())
        await connection.execute("SET search_path TO message_store, public")
        write = "SELECT write_message(gen_random_uuid()::varchar, $1, 'Judged', $2::jsonb)"
        rows = [(f"pupil-{one[0]}", json.dumps(one)) for one in judged]
        started = time.perf_counter()
        for at in range(0, len(rows), per_transaction):
            async with connection.transaction():
                await connection.executemany(write, rows[at : at + per_transaction])
        return len(judged) / (time.perf_counter() - started)
    finally:
        await connection.close()
