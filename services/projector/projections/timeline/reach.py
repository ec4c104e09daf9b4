"""How far a fact reaches: which facts stand otherwise because of it, which chains have to be looked at again, and
whether assessments that were read but not folded yet have to be folded before it.

Nothing is changed here but what is remembered of who is whom; what the chains are worth is `folding`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.events import (
    AnyFact,
    CurriculumPublished,
    FactWithdrawn,
    PupilEnrolled,
    PupilsMerged,
    PupilsSplit,
    SchoolJoinedTrust,
    SchoolLeftTrust,
    SchoolRegistered,
)
from services.domain.roster import Chain, said_by
from services.domain.sittings import sitting_of
from services.projector.projections.timeline.columns import Ref, identity_of, key_of
from services.projector.projections.timeline.runs import Run
from services.projector.projections.timeline.school import SchoolState, is_school_fact

_REACHES_ASSESSMENTS = frozenset(
    (
        PupilEnrolled,
        PupilsMerged,
        PupilsSplit,
        FactWithdrawn,
        CurriculumPublished,
        SchoolRegistered,
        SchoolJoinedTrust,
        SchoolLeftTrust,
    )
)
"""What may change what assessments are worth, or whose they are, without a key."""

Dirty = tuple[set[tuple[int, int]], set[tuple[int, Chain]]]
"""Chains to look at again: (slot, objective) and (slot, roster chain)."""


def facts_reached(state: SchoolState, refs: Iterable[Ref]) -> set[Ref]:
    """The facts that stand at other times when one of `refs` does: those of one key, and what they withdraw."""
    known = state.known
    found: set[Ref] = set()
    waiting = list(refs)
    while waiting:
        ref = waiting.pop()
        if ref in found:
            continue
        found.add(ref)
        waiting += known.family(known.key(ref))
        if ref < 0 and isinstance(fact := known.other(ref).fact, FactWithdrawn):
            target = known.find(identity_of(fact.withdraws))
            if target is not None:
                waiting.append(target)
    return found


def chains_reached(state: SchoolState, refs: Iterable[Ref]) -> Dirty:
    """The chains in which some facts have a place."""
    assessments: set[tuple[int, int]] = set()
    roster: set[tuple[int, Chain]] = set()
    for ref in refs:
        if ref >= 0:
            assessments.add((state.known.rows.slots[ref], state.known.rows.values[ref] >> 32))
        else:
            fact = state.known.other(ref).fact
            roster.update((slot, chain) for slot in state.slots_named(fact) for chain in chains_of(fact))
    return assessments, roster


def add_people(state: SchoolState, dirty: Dirty, facts: Sequence[AnyFact], slots: tuple[int, ...]) -> None:
    """If `facts` may change who is whom, add all chains of all pupils that are concerned. `slots`: of the new fact."""
    concerned: set[int] = set()
    for each in facts:
        if isinstance(each, PupilsMerged | PupilsSplit):
            concerned.update(state.slots_named(each))
        elif isinstance(each, PupilEnrolled) and each.same_person:
            slot = state.slot_of(each.pupil)
            others = state.persons_with(each.same_person)
            if slot in state.groups or any(other != slot for other in others):
                concerned.update((slot, *others))
    if not concerned:
        return
    members = {member for slot in (*concerned, *slots) for member in state.members(slot)}
    objectives = state.chains.objectives_of(members)
    dirty[0].update((slot, objective) for slot in members for objective in objectives)
    dirty[1].update(
        (slot, chain)
        for slot in members
        for ref in state.pupil_refs.get(slot, ())
        for chain in chains_of(state.known.other(ref).fact)
    )
    state.forget_people(members)


def ends_run(state: SchoolState, run: Run, fact: AnyFact) -> bool:
    """Whether a run of assessments has to be folded before this fact, which is none and is not known.

    It has to, if the fact has a key of the run, withdraws one of its facts or touches the chain of one, or may change
    who is whom or what the school is. Else no step of the run is another because of it.
    """
    if not fact.key and type(fact) not in _REACHES_ASSESSMENTS:
        return False
    known, refs = state.known, list[Ref]()
    match fact:
        case PupilsMerged() | PupilsSplit():
            return True
        case PupilEnrolled() if fact.same_person and state.persons_with(fact.same_person):
            return True
        case FactWithdrawn():
            withdrawn = identity_of(fact.withdraws)
            if withdrawn in run.seen:
                return True
            target = known.find(withdrawn)
            refs += [] if target is None else [target]
        case _ if decides_grid(fact):
            return True
    if fact.key:
        key = key_of(fact.key)
        if key in run.seen:
            return True
        refs += known.family(key)
    return any(_meets(state, run, ref) for ref in facts_reached(state, refs)) if refs else False


def chains_of(fact: AnyFact) -> list[Chain]:
    """The chains in which a fact that is no assessment has a place."""
    sitting = sitting_of(fact)
    return [sitting[0]] if sitting is not None else [said[0] for said in said_by(fact)]


def decides_grid(fact: AnyFact) -> bool:
    """Whether a fact tells of the curriculum or of the school itself."""
    return isinstance(fact, CurriculumPublished) or is_school_fact(fact)


def _meets(state: SchoolState, run: Run, ref: Ref) -> bool:
    known = state.known
    if ref < 0 or known.rows.slots[ref] in state.groups:
        return True
    return known.rows.chain(ref) in run.chains or known.key(ref) in run.seen
