"""Which row of a file had a key first: in memory for a file of usual size, in a temporary file for a huge one.

A stream may be of any size, so what is remembered of its rows may not stay in memory. SQLite's unnamed database is on
disk, private, and gone when it is closed.
"""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Self

IN_MEMORY_MAX = 300_000


class FirstRows:
    """Remembers keys with the row they came in first. Close it."""

    def __init__(self, in_memory_max: int = IN_MEMORY_MAX) -> None:
        self._in_memory_max = in_memory_max
        self._recent: dict[str, int] = {}
        self._older: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._older is not None:
            self._older.close()

    def first_row(self, key: str, row: int) -> int | None:
        """The row in which `key` came before; None, and `row` is remembered, if it is new."""
        known = self._recent.get(key)
        if known is None and self._older is not None:
            found = self._older.execute("SELECT row FROM first WHERE key = ?", (key,)).fetchone()
            known = found[0] if found is not None else None
        if known is None:
            self._recent[key] = row
            if len(self._recent) >= self._in_memory_max:
                self._spill()
        return known

    def _spill(self) -> None:
        if self._older is None:
            self._older = sqlite3.connect("", isolation_level=None)
            self._older.execute("PRAGMA journal_mode = OFF")
            self._older.execute("PRAGMA synchronous = OFF")
            self._older.execute("PRAGMA cache_size = -32768")
            self._older.execute("CREATE TABLE first (key TEXT PRIMARY KEY, row INTEGER) WITHOUT ROWID")
        self._older.execute("BEGIN")
        self._older.executemany("INSERT INTO first VALUES (?, ?)", sorted(self._recent.items()))
        self._older.execute("COMMIT")
        self._recent.clear()
