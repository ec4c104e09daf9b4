"""Whether the views are what the log says: their checksum against that of a replay from the first record.

Both sides are brought to canonical bytes first, so that neither batches nor compaction count. The views are read in
one snapshot, at the offsets that they have reached in it; nothing is written.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec

from services.projector.projection import Projection
from services.projector.replay import Replay, SchoolViews
from services.projector.stored_views import (
    CHECKPOINTS,
    NothingToVerify,
    StoredViews,
    Things,
    canonical,
    checkpoints,
    snapshot,
)
from services.projector.versions import active_version
from services.runtime.log.interface import Log, OffsetOutOfRange

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.1
DIFFERENCES_MAX = 20


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
    async with snapshot(pool) as connection:
        stands = await checkpoints(connection, key, await log.log_id(topic))
        comparison = _Comparison(StoredViews(connection, projection, key), log, len(ends))
        try:
            for partition, next_offset in stands.items():
                await comparison.compare(partition, next_offset)
            await comparison.find_strangers()
        finally:
            await comparison.close()
    behind = sum(max(end - stands.get(partition, 0), 0) for partition, end in ends.items())
    return comparison.result(behind)


async def _wait_for(pool: asyncpg.Pool, key: tuple[str, int, str], ends: Mapping[int, int], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    if await pool.fetchval("SELECT to_regclass('projection.partition')") is None:
        raise NothingToVerify("no projector has run on this database")
    while loop.time() < deadline:
        rows = await pool.fetch(CHECKPOINTS, *key)
        if all(row["next_offset"] >= ends.get(row["partition"], 0) for row in rows):
            return
        await asyncio.sleep(POLL_SECONDS)


class _Comparison:
    """Adds up both sides, partition by partition."""

    def __init__(self, stored: StoredViews, log: Log, partitions: int) -> None:
        self._stored = stored
        self._log = log
        self._topic = stored.key[2]
        self._reader = log.reader(self._topic)
        self._projection = stored.projection
        self._partitions = partitions
        self._sums = (hashlib.sha256(), hashlib.sha256())
        self._differences: list[str] = []
        self._schools: set[str] = set()
        self._facts = self._dead_letters = 0

    async def compare(self, partition: int, next_offset: int) -> None:
        """Replay one partition to `next_offset` and compare its schools and dead letters."""
        replay = Replay(self._projection, partition, self._partitions)
        if next_offset > 0:
            _, end = await self._log.bounds(self._topic, partition)
            if next_offset > end:
                raise OffsetOutOfRange(
                    f"the views are at {next_offset} of partition {partition}, the log ends at {end}"
                )
            await replay.run(self._reader, next_offset)
        self._facts += replay.facts
        self._dead_letters += len(replay.dead_letters)
        self._add(
            f"partition {partition}",
            {"dead letters": _numbers(await self._stored.dead_letters(partition))},
            {"dead letters": _numbers(dead.record.offset for dead in replay.dead_letters)},
        )
        viewed, detail = await self._read_views(partition, replay.schools)
        for school in sorted(viewed):
            replayed = replay.schools.pop(school)
            loaded = await asyncio.to_thread(self._projection.load_school, school, detail.pop(school, []))
            mine = await asyncio.to_thread(canonical, self._projection, viewed.pop(school), loaded.facts)
            theirs = await asyncio.to_thread(canonical, self._projection, replayed, replayed.state.facts)
            self._add(f"school {school}", mine, theirs)
            self._schools.add(school)

    async def find_strangers(self) -> None:
        """Rows of schools that the log does not know."""
        for school in sorted(await self._stored.schools() - self._schools):
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
        for school in (await self._stored.documents(partition)).keys() - replayed.keys():
            replayed[school] = SchoolViews(self._projection.load_school(school, []))
        viewed = {school: SchoolViews(views.state) for school, views in replayed.items()}
        await self._stored.fill(partition, viewed)
        return viewed, await self._stored.detail(list(replayed))

    def _add(self, place: str, mine: Things, theirs: Things) -> None:
        for total, things in zip(self._sums, (mine, theirs), strict=True):
            for name, data in sorted(things.items()):
                total.update(msgspec.msgpack.encode((place, name, data)))
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                self._differences.append(f"{place}: {name}")


def _numbers(numbers: Any) -> bytes:
    return ",".join(map(str, numbers)).encode()
