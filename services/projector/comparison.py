"""Whether two versions of the views say the same at the same offsets: their checksums, and where they differ.

Both are read in one snapshot. Where one of them is behind in a partition, it is folded on in memory from the log to
the offset of the other, so nothing has to stand still; nothing is written.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from services.projector.projection import Projection
from services.projector.replay import Replay, SchoolViews
from services.projector.stored_views import StoredViews, Things, canonical, checkpoints, snapshot
from services.runtime.log.interface import Log

DIFFERENCES_MAX = 50


class Comparison(msgspec.Struct, frozen=True):
    """What a comparison found. `differences`: places that differ, each with what does; `left` is the lower number."""

    equal: bool
    left: int
    right: int
    schools: int
    facts: int
    checksum_left: str
    checksum_right: str
    differences: tuple[str, ...]


async def compare(
    pool: asyncpg.Pool, log: Log, projection: Projection, topic: str, versions: Sequence[int]
) -> Comparison:
    """Compare two versions. Raises NothingToVerify, LogRecreated, what the log raises and what the rules raise."""
    log_id = await log.log_id(topic)
    reader = log.reader(topic)
    try:
        async with snapshot(pool) as connection:
            sides = [
                _Side(
                    StoredViews(connection, projection, (projection.NAME, version, topic)), await log.partitions(topic)
                )
                for version in sorted(versions)
            ]
            stands = [await checkpoints(connection, side.views.key, log_id) for side in sides]
            found = _Found()
            for partition in sorted({*stands[0], *stands[1]}):
                offsets = [stand.get(partition, 0) for stand in stands]
                things = [
                    await side.read(reader, partition, offset, max(offsets))
                    for side, offset in zip(sides, offsets, strict=True)
                ]
                found.add(things)
    finally:
        await reader.close()
    return found.result(*sorted(versions), facts=sides[0].facts)


class _Side:
    """One of the two versions."""

    def __init__(self, views: StoredViews, partitions: int) -> None:
        self.views = views
        self.facts = 0
        self._partitions = partitions

    async def read(self, reader: Any, partition: int, offset: int, until: int) -> dict[str, Things]:
        """All that the version says of a partition at `until`, by place."""
        projection = self.views.projection
        replay = Replay(projection, partition, self._partitions)
        for school, detail in (await self.views.detail_of_partition(partition)).items():
            state = await asyncio.to_thread(projection.load_school, school, detail)
            replay.schools[school] = SchoolViews(state)
        await self.views.fill(partition, replay.schools)
        await replay.run(reader, until, start=offset)
        dead = [*await self.views.dead_letters(partition), *(one.record.offset for one in replay.dead_letters)]
        found = {f"partition {partition}": {"dead letters": ",".join(map(str, sorted(dead))).encode()}}
        for school, views in replay.schools.items():
            self.facts += views.state.facts
            found[f"school {school}"] = await asyncio.to_thread(canonical, projection, views, views.state.facts)
        return found


class _Found:
    """The sums of both sides, and what differed."""

    def __init__(self) -> None:
        self._sums = (hashlib.sha256(), hashlib.sha256())
        self._differences: list[str] = []
        self._schools: set[str] = set()

    def add(self, sides: Sequence[Mapping[str, Things]]) -> None:
        """What both sides say of a partition."""
        for place in sorted({*sides[0], *sides[1]}):
            left, right = (side.get(place, {}) for side in sides)
            for total, things in zip(self._sums, (left, right), strict=True):
                for name, data in sorted(things.items()):
                    total.update(msgspec.msgpack.encode((place, name, data)))
            names = [name for name in sorted({*left, *right}) if left.get(name) != right.get(name)]
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                self._differences.append(f"{place}: {', '.join(names[:3])}{more}")
            if place.startswith("school "):
                self._schools.add(place)

    def result(self, left: int, right: int, *, facts: int) -> Comparison:
        """What was found."""
        mine, theirs = (total.hexdigest() for total in self._sums)
        return Comparison(
            equal=mine == theirs,
            left=left,
            right=right,
            schools=len(self._schools),
            facts=facts,
            checksum_left=mine,
            checksum_right=theirs,
            differences=tuple(self._differences[:DIFFERENCES_MAX]),
        )
