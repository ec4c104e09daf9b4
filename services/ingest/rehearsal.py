"""What a dry run carries from one chunk to the next: what it has accepted, as far as a later row can meet it.

A key comes twice in a file only with another recorded_at, and then only a row without one asks what stands; names are
made known only to rows of other kinds, but for schools and curricula.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from schemas.events import Fact
from services.ingest.knowledge import PENDING, Knowledge, Told
from services.ingest.overflow import OverflowingMap

_MAKE_KNOWN = frozenset({"schools", "curriculum"})


class Rehearsal:
    """The facts that one dry run would have told. Close it."""

    def __init__(self, kind: str) -> None:
        self._makes_known = kind in _MAKE_KNOWN
        self._facts: list[Fact] = []
        self._latest: OverflowingMap[str] = OverflowingMap()

    def close(self) -> None:
        """Free what it holds."""
        self._latest.close()

    def join(self, knowledge: Knowledge, keys: Iterable[str]) -> None:
        """Tell `knowledge` what was accepted so far; of these keys, what was told last."""
        for fact in self._facts:
            knowledge.learn(fact)
        for key in keys:
            latest = self._latest.get(key)
            if latest is not None:
                recorded_at, _, content = latest.partition(" ")
                told = Told("", 1, content, datetime.fromisoformat(recorded_at), migrated=True, offset=PENDING)
                knowledge.told.setdefault(key, []).append(told)

    def keep(self, facts: Iterable[Fact]) -> None:
        """Remember what a chunk has accepted."""
        for fact in facts:
            if self._makes_known:
                self._facts.append(fact)
            elif fact.migrated:
                said = f"{fact.recorded_at.isoformat()} {fact.content}"  # as text in the order of the instants
                self._latest.put(fact.key, max(said, self._latest.get(fact.key) or ""))
