"""The facts of a school as packed bytes, so that a projector that takes the school over can fold on.

A detail chunk (`schemas.detail`) holds what one batch added; chunks one behind the other, in order, are detail again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from schemas.codec import decode_fact, encode_fact
from schemas.detail import COLUMNS, IDENTITY_BYTES, Chunk, chunks_of, pack_chunk
from services.domain.standing import Told
from services.projector.projections.timeline.columns import Columns, identity_of
from services.projector.projections.timeline.runs import keep_loaded
from services.projector.projections.timeline.school import SchoolState


class Mark(msgspec.Struct, frozen=True):
    """How far a state was packed already."""

    pupils: int
    objectives: int
    states: int
    rows: int
    others: int
    boundaries: dict[str, tuple[int, ...]]


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
    return pack_chunk(
        Chunk(
            pupils=state.pupils[before.pupils :],
            objectives=state.objectives[before.objectives :],
            states=state.states[before.states :],
            columns=[getattr(rows, name)[before.rows :].tobytes() for name in COLUMNS],
            identities=bytes(rows.identities[before.rows * IDENTITY_BYTES :]),
            keys=bytes(rows.keys[before.rows * IDENTITY_BYTES :]),
            others=[(kept.told.offset, encode_fact(kept.fact)) for kept in state.known.others[before.others :]],
            boundaries={
                name: months for name, months in state.boundaries.items() if before.boundaries.get(name) != months
            },
        )
    )


def load(state: SchoolState, detail: Iterable[bytes]) -> None:
    """Fill a new state from its detail, in order."""
    for data in detail:
        for chunk in chunks_of(data):
            _load_chunk(state, chunk)
    for family in state.known.families():
        state.mark_intricate(family)
    state.mark_withdrawn()
    state.note_year_months()


def _load_chunk(state: SchoolState, chunk: Chunk) -> None:
    for pupil in chunk.pupils:
        state.slot_of(pupil)
    for subject, objective in chunk.objectives:
        state.objective_of(subject, objective)
    for name in chunk.states:
        state.state_of(name)
    columns = Columns(
        *(
            np.frombuffer(data, dtype=f"={kind}").astype(np.int64)
            for kind, data in zip(COLUMNS.values(), chunk.columns, strict=True)
        )
    )
    if columns.slots.size:
        first = state.known.add_assessments(columns, chunk.identities, chunk.keys)
        keep_loaded(state, columns, first)
    for offset, data in chunk.others:
        fact = decode_fact(data)
        state.keep(fact, Told(identity_of(fact.event_id), int(fact.recorded_at.timestamp()), offset))
    state.boundaries.update(chunk.boundaries)
