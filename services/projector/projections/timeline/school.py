"""What the fold holds of one school: its facts, the indices that its blocks use, and who is whom.

Slots, value, objective and state indices are given in the order of first appearance in the school's log and never
change. The rules are `services.domain`'s; the changes that a fact causes are worked out in `folding`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from itertools import pairwise

from schemas.columns import SCORES_MAX
from schemas.documents import FOREVER, Alias, Rectangle, RosterValue
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
from services.domain import calendar
from services.domain.curriculum import LaneContent, Version
from services.domain.people import NOBODY_JOINED, Enrolled, Paired, People, join_people, ordered
from services.domain.periods import Periods, changes, holds_at, since
from services.domain.roster import Chain, Said, said_by
from services.domain.schools import DEFAULT_YEAR_STARTS, SchoolFact, details
from services.domain.sittings import sitting_of
from services.domain.standing import Told, standing
from services.projector.projections.timeline.chains import ABSENT, Chains
from services.projector.projections.timeline.columns import NO_KEY, Facts, Kept, Ref, identity_of, key_of
from services.projector.projections.timeline.lanes import Worths

ROSTER = "r"
Span = tuple[int, int | None]


class SchoolState:
    """Working state of the fold; changed only by `folding`, thrown away when its transaction fails."""

    def __init__(self, school: str) -> None:
        self.school = school
        self.pupils: list[str] = []
        self.values: list[RosterValue] = [RosterValue("roll")]
        self.objectives: list[tuple[str, str]] = []
        self.subjects: list[str] = []
        self.subject_of = array("q")
        self.states: list[str] = []
        self.columns: list[str] = []
        self.scores: list[str] = []
        self.known = Facts()
        self.chains = Chains()
        self.pupil_refs: dict[int, list[Ref]] = {}
        self.of_chain: dict[tuple[int, Chain], list[Ref]] = {}
        self.withdrawals: dict[bytes, list[Told]] = {}
        self.intricate: set[Ref] = set()
        self.groups: dict[int, tuple[int, ...]] = {}
        self.school_refs: list[Ref] = []
        self.version_refs: list[Ref] = []
        self.year_months: list[int] = [DEFAULT_YEAR_STARTS]
        self.boundaries: dict[str, tuple[int, ...]] = {}
        self.rectangles: tuple[Rectangle, ...] = ()
        self.contents: dict[str, LaneContent] = {}
        self.worths = Worths()
        self.spans: dict[str, Span] = {}
        self.document: bytes = b""
        self.slots: dict[str, int] = {}
        self._value_index: dict[RosterValue, int] = {self.values[0]: 0}
        self.objective_index: dict[tuple[str, str], int] = {}
        self._subject_index: dict[str, int] = {}
        self.state_index: dict[str, int] = {}
        self._score_index: dict[str, int] = {}
        self._persons: dict[str, list[int]] = {}
        self._people: dict[tuple[int, ...], People] = {}

    @property
    def facts(self) -> int:
        """How many facts it holds, for the projector's bound on memory."""
        return len(self.known)

    # --- indices ---

    def slot_of(self, pupil: str) -> int:
        """The slot of a pupil id, given now if it is new."""
        slot = self.slots.get(pupil)
        if slot is None:
            slot = self.slots[pupil] = len(self.pupils)
            self.pupils.append(pupil)
        return slot

    def value_of(self, value: RosterValue) -> int:
        """The index of a roster value, given now if it is new."""
        index = self._value_index.get(value)
        if index is None:
            index = self._value_index[value] = len(self.values)
            if index > 0xFFFF:
                raise TooManyValues(f"school {self.school} has more than 65,536 groups and values of characteristics")
            self.values.append(value)
        return index

    def objective_of(self, subject: str, objective: str) -> int:
        """The index of a subject's objective, given now if it is new; `subject_of` has its subject's."""
        index = self.objective_index.get((subject, objective))
        if index is None:
            index = self.objective_index[subject, objective] = len(self.objectives)
            self.objectives.append((subject, objective))
            number = self._subject_index.setdefault(subject, len(self.subjects))
            if number == len(self.subjects):
                self.subjects.append(subject)
            self.subject_of.append(number)
        return index

    def state_of(self, state: str) -> int:
        """The index of a state, given now if it is new."""
        index = self.state_index.get(state)
        if index is None:
            index = self.state_index[state] = len(self.states)
            self.states.append(state)
        return index

    def objectives_of(self, subjects: Sequence[str], objectives: Sequence[str]) -> list[int]:
        """The same for many, a subject and an objective each."""
        found = list(map(self.objective_index.get, zip(subjects, objectives, strict=True)))
        if None in found:
            return [self.objective_of(*each) for each in zip(subjects, objectives, strict=True)]
        return found  # type: ignore[return-value]  # mypy does not see that None is not in it

    def states_of(self, named: Sequence[str]) -> list[int]:
        """The same for many states."""
        found = list(map(self.state_index.get, named))
        return [self.state_of(each) for each in named] if None in found else found  # type: ignore[return-value]

    def score_of(self, score: str) -> int:
        """The index of a test's score or a judgement's value, given now if it is new."""
        index = self._score_index.get(score)
        if index is None:
            index = self._score_index[score] = len(self.scores)
            if index >= SCORES_MAX:
                raise TooManyValues(f"school {self.school} has more than {SCORES_MAX:,} different scores")
            self.scores.append(score)
        return index

    # --- facts ---

    def keep(self, fact: AnyFact, told: Told) -> Ref:
        """Keep a fact that is no assessment and find it again by pupil, person, school and what it withdraws."""
        ref = self.known.add_other(Kept(fact, told, key_of(fact.key)))
        self.mark_family(ref)
        slots = self.slots_named(fact)
        for slot in slots:
            self.pupil_refs.setdefault(slot, []).append(ref)
        match fact:
            case FactWithdrawn():
                self.withdrawals.setdefault(identity_of(fact.withdraws), []).append(told)
            case PupilEnrolled():
                self._note_person(fact, slots[0])
            case PupilsMerged() | PupilsSplit():
                self.join(slots)
            case CurriculumPublished():
                self.version_refs.append(ref)
            case _ if is_school_fact(fact):
                self.school_refs.append(ref)
        said = said_by(fact)
        if said:
            self._chain_stay(ref, slots[0], said)
        elif (sitting := sitting_of(fact)) is not None:
            chain, score, _ = sitting
            if chain[1] not in self.columns:
                self.columns.append(chain[1])
            self.score_of(score)
            self.of_chain.setdefault((slots[0], chain), []).append(ref)
        return ref

    def keep_stay(self, fact: AnyFact, told: Told, key: bytes, slot: int, said: Sequence[Said]) -> None:
        """The same for a roster fact of `slot` that stands, under a key never told, and says `said`."""
        ref = self.known.add_other(Kept(fact, told, key))
        refs = self.pupil_refs.get(slot)
        if refs is None:
            self.pupil_refs[slot] = [ref]
        else:
            refs.append(ref)
        if isinstance(fact, PupilEnrolled):
            self._note_person(fact, slot)
        self._chain_stay(ref, slot, said)

    def _note_person(self, fact: PupilEnrolled, slot: int) -> None:
        if fact.same_person:
            same = self._persons.setdefault(fact.same_person, [])
            if slot not in same:
                same.append(slot)
            self.join(same)

    def _chain_stay(self, ref: Ref, slot: int, said: Sequence[Said]) -> None:
        for chain, value, _, _ in said:
            if value is not None:
                self.value_of(value)
            of_chain = self.of_chain.get((slot, chain))
            if of_chain is None:
                self.of_chain[slot, chain] = [ref]
            elif of_chain[-1] != ref:
                of_chain.append(ref)

    def keep_assessment(self, place: tuple[int, int, int, int, int, int], identity: bytes, key: bytes) -> None:
        """Keep an assessment (`place`: see `AssessmentColumns.append`) and find it again in its chain."""
        rows, (slot, value, day, sequence, recorded_at, _) = self.known.rows, place
        chain = slot << 32 | value >> 32
        last = self.chains.last(chain)
        straight = last == ABSENT or (
            last >= 0
            and (rows.days[last], rows.sequences[last]) <= (day, sequence)
            and rows.recorded_at[last] <= recorded_at
        )
        row = self.known.add_assessment(place, identity, key)
        self.chains.add(chain, row, straight=straight)
        self.mark_family(row)

    def slots_named(self, fact: AnyFact) -> tuple[int, ...]:
        """The slots of the pupils that a fact names, given now if they are new."""
        return tuple(self.slot_of(pupil) for pupil in pupils_named(fact))

    def mark_family(self, ref: Ref) -> None:
        """Note that facts of a key with others, and what may be withdrawn, do not simply stand since they were told."""
        key = self.known.key(ref)
        family = self.known.family(key) if key != NO_KEY else (ref,)
        if len(family) > 1:
            self.mark_intricate(family)
        if self.withdrawals and self.known.told(ref).identity in self.withdrawals:
            self.mark_intricate((ref, *family))

    def mark_intricate(self, refs: Iterable[Ref]) -> None:
        """Note facts that do not simply stand since they were told."""
        new = set(refs) - self.intricate
        self.intricate |= new
        for ref in new:
            if ref >= 0:
                self.chains.bend(self.known.rows.chain(ref))

    def last_of(self, rows: Iterable[int]) -> tuple[int, int, int, int] | None:
        """Of assessments of one chain: value, day and sequence of the last by the order of truth, and the last instant.

        None if one of them does not simply stand since it was told.
        """
        columns, told_at = self.known.rows, 0
        last: tuple[int, int, int, int, int] | None = None
        for row in rows:
            if row in self.intricate:
                return None
            told_at = max(told_at, columns.recorded_at[row])
            order = (columns.days[row], columns.sequences[row], columns.recorded_at[row], columns.offsets[row], row)
            last = order if last is None or order > last else last
        assert last is not None
        return columns.values[last[4]], last[0], last[1], told_at

    def mark_withdrawn(self) -> None:
        """Note all that a withdrawal names, after loading."""
        for kept in self.known.others:
            if isinstance(kept.fact, FactWithdrawn):
                ref = self.known.find(identity_of(kept.fact.withdraws))
                if ref is not None:
                    self.mark_family(ref)

    def stands(self, ref: Ref) -> Periods:
        """When a fact stands."""
        told = self.known.told(ref)
        if ref not in self.intricate:
            return since(told.recorded_at)
        family = [self.known.told(other) for other in self.known.family(self.known.key(ref)) if other != ref]
        return standing(told, family, self.withdrawals)

    # --- people ---

    def persons_with(self, person: str) -> tuple[int, ...]:
        """The slots of which some enrolment ever said this person."""
        return tuple(self._persons.get(person, ()))

    def members(self, slot: int) -> tuple[int, ...]:
        """All slots that were ever joined with this one, by whatever was told."""
        return self.groups.get(slot, (slot,))

    def join(self, slots: Iterable[int]) -> None:
        """Note that something was told that may make these one pupil."""
        group = tuple(sorted({member for slot in slots for member in self.members(slot)}))
        if len(group) > 1:
            for slot in group:
                self._people.pop(self.members(slot), None)
                self.groups[slot] = group

    def forget_people(self, slots: Iterable[int]) -> None:
        """Who is whom among these has to be worked out again."""
        for slot in slots:
            self._people.pop(self.members(slot), None)

    def people(self, slot: int) -> People:
        """Who is whom, and when, in the group of a slot."""
        group = self.groups.get(slot)
        if group is None:
            return NOBODY_JOINED
        if group not in self._people:
            self._people[group] = self._join_group(group)
        return self._people[group]

    def _join_group(self, group: tuple[int, ...]) -> People:
        enrolled: list[Enrolled] = []
        paired: dict[Ref, Paired] = {}
        for slot in group:
            for ref in self.pupil_refs.get(slot, ()):
                kept = self.known.other(ref)
                told = (kept.told.recorded_at, kept.told.offset)
                match kept.fact:
                    case PupilEnrolled() as fact if fact.same_person:
                        enrolled.append(Enrolled(slot, fact.same_person, told, self.stands(ref)))
                    case (PupilsMerged() | PupilsSplit()) as fact if fact.pupil != fact.other:
                        pair = ordered(self.slot_of(fact.pupil), self.slot_of(fact.other))
                        paired[ref] = Paired(pair, isinstance(fact, PupilsMerged), told, self.stands(ref))
        return join_people(enrolled, list(paired.values()))

    def aliases(self) -> tuple[Alias, ...]:
        """Whose reference a joined pupil shows: that of the latest enrolment (`contract.md` 2)."""
        found: list[Alias] = []
        for group in sorted(set(self.groups.values())):
            people = self.people(group[0])
            enrolments = [
                (slot, ref)
                for slot in group
                for ref in self.pupil_refs.get(slot, ())
                if isinstance(self.known.other(ref).fact, PupilEnrolled)
            ]
            stands = {ref: self.stands(ref) for _, ref in enrolments}
            instants = sorted({*people.instants, *changes(list(stands.values()))})
            for known_from, known_to in pairwise([*instants, FOREVER]):
                latest: dict[int, tuple[tuple[date, int, int, int], int]] = {}
                for slot, ref in enrolments:
                    if holds_at(stands[ref], known_from):
                        kept = self.known.other(ref)
                        assert isinstance(kept.fact, PupilEnrolled)
                        order = (kept.fact.enrolled_on, kept.fact.sequence, kept.told.recorded_at, kept.told.offset)
                        owner = people.owner(slot, known_from)
                        if owner not in latest or order > latest[owner][0]:
                            latest[owner] = (order, slot)
                for owner, (_, slot) in sorted(latest.items()):
                    if slot != owner:
                        found.append(Alias(known_from, known_to, owner, slot))
        return tuple(found)

    # --- the school itself ---

    def note_year_months(self) -> None:
        """Remember every first month of the academic year that is or was known; each has its own assessed sum."""
        for known in details(self.school_facts()):
            if known.year_starts not in self.year_months:
                self.year_months.append(known.year_starts)

    def school_facts(self) -> list[SchoolFact]:
        """What was told of the school itself."""
        return [self._school_fact(ref) for ref in self.school_refs]

    def _school_fact(self, ref: Ref) -> SchoolFact:
        kept = self.known.other(ref)
        return SchoolFact(kept.fact, (kept.told.recorded_at, kept.told.offset), self.stands(ref))

    def versions(self) -> list[Version]:
        """The framework versions that were told."""
        found: list[Version] = []
        for ref in self.version_refs:
            kept = self.known.other(ref)
            assert isinstance(kept.fact, CurriculumPublished)
            found.append(Version(kept.fact, (kept.told.recorded_at, kept.told.offset), self.stands(ref)))
        return found


class TooManyValues(Exception):
    """A school needs more value or score indices than its blocks have room for."""


def is_school_fact(fact: AnyFact) -> bool:
    """Whether a fact is about the school itself."""
    return isinstance(fact, SchoolRegistered | SchoolJoinedTrust | SchoolLeftTrust)


def pupils_named(fact: AnyFact) -> tuple[str, ...]:
    """The pupils that a fact names."""
    pupil = getattr(fact, "pupil", None)
    if pupil is None:
        return ()
    return (pupil, fact.other) if isinstance(fact, (PupilsMerged, PupilsSplit)) else (pupil,)


@cache
def year_start_day(day: int, month: int) -> int:
    """The ordinal of the first day of the academic year that holds `day`, if years start in `month`."""
    return calendar.year_start(date.fromordinal(day), month).toordinal()
