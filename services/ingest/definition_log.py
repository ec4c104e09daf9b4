"""The log of definitions, and the tables of schema `definition` kept in step with it, partition by partition.

A version is decided while its partition is held, across processes, and with all that the log says; it is appended
first and then applied, with the offset. After any doubt nothing was applied, and whoever holds the partition next reads
on. What a version may say is not decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from importlib.resources import files
from typing import Any

import asyncpg
import msgspec
import structlog

from schemas.definitions import AnyDefinition, Heading, decode_definition, encode_definition
from schemas.topics import DEFINITIONS
from services.access.problems import Problem
from services.domain.built_in import BUILT_IN
from services.ingest.publish import LogMoved, partition_of
from services.runtime.log.interface import Log, LogRecreated, LogUnavailable
from services.runtime.log.scanning import read_batch
from services.runtime.postgres import leave_clean

_log = structlog.get_logger("markledger.ingest.definitions")

Decide = Callable[[AnyDefinition | None, Heading], AnyDefinition | None]
"""The next version of a definition, with this heading; None = the standing one says it already. May raise Problem."""
Placed = tuple[int, AnyDefinition]

_TURNS = 2
"""Each holds a connection while the embedded log needs others."""
_ATTEMPTS = 3
_SCHEMA_LOCK = "markledger definition"
_HOLD = "SELECT log_id, next_offset FROM definition.partition WHERE partition = $1 FOR UPDATE"
_ADVANCE = "UPDATE definition.partition SET next_offset = $2 WHERE partition = $1"
_STANDING = "SELECT value FROM definition.version WHERE definition = $1 ORDER BY number DESC LIMIT 1"
_KEEP = """
INSERT INTO definition.version (definition, number, kind, recorded_at, school, trust, value)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"""


class Written(msgspec.Struct, frozen=True):
    """The version that stands now, and whether this request made it."""

    fact: AnyDefinition
    is_new: bool


class DefinitionLog:
    """Writes and follows the topic of definitions. `partitions`: as many as the facts have."""

    def __init__(self, pool: asyncpg.Pool, log: Log, partitions: int, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._log = log
        self._partitions = partitions
        self._clock = clock
        self._turns = asyncio.Semaphore(_TURNS)

    async def start(self) -> None:
        """Make topic and tables and catch up. Raises LogRecreated, and outages of log and database."""
        await self._log.create_topic(
            DEFINITIONS.name, self._partitions, retention_ms=DEFINITIONS.retention_ms, compacted=DEFINITIONS.compacted
        )
        log_id = await self._log.log_id(DEFINITIONS.name)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", _SCHEMA_LOCK)
            await connection.execute(
                files("services.ingest").joinpath("sql/definitions.sql").read_text(encoding="utf-8")
            )
            await connection.execute(
                "INSERT INTO definition.partition (partition, log_id, next_offset)"
                " SELECT generate_series(0, $1 - 1), $2, 0 ON CONFLICT DO NOTHING",
                self._partitions,
                log_id,
            )
            rows = await connection.fetch("SELECT partition, next_offset FROM definition.partition")
        ends = await asyncio.gather(*(self._log.end(DEFINITIONS.name, each) for each in range(self._partitions)))
        for partition in [row["partition"] for row in rows if ends[row["partition"]] != row["next_offset"]]:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._hold(connection, partition)

    async def write(self, definition: str, actor: str, decide: Decide) -> Written:
        """Let `decide` make the next version of a definition; durable on return.

        Raises what `decide` raises, LogUnavailable, AppendOutcomeUnknown and database errors: then the tables have not
        changed, and the log has the version once or not at all.
        """
        for _ in range(_ATTEMPTS):
            try:
                async with self._turns, self._pool.acquire() as connection:
                    async with connection.transaction():
                        written = await self._write(connection, definition, actor, decide)
                    leave_clean(connection)
            except LogMoved:
                continue
            if isinstance(written, Problem):
                raise written
            return written
        raise LogUnavailable("other appends keep coming in between")

    async def _write(self, connection: Any, definition: str, actor: str, decide: Decide) -> Written | Problem:
        """A refusal is returned: what the log told on the way is kept all the same."""
        partition = partition_of(definition, self._partitions)
        start = await self._hold(connection, partition)
        value = await connection.fetchval(_STANDING, definition)
        standing = BUILT_IN.get(definition) if value is None else decode_definition(value)
        number = 1 if standing is None else standing.number + 1
        now = self._clock()
        heading = Heading(
            event_id=f"{definition}@{number}",
            definition=definition,
            number=number,
            recorded_at=now if standing is None else max(now, standing.recorded_at),
            actor=actor,
        )
        try:
            fact = decide(standing, heading)
        except Problem as refusal:
            return refusal
        if fact is None:
            assert standing is not None
            return Written(standing, is_new=False)
        found = await self._log.append(
            DEFINITIONS.name, partition, [(definition.encode("utf-8"), encode_definition(fact))]
        )
        if found != [start]:
            raise LogMoved
        await self._apply(connection, [fact])
        await connection.execute(_ADVANCE, partition, start + 1)
        return Written(fact, is_new=True)

    async def _hold(self, connection: Any, partition: int) -> int:
        """Become the writer of a partition until the transaction ends, and know all that its log holds; its end."""
        row = await connection.fetchrow(_HOLD, partition)
        start: int = row["next_offset"]
        first, end = await self._log.bounds(DEFINITIONS.name, partition)
        if row["log_id"] != await self._log.log_id(DEFINITIONS.name) or not first <= start <= end:
            raise LogRecreated(
                f"the definitions were kept from another log than {DEFINITIONS.name} is now, or from more of it;"
                " connect the log they belong to, or drop the schema `definition` to build it again"
            )
        while start < end:
            batch = await read_batch(self._log, DEFINITIONS.name, partition, start)
            decoded = (_decoded(record.value, record.offset) for record in batch.records)
            await self._apply(connection, [fact for fact in decoded if fact is not None])
            _log.info("definitions caught up", partition=partition, start=start, next_offset=batch.next_offset)
            start = batch.next_offset
            await connection.execute(_ADVANCE, partition, start)
        return start

    async def _apply(self, connection: Any, facts: Iterable[AnyDefinition]) -> None:
        rows = [
            (
                fact.definition,
                fact.number,
                type(fact).__name__,
                fact.recorded_at,
                getattr(fact, "school", ""),
                getattr(fact, "trust", ""),
                encode_definition(fact),
            )
            for fact in facts
        ]
        if rows:
            await connection.executemany(_KEEP, rows)


def _decoded(value: bytes | None, offset: int) -> AnyDefinition | None:
    """What a record says; None for what is no definition of this release."""
    try:
        return decode_definition(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        _log.warning("definition skipped", offset=offset)
        return None
