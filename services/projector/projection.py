"""What the loop needs of a projection: pure functions, and the values that pass between them and the store.

The loop, the store, the compaction and `verify` know the projection only through this, so that tests can give them a
smaller one. A projection does no I/O and knows none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from schemas.events import AnyFact
from services.projector.projections.timeline import BlockKey, Changes, Folded, Stored
from services.projector.projections.timeline.school import SchoolState

__all__ = ["BlockKey", "Changes", "Folded", "Projection", "SchoolState", "Stored"]


class Projection(Protocol):
    """A projection: a module or an object with these names."""

    NAME: str
    VERSION: int

    def load_school(self, school: str, detail: Sequence[bytes]) -> SchoolState: ...

    def fold(self, state: SchoolState, records: Sequence[tuple[int, AnyFact]]) -> Folded: ...

    def place(self, state: SchoolState, folded: Folded, found: Mapping[BlockKey, Stored]) -> Changes: ...

    def next_starts(self, state: SchoolState, key: BlockKey) -> int | None: ...
