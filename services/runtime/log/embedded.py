"""The log as tables in PostgreSQL: the default, durable when PostgreSQL is, exact where a sequence would not be.

An append takes offsets under the row lock of its partition and keeps it until it commits. A reader looks at the
partition's row first, so it never sees a record before one with a lower offset. A compacted topic is one whose records
have an index by key; what is appended there takes the place of earlier records of its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Final

import asyncpg

from services.runtime.log.doorbell import Doorbell
from services.runtime.log.interface import (
    RECORD_BYTES_MAX,
    AppendOutcomeUnknown,
    Batch,
    LogError,
    LogRecreated,
    LogUnavailable,
    OffsetOutOfRange,
    Record,
    RecordTooLarge,
)
from services.runtime.log.turns import Turns

APPEND_SECONDS_MAX: Final = 10.0
READ_SECONDS_MAX: Final = 30.0
POLL_BYTES_MAX: Final = 32 * 1024 * 1024
COPY_FROM_ITEMS: Final = 100
LOOK_AGAIN_SECONDS: Final = 0.2

_SCHEMA_LOCK = 0x6D6C_6C6F_67
# InternalClientError is what asyncpg raises when the server dies in the middle of an answer.
_LOST = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.InternalClientError)
_REFUSED = (asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError)

_APPEND = """
WITH taken AS (
    UPDATE log.partition SET next_offset = next_offset + cardinality($3::bytea[])
    WHERE topic = $1 AND partition = $2 RETURNING next_offset - cardinality($3::bytea[]) AS first
), appended AS (
    INSERT INTO log.record (topic, partition, "offset", appended_ms, key, value)
    SELECT $1, $2, first + place - 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, key, value
    FROM taken, unnest($3::bytea[], $4::bytea[]) WITH ORDINALITY AS item (key, value, place)
)
SELECT first FROM taken
"""
_TAKE = """
UPDATE log.partition SET next_offset = next_offset + $3 WHERE topic = $1 AND partition = $2
RETURNING next_offset - $3 AS first, (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms
"""
_LOOK_UP = """
SELECT topic, log_id, partitions, to_regclass('log.record_by_key_' || topic) IS NOT NULL AS compacted
FROM log.topic WHERE name = $1
"""
_REPLACE = """
INSERT INTO log.record (topic, partition, "offset", appended_ms, key, value)
SELECT {topic}, $1, $2 + place, $3, key, value
FROM unnest($4::bigint[], $5::bytea[], $6::bytea[]) AS item (place, key, value)
ON CONFLICT (partition, key) WHERE topic = {topic}
DO UPDATE SET "offset" = excluded."offset", appended_ms = excluded.appended_ms, value = excluded.value
"""
"""With the number of the topic in the text, as in the index that it needs: what is replaced goes to the new offset."""
_HEADS = """
SELECT partition, first_offset, next_offset FROM log.partition WHERE topic = $1 AND partition = ANY($2::int[])
"""
_PAGE = """
SELECT "offset", appended_ms, key, value FROM log.record
WHERE topic = $1 AND partition = $2 AND "offset" >= $3 AND "offset" < $4 ORDER BY "offset" LIMIT $5
"""
_READ_WHOLE = f"""
SELECT array_agg("offset"), array_agg(appended_ms), array_agg(key), array_agg(value) FROM ({_PAGE}) AS page
HAVING sum(octet_length(value)) < $6
"""
"""A page as one row of columns, if it is small enough: what a record costs by itself is paid once a page."""
_READ = f"""
SELECT "offset", appended_ms, key, value FROM (
    SELECT *, sum(coalesce(octet_length(value), 0)) OVER (ORDER BY "offset") - coalesce(octet_length(value), 0)
        AS bytes_before
    FROM ({_PAGE}) AS page
) AS measured WHERE bytes_before < $6 ORDER BY "offset"
"""


class EmbeddedLog:
    """The log in the database of `pool`; see `services.runtime.log.interface.Log` for the contract."""

    def __init__(self, pool: asyncpg.Pool, *, append_seconds_max: float = APPEND_SECONDS_MAX) -> None:
        self._pool = pool
        self._append_seconds_max = append_seconds_max
        self._doorbell = Doorbell(pool)
        self._topics: dict[str, asyncpg.Record] = {}
        self._turns = Turns(append_seconds_max)

    async def create_topic(self, topic: str, partitions: int, *, retention_ms: int, compacted: bool) -> None:
        """Create the topic if it is missing; only topics that are kept for ever."""
        if retention_ms != -1:
            raise LogError(f"topic {topic}: the embedded log keeps what it holds for ever")
        ddl = files("services.runtime.log").joinpath("embedded.sql").read_text(encoding="utf-8")
        with _unavailable_when_lost():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _SCHEMA_LOCK)
                await connection.execute(ddl)
                made = await connection.fetchval(
                    "INSERT INTO log.topic (name, partitions) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING topic",
                    topic,
                    partitions,
                )
                if made is not None:
                    await connection.execute(
                        "INSERT INTO log.partition (topic, partition) SELECT $1, generate_series(0, $2 - 1)",
                        made,
                        partitions,
                    )
                    if compacted:
                        await connection.execute(
                            f"CREATE UNIQUE INDEX record_by_key_{made} ON log.record (partition, key)"
                            f" WHERE topic = {made}"
                        )
        found = await self.partitions(topic)
        if found != partitions:
            raise LogError(f"topic {topic} has {found} partitions, not {partitions}; the count is fixed for life")

    async def log_id(self, topic: str) -> str:
        """The random id that the topic was given when it was made."""
        return str((await self.look_up(topic))["log_id"])

    async def partitions(self, topic: str) -> int:
        """The partition count of an existing topic."""
        return int((await self.look_up(topic))["partitions"])

    async def append(self, topic: str, partition: int, items: Sequence[tuple[bytes, bytes | None]]) -> list[int]:
        """Append the items in one transaction; it waits for its turn at the partition."""
        if not items:
            return []
        for key, value in items:
            if len(key) + len(value or b"") > RECORD_BYTES_MAX:
                raise RecordTooLarge(f"a record of {topic} exceeds {RECORD_BYTES_MAX} bytes")
        found = self._topics.get(topic) or await self.look_up(topic)
        async with self._turns.turn(topic, partition):
            first = await self._append(found["topic"], partition, items, compacted=found["compacted"])
        if first is None:
            self._topics.pop(topic, None)
            raise LogRecreated(f"topic {topic} has no partition {partition}, or was made anew")
        self._doorbell.ring()
        return list(range(first, first + len(items)))

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset and the end."""
        number = int((await self.look_up(topic))["topic"])
        heads = await self.heads(number, [partition])
        if partition not in heads:
            raise LogError(f"topic {topic} has no partition {partition}")
        return heads[partition]

    async def end(self, topic: str, partition: int) -> int:
        """The end alone, without asking again which topic it is: one made anew has no such partition."""
        found = self._topics.get(topic) or await self.look_up(topic)
        head = (await self.heads(found["topic"], [partition])).get(partition)
        return head[1] if head is not None else (await self.bounds(topic, partition))[1]

    def reader(self, topic: str) -> EmbeddedReader:
        """A new reader without partitions."""
        return EmbeddedReader(self, topic)

    async def close(self) -> None:
        """Stop listening; the pool is the caller's."""
        await self._doorbell.close()

    async def look_up(self, topic: str) -> asyncpg.Record:
        """The topic's row, read now."""
        try:
            with _unavailable_when_lost():
                row = await self._pool.fetchrow(_LOOK_UP, topic)
        except asyncpg.UndefinedTableError:
            row = None
        if row is None:
            raise LogError(f"there is no topic {topic}")
        self._topics[topic] = row
        return row

    async def heads(self, number: int, partitions: Sequence[int]) -> dict[int, tuple[int, int]]:
        """First offset and end of these partitions of a topic, as of now."""
        with _unavailable_when_lost():
            rows = await self._pool.fetch(_HEADS, number, list(partitions), timeout=READ_SECONDS_MAX)
        return {row["partition"]: (row["first_offset"], row["next_offset"]) for row in rows}

    async def read(self, number: int, partition: int, start: int, end: int, records_max: int) -> list[Record]:
        """Records from `start` to before `end`, bounded in number and in bytes, but at least one."""
        arguments = (number, partition, start, end, records_max, POLL_BYTES_MAX)
        with _unavailable_when_lost():
            columns = await self._pool.fetchrow(_READ_WHOLE, *arguments, timeout=READ_SECONDS_MAX)
            if columns is not None:
                return list(map(Record, *columns))
            rows = await self._pool.fetch(_READ, *arguments, timeout=READ_SECONDS_MAX)
            return [Record(*row) for row in rows]

    async def next_ring(self) -> asyncio.Future[None]:
        """Completed by the next append of any process that is heard of."""
        return await self._doorbell.next_ring()

    async def _append(
        self, number: int, partition: int, items: Sequence[tuple[bytes, bytes | None]], *, compacted: bool
    ) -> int | None:
        """The first offset taken; None if there is no such partition."""
        with _unavailable_when_lost():
            connection = await self._pool.acquire(timeout=self._append_seconds_max)
        try:
            async with asyncio.timeout(self._append_seconds_max):
                if compacted:
                    return await _append_compacted(connection, number, partition, items)
                if len(items) < COPY_FROM_ITEMS:
                    keys, values = [key for key, _ in items], [value for _, value in items]
                    return await connection.fetchval(_APPEND, number, partition, keys, values)  # type: ignore[no-any-return]
                return await _append_by_copy(connection, number, partition, items)
        except (asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, *_LOST) as error:
            connection.terminate()
            raise AppendOutcomeUnknown(f"the database was lost during an append: {_named(error)}") from error
        except _REFUSED as error:
            raise LogUnavailable(f"the database refuses to append: {_named(error)}") from error
        except asyncio.CancelledError:
            connection.terminate()
            raise
        finally:
            with contextlib.suppress(*_LOST):
                await self._pool.release(connection)


class EmbeddedReader:
    """Reads some partitions of a topic; see `services.runtime.log.interface.Reader` for the contract."""

    def __init__(self, log: EmbeddedLog, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._number = 0
        self._compacted = False
        self._next: dict[int, int] = {}

    async def assign(self, start: Mapping[int, int]) -> None:
        """Read exactly these partitions from these offsets."""
        self._next = {}
        found = await self._log.look_up(self._topic)
        self._number, self._compacted = found["topic"], found["compacted"]
        heads = await self._log.heads(self._number, list(start))
        for partition, offset in start.items():
            if partition not in heads:
                raise LogError(f"topic {self._topic} has no partition {partition}")
            self._check_range(partition, offset, heads[partition])
        self._next = dict(start)

    async def poll(self, records_max: int, wait_ms: int) -> dict[int, Batch]:
        """What is there, else what comes within `wait_ms`."""
        deadline = time.monotonic() + wait_ms / 1000
        while True:
            ring = await self._log.next_ring()
            try:
                batches = await self._read(records_max)
                remaining = deadline - time.monotonic()
                if batches or remaining <= 0:
                    return batches
                await asyncio.wait([ring], timeout=min(remaining, LOOK_AGAIN_SECONDS))
            finally:
                ring.cancel()

    async def close(self) -> None:
        """Forget the partitions."""
        self._next = {}

    async def _read(self, records_max: int) -> dict[int, Batch]:
        if not self._next:
            return {}
        heads = await self._log.heads(self._number, list(self._next))
        if len(heads) < len(self._next):
            raise LogRecreated(f"topic {self._topic} was made anew")
        batches: dict[int, Batch] = {}
        for partition, offset in list(self._next.items()):
            self._check_range(partition, offset, heads[partition])
            end = heads[partition][1]
            if offset == end or records_max <= 0:
                continue
            records = await self._log.read(self._number, partition, offset, end, records_max)
            if not records and self._compacted:
                continue  # all of them were replaced since the end was read: what took their place lies beyond it
            if not records or (records[0].offset != offset and not self._compacted):
                raise OffsetOutOfRange(f"{self._topic}/{partition}: the record at {offset} is gone")
            batches[partition] = Batch(records, records[-1].offset + 1, end)
            records_max -= len(records)
        for partition, batch in batches.items():
            # Back of the queue: a partition that is always full must not starve the others.
            del self._next[partition]
            self._next[partition] = batch.next_offset
        return batches

    def _check_range(self, partition: int, offset: int, head: tuple[int, int]) -> None:
        first, end = head
        if not first <= offset <= end:
            raise OffsetOutOfRange(
                f"{self._topic}/{partition}: offset {offset} lies outside {first}..{end}; the log was cut or made anew"
            )


async def _append_compacted(
    connection: asyncpg.pool.PoolConnectionProxy,
    number: int,
    partition: int,
    items: Sequence[tuple[bytes, bytes | None]],
) -> int | None:
    """Append in the place of earlier records of the same keys; of equal keys among the items only the last is kept."""
    last = {key: (place, key, value) for place, (key, value) in enumerate(items)}
    async with connection.transaction():
        taken = await connection.fetchrow(_TAKE, number, partition, len(items))
        if taken is None:
            return None
        first = int(taken["first"])
        columns = zip(*last.values(), strict=True)
        await connection.execute(_REPLACE.format(topic=number), partition, first, taken["now_ms"], *map(list, columns))
    return first


async def _append_by_copy(
    connection: asyncpg.pool.PoolConnectionProxy,
    number: int,
    partition: int,
    items: Sequence[tuple[bytes, bytes | None]],
) -> int | None:
    async with connection.transaction():
        taken = await connection.fetchrow(_TAKE, number, partition, len(items))
        if taken is None:
            return None
        first, now_ms = int(taken["first"]), taken["now_ms"]
        await connection.copy_records_to_table(
            "record",
            schema_name="log",
            columns=("topic", "partition", "offset", "appended_ms", "key", "value"),
            records=(
                (number, partition, first + place, now_ms, key, value) for place, (key, value) in enumerate(items)
            ),
        )
    return first


@contextlib.contextmanager
def _unavailable_when_lost() -> Iterator[None]:
    try:
        yield
    except (*_LOST, *_REFUSED) as error:
        raise LogUnavailable(f"the database does not answer: {_named(error)}") from error


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
