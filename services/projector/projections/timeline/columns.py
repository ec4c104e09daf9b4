"""The facts of a school in memory: assessments as columns, every other fact as it is.

A reference (`Ref`) names a fact: an assessment's row from 0 up, any other fact as -1, -2, … in the order they came.
Nothing here decides what a fact means.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.detail import identity_of as identity_of
from schemas.events import AnyFact
from services.domain.standing import Told
from services.projector.projections.timeline.references import References

Ints = NDArray[np.int64]
Ref = int
NO_KEY = bytes(16)


class Kept(msgspec.Struct, frozen=True):
    """A fact that is no assessment, as it was told. `key` is NO_KEY for one without."""

    fact: AnyFact
    told: Told
    key: bytes


class Columns(NamedTuple):
    """Assessments as arrays of one length; `values`: objective << 32 | state (indices), `told_at` in seconds."""

    slots: Ints
    values: Ints
    days: Ints
    sequences: Ints
    told_at: Ints
    offsets: Ints

    def take(self, which: Ints | slice) -> Columns:
        """Some of them."""
        return Columns(*(column[which] for column in self))

    def chains(self) -> Ints:
        """Their chains: slot << 32 | objective index."""
        return self.slots << 32 | self.values >> 32


class AssessmentColumns:
    """Assessments, one row each. `values`: objective << 32 | state (indices); `identities`, `keys`: 16 bytes a row."""

    def __init__(self) -> None:
        self.slots = array("I")
        self.values = array("q")
        self.days = array("i")
        self.sequences = array("q")
        self.recorded_at = array("I")
        self.offsets = array("q")
        self.identities = bytearray()
        self.keys = bytearray()

    def __len__(self) -> int:
        return len(self.slots)

    def append(self, place: tuple[int, int, int, int, int, int], identity: bytes, key: bytes) -> int:
        """Add a row; `place`: slot, value, day, sequence, recorded_at, offset. Returns its row number."""
        slot, value, day, sequence, recorded_at, offset = place
        self.slots.append(slot)
        self.values.append(value)
        self.days.append(day)
        self.sequences.append(sequence)
        self.recorded_at.append(recorded_at)
        self.offsets.append(offset)
        self.identities += identity
        self.keys += key
        return len(self.slots) - 1

    def extend(self, columns: Columns, identities: bytes, keys: bytes) -> int:
        """Add rows. Returns the number of the first."""
        first = len(self.slots)
        for column, more in zip(self._arrays(), columns, strict=True):
            column.frombytes(more.astype(f"={column.typecode}").tobytes())
        self.identities += identities
        self.keys += keys
        return first

    def columns(self, rows: Ints) -> Columns:
        """Some rows."""
        if not rows.size:
            return Columns(*repeat(rows, 6))
        return Columns(
            *(np.frombuffer(column, f"={column.typecode}")[rows].astype(np.int64) for column in self._arrays())
        )

    def _arrays(self) -> tuple[array[int], ...]:
        return (self.slots, self.values, self.days, self.sequences, self.recorded_at, self.offsets)

    def chain(self, row: int) -> int:
        """The chain of a row: slot << 32 | objective index."""
        return self.slots[row] << 32 | self.values[row] >> 32

    def identity(self, row: int) -> bytes:
        """The identity of a row."""
        return bytes(self.identities[row * 16 : row * 16 + 16])

    def key(self, row: int) -> bytes:
        """The key of a row, or NO_KEY."""
        return bytes(self.keys[row * 16 : row * 16 + 16])


class Facts:
    """All facts of a school, found by identity and by key."""

    def __init__(self) -> None:
        self.rows = AssessmentColumns()
        self.others: list[Kept] = []
        self._by_identity = References(
            lambda ref: self.other(ref).told.identity if ref < 0 else self.rows.identity(ref)
        )
        self._by_key = References(self.key)

    def __len__(self) -> int:
        return len(self.rows) + len(self.others)

    def add_assessment(self, place: tuple[int, int, int, int, int, int], identity: bytes, key: bytes) -> Ref:
        """Keep an assessment (see AssessmentColumns.append)."""
        row = self.rows.append(place, identity, key)
        self._index(row, identity, key)
        return row

    def add_assessments(self, columns: Columns, identities: bytes, keys: bytes) -> int:
        """Keep several assessments, with sixteen bytes of identity and key for each. Returns the row of the first."""
        first = self.rows.extend(columns, identities, keys)
        self._by_identity.add_all(identities, first)
        if keys.strip(b"\0"):
            nameless = ~np.frombuffer(keys, np.int64).reshape(-1, 2).any(axis=1)
            if not nameless.any():
                self._by_key.add_all(keys, first)
            else:
                for place in np.flatnonzero(~nameless).tolist():
                    self._by_key.add(keys[16 * place : 16 * place + 16], first + place)
        return first

    def families(self) -> Iterator[list[Ref]]:
        """The facts of each key that was told more than once."""
        return self._by_key.shared()

    def add_other(self, kept: Kept) -> Ref:
        """Keep any other fact."""
        self.others.append(kept)
        ref = -len(self.others)
        self._index(ref, kept.told.identity, kept.key)
        return ref

    def other(self, ref: Ref) -> Kept:
        """The fact behind a negative reference."""
        return self.others[-1 - ref]

    def told(self, ref: Ref) -> Told:
        """How the fact behind a reference was told."""
        if ref < 0:
            return self.other(ref).told
        return Told(self.rows.identity(ref), self.rows.recorded_at[ref], self.rows.offsets[ref])

    def key(self, ref: Ref) -> bytes:
        """The key of the fact behind a reference, or NO_KEY."""
        return self.other(ref).key if ref < 0 else self.rows.key(ref)

    def family(self, key: bytes) -> tuple[Ref, ...]:
        """All facts of a key."""
        return self._by_key.find(key) if key != NO_KEY else ()

    def is_known(self, identity: bytes) -> bool:
        """Whether there is a fact of this identity."""
        return bool(self._by_identity.find(identity))

    def are_new(self, identities: Sequence[bytes]) -> bool:
        """Whether these differ and there is no fact of any of them; False may be an error, True never is."""
        return self._by_identity.are_new(identities)

    def is_told(self, key: bytes) -> bool:
        """Whether there is any fact of a key."""
        return bool(self.family(key))

    def find(self, identity: bytes) -> Ref | None:
        """The fact of this identity."""
        return next(iter(self._by_identity.find(identity)), None)

    def _index(self, ref: Ref, identity: bytes, key: bytes) -> None:
        self._by_identity.add(identity, ref)
        if key != NO_KEY:
            self._by_key.add(key, ref)


def key_of(key: str) -> bytes:
    """Sixteen bytes of a fact's key; NO_KEY if it has none."""
    return bytes.fromhex(key) if key else NO_KEY
