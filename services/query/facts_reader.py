"""The facts of the schools of a report, exactly as far as the report was read, within the scope of who asks.

What was unpacked is kept for the position at which it was read, at most so many bytes. Whether a caller may see a
school was asked by the reading, in its own transaction, before anything is taken from here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import asyncpg

from schemas.detail import decompressed
from schemas.topics import partition_for
from services.access.keys import Access
from services.query.facts_held import HeldFacts
from services.query.facts_known import KnownFacts
from services.query.questions import Reading
from services.query.scope import add_members, scoped
from services.query.view_rows import TIMELINE
from services.runtime.positions import decode_position

BYTES_MAX = 192 * 1024 * 1024
_DETAIL = "SELECT school, data FROM timeline_v{version}.detail WHERE school = ANY($1) ORDER BY school, seq"

Standpoint = tuple[int, bytes, int]
"""The version of the views, the log, and how far its partition was folded."""

_NOTHING = HeldFacts((), 0)


class FactsReader:
    """Reads facts. `partitions`: how many the log has."""

    def __init__(self, pool: asyncpg.Pool, partitions: int, bytes_max: int = BYTES_MAX) -> None:
        self._pool = pool
        self._partitions = partitions
        self._bytes_max = bytes_max
        self._kept: OrderedDict[str, tuple[Standpoint, HeldFacts]] = OrderedDict()

    async def read(self, access: Access, reading: Reading) -> dict[str, KnownFacts]:
        """The facts of each school of a reading, as known when it is. Raises ViewsUnavailable."""
        points = self._standpoints(reading)
        kept = {
            name: self._kept[name][1] for name, point in points.items() if self._kept.get(name, (None,))[0] == point
        }
        missing = {name: point for name, point in points.items() if name not in kept}
        if missing:
            kept |= await self._load(access, reading, missing)
        for name, held in kept.items():
            self._kept[name] = (points[name], held)
            self._kept.move_to_end(name)
        self._shrink()
        return {
            school.index.school: KnownFacts(kept.get(school.index.school, _NOTHING), school.known_at)
            for school in reading.schools
        }

    def _standpoints(self, reading: Reading) -> dict[str, Standpoint]:
        """How far each school was read; one of which nothing is folded has none."""
        token = reading.provenance.position
        if token is None:
            return {}
        position, version = decode_position(token), reading.provenance.views[TIMELINE]
        found = {}
        for school in reading.schools:
            name = school.index.school
            offset = position.offsets.get(partition_for(name.encode(), self._partitions))
            if offset is not None:
                found[name] = (version, position.fingerprint, offset)
        return found

    async def _load(self, access: Access, reading: Reading, missing: Mapping[str, Standpoint]) -> dict[str, HeldFacts]:
        """Detail only grows: what came after the reading is left out by its offset."""
        version = reading.provenance.views[TIMELINE]
        async with scoped(self._pool, access) as connection:
            await add_members(connection, version, access)
            rows = await connection.fetch(_DETAIL.format(version=version), sorted(missing))
        detail: dict[str, list[bytes]] = {school: [] for school in missing}
        for school, data in rows:
            detail[school].append(decompressed(data))
        return {school: HeldFacts(detail[school], point[2]) for school, point in missing.items()}

    def _shrink(self) -> None:
        """The schools that were not asked for longest go first."""
        size = sum(held.size for _, held in self._kept.values())
        while size > self._bytes_max and self._kept:
            _, (_, held) = self._kept.popitem(last=False)
            size -= held.size
