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
    """`assessed` with their `identities`, and the `others`."""

    assessed: list[Assessed]
    identities: list[bytes]
    others: list[Other]


def read_batch(state: SchoolState, records: Sequence[tuple[int, AnyFact]]) -> FactBatch:
    """The facts (offset, fact) that are new; gives slots."""
    identities = [identity_of(fact.event_id) for _, fact in records]
    distinct = set(identities)
    if len(distinct) < len(records) or not state.known.knows_none(distinct):
        new = list(_first_told(state, identities))
        records, identities = [records[place] for place in new], [identities[place] for place in new]
    places = [place for place, (_, fact) in enumerate(records) if type(fact) is not ObjectiveAssessed]
    others = [(place - count, identities[place], *records[place]) for count, place in enumerate(places)]
    assessed: list[Any] = list(records)
    for place in reversed(places):
        del identities[place], assessed[place]
    _give_slots(state, assessed, others)
    return FactBatch(assessed, identities, others)


def _first_told(state: SchoolState, identities: Sequence[bytes]) -> Iterator[int]:
    """The places of identities that come for the first time."""
    seen: set[bytes] = set()
    for place, identity in enumerate(identities):
        if identity not in seen and not state.known.is_known(identity):
            seen.add(identity)
            yield place


def _give_slots(state: SchoolState, assessed: Sequence[Assessed], others: Sequence[Other]) -> None:
    """Pupils get their slots in the order in which the log names them."""
    new = {fact.pupil for _, fact in assessed}.difference(state.slots)
    named: list[tuple[int, str]] = []
    for place, _, _, fact in others:
        named += [(2 * place, pupil) for pupil in pupils_named(fact) if pupil not in state.slots]
    if new:
        named += [(2 * place + 1, fact.pupil) for place, (_, fact) in enumerate(assessed) if fact.pupil in new]
    for _, pupil in sorted(named, key=lambda each: each[0]):
        state.slot_of(pupil)
