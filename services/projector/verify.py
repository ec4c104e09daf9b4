"""Whether the views are what the log says: their checksum against that of a replay from the first record.

Both sides are brought to canonical bytes first, so that neither batches nor compaction count. The views are read in
one snapshot, at the offsets that they have reached in it; nothing is written.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from schemas.blocks import compact
from services.projector.projection import BlockKey, Projection
from services.projector.replay import Replay, SchoolViews
from services.projector.store import join_tails, views_schema
from services.projector.versions import active_version
from services.runtime.log.interface import Log, LogRecreated, OffsetOutOfRange

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.1
DIFFERENCES_MAX = 20

_CHECKPOINTS = """
SELECT partition, log_id, next_offset FROM projection.partition
 WHERE projection = $1 AND version = $2 AND topic = $3 ORDER BY partition"""
_DEAD_LETTERS = """
SELECT record_offset FROM projection.dead_letter
 WHERE projection = $1 AND version = $2 AND topic = $3 AND partition = $4 ORDER BY record_offset"""
_DOCUMENTS = "SELECT school, data FROM {views}.school_document WHERE partition = $1"
_BLOCKS = "SELECT school, stream, starts, data FROM {views}.block WHERE school = ANY($1)"
_TAILS = "SELECT school, stream, starts, data FROM {views}.tail WHERE school = ANY($1) ORDER BY seq"
_DETAIL = "SELECT school, data FROM {views}.detail WHERE school = ANY($1) ORDER BY school, seq"
_MEMBERS = "SELECT school, trust FROM {views}.trust_member WHERE school = ANY($1)"
_ALL_SCHOOLS = """
SELECT school FROM {views}.block UNION SELECT school FROM {views}.tail UNION SELECT school FROM {views}.detail
UNION SELECT school FROM {views}.school_document UNION SELECT school FROM {views}.trust_member"""


class VerifyResult(msgspec.Struct, frozen=True):
    """What a comparison found. `behind`: records appended before it began that the views did not hold yet.

    `differences` names the first things that differ; equal checksums mean that there is none.
    """

    equal: bool
    schools: int
    facts: int
    dead_letters: int
    behind: int
    checksum_views: str
    checksum_replay: str
    differences: tuple[str, ...]


class NothingToVerify(Exception):
    """No projector has ever run here."""


Things = dict[str, bytes]
"""The canonical bytes of all that the views hold of one school, by name."""


async def verify(
    pool: asyncpg.Pool,
    log: Log,
    *,
    projection: Projection,
    topic: str,
    version: int | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> VerifyResult:
    """Wait until the views have reached the present end of the log (or `wait_seconds` are over), then compare.

    `version`: the one that reports read, if none is named. Raises NothingToVerify, LogRecreated, what the log raises,
    and whatever a rule raises during the replay.
    """
    version = version or await active_version(pool, projection.NAME) or projection.VERSION
    key = (projection.NAME, version, topic)
    ends = {partition: (await log.bounds(topic, partition))[1] for partition in range(await log.partitions(topic))}
    await _wait_for(pool, key, ends, wait_seconds)
    async with _snapshot(pool) as connection:
        checkpoints = await _checkpoints(connection, key, await log.log_id(topic))
        comparison = _Comparison(connection, log, projection, key, len(ends))
        try:
            for partition, next_offset in checkpoints.items():
                await comparison.compare(partition, next_offset)
            await comparison.find_strangers()
        finally:
            await comparison.close()
    behind = sum(max(end - checkpoints.get(partition, 0), 0) for partition, end in ends.items())
    return comparison.result(behind)


async def _wait_for(pool: asyncpg.Pool, key: tuple[str, int, str], ends: Mapping[int, int], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    if await pool.fetchval("SELECT to_regclass('projection.partition')") is None:
        raise NothingToVerify("no projector has run on this database")
    while loop.time() < deadline:
        rows = await pool.fetch(_CHECKPOINTS, *key)
        if all(row["next_offset"] >= ends.get(row["partition"], 0) for row in rows):
            return
        await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def _snapshot(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


async def _checkpoints(connection: Any, key: tuple[str, int, str], log_id: str) -> dict[int, int]:
    rows = await connection.fetch(_CHECKPOINTS, *key)
    if not rows:
        raise NothingToVerify(f"no projector has run on {key[2]}")
    for row in rows:
        if row["log_id"] != log_id:
            raise LogRecreated(f"{key[2]} is {log_id}; the views were made from {row['log_id']}")
    return {row["partition"]: row["next_offset"] for row in rows}


class _Comparison:
    """Adds up both sides, partition by partition."""

    def __init__(
        self, connection: Any, log: Log, projection: Projection, key: tuple[str, int, str], partitions: int
    ) -> None:
        self._connection = connection
        self._log = log
        self._reader = log.reader(key[2])
        self._projection = projection
        self._key = key
        self._partitions = partitions
        self._views = views_schema(projection.NAME, key[1])
        self._sums = (hashlib.sha256(), hashlib.sha256())
        self._differences: list[str] = []
        self._schools: set[str] = set()
        self._facts = self._dead_letters = 0

    async def compare(self, partition: int, next_offset: int) -> None:
        """Replay one partition to `next_offset` and compare its schools and dead letters."""
        replay = Replay(self._projection, partition, self._partitions)
        if next_offset > 0:
            _, end = await self._log.bounds(self._key[2], partition)
            if next_offset > end:
                raise OffsetOutOfRange(
                    f"the views are at {next_offset} of partition {partition}, the log ends at {end}"
                )
            await replay.run(self._reader, next_offset)
        self._facts += replay.facts
        self._dead_letters += len(replay.dead_letters)
        stored = await self._fetch(_DEAD_LETTERS, *self._key, partition)
        self._add(
            f"partition {partition}",
            {"dead letters": _numbers(row["record_offset"] for row in stored)},
            {"dead letters": _numbers(dead.record.offset for dead in replay.dead_letters)},
        )
        viewed, detail = await self._read_views(partition, replay.schools)
        for school in sorted(viewed):
            replayed = replay.schools.pop(school)
            loaded = await asyncio.to_thread(self._projection.load_school, school, detail.pop(school, []))
            mine = await asyncio.to_thread(self._things, viewed.pop(school), loaded.facts)
            theirs = await asyncio.to_thread(self._things, replayed, replayed.state.facts)
            self._add(f"school {school}", mine, theirs)
            self._schools.add(school)

    async def find_strangers(self) -> None:
        """Rows of schools that the log does not know."""
        rows = await self._fetch(_ALL_SCHOOLS)
        for school in sorted({row["school"] for row in rows} - self._schools):
            self._add(f"school {school}", {"rows": b"there"}, {})

    async def close(self) -> None:
        """Leave the log."""
        await self._reader.close()

    def result(self, behind: int) -> VerifyResult:
        """What was found."""
        mine, theirs = (total.hexdigest() for total in self._sums)
        return VerifyResult(
            equal=mine == theirs,
            schools=len(self._schools),
            facts=self._facts,
            dead_letters=self._dead_letters,
            behind=behind,
            checksum_views=mine,
            checksum_replay=theirs,
            differences=tuple(self._differences[:DIFFERENCES_MAX]),
        )

    async def _read_views(
        self, partition: int, replayed: dict[str, SchoolViews]
    ) -> tuple[dict[str, SchoolViews], dict[str, list[bytes]]]:
        """The views and the detail of the schools of a partition; those that the log lacks are added to `replayed`."""
        documents = {row["school"]: row["data"] for row in await self._fetch(_DOCUMENTS, partition)}
        for school in documents.keys() - replayed.keys():
            replayed[school] = SchoolViews(self._projection.load_school(school, []))
        schools = list(replayed)
        viewed = {school: SchoolViews(replayed[school].state) for school in schools}
        for school, document in documents.items():
            viewed[school].document = document
        for block in join_tails(await self._fetch(_BLOCKS, schools), await self._fetch(_TAILS, schools)):
            viewed[block.school].blocks[block.key] = block.stored
        for row in await self._fetch(_MEMBERS, schools):
            viewed[row["school"]].trusts.add(row["trust"])
        detail: dict[str, list[bytes]] = {}
        for row in await self._fetch(_DETAIL, schools):
            detail.setdefault(row["school"], []).append(row["data"])
        return viewed, detail

    async def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        return list(await self._connection.fetch(query.format(views=self._views), *arguments))

    def _things(self, school: SchoolViews, facts: int) -> Things:
        things = {
            "document": school.document or b"",
            "facts": str(facts).encode(),  # as a projector that takes the school over would have them
            "trusts": "\n".join(sorted(school.trusts)).encode(),
        }
        for key, stored in sorted(school.blocks.items()):
            next_starts = self._projection.next_starts(school.state, key)
            things[_name(key)] = compact(stored.block, stored.tails, next_starts)
        return things

    def _add(self, place: str, mine: Things, theirs: Things) -> None:
        for total, things in zip(self._sums, (mine, theirs), strict=True):
            for name, data in sorted(things.items()):
                total.update(msgspec.msgpack.encode((place, name, data)))
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                self._differences.append(f"{place}: {name}")


def _name(key: BlockKey) -> str:
    return f"block {key.stream} {key.starts // 12:04}-{key.starts % 12 + 1:02}"


def _numbers(numbers: Any) -> bytes:
    return ",".join(map(str, numbers)).encode()
