"""What the reporting rows need between two batches: detail merged, and statistics before anybody asks.

Without statistics PostgreSQL takes the tables for empty and answers in minutes what takes it milliseconds; its own
daemon looks in once a minute, which is too late after an import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import asyncpg

from services.projector.detail_rows import DetailRows
from services.projector.feed import Feed
from services.projector.store import SchoolChanges, Store, views_schema

ROWS_MIN = 500
"""Statistics are taken after so many rows, and again whenever there are twice as many."""
_TABLES = ("school", "trust_member", "scope", "membership", "score", "fact", "joined")


class RowUpkeep(DetailRows):
    """Counts what is written."""

    def __init__(self, pool: asyncpg.Pool, feed: Feed, store: Store) -> None:
        super().__init__(feed, store)
        self._pool = pool
        self._tables = ", ".join(f"{views_schema(feed.projection, feed.version)}.{table}" for table in _TABLES)
        self._written = 0
        self._due_at = ROWS_MIN

    def note(self, changed: Iterable[SchoolChanges]) -> None:
        """These changes were committed."""
        changed = list(changed)
        super().note(changed)
        for changes in (one.changes for one in changed):
            self._written += len(changes.scores) + len(changes.stays) + len(changes.facts)

    @property
    def is_due(self) -> bool:
        """Whether detail has to be merged, or statistics taken."""
        return super().is_due or self._written >= self._due_at

    async def work(self, offsets: Mapping[int, int], *, idle: bool) -> None:
        """Merge what is due, and take statistics if there is much that they do not know of. Raises Fenced."""
        await super().work(offsets, idle=idle)
        if self._written >= self._due_at:
            await self._pool.execute(f"ANALYZE {self._tables}")
            self._due_at = 2 * self._written
