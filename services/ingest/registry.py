"""The registry in PostgreSQL: what the facts of the log have made known, kept in step with the log.

`hold` takes the one lock of each partition and catches up with the log; `apply` is the only writer of what facts make
known, after an append and in catch-up alike, and it only adds. Reading it is `recall`'s business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

import asyncpg
import msgspec
import structlog

from schemas.codec import InvalidFact, UnknownFactType, decode_fact, encode_fact
from schemas.events import (
    AnyFact,
    CurriculumPublished,
    Fact,
    FactWithdrawn,
    PupilEnrolled,
    SchoolJoinedTrust,
    SchoolLeftTrust,
    SchoolRegistered,
)
from services.ingest.given_ids import Packed, pack
from services.ingest.knowledge import names_of_version
from services.ingest.withdrawn_names import restate_names
from services.runtime.log.interface import Log, LogRecreated
from services.runtime.log.scanning import read_batch

Placed = tuple[int, Fact]
"""A fact with its offset."""

_ABOUT_SCHOOLS = frozenset({SchoolRegistered, SchoolJoinedTrust, SchoolLeftTrust})
_KEPT_BY_TYPE = _ABOUT_SCHOOLS | {PupilEnrolled, FactWithdrawn, CurriculumPublished}

_LARGE_TABLES = ("told", "pupil")

LOG_ID_SECONDS = 1.0
_SCHEMA_LOCK = "markledger ingest"
_log = structlog.get_logger("markledger.ingest.registry")


class Held(msgspec.Struct):
    """The partitions of which this transaction is the writer, and where each goes on."""

    log_id: str
    next_offsets: dict[int, int]


class _SchoolMarks:
    """What `ingest.school` keeps of the facts of one school."""

    def __init__(self, school: str) -> None:
        self.school = school
        self.stamp: datetime | None = None
        self.school_version = self.curriculum_version = self.roster_version = self.given_version = 0
        self.has_withdrawals = False
        self.given: list[Placed] = []

    def add(self, offset: int, fact: Fact) -> None:
        if not fact.migrated and (self.stamp is None or self.stamp < fact.recorded_at):
            self.stamp = fact.recorded_at
        if not fact.key and not fact.batch_id:
            self.given_version = offset + 1
            self.given.append((offset, fact))
        kind = type(fact)
        if kind not in _KEPT_BY_TYPE:
            return
        withdrawal = kind is FactWithdrawn
        self.has_withdrawals |= withdrawal
        if withdrawal or kind in _ABOUT_SCHOOLS:
            self.school_version = offset + 1
        if withdrawal or kind is CurriculumPublished:
            self.curriculum_version = offset + 1
        if withdrawal or (kind is PupilEnrolled and fact.revision > 1):
            self.roster_version = offset + 1


class Learned(msgspec.Struct, frozen=True):
    """What the rows of schools keep of some facts, and the rows of the ids of events among them."""

    marks: Sequence[_SchoolMarks]
    given: Sequence[Packed]

    def columns(self) -> tuple[tuple[list[Any], ...], tuple[list[Any], ...]]:
        """Of both, for the statement."""
        marks = tuple([getattr(mark, name) for mark in self.marks] for name in _MARKS)
        return marks, tuple([getattr(row, name) for row in self.given] for name in Packed.__struct_fields__)


class Registry:
    """The tables of schema `ingest` that mirror one topic of the log."""

    def __init__(self, pool: asyncpg.Pool, log: Log, topic: str) -> None:
        self._pool = pool
        self._log = log
        self.topic = topic
        self.partitions = 0
        self._log_id: tuple[float, str] | None = None

    async def start(self) -> None:
        """Create what is missing and catch up, one partition after another. Raises LogRecreated, LogUnavailable."""
        self.partitions = await self._log.partitions(self.topic)
        log_id = await self._log.log_id(self.topic)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", _SCHEMA_LOCK)
            await connection.execute(files("services.ingest").joinpath("sql/registry.sql").read_text(encoding="utf-8"))
            await connection.execute(
                "INSERT INTO ingest.partition (partition, log_id, next_offset)"
                " SELECT generate_series(0, $1 - 1), $2, 0 ON CONFLICT DO NOTHING",
                self.partitions,
                log_id,
            )
        for partition in range(self.partitions):
            while await self._step(partition):
                pass

    async def log_id(self) -> str:
        """Names the log, as asked for within the last second: one that is made anew meanwhile ends before the registry
        and is noticed by that."""
        now = time.monotonic()
        if self._log_id is None or self._log_id[0] <= now:
            self._log_id = (now + LOG_ID_SECONDS, await self._log.log_id(self.topic))
        return self._log_id[1]

    async def hold(self, connection: Any, partitions: Iterable[int]) -> Held:
        """Become the writer of these partitions until the transaction ends, and know all that their log holds."""
        wanted = sorted(set(partitions))
        held = await self._lock(connection, wanted)
        ends = await asyncio.gather(*(self._log.end(self.topic, partition) for partition in wanted))
        for partition, end in zip(wanted, ends, strict=True):
            while held.next_offsets[partition] != end:
                await self._catch_up(connection, held, partition, end)
        return held

    async def advance(self, connection: Any, held: Held, learned: Learned | None = None) -> None:
        """Write down how far the tables follow the log, and the rest of what was applied."""
        marks, packed = learned.columns() if learned is not None else (_NO_MARKS, _NO_PACKED)
        offsets = (list(held.next_offsets), list(held.next_offsets.values()))
        await connection.execute(_ADVANCE, *offsets, *marks, *packed)

    async def apply(self, connection: Any, placed: Sequence[Placed], *, are_new: bool) -> Learned:
        """Add what these facts make known, but for what `advance` has to write with it.

        Facts that are there already change nothing. `are_new`: they were judged against these tables and just appended,
        so that none of them can be there.
        """
        rows = _Rows()
        for offset, fact in placed:
            rows.add(offset, fact)
        if are_new:
            for table in _LARGE_TABLES:
                await _copy(connection, table, rows.take(table))
        for statement, columns in rows.statements():
            await connection.execute(statement, *columns)
        return rows.learned()

    async def _step(self, partition: int) -> bool:
        """One transaction of catch-up; whether there is more."""
        async with self._pool.acquire() as connection, connection.transaction():
            held = await self._lock(connection, [partition])
            _, end = await self._log.bounds(self.topic, partition)
            if held.next_offsets[partition] == end:
                return False
            await self._catch_up(connection, held, partition, end)
            return held.next_offsets[partition] < end

    async def _lock(self, connection: Any, partitions: list[int]) -> Held:
        rows = await connection.fetch(
            "SELECT partition, log_id, next_offset FROM ingest.partition WHERE partition = ANY($1::int[])"
            " ORDER BY partition FOR UPDATE",
            partitions,
        )
        log_id = await self.log_id()
        if len(rows) != len(partitions) or any(row["log_id"] != log_id for row in rows):
            raise LogRecreated(
                f"the registry was built from another log than {self.topic} is now (schema ingest of the database);"
                " connect the log it belongs to, or drop the schema to build it again"
            )
        return Held(log_id, {row["partition"]: row["next_offset"] for row in rows})

    async def _catch_up(self, connection: Any, held: Held, partition: int, end: int) -> None:
        """Take in what the log holds beyond the registry, at most one batch."""
        start = held.next_offsets[partition]
        if start > end:
            raise LogRecreated(f"{self.topic}/{partition} ends at {end}, but the registry has read up to {start}")
        batch = await read_batch(self._log, self.topic, partition, start)
        placed: list[Placed] = []
        for record in batch.records:
            fact = _decoded(record.value)
            if fact is not None:
                placed.append((record.offset, fact))
        learned = await self.apply(connection, placed, are_new=False)
        await restate_names(connection, [fact for _, fact in placed])
        held.next_offsets[partition] = batch.next_offset
        await self.advance(connection, held, learned)
        _log.info("caught up", partition=partition, start=start, next_offset=batch.next_offset, end=end)


async def _copy(connection: Any, table: str, rows: list[tuple[Any, ...]]) -> None:
    """Much faster than an INSERT, but it cannot pass over what is there."""
    if rows:
        names = [name.strip('"') for name, _ in _COLUMNS[table]]
        await connection.copy_records_to_table(table, schema_name="ingest", columns=names, records=rows)


def _decoded(value: bytes | None) -> AnyFact | None:
    """The fact, or None for a record that makes nothing known; the projector keeps such a record for the operator."""
    try:
        return decode_fact(value)
    except (InvalidFact, UnknownFactType) as error:
        _log.warning("record skipped", reason=type(error).__name__)
        return None


class _Rows:
    """Facts, sorted into the rows of each table."""

    def __init__(self) -> None:
        self._schools: dict[str, _SchoolMarks] = {}
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _INSERTS}

    def add(self, offset: int, fact: Fact) -> None:
        school = fact.school
        marks = self._schools.get(school)
        if marks is None:
            marks = self._schools[school] = _SchoolMarks(school)
        marks.add(offset, fact)
        if fact.key:
            self._rows["told"].append(
                (
                    bytes.fromhex(fact.key),
                    fact.revision,
                    fact.event_id,
                    bytes.fromhex(fact.content),
                    fact.recorded_at,
                    offset,
                    fact.migrated,
                    fact.school,
                    fact.batch_id,
                )
            )
        if type(fact) in _KEPT_BY_TYPE:
            self._add_by_type(offset, fact)

    def _add_by_type(self, offset: int, fact: Fact) -> None:
        head = (fact.school, fact.event_id)
        if isinstance(fact, PupilEnrolled):
            key = bytes.fromhex(fact.key) if fact.key else None
            groups = msgspec.json.encode(fact.year_groups) if fact.key and fact.year_groups else None
            self._rows["pupil"].append((fact.school, fact.pupil, fact.event_id, offset, fact.recorded_at, key, groups))
        elif isinstance(fact, FactWithdrawn):
            self._rows["withdrawal"].append((*head, fact.withdraws))
        elif isinstance(fact, CurriculumPublished):
            names = msgspec.msgpack.encode(names_of_version(fact))
            self._rows["curriculum"].append((*head, offset, fact.recorded_at, fact.key, names))
        elif isinstance(fact, SchoolRegistered | SchoolJoinedTrust | SchoolLeftTrust):
            self._rows["school_fact"].append((*head, offset, encode_fact(fact)))

    def take(self, table: str) -> list[tuple[Any, ...]]:
        """The rows of a table, which is then empty."""
        rows, self._rows[table] = self._rows[table], []
        return rows

    def statements(self) -> Iterable[tuple[str, list[tuple[Any, ...]]]]:
        for table, rows in self._rows.items():
            if rows:
                yield _INSERTS[table], list(zip(*rows, strict=True))

    def learned(self) -> Learned:
        """What is left for `Registry.advance`."""
        schools = list(self._schools.values())
        return Learned(schools, [pack(mark.given) for mark in schools if mark.given])


_COLUMNS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "told": (
        ("key", "bytea"),
        ("revision", "int"),
        ("event_id", "uuid"),
        ("content", "bytea"),
        ("recorded_at", "timestamptz"),
        ('"offset"', "bigint"),
        ("migrated", "boolean"),
        ("school", "text"),
        ("batch", "text"),
    ),
    "school_fact": (("school", "text"), ("event_id", "text"), ('"offset"', "bigint"), ("value", "bytea")),
    "curriculum": (
        ("school", "text"),
        ("event_id", "text"),
        ('"offset"', "bigint"),
        ("recorded_at", "timestamptz"),
        ("key", "text"),
        ("names", "bytea"),
    ),
    "pupil": (
        ("school", "text"),
        ("pupil", "text"),
        ("event_id", "text"),
        ('"offset"', "bigint"),
        ("recorded_at", "timestamptz"),
        ("key", "bytea"),
        ("year_groups", "bytea"),
    ),
    "withdrawal": (("school", "text"), ("event_id", "text"), ("withdraws", "text")),
}


def _insert(table: str) -> str:
    names = ", ".join(name for name, _ in _COLUMNS[table])
    arrays = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(_COLUMNS[table], 1))
    return f"INSERT INTO ingest.{table} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"


_INSERTS = {table: _insert(table) for table in _COLUMNS}
_MARKS = (
    "school",
    "stamp",
    "school_version",
    "curriculum_version",
    "roster_version",
    "given_version",
    "has_withdrawals",
)
_NO_MARKS: tuple[list[Any], ...] = tuple([] for _ in _MARKS)
_NO_PACKED: tuple[list[Any], ...] = tuple([] for _ in Packed.__struct_fields__)
_ADVANCE = """
WITH marked AS (
    INSERT INTO ingest.school AS s
        (school, stamp, school_version, curriculum_version, roster_version, given_version, has_withdrawals)
    SELECT * FROM unnest($3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::boolean[])
    ON CONFLICT (school) DO UPDATE SET
        stamp = greatest(s.stamp, excluded.stamp),
        school_version = greatest(s.school_version, excluded.school_version),
        curriculum_version = greatest(s.curriculum_version, excluded.curriculum_version),
        roster_version = greatest(s.roster_version, excluded.roster_version),
        given_version = greatest(s.given_version, excluded.given_version),
        has_withdrawals = s.has_withdrawals OR excluded.has_withdrawals
), given AS (
    INSERT INTO ingest.given_ids (school, "offset", through, ids, contents)
    SELECT * FROM unnest($10::text[], $11::bigint[], $12::bigint[], $13::bytea[], $14::bytea[])
)
UPDATE ingest.partition AS p SET next_offset = n.next_offset
FROM unnest($1::int[], $2::bigint[]) AS n (partition, next_offset) WHERE p.partition = n.partition
"""
