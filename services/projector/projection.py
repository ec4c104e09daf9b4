"""What the loop needs of a projection: pure functions, and the values that pass between them and the store.

The loop, the store, the compaction and `verify` know the projection only through this, so that tests can give them a
smaller one. A projection does no I/O and knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from schemas.events import AnyFact
from services.projector.projections.timeline import BlockKey, Changes, Folded, Stored
from services.projector.projections.timeline.school import SchoolState

__all__ = ["BlockKey", "Changes", "Folded", "Held", "Made", "Projection", "SchoolState", "Stored"]


class Held(Protocol):
    """What a projection holds of a school while it is worked on."""

    @property
    def facts(self) -> int: ...


class Made(Protocol):
    """What a projection made of a batch: blocks that `place` needs as they are stored, and what is its own."""

    @property
    def needs(self) -> tuple[BlockKey, ...]: ...


class Projection(Protocol):
    """A projection: a module or an object with these names.

    `state` and `folded` are whatever it gave before; its changes are for its own store (`keeping`) to write. All of
    them have `detail`, the bytes from which `load_school` makes the state again, and `tails`, if only none.
    """

    NAME: str
    VERSION: int

    @property
    def load_school(self) -> Callable[[str, Sequence[bytes]], Any]: ...

    @property
    def fold(self) -> Callable[[Any, Sequence[tuple[int, AnyFact]]], Any]: ...

    @property
    def place(self) -> Callable[[Any, Any, Mapping[BlockKey, Stored]], Any]: ...

    @property
    def next_starts(self) -> Callable[[Any, BlockKey], int | None]: ...
