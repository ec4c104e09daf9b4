"""Merges the tails of a block into the block, and the many small rows of a school's detail into few.

It changes no answer: a reader sees the rows before or after, never between. Each round is bounded, runs between two
batches of the loop, and is one transaction that holds the partition at the offset the loop knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import structlog

from schemas.blocks import compact
from services.projector.feed import Feed, is_transient
from services.projector.projection import BlockKey, Projection, SchoolState
from services.projector.schools import Schools
from services.projector.store import SchoolBlock, SchoolChanges, Store, views_schema

logger = structlog.get_logger(__name__)

TAILS_MAX = 8
BLOCKS_A_ROUND = 400
DETAIL_ROWS_MAX = 16
DETAIL_ROW_BYTES = 1 << 20
"""A row of detail that is at least so large is left alone."""

_CROWDED = """
SELECT t.school, t.stream, t.starts
  FROM unnest($1::text[], $2::text[]) AS k (school, stream)
  JOIN {views}.tail AS t ON t.stream = k.stream AND t.school = k.school
 GROUP BY t.school, t.stream, t.starts HAVING count(*) > $3
 ORDER BY t.school, t.stream, t.starts LIMIT $4"""

_CROWDED_BEFORE = """
SELECT DISTINCT d.partition, c.school, c.stream
  FROM (SELECT school, stream FROM {views}.tail GROUP BY school, stream, starts HAVING count(*) > $2) AS c
  JOIN {views}.school_document AS d ON d.school = c.school
 WHERE d.partition = ANY($1::integer[])"""

_MERGE_DETAIL = """
WITH small AS (
    DELETE FROM {views}.detail AS d
     WHERE d.school = $1
       AND d.seq > coalesce((SELECT max(seq) FROM {views}.detail WHERE school = $1 AND length(data) >= $2), -1)
    RETURNING d.seq, d.data)
INSERT INTO {views}.detail (school, seq, data)
SELECT $1, max(seq), string_agg(data, ''::bytea ORDER BY seq) FROM small HAVING count(*) > 0"""


class Compaction:
    """Counts the commits that touched a stream and compacts the streams that have had enough of them."""

    def __init__(self, pool: asyncpg.Pool, feed: Feed, store: Store, projection: Projection, schools: Schools) -> None:
        self._pool = pool
        self._views = views_schema(feed.projection, feed.version)
        self._store = store
        self._projection = projection
        self._schools = schools
        self._tails: dict[int, dict[tuple[str, str], int]] = {}
        self._detail_rows: dict[int, dict[str, int]] = {}

    def note(self, changed: Iterable[SchoolChanges]) -> None:
        """These changes were committed."""
        for one in changed:
            streams = {(one.school, key.stream) for key, _ in one.changes.tails}
            _count(self._tails.setdefault(one.partition, {}), streams)
            if one.changes.detail:
                _count(self._detail_rows.setdefault(one.partition, {}), {one.school})

    async def watch(self, partitions: Collection[int]) -> None:
        """These partitions are ours now; what an owner before us left crowded is due."""
        self.forget(partitions)
        rows = await self._pool.fetch(_CROWDED_BEFORE.format(views=self._views), list(partitions), TAILS_MAX)
        for row in rows:
            self._tails.setdefault(row["partition"], {})[row["school"], row["stream"]] = TAILS_MAX

    def forget(self, partitions: Collection[int]) -> None:
        """These partitions are not ours any more."""
        for partition in partitions:
            self._tails.pop(partition, None)
            self._detail_rows.pop(partition, None)

    async def work(self, offsets: Mapping[int, int]) -> None:
        """One bounded round over partitions that stand at these offsets. Raises Fenced."""
        blocks_left = BLOCKS_A_ROUND
        for partition, offset in offsets.items():
            try:
                blocks_left -= await self._work_on(partition, offset, blocks_left)
            except Exception as error:
                if is_transient(error):
                    raise
                # answers are right without it: say so, go on, and try again after as many commits as before
                logger.exception("compaction failed", partition=partition)
                self.forget([partition])

    async def _work_on(self, partition: int, offset: int, blocks_max: int) -> int:
        compacted = 0
        due = [stream for stream, count in self._tails.get(partition, {}).items() if count >= TAILS_MAX]
        if due and blocks_max > 0:
            compacted = await self._compact_streams(partition, offset, due, blocks_max)
        for school, count in tuple(self._detail_rows.get(partition, {}).items()):
            if count >= DETAIL_ROWS_MAX:
                await self._merge_detail(partition, offset, school)
        return compacted

    async def _compact_streams(
        self, partition: int, offset: int, due: Sequence[tuple[str, str]], blocks_max: int
    ) -> int:
        query = _CROWDED.format(views=self._views)
        rows = await self._pool.fetch(query, *zip(*due, strict=True), TAILS_MAX, blocks_max)
        crowded = [(row["school"], BlockKey(row["stream"], row["starts"])) for row in rows]
        if len(crowded) < blocks_max:  # all that is crowded is in hand
            for stream in due:
                del self._tails[partition][stream]
        blocks = await self._store.read_blocks(crowded)
        states = {school: await self._schools.take(school, partition) for school, _ in crowded}
        compacted = await asyncio.to_thread(self._compact, blocks, states)
        if compacted:
            async with self._store.transaction() as connection:
                await self._store.hold(connection, partition, offset)
                await self._store.put_blocks(connection, compacted)
        return len(crowded)

    def _compact(
        self, blocks: Sequence[SchoolBlock], states: Mapping[str, SchoolState]
    ) -> list[tuple[str, BlockKey, bytes]]:
        compacted = []
        for block in blocks:
            next_starts = self._projection.next_starts(states[block.school], block.key)
            data = compact(block.stored.block, block.stored.tails, next_starts)
            compacted.append((block.school, block.key, data))
        return compacted

    async def _merge_detail(self, partition: int, offset: int, school: str) -> None:
        """Rows of detail are length-delimited packed facts: in order, one after the other, they are one row."""
        async with self._store.transaction() as connection:
            await self._store.hold(connection, partition, offset)
            await connection.execute(_MERGE_DETAIL.format(views=self._views), school, DETAIL_ROW_BYTES)
        del self._detail_rows[partition][school]


def _count(counts: dict[Any, int], names: Iterable[Any]) -> None:
    for name in names:
        counts[name] = counts.get(name, 0) + 1
