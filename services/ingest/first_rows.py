"""Which row of a file had a key first: a file says a thing once."""

from __future__ import annotations

from services.ingest.overflow import OverflowingMap


class FirstRows(OverflowingMap[int]):
    """Remembers keys with the row they came in first. Close it."""

    def first_row(self, key: str, row: int) -> int | None:
        """The row in which `key` came before; None, and `row` is remembered, if it is new."""
        known = self.get(key)
        if known is None:
            self.put(key, row)
        return known
