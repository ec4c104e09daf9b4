"""The only writer of the views: reads what a fold needs, and writes what it made in the transaction of the offset.

The first statement of every transaction compares and sets the offsets under the owner's name (or, for compaction,
compares them); a mismatch raises Fenced and nothing is written. The number of statements does not depend on how many
schools, streams or months a batch touches. Every row carries its school.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from schemas.detail import compressed, decompressed
from services.projector.decoding import DeadLetter
from services.projector.feed import Feed, Fenced
from services.projector.projection import BlockKey, Stored
from services.projector.tables import create_tables as create_tables
from services.projector.tables import views_schema as views_schema

IDLE_IN_TRANSACTION_SECONDS = 5
"""A process that stops inside a transaction holds its partitions no longer than this."""

_COMPARE_AND_SET = """
UPDATE projection.partition AS p
   SET next_offset = m.next_offset, end_offset = greatest(m.end_offset, m.next_offset),
       applied_at = CASE WHEN m.next_offset >= m.end_offset THEN clock_timestamp()
                         ELSE to_timestamp(m.appended_ms / 1000.0) END,
       facts = p.facts + m.facts, skipped = p.skipped + m.skipped, fold_seconds = p.fold_seconds + m.fold_seconds,
       stopped_reason = NULL, stopped_at = NULL
  FROM unnest($5::integer[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
              $12::double precision[])
    AS m (partition, expected, next_offset, end_offset, appended_ms, facts, skipped, fold_seconds)
 WHERE p.projection = $1 AND p.version = $2 AND p.topic = $3 AND p.owner = $4
   AND p.partition = m.partition AND p.next_offset = m.expected"""

_COMPARE = """
SELECT 1 FROM projection.partition
 WHERE projection = $1 AND version = $2 AND topic = $3 AND owner = $4 AND partition = $5 AND next_offset = $6
   FOR NO KEY UPDATE"""

_BURY = """
INSERT INTO projection.dead_letter
       (projection, version, topic, partition, record_offset, reason, key, value, appended_at)
SELECT $1, $2, $3, d.partition, d.record_offset, d.reason, d.key, d.value, to_timestamp(d.appended_ms / 1000.0)
  FROM unnest($4::integer[], $5::bigint[], $6::text[], $7::bytea[], $8::bytea[], $9::bigint[])
    AS d (partition, record_offset, reason, key, value, appended_ms)
ON CONFLICT DO NOTHING"""

_FIND_BLOCKS = """
SELECT b.school, b.stream, b.starts, b.data FROM {views}.block AS b
  JOIN unnest($1::text[], $2::text[], $3::integer[]) AS k (school, stream, starts)
    ON b.stream = k.stream AND b.school = k.school AND b.starts = k.starts"""

_FIND_TAILS = """
SELECT t.school, t.stream, t.starts, t.data FROM {views}.tail AS t
  JOIN unnest($1::text[], $2::text[], $3::integer[]) AS k (school, stream, starts)
    ON t.stream = k.stream AND t.school = k.school AND t.starts = k.starts
 ORDER BY t.school, t.stream, t.starts, t.seq"""

_DROP_STREAMS = """
DELETE FROM {views}.{table} AS v USING unnest($1::text[], $2::text[]) AS k (school, stream)
 WHERE v.stream = k.stream AND v.school = k.school"""

_DROP_TAILS = """
DELETE FROM {views}.tail AS t USING unnest($1::text[], $2::text[], $3::integer[]) AS k (school, stream, starts)
 WHERE t.stream = k.stream AND t.school = k.school AND t.starts = k.starts"""

_PUT_BLOCKS = """
INSERT INTO {views}.block (school, stream, starts, data)
SELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::bytea[])
ON CONFLICT (stream, school, starts) DO UPDATE SET data = excluded.data"""

# no COPY: PostgreSQL refuses it on a table with row-level security
_ADD_TAILS = """
INSERT INTO {views}.tail (school, stream, starts, seq, data)
SELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bytea[])"""

_ADD_DETAIL = """
INSERT INTO {views}.detail (school, seq, data)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])"""

_PUT_DOCUMENTS = """
INSERT INTO {views}.school_document AS d (school, partition, revision, data)
SELECT n.school, n.partition, 1, n.data
  FROM unnest($1::text[], $2::integer[], $3::bytea[]) AS n (school, partition, data)
