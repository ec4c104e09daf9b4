"""A map that stays small in memory whatever it holds: what is beyond a limit lies in a temporary file.

A stream may be of any size, so what is remembered of its rows may not stay in memory. SQLite's unnamed database is on
disk, private, and gone when it is closed.
"""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Generic, Self, TypeVar

IN_MEMORY_MAX = 300_000
_CACHE_KIB = 32 * 1024

Value = TypeVar("Value", int, str)


class OverflowingMap(Generic[Value]):
    """Texts to numbers or texts. Close it."""

    def __init__(self, in_memory_max: int = IN_MEMORY_MAX) -> None:
        self._in_memory_max = in_memory_max
        self._recent: dict[str, Value] = {}
        self._older: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free what it holds."""
        if self._older is not None:
            self._older.close()

    def get(self, key: str) -> Value | None:
        """The value of `key`, if it has one."""
        known = self._recent.get(key)
        if known is None and self._older is not None:
            found = self._older.execute("SELECT value FROM older WHERE key = ?", (key,)).fetchone()
            known = found[0] if found is not None else None
        return known

    def put(self, key: str, value: Value) -> None:
        """Give `key` a value, in the place of one that it may have."""
        self._recent[key] = value
        if len(self._recent) >= self._in_memory_max:
            self._spill()

    def _spill(self) -> None:
        if self._older is None:
            self._older = sqlite3.connect("", isolation_level=None)
            self._older.execute("PRAGMA journal_mode = OFF")
            self._older.execute("PRAGMA synchronous = OFF")
            self._older.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._older.execute("CREATE TABLE older (key TEXT PRIMARY KEY, value) WITHOUT ROWID")
        self._older.execute("BEGIN")
        self._older.executemany("INSERT OR REPLACE INTO older VALUES (?, ?)", sorted(self._recent.items()))
        self._older.execute("COMMIT")
        self._recent.clear()
