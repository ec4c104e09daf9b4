"""The facts behind the numbers as rows, and whether each stands as known now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.documents import FOREVER
from schemas.events import AnyFact, FactWithdrawn, JudgementRecorded, ObjectiveAssessed, ResultRecorded
from services.domain.periods import holds_at
from services.projector.projections.reporting.rows import FactRow
from services.projector.projections.timeline.columns import Ref, identity_of, key_of
from services.projector.projections.timeline.school import SchoolState

NOW = FOREVER - 1
"""The knowledge of someone who has been told everything."""


def row_of(offset: int, fact: AnyFact, *, stands: bool) -> FactRow | None:
    """The row of an assessment, a result or a judgement; None for any other fact."""
    match fact:
        case ObjectiveAssessed():
            kind, dated = "assessment", fact.assessed_on
        case ResultRecorded():
            kind, dated = "result", fact.sat_on
        case JudgementRecorded():
            kind, dated = "judgement", fact.judged_on
        case _:
            return None
    return FactRow(
        offset=offset,
        stands=stands,
        event_id=fact.event_id,
        kind=kind,
        pupil=fact.pupil,
        subject=fact.subject,
        objective=getattr(fact, "objective", None),
        state=getattr(fact, "state", None),
        test=getattr(fact, "test", None),
        component=getattr(fact, "component", None),
        score_type=getattr(fact, "score_type", None),
        score=getattr(fact, "score", None),
        scale=getattr(fact, "scale", None),
        judgement=getattr(fact, "value", None),
        dated=dated.toordinal(),
        recorded_at=int(fact.recorded_at.timestamp()),
        source=fact.source,
    )


def stands_now(state: SchoolState, ref: Ref) -> bool:
    """Whether a fact is neither withdrawn nor followed by another of its key."""
    return ref not in state.intricate or holds_at(state.stands(ref), NOW)


def concerned(state: SchoolState, told: Iterable[AnyFact]) -> set[Ref]:
    """The facts that may stand or not because of what was told: those of one key, and what withdrawals name."""
    waiting: list[Ref] = []
    for fact in told:
        if fact.key and len(family := state.known.family(key_of(fact.key))) > 1:
            waiting += family
        ref = state.known.find(identity_of(fact.event_id))
        if ref is not None and (isinstance(fact, FactWithdrawn) or ref in state.intricate):
            waiting.append(ref)
    found: set[Ref] = set()
    while waiting:
        ref = waiting.pop()
        if ref in found:
            continue
        found.add(ref)
        waiting += state.known.family(state.known.key(ref))
        if ref < 0 and isinstance(fact := state.known.other(ref).fact, FactWithdrawn):
            target = state.known.find(identity_of(fact.withdraws))
            waiting += [] if target is None else [target]
    return found


def standing(state: SchoolState, refs: Iterable[Ref], kinds: Sequence[type]) -> list[tuple[int, bool]]:
    """(offset, stands) of those of the facts that have rows."""
    return sorted(
        (state.known.told(ref).offset, stands_now(state, ref))
        for ref in refs
        if ref >= 0 or isinstance(state.known.other(ref).fact, tuple(kinds))
    )
