"""What ingest knows at one moment about the schools that a request touches: a plain value, read by `recall`.

The rules of `accept` decide over it and `learn` what they accepted, so that the next row of the same chunk is judged
with it. Nothing here reads a clock, a database or the log. "Now" is after everything that was told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Generic, TypeVar

import msgspec

from schemas.definitions import TestDefined
from schemas.documents import Membership
from schemas.events import (
    CharacteristicSet,
    CurriculumPublished,
    Fact,
    GroupJoined,
    JudgementRecorded,
    ObjectiveAssessed,
    PupilEnrolled,
    ResultRecorded,
    SchoolJoinedTrust,
    SchoolLeftTrust,
    SchoolRegistered,
    YearGroupFrom,
    YearGroupSet,
)
from services.domain.built_in import BUILT_IN_TESTS
from services.domain.periods import since
from services.domain.schools import DEFAULT_TIME_ZONE, memberships
from services.domain.schools import SchoolFact as StandingFact

PENDING = 2**62
"""The offset of what was accepted in this chunk and has none yet: later than everything in the log."""

_MAKES_NOTHING_KNOWN = frozenset(
    {ObjectiveAssessed, ResultRecorded, JudgementRecorded, YearGroupSet, GroupJoined, CharacteristicSet}
)
"""The commonest facts, told apart at once: asking each for its kind is slow."""

SchoolFact = SchoolRegistered | SchoolJoinedTrust | SchoolLeftTrust
Said = TypeVar("Said")


class Told(msgspec.Struct, frozen=True, gc=False):
    """One fact of a file key. `year_groups`: what an enrolment said so far."""

    event_id: str
    revision: int
    content: str
    recorded_at: datetime
    migrated: bool
    offset: int
    withdrawn: bool = False
    year_groups: tuple[YearGroupFrom, ...] = ()


def standing_of(facts: Iterable[Told]) -> Told | None:
    """The fact of a key that counts now: of those not withdrawn the highest (recorded_at, order of arrival)."""
    return max(
        (fact for fact in facts if not fact.withdrawn),
        key=lambda fact: (fact.recorded_at, fact.offset),
        default=None,
    )


class Kept(msgspec.Struct, Generic[Said], frozen=True):
    """A fact that was not withdrawn, or what is kept of it, with what decides whether it stands."""

    key: str
    recorded_at: datetime
    offset: int
    said: Said

    def told(self) -> tuple[datetime, int]:
        """Orders facts by when they were told."""
        return (self.recorded_at, self.offset)


def latest_of_keys(kept: Iterable[Kept[Said]]) -> list[Kept[Said]]:
    """What stands of facts that were not withdrawn, in the order told: of each file key the one told last."""
    of_keys: dict[str, Kept[Said]] = {}
    free: list[Kept[Said]] = []
    for item in kept:
        if not item.key:
            free.append(item)
        elif item.key not in of_keys or of_keys[item.key].told() < item.told():
            of_keys[item.key] = item
    return sorted([*free, *of_keys.values()], key=lambda item: item.told())


class School:
    """A school by its facts, never changed: is it registered, its time zone, its trust on a day, its last stamp."""

    def __init__(self, facts: Iterable[Kept[SchoolFact]] = (), stamp: datetime | None = None) -> None:
        self._facts = tuple(facts)
        self.stamp = stamp
        standing = latest_of_keys(self._facts)
        registrations = [kept.said for kept in standing if isinstance(kept.said, SchoolRegistered)]
        zones = [fact.time_zone for fact in registrations if fact.time_zone is not None]
        self.registered = bool(registrations)
        self.time_zone = zones[-1] if zones else DEFAULT_TIME_ZONE
        self._memberships = _memberships(standing)

    def with_fact(self, fact: SchoolFact) -> School:
        """The school when it has been told one more fact."""
        kept: Kept[SchoolFact] = Kept(fact.key, fact.recorded_at, PENDING + len(self._facts), fact)
        return School([*self._facts, kept], self.stamp)

    def trust_on(self, day: date) -> str | None:
        """The trust that the school is a member of on `day`."""
        ordinal = day.toordinal()
        return next((each.trust for each in self._memberships if each.starts <= ordinal <= each.ends), None)


def _memberships(standing: Iterable[Kept[SchoolFact]]) -> tuple[Membership, ...]:
    """The trusts on each day by what stands now, as every report has them (`services.domain.schools`)."""
    return memberships(
        [
            StandingFact(kept.said, (int(kept.recorded_at.timestamp()), kept.offset), since(0))
            for kept in standing
            if not isinstance(kept.said, SchoolRegistered) or kept.said.trust is not None
        ]
    )


class VersionNames(msgspec.Struct, frozen=True, array_like=True):
    """The names that one published version makes known."""

    framework: str
    version: str
    always: bool
    subjects: dict[str, list[str]]
    states: list[str]
    marks_max: int | None


def names_of_version(fact: CurriculumPublished) -> VersionNames:
    """What ingest keeps of a published version."""
    return VersionNames(
        framework=fact.framework,
        version=fact.framework_version,
        always=fact.effective_on is None,
        subjects={item.subject: [each.objective for each in item.objectives] for item in fact.subjects},
        states=[state.state for state in fact.states],
        marks_max=fact.marks_max,
    )


class Framework(msgspec.Struct):
    """What any standing version of a framework makes known."""

    states: set[str]
    marks_max: int | None = None


class Curricula:
    """All that the standing curriculum facts of one school make known, over every version; never changed."""

    def __init__(self, versions: Iterable[Kept[VersionNames]] = ()) -> None:
        self._versions = tuple(versions)
        self._standing = latest_of_keys(self._versions)
        self.frameworks: dict[str, Framework] = {}
        self.framework_of: dict[str, str] = {}
        self.objectives: dict[str, set[str]] = {}
        for kept in self._standing:
            names = kept.said
            framework = self.frameworks.setdefault(names.framework, Framework(set()))
            framework.states.update(names.states)
            if names.marks_max is not None:
                framework.marks_max = max(framework.marks_max or 0, names.marks_max)
            for subject, objectives in names.subjects.items():
                self.framework_of.setdefault(subject, names.framework)
                self.objectives.setdefault(subject, set()).update(objectives)

    def with_version(self, fact: CurriculumPublished) -> Curricula:
        """The curricula when one more version has been published."""
        kept = Kept(fact.key, fact.recorded_at, PENDING + len(self._versions), names_of_version(fact))
        return Curricula([*self._versions, kept])

    def standing_besides(self, key: str) -> list[VersionNames]:
        """The versions that stand and do not give way to another fact of `key` ("" gives way to none)."""
        return [kept.said for kept in self._standing if not key or kept.key != key]


_UNKNOWN_SCHOOL = School()
_NO_CURRICULA = Curricula()


class Knowledge:
    """What is known of everything that one chunk names. Private to the one that decides: `learn` changes it.

    `pupils`: (school, pupil id) of whoever was ever enrolled. `told`: the facts of each file key, any order.
    `given`: (school, event id) → the keyed hash of the content of an event (None: the id is that of another fact).
    `keys_of`: (school, event id) → the key of a row's fact that a withdrawal names. `tests`: those that are defined, of
    the ones that scores name which are no numbers.
    """

    def __init__(
        self,
        schools: dict[str, School],
        curricula: dict[str, Curricula] | None = None,
        pupils: set[tuple[str, str]] | None = None,
        told: dict[str, list[Told]] | None = None,
        given: dict[tuple[str, str], str | None] | None = None,
        keys_of: dict[tuple[str, str], str] | None = None,
        tests: Mapping[str, TestDefined] = BUILT_IN_TESTS,
    ) -> None:
        self.schools = schools
        self.curricula = curricula if curricula is not None else {}
        self.pupils = pupils if pupils is not None else set()
        self.told = told if told is not None else {}
        self.given = given if given is not None else {}
        self.keys_of = keys_of if keys_of is not None else {}
        self.tests = tests
        self._arrivals = 0

    def school(self, school: str) -> School:
        """The school called so, known or not."""
        return self.schools.get(school) or _UNKNOWN_SCHOOL

    def curriculum(self, school: str) -> Curricula:
        """The curricula of a school, perhaps none."""
        return self.curricula.get(school) or _NO_CURRICULA

    def learn(self, fact: Fact) -> None:
        """Take in a fact that was just accepted."""
        kind = type(fact)
        if fact.key:
            self._arrivals += 1
            said = Told(
                event_id=fact.event_id,
                revision=fact.revision,
                content=fact.content,
                recorded_at=fact.recorded_at,
                migrated=fact.migrated,
                offset=PENDING + self._arrivals,
                year_groups=getattr(fact, "year_groups", ()),
            )
            self.told.setdefault(fact.key, []).append(said)
        else:
            self.given[fact.school, fact.event_id] = fact.content
        if kind in _MAKES_NOTHING_KNOWN:
            return
        if isinstance(fact, PupilEnrolled):
            self.pupils.add((fact.school, fact.pupil))
        elif isinstance(fact, SchoolRegistered | SchoolJoinedTrust | SchoolLeftTrust):
            self.schools[fact.school] = self.school(fact.school).with_fact(fact)
        elif isinstance(fact, CurriculumPublished):
            self.curricula[fact.school] = self.curriculum(fact.school).with_version(fact)
