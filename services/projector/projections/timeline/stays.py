"""The short cuts of roster facts: the first of a chain, and the one that follows the others of its chain.

They give what the rules of `services.domain.timeline` give, where the facts before tell it; None elsewhere.
A stay's change is (day, value, count): the value counts once more, or once less, from that day on.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.documents import RosterValue
from services.domain.roster import ROLL, Said, said_by
from services.projector.projections.timeline.columns import Ref
from services.projector.projections.timeline.school import SchoolState

StayChange = tuple[int, RosterValue, int]


def short_changes(state: SchoolState, slot: int, recorded_at: int, said: Sequence[Said]) -> list[StayChange] | None:
    """What a fact of a pupil who is joined with nobody changes, under a key never told; `said`: all that it says."""
    if len(said) > 1 and len({chain for chain, _, _, _ in said}) < len(said):
        return None
    found: list[StayChange] = []
    for each in said:
        refs = state.of_chain.get((slot, each[0]))
        changes = first_changes(each) if refs is None else _following_changes(state, refs, recorded_at, each)
        if changes is None:
            return None
        found += changes
    return found


def first_changes(said: Said) -> list[StayChange] | None:
    """What the only fact of a chain changes; an end that nothing came before is left to the rules."""
    _, value, starts, ends = said
    if value is None:
        return None
    if ends is None:
        return [(starts, value, 1)]
    return [(starts, value, 1), (ends + 1, value, -1)] if ends >= starts else []


def _following_changes(
    state: SchoolState, refs: Sequence[Ref], recorded_at: int, said: Said
) -> list[StayChange] | None:
    """What a fact changes that is told last and has its place after all others of its chain, none of which says an end.

    Of a year group or characteristic the new value takes over from the last; an end ends the only one of a roll or
    group. A fact that comes here has a sequence of 0 or more.
    """
    chain, value, day, ends = said
    last: tuple[tuple[int, int, int], RosterValue] | None = None
    for ref in refs:
        kept = state.known.other(ref)
        if ref in state.intricate or kept.told.recorded_at > recorded_at:
            return None
        for of_chain, before, starts, before_ends in said_by(kept.fact):
            if of_chain != chain:
                continue
            if before is None or before_ends is not None:
                return None
            order = (starts, kept.fact.sequence, kept.told.recorded_at)
            if last is None or order >= last[0]:
                last = order, before
    if last is None:
        return None
    (starts, sequence, _), before = last
    if chain[0] in (ROLL[0], "group"):
        return [(day + 1, before, -1)] if value is None and len(refs) == 1 and starts < day else None
    if value is None or ends is not None or (day, 0) < (starts, sequence):
        return None
    return [] if value == before else [(day, value, 1), (day, before, -1)]
