"""The facts of a school as packed bytes, so that a projector that takes the school over can fold on.

A detail chunk holds what one batch added: new indices, assessment columns, other facts as JSON, and where blocks start.
Chunks are length-delimited: chunks one behind the other, in order, are detail again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from schemas.codec import decode_fact, encode_fact
from services.domain.standing import Told
from services.projector.projections.timeline.columns import identity_of
from services.projector.projections.timeline.school import SchoolState

_LENGTH = struct.Struct("<I")
_COLUMNS = ("slots", "values", "days", "sequences", "recorded_at", "offsets")


class Mark(msgspec.Struct, frozen=True):
    """How far a state was packed already."""

    pupils: int
    objectives: int
    states: int
    rows: int
    others: int
    boundaries: dict[str, tuple[int, ...]]


class _Chunk(msgspec.Struct, array_like=True):
    pupils: list[str]
    objectives: list[tuple[str, str]]
    states: list[str]
    columns: list[bytes]
    identities: bytes
    keys: bytes
    others: list[tuple[int, bytes]]
    boundaries: dict[str, tuple[int, ...]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Chunk)


def mark(state: SchoolState) -> Mark:
    """Remember how much the state holds."""
    return Mark(
        len(state.pupils),
        len(state.objectives),
        len(state.states),
        len(state.known.rows),
        len(state.known.others),
        dict(state.boundaries),
    )


def pack_since(state: SchoolState, before: Mark) -> bytes:
    """The detail chunk of what came after `before`."""
    rows = state.known.rows
    return _frame(
        _encoder.encode(
            (
                state.pupils[before.pupils :],
                state.objectives[before.objectives :],
                state.states[before.states :],
                [getattr(rows, name)[before.rows :].tobytes() for name in _COLUMNS],
                bytes(rows.identities[before.rows * 16 :]),
                bytes(rows.keys[before.rows * 16 :]),
                [(kept.told.offset, encode_fact(kept.fact)) for kept in state.known.others[before.others :]],
                {name: months for name, months in state.boundaries.items() if before.boundaries.get(name) != months},
            )
        )
    )


def load(state: SchoolState, detail: Iterable[bytes]) -> None:
    """Fill a new state from its detail, in order."""
    for data in detail:
        for chunk in _chunks(data):
            _load_chunk(state, chunk)
    for family in state.known.families():
        state.intricate.update(family)
    state.mark_withdrawn()
    state.note_year_months()


def _load_chunk(state: SchoolState, chunk: _Chunk) -> None:
    for pupil in chunk.pupils:
        state.slot_of(pupil)
    for subject, objective in chunk.objectives:
        state.objective_of(subject, objective)
    for name in chunk.states:
        state.state_of(name)
    columns = [
        np.frombuffer(data, dtype=f"={getattr(state.known.rows, name).typecode}").astype(np.int64)
        for name, data in zip(_COLUMNS, chunk.columns, strict=True)
    ]
    if columns[0].size:
        rows = state.known.load_assessments(columns, _sixteens(chunk.identities), _sixteens(chunk.keys))
        state.chains.add_all((columns[0] << 32 | columns[1] >> 32).tolist(), rows)
    for offset, data in chunk.others:
        fact = decode_fact(data)
        state.keep(fact, Told(identity_of(fact.event_id), int(fact.recorded_at.timestamp()), offset))
    state.boundaries.update(chunk.boundaries)


def _sixteens(data: bytes) -> list[bytes]:
    return [data[at : at + 16] for at in range(0, len(data), 16)]


def _frame(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def _chunks(data: bytes) -> Iterator[_Chunk]:
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield _decoder.decode(data[at : at + length])
        at += length
