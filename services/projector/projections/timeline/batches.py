"""A batch of one school taken apart: assessments, to be folded at once, and the facts between them.

Facts whose identity came before are left out, and every pupil that is named for the first time gets the next slot, in
the order of the log: what follows need not go fact by fact in that order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from schemas.events import AnyFact, ObjectiveAssessed
from services.projector.projections.timeline.columns import identity_of
from services.projector.projections.timeline.runs import Assessed
from services.projector.projections.timeline.school import SchoolState, pupils_named

Other = tuple[int, bytes, int, AnyFact]
"""A fact that is no assessment: how many assessments came before it, its identity, its offset, and itself."""


class FactBatch(msgspec.Struct, frozen=True):
    """`assessed` with their `identities` and the `slots` of their pupils, and the `others`."""

    assessed: list[Assessed]
    identities: list[bytes]
    slots: list[int]
    others: list[Other]


def read_batch(state: SchoolState, records: Sequence[tuple[int, AnyFact]]) -> FactBatch:
    """The facts (offset, fact) that are new; gives slots."""
    identities = [identity_of(fact.event_id) for _, fact in records]
    if not state.known.are_new(identities):
        new = list(_first_told(state, identities))
        records, identities = [records[place] for place in new], [identities[place] for place in new]
    places = [place for place, (_, fact) in enumerate(records) if type(fact) is not ObjectiveAssessed]
    others = [(place - count, identities[place], *records[place]) for count, place in enumerate(places)]
    assessed: list[Any] = list(records)
    for place in reversed(places):
        del identities[place], assessed[place]
    return FactBatch(assessed, identities, _give_slots(state, assessed, others), others)


def _first_told(state: SchoolState, identities: Sequence[bytes]) -> Iterator[int]:
    """The places of identities that come for the first time."""
    seen: set[bytes] = set()
    for place, identity in enumerate(identities):
        if identity not in seen and not state.known.is_known(identity):
            seen.add(identity)
            yield place


def _give_slots(state: SchoolState, assessed: Sequence[Assessed], others: Sequence[Other]) -> list[int]:
    """Pupils get their slots in the order in which the log names them; those of the assessments are given back."""
    named: list[tuple[int, str]] = []
    for place, _, _, fact in others:
        named += [(2 * place, pupil) for pupil in pupils_named(fact) if pupil not in state.slots]
    pupils = [fact.pupil for _, fact in assessed]
    slots = list(map(state.slots.get, pupils))
    if None in slots:
        named += [(2 * place + 1, pupils[place]) for place, slot in enumerate(slots) if slot is None]
    for _, pupil in sorted(named, key=lambda each: each[0]):
        state.slot_of(pupil)
    return [state.slots[pupil] for pupil in pupils] if None in slots else slots  # type: ignore[return-value]