ON CONFLICT (school) DO UPDATE SET revision = d.revision + 1, data = excluded.data"""

_PUT_MEMBERS = """
INSERT INTO {views}.trust_member (trust, school)
SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING"""


class Move(msgspec.Struct, frozen=True):
    """A partition goes from one offset to another, by so many facts."""

    partition: int
    expected: int
    next_offset: int
    end_offset: int
    appended_ms: int
    facts: int
    skipped: int
    fold_seconds: float


class SchoolChanges(msgspec.Struct, frozen=True):
    """What a batch of `partition` does to the views of `school`; its rows are ordered by `seq`, the next offset.

    `changes`: what the projection placed, as its own store knows it (the timeline's: `projection.Changes`).
    """

    school: str
    partition: int
    seq: int
    changes: Any


class SchoolBlock(msgspec.Struct, frozen=True):
    """A block of `school` as it stands in the views."""

    school: str
    key: BlockKey
    stored: Stored


class Store:
    """The tables of one feed. `worker` is the owner under whose name everything is written."""

    def __init__(self, pool: asyncpg.Pool, feed: Feed, worker: str) -> None:
        self._pool = pool
        self._feed = feed
        self._worker = worker
        self._views = views_schema(feed.projection, feed.version)

    async def read_detail(self, school: str) -> list[bytes]:
        """The packed facts of a school, in order."""
        query = f"SELECT data FROM {self._views}.detail WHERE school = $1 ORDER BY seq"
        return [decompressed(row["data"]) for row in await self._pool.fetch(query, school)]

    async def read_blocks(self, needs: Sequence[tuple[str, BlockKey]]) -> list[SchoolBlock]:
        """Those of these blocks that there are."""
        if not needs:
            return []
        keys = _key_columns(needs)
        async with self._pool.acquire() as connection:
            blocks = await connection.fetch(_FIND_BLOCKS.format(views=self._views), *keys)
            tails = await connection.fetch(_FIND_TAILS.format(views=self._views), *keys)
        return join_tails(blocks, tails)

    async def commit(
        self,
        moves: Sequence[Move],
        schools: Sequence[SchoolChanges],
        dead_letters: Sequence[tuple[int, DeadLetter]],
    ) -> None:
        """Write the changes and the offsets, all or nothing. Raises Fenced."""
        await self.commit_in_parts(moves, [schools], dead_letters)

    async def commit_in_parts(
        self,
        moves: Sequence[Move],
        parts: Sequence[Sequence[SchoolChanges]],
        dead_letters: Sequence[tuple[int, DeadLetter]],
    ) -> None:
        """The same where the changes are too many to be sent at once. Raises Fenced."""
        async with self.transaction() as connection:
            columns = list(zip(*map(msgspec.structs.astuple, moves), strict=True))
            done = await connection.execute(_COMPARE_AND_SET, *self._feed.key, self._worker, *columns)
            if done != f"UPDATE {len(moves)}":
                raise Fenced(f"{done} of {len(moves)} partitions")
            if dead_letters:
                await connection.execute(_BURY, *self._feed.key, *_dead_letter_columns(dead_letters))
            for schools in parts:
                await self._write(connection, schools)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A transaction that cannot outlive a stopped process for long."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'"
            )
            yield connection

    async def hold(self, connection: Any, partition: int, expected: int) -> None:
        """Keep the partition where it is until the transaction ends. Raises Fenced."""
        if await connection.fetchval(_COMPARE, *self._feed.key, self._worker, partition, expected) is None:
            raise Fenced(f"partition {partition} is not ours at {expected}")

    async def _write(self, connection: Any, schools: Sequence[SchoolChanges]) -> None:
        views = self._views
        dropped = [(one.school, stream) for one in schools for stream in one.changes.dropped_streams]
        if dropped:
            columns = list(zip(*dropped, strict=True))
            await connection.execute(_DROP_STREAMS.format(views=views, table="block"), *columns)
            await connection.execute(_DROP_STREAMS.format(views=views, table="tail"), *columns)
        blocks = [(one.school, key, data) for one in schools for key, data in one.changes.blocks]
        if blocks:
            await self.put_blocks(connection, blocks)
        tails = [
            (one.school, key.stream, key.starts, one.seq, data) for one in schools for key, data in one.changes.tails
        ]
        if tails:
            await connection.execute(_ADD_TAILS.format(views=views), *zip(*tails, strict=True))
        await self.add_detail(connection, schools)
        documents = [(one.school, one.partition, data) for one in schools if (data := one.changes.document) is not None]
        if documents:
            await connection.execute(_PUT_DOCUMENTS.format(views=views), *zip(*documents, strict=True))
        members = [(trust, one.school) for one in schools for trust in one.changes.trusts]
        if members:
            await connection.execute(_PUT_MEMBERS.format(views=views), *zip(*members, strict=True))

    async def add_detail(self, connection: Any, schools: Sequence[SchoolChanges]) -> None:
        """Append the packed facts of a batch."""
        detail = [(one.school, one.seq, compressed(one.changes.detail)) for one in schools if one.changes.detail]
        if detail:
            await connection.execute(_ADD_DETAIL.format(views=self._views), *zip(*detail, strict=True))

    async def put_blocks(self, connection: Any, blocks: Sequence[tuple[str, BlockKey, bytes]]) -> None:
        """Insert or replace blocks, whose tails go."""
        keys = _key_columns([(school, key) for school, key, _ in blocks])
        await connection.execute(_DROP_TAILS.format(views=self._views), *keys)
        await connection.execute(_PUT_BLOCKS.format(views=self._views), *keys, [data for _, _, data in blocks])


def join_tails(blocks: Sequence[Mapping[str, Any]], tails: Sequence[Mapping[str, Any]]) -> list[SchoolBlock]:
    """Rows of blocks and rows of their tails (in order) as blocks. Every tail has its block, or a row was lost."""
    following: dict[tuple[str, str, int], list[bytes]] = {}
    for row in tails:
        following.setdefault((row["school"], row["stream"], row["starts"]), []).append(row["data"])
    found = []
    for row in blocks:
        own = following.get((row["school"], row["stream"], row["starts"]), ())
        found.append(
            SchoolBlock(row["school"], BlockKey(row["stream"], row["starts"]), Stored(row["data"], tuple(own)))
        )
    return found


def _key_columns(keys: Sequence[tuple[str, BlockKey]]) -> tuple[list[str], list[str], list[int]]:
    return [school for school, _ in keys], [key.stream for _, key in keys], [key.starts for _, key in keys]


def _dead_letter_columns(dead_letters: Sequence[tuple[int, DeadLetter]]) -> list[tuple[Any, ...]]:
    rows = [
        (partition, dead.record.offset, dead.reason, dead.record.key, dead.record.value, dead.record.appended_ms)
        for partition, dead in dead_letters
    ]
    return list(zip(*rows, strict=True))
