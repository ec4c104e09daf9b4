"""What the loop needs of a projection: pure functions and the values that pass between them and the store.

The loop, the compaction and `verify` know a projection only through this; a projection knows none of them and does
no I/O. `services/projector/projections/timeline.py` is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from schemas.events import AnyFact

SchoolState: TypeAlias = Any
Folded: TypeAlias = Any


class BlockKey(NamedTuple):
    """A block of a school: its stream and the month in which it starts."""

    stream: str
    starts: int


class Stored(msgspec.Struct, frozen=True):
    """A block as it stands in the views, with the tails of its later commits, oldest first.

    `block` is None where there are only tails so far.
    """

    block: bytes | None
    tails: tuple[bytes, ...] = ()


class Changes(msgspec.Struct, frozen=True):
    """What one batch does to the views of one school, in the order of the fields."""

    dropped_streams: tuple[str, ...] = ()
    blocks: tuple[tuple[BlockKey, bytes], ...] = ()
    tails: tuple[tuple[BlockKey, bytes], ...] = ()
    detail: bytes = b""
    document: bytes | None = None
    trusts: tuple[str, ...] = ()


class Projection(Protocol):
    """A projection: a module or an object with these names."""

    NAME: str
    VERSION: int

    def load_school(self, school: str, detail: Sequence[bytes]) -> SchoolState: ...

    def fold(self, state: SchoolState, records: Sequence[tuple[int, AnyFact]]) -> Folded: ...

    def place(self, state: SchoolState, folded: Folded, found: Mapping[BlockKey, Stored]) -> Changes: ...

    def next_starts(self, state: SchoolState, key: BlockKey) -> int | None: ...
