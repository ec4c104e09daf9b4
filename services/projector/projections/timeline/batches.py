"""A batch of one school taken apart: assessments, to be folded at once, and the facts between them.

Facts whose identity came before are left out, and every pupil that is named for the first time gets the next slot, in
the order of the log: what follows need not go fact by fact in that order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from schemas.events import AnyFact, ObjectiveAssessed
from services.projector.projections.timeline.columns import identity_of
from services.projector.projections.timeline.runs import Assessed
from services.projector.projections.timeline.school import SchoolState, pupils_named

Told = tuple[int, AnyFact]


class FactBatch(msgspec.Struct, frozen=True):
    """`assessed` with their `identities`; `others`: how many assessments came before each, its offset, and the fact."""

    assessed: list[Assessed]
    identities: list[bytes]
    others: list[tuple[int, int, AnyFact]]


def read_batch(state: SchoolState, records: Sequence[Told]) -> FactBatch:
    """The facts (offset, fact) that are new; gives slots."""
    identities = [identity_of(fact.event_id) for _, fact in records]
    distinct = set(identities)
    if len(distinct) < len(records) or not state.known.knows_none(distinct):
        new = list(_first_told(state, identities))
        records, identities = [records[place] for place in new], [identities[place] for place in new]
    assessed: list[Assessed] = []
    others: list[tuple[int, int, AnyFact]] = []
    places: list[int] = []
    for place, (offset, fact) in enumerate(records):
        if type(fact) is ObjectiveAssessed:
            assessed.append((offset, fact))
        else:
            others.append((len(assessed), offset, fact))
            places.append(place)
    for place in reversed(places):
        del identities[place]
    _give_slots(state, assessed, others)
    return FactBatch(assessed, identities, others)


def _first_told(state: SchoolState, identities: Sequence[bytes]) -> Iterator[int]:
    """The places of identities that come for the first time."""
    seen: set[bytes] = set()
    for place, identity in enumerate(identities):
        if identity not in seen and not state.known.is_known(identity):
            seen.add(identity)
            yield place


def _give_slots(state: SchoolState, assessed: Sequence[Assessed], others: Sequence[tuple[int, int, AnyFact]]) -> None:
    """Pupils get their slots in the order in which the log names them."""
    new = {fact.pupil for _, fact in assessed}.difference(state.slots)
    named: list[tuple[int, str]] = []
    for place, _, fact in others:
        named += [(2 * place, pupil) for pupil in pupils_named(fact) if pupil not in state.slots]
    if new:
        named += [(2 * place + 1, fact.pupil) for place, (_, fact) in enumerate(assessed) if fact.pupil in new]
    for _, pupil in sorted(named, key=lambda each: each[0]):
        state.slot_of(pupil)
