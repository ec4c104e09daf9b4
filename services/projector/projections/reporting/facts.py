"""The facts behind the numbers as rows, and whether each stands as known now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.documents import FOREVER
from schemas.events import AnyFact, FactWithdrawn, JudgementRecorded, ObjectiveAssessed, ResultRecorded
from services.domain.periods import holds_at
from services.projector.projections.reporting.rows import FactRow, Said
from services.projector.projections.timeline.columns import Ref, identity_of
from services.projector.projections.timeline.school import SchoolState

NOW = FOREVER - 1
"""The knowledge of someone who has been told everything."""


def row_of(offset: int, fact: AnyFact, *, stands: bool) -> FactRow | None:
    """The row of an assessment, a result or a judgement; None for any other fact."""
    said: Said
    if isinstance(fact, ObjectiveAssessed):
        said = (fact.objective, fact.state, None, None, None, None, None, None)
        kind, dated = "assessment", fact.assessed_on
    elif isinstance(fact, ResultRecorded):
        said = (None, None, fact.test, fact.component, fact.score_type, fact.score, None, None)
        kind, dated = "result", fact.sat_on
    elif isinstance(fact, JudgementRecorded):
        said = (None, None, None, None, None, None, fact.scale, fact.value)
        kind, dated = "judgement", fact.judged_on
    else:
        return None
    return FactRow(
        offset,
        stands,
        fact.event_id,
        kind,
        fact.pupil,
        fact.subject,
        said,
        dated.toordinal(),
        int(fact.recorded_at.timestamp()),
        fact.source,
    )


def stands_now(state: SchoolState, ref: Ref) -> bool:
    """Whether a fact is neither withdrawn nor followed by another of its key."""
    return ref not in state.intricate or holds_at(state.stands(ref), NOW)


def concerned(state: SchoolState, told: Iterable[Ref]) -> set[Ref]:
    """The facts that may stand or not because of what was told: those of one key, and what withdrawals name."""
    waiting = [ref for ref in told if ref in state.intricate or (ref < 0 and _is_withdrawal(state, ref))]
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


def _is_withdrawal(state: SchoolState, ref: Ref) -> bool:
    return isinstance(state.known.other(ref).fact, FactWithdrawn)
