"""Merges the tails of a block into the block, and the many small rows of a school's detail into few.

It changes no answer: a reader sees the rows before or after, never between. Each round is bounded, runs between two
batches of the loop, and is one transaction that holds the partition at the offset the loop knows. While batches keep
coming a block waits until its tails weigh more than itself, so that an import rewrites it a few times and not
every few commits; once the loop is idle, every block that has more than a few tails gets its turn. A stream whose
oldest tail is half a minute old is looked at as well: its blocks are rewritten where that is worth what it costs, that
is where the tails weigh half as much as the block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import structlog

from schemas.blocks import compact
from services.projector.detail_rows import DetailRows
from services.projector.feed import Feed, is_transient
from services.projector.projection import BlockKey, Held, Projection
from services.projector.schools import Schools
from services.projector.store import SchoolBlock, SchoolChanges, Store, views_schema

logger = structlog.get_logger(__name__)

TAILS_MAX = 8
TAILS_MAX_BUSY = 40
TAIL_SECONDS_MAX = 30.0
BLOCKS_A_ROUND = 128

_CROWDED = """
SELECT t.school, t.stream, t.starts
  FROM unnest($1::text[], $2::text[], $7::boolean[]) AS k (school, stream, old)
  JOIN {views}.tail AS t ON t.stream = k.stream AND t.school = k.school
  JOIN {views}.block AS b ON b.stream = t.stream AND b.school = t.school AND b.starts = t.starts
 GROUP BY t.school, t.stream, t.starts
HAVING count(*) > $3 AND ($4 OR count(*) > $5 OR sum(length(t.data)) > max(length(b.data)))
    OR bool_or(k.old) AND 2 * sum(length(t.data)) > max(length(b.data))
 ORDER BY t.school, t.stream, t.starts LIMIT $6"""

_CROWDED_BEFORE = """
SELECT DISTINCT d.partition, c.school, c.stream
  FROM (SELECT school, stream FROM {views}.tail GROUP BY school, stream, starts HAVING count(*) > $2) AS c
  JOIN {views}.school_document AS d ON d.school = c.school
 WHERE d.partition = ANY($1::integer[])"""


class Compaction:
    """Counts the commits that touched a stream and compacts the streams that have had enough of them."""

    def __init__(self, pool: asyncpg.Pool, feed: Feed, store: Store, projection: Projection, schools: Schools) -> None:
        self._pool = pool
        self._views = views_schema(feed.projection, feed.version)
        self._store = store
        self._projection = projection
        self._schools = schools
        self._tails: dict[int, dict[tuple[str, str], int]] = {}
        self._put_off: dict[int, set[tuple[str, str]]] = {}
        self._since: dict[int, dict[tuple[str, str], float]] = {}
        self._detail = DetailRows(feed, store)

    def note(self, changed: Sequence[SchoolChanges]) -> None:
        """These changes were committed."""
        now = asyncio.get_running_loop().time()
        for one in changed:
            streams = {(one.school, key.stream) for key, _ in one.changes.tails}
            _count(self._tails.setdefault(one.partition, {}), streams)
            since = self._since.setdefault(one.partition, {})
            for stream in streams:
                since.setdefault(stream, now)
        self._detail.note(changed)

    async def watch(self, partitions: Collection[int]) -> None:
        """These partitions are ours now; what an owner before us left crowded is due."""
        self.forget(partitions)
        rows = await self._pool.fetch(_CROWDED_BEFORE.format(views=self._views), list(partitions), TAILS_MAX)
        for row in rows:
            self._put_off.setdefault(row["partition"], set()).add((row["school"], row["stream"]))

    def forget(self, partitions: Collection[int]) -> None:
        """These partitions are not ours any more."""
        self._detail.forget(partitions)
        for partition in partitions:
            self._tails.pop(partition, None)
            self._put_off.pop(partition, None)
            self._since.pop(partition, None)

    @property
    def is_due(self) -> bool:
        """Whether tails or rows of detail have gathered enough to be merged."""
        return self._detail.is_due or any(
            count >= TAILS_MAX for counts in self._tails.values() for count in counts.values()
        )

    async def work(self, offsets: Mapping[int, int], *, idle: bool) -> None:
        """One bounded round over partitions that stand at these offsets. Raises Fenced."""
        blocks_left = BLOCKS_A_ROUND
        for partition, offset in offsets.items():
            try:
                if blocks_left > 0:
                    blocks_left -= await self._compact_blocks(partition, offset, blocks_left, idle)
                await self._detail.merge(partition, offset)
            except Exception as error:
                if is_transient(error):
                    raise
                # answers are right without it: say so, go on, and try again after as many commits as before
                logger.exception("compaction failed", partition=partition)
                self.forget([partition])

    async def _compact_blocks(self, partition: int, offset: int, blocks_max: int, idle: bool) -> int:
        counts, put_off = self._tails.get(partition, {}), self._put_off.setdefault(partition, set())
        since, now = self._since.get(partition, {}), asyncio.get_running_loop().time()
        old = {stream for stream, told_at in since.items() if now - told_at >= TAIL_SECONDS_MAX}
        due = {stream for stream, count in counts.items() if count >= TAILS_MAX} | old | (put_off if idle else set())
        if not due:
            return 0
        crowded = await self._crowded({stream: stream in old for stream in due}, blocks_max, idle)
        if len(crowded) < blocks_max:  # all that has to be done now is in hand
            for stream in due:
                counts.pop(stream, None)
                since.pop(stream, None)
            put_off |= due
            if idle:
                put_off -= due
        blocks = await self._store.read_blocks(crowded)
        states = {school: await self._schools.take(school, partition) for school, _ in crowded}
        compacted = await asyncio.to_thread(self._compact, blocks, states)
        if compacted:
            async with self._store.transaction() as connection:
                await self._store.hold(connection, partition, offset)
                await self._store.put_blocks(connection, compacted)
        return len(crowded)

    async def _crowded(
        self, due: Mapping[tuple[str, str], bool], blocks_max: int, idle: bool
    ) -> list[tuple[str, BlockKey]]:
        """Blocks to be compacted, of streams that are due; the value says whether their tails are old."""
        query = _CROWDED.format(views=self._views)
        schools, streams = zip(*due, strict=True)
        limits = (TAILS_MAX, idle, TAILS_MAX_BUSY, blocks_max)
        rows = await self._pool.fetch(query, schools, streams, *limits, list(due.values()))
        return [(row["school"], BlockKey(row["stream"], row["starts"])) for row in rows]

    def _compact(self, blocks: Sequence[SchoolBlock], states: Mapping[str, Held]) -> list[tuple[str, BlockKey, bytes]]:
        compacted = []
        for block in blocks:
            next_starts = self._projection.next_starts(states[block.school], block.key)
            data = compact(block.stored.block, block.stored.tails, next_starts)
            compacted.append((block.school, block.key, data))
        return compacted


def _count(counts: dict[Any, int], names: Iterable[Any]) -> None:
    for name in names:
        counts[name] = counts.get(name, 0) + 1
