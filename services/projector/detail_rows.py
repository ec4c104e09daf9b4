"""The rows of detail of a school, merged: many small ones, one a commit, become few.

Rows in order, one after the other, are one row (`schemas.detail`). It changes nothing that is read. Each merge is one
transaction that holds the partition at the offset the loop knows. Only what is small is merged, and hardly more than
once: a row that is written again costs as much as facts that come for the first time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from services.projector.feed import Feed
from services.projector.store import SchoolChanges, Store, views_schema

DETAIL_ROWS_MAX = 16
DETAIL_ROW_BYTES = 1 << 10
"""A row of detail that is at least so large is left alone."""

_MERGE_DETAIL = """
WITH small AS (
    DELETE FROM {views}.detail AS d
     WHERE d.school = $1
       AND d.seq > coalesce((SELECT max(seq) FROM {views}.detail WHERE school = $1 AND length(data) >= $2), -1)
    RETURNING d.seq, d.data)
INSERT INTO {views}.detail (school, seq, data)
SELECT $1, max(seq), string_agg(data, ''::bytea ORDER BY seq) FROM small HAVING count(*) > 0"""


class DetailRows:
    """Counts the commits that added detail to a school and merges where there were enough."""

    def __init__(self, feed: Feed, store: Store) -> None:
        self._views = views_schema(feed.projection, feed.version)
        self._store = store
        self._rows: dict[int, dict[str, int]] = {}

    def note(self, changed: Iterable[SchoolChanges]) -> None:
        """These changes were committed."""
        for one in changed:
            if one.changes.detail:
                counts = self._rows.setdefault(one.partition, {})
                counts[one.school] = counts.get(one.school, 0) + 1

    async def watch(self, partitions: Collection[int]) -> None:
        """These partitions are ours now; what an owner before us left is merged with what comes."""
        self.forget(partitions)

    def forget(self, partitions: Collection[int]) -> None:
        """These partitions are not ours any more."""
        for partition in partitions:
            self._rows.pop(partition, None)

    @property
    def is_due(self) -> bool:
        """Whether a school has rows enough to be merged."""
        return any(count >= DETAIL_ROWS_MAX for counts in self._rows.values() for count in counts.values())

    async def work(self, offsets: Mapping[int, int], *, idle: bool) -> None:
        """Merge what is due in partitions that stand at these offsets. Raises Fenced."""
        for partition, offset in offsets.items():
            await self.merge(partition, offset)

    async def merge(self, partition: int, offset: int) -> None:
        """Merge what is due in a partition that stands at this offset. Raises Fenced."""
        counts = self._rows.get(partition, {})
        for school in [school for school, count in counts.items() if count >= DETAIL_ROWS_MAX]:
            async with self._store.transaction() as connection:
                await self._store.hold(connection, partition, offset)
                await connection.execute(_MERGE_DETAIL.format(views=self._views), school, DETAIL_ROW_BYTES)
            del counts[school]
