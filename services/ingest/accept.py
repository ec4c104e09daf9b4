"""The rules of the way in, pure: what was sent, and what is known, become facts, duplicates or rejections.

A Desk judges the rows or events of one chunk in order; what it accepts is known to the next one. It reads no clock and
no database: `Knowledge` and the moment come in. What is wrong with a field by itself was found before (`columns`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from schemas import identifiers
from schemas.events import Fact, ObjectiveAssessed, YearGroupFrom
from services.domain.calendar import local_date
from services.ingest import facts
from services.ingest import sent as told
from services.ingest.columns import period_faults
from services.ingest.curriculum_rules import check_version, has_state, known_state
from services.ingest.decisions import Caller, Decision, Event, Refused, Row, outcome_of
from services.ingest.knowledge import Knowledge, School, Told, standing_of
from services.ingest.pupils import PupilIds
from services.ingest.scores import check_score

_DAY = timedelta(days=1)
_ABOUT_SCHOOLS = frozenset({told.SentSchool, told.SentTrustJoined, told.SentTrustLeft})
_NAMES_NOBODY = frozenset({told.SentSchool, told.SentPupil})


class _AtSchool(msgspec.Struct):
    """What is the same for every row of a school in one chunk."""

    covered: bool
    registered: bool
    time_zone: str
    today: date
    stamp: datetime


class Desk:
    """Decides in order; `accepted` are the facts so far."""

    def __init__(self, knowledge: Knowledge, caller: Caller, now: datetime, batch_id: str, ids: PupilIds) -> None:
        self._knowledge = knowledge
        self._caller = caller
        self._now = now
        self._batch_id = batch_id
        self._ids = ids
        self._schools: dict[str, _AtSchool] = {}

    # --- One row, version or event ---------------------------------------------------------------------------

    def decide_row(self, row: Row) -> Decision:
        """Judge a row of any kind but curriculum."""
        sent = row.sent
        try:
            self._check_school_and_clock(sent)
            sent = self._check_names(sent)
        except Refused as refused:
            return Decision(rejection=refused.rejection)
        facts_of_key = self._knowledge.told.get(row.key, ())
        outcome = outcome_of(facts_of_key, row.content, sent.recorded_at)
        if outcome.duplicate is not None:
            return self._duplicate(sent, outcome.duplicate.event_id, outcome.duplicate.recorded_at)
        base = self._row_base(sent, sent.school, row.key, row.content, outcome.revision)
        return self._accept(sent, base, outcome.superseded is not None, facts_of_key)

    def decide_version(self, sent: told.SentCurriculum) -> Decision:
        """Judge a whole version of a framework for each school that it goes to; one refusal refuses it everywhere."""
        accepted: list[Fact] = []
        superseded, event_id = False, ""
        try:
            schools = self.schools_of_version(sent)
            for school in schools:
                row = self._check_school_and_clock(msgspec.structs.replace(sent, school=school))
                key = facts.key_of_row(self._ids.pupil_key, row, school)
                content = facts.content_of_row(self._ids.pupil_key, row, school)
                outcome = outcome_of(self._knowledge.told.get(key, ()), content, row.recorded_at)
                if outcome.duplicate is not None:
                    event_id = event_id or outcome.duplicate.event_id
                    continue
                check_version(row, key, self._knowledge.curriculum(school), self._knowledge.told.get(key, ()))
                superseded = superseded or outcome.superseded is not None
                base = self._row_base(row, school, key, content, outcome.revision)
                accepted.append(self._version_fact(row, base))
        except Refused as refused:
            return Decision(rejection=refused.rejection)
        for fact in accepted:
            self._knowledge.learn(fact)
        event_id = accepted[0].event_id if accepted else event_id
        return Decision(tuple(accepted), event_id, superseded, schools=tuple(schools))

    def decide_events(self, events: Iterable[Event]) -> list[Decision]:
        """Judge events in their order: each by `decide_event`, unless a look is enough to see what that would say."""
        return [self._accept_at_sight(event) or self.decide_event(event) for event in events]

    def decide_event(self, event: Event) -> Decision:
        """Judge an event. Events never consult what files said."""
        sent: Any = event.sent
        event_id = event.event_id
        try:
            kind = type(sent)
            if kind is told.SentCurriculum:
                schools = self.schools_of_version(sent)
                return self._decide_at_schools(event, sent, event_id, schools)
            self._check_scope(sent.school)
            if self._is_repeated(event, sent.school, event_id):
                return self._duplicate(sent, event_id, sent.recorded_at or self._at(sent.school).stamp)
            sent = self._check_names(self._check_school_and_clock(sent))
            if kind is told.SentWithdrawal and sent.withdraws == event_id:
                raise Refused("withdraws", "withdraws_itself", "A withdrawal cannot withdraw itself: name another.")
        except Refused as refused:
            return Decision(rejection=refused.rejection, event_id=event_id)
        base = self._event_base(event, sent.school, event_id)
        if kind is told.SentWithdrawal:
            base["withdraws_key"] = self._knowledge.keys_of.get((sent.school, sent.withdraws), "")
        return self._accept(sent, base, False, ())

    def _accept_at_sight(self, event: Event) -> Decision | None:
        """What `decide_event` says of an assessment that is new, now, and names what is known; None for any other."""
        sent: Any = event.sent
        if type(sent) is not told.SentAssessment or sent.recorded_at is not None:
            return None
        school, event_id, knowledge = sent.school, event.event_id, self._knowledge
        at = self._schools.get(school) or self._at(school)
        pupil = self._ids.pupil(school, sent.pupil)
        if not (
            at.covered
            and at.registered
            and type(sent.assessed_on) is date
            and sent.assessed_on <= at.today
            and (school, pupil) in knowledge.pupils
            and (school, event_id) not in knowledge.given
            and has_state(sent, knowledge.curriculum(school))
        ):
            return None
        is_given = sent.event_id is not None
        fact = ObjectiveAssessed(
            event_id=event_id,
            school=school,
            recorded_at=at.stamp,
            source=sent.source,
            sequence=sent.sequence,
            actor=self._caller.actor,
            content=self._content(event, school) if is_given else "",
            given_id=is_given,
            pupil=pupil,
            subject=sent.subject,
            objective=sent.objective,
            state=sent.state,
            assessed_on=sent.assessed_on,
        )
        knowledge.given[school, event_id] = fact.content
        return Decision((fact,), event_id, schools=(school,))

    def _decide_at_schools(
        self, event: Event, sent: told.SentCurriculum, event_id: str, schools: Sequence[str]
    ) -> Decision:
        accepted: list[Fact] = []
        for school in schools:
            self._check_scope(school)
            if self._is_repeated(event, school, event_id):
                continue
            row = self._check_school_and_clock(msgspec.structs.replace(sent, school=school))
            check_version(row, "", self._knowledge.curriculum(school), ())
            accepted.append(self._version_fact(row, self._event_base(event, school, event_id)))
        for fact in accepted:
            self._knowledge.learn(fact)
        return Decision(tuple(accepted), event_id, schools=tuple(schools))

    def stamp_of(self, school: str) -> datetime:
        """When a fact of this chunk is told to a school, if it does not bring its own time."""
        return self._at(school).stamp

    def covers(self, school: str) -> bool:
        """Whether the caller may write to the school."""
        return self._at(school).covered

    def schools_of_version(self, sent: told.SentCurriculum) -> list[str]:
        """The schools that a version goes to: its school, the trust's members now, or all that the key may write."""
        if sent.school:
            return [sent.school]
        registered = sorted(name for name, school in self._knowledge.schools.items() if school.registered)
        if sent.trust is None:
            targets = [name for name in registered if self._at(name).covered]
        else:
            targets = [name for name in registered if self._trust_of(name) == sent.trust]
            open_to_caller = self._caller.all or sent.trust in self._caller.trusts
            if not open_to_caller and not (targets and all(self._at(name).covered for name in targets)):
                raise Refused("trust", "forbidden_school", "The trust has schools outside the scope of this key.")
        if not targets:
            place = "trust" if sent.trust is not None else "school"
            raise Refused(place, f"unknown_{place}", f"No school is registered for this {place}: register one first.")
        return targets

    # --- The checks, in the order of what they give away -----------------------------------------------------

    def _check_scope(self, school: str) -> None:
        if not self._at(school).covered:
            raise Refused("school", "forbidden_school", "The key does not cover this school.")

    def _check_school_and_clock(self, sent: Any) -> Any:
        """The same with each day as a date. Refuses what lies outside the key's scope, unknown schools, wrong times."""
        self._check_scope(sent.school)
        school = self._at(sent.school)
        if not school.registered and type(sent) is not told.SentSchool:
            raise Refused(
                "school", "unknown_school", f"No school {sent.school} is known: send it as schools or SchoolRegistered."
            )
        if sent.recorded_at is not None:
            self._check_migration(sent.recorded_at)
        done_on = sent.DONE_ON
        if done_on and type(getattr(sent, done_on)) is date:  # nearly all rows: they have no other day to look at
            self._check_day_of_work(sent, school)
            return sent
        if sent.has_instants():
            sent = sent.localise(getattr(sent, "time_zone", None) or school.time_zone)
            for fault in period_faults(sent):
                raise Refused(fault.column, fault.code, fault.detail)
            if done_on:
                self._check_day_of_work(sent, school)
        return sent

    def _check_migration(self, recorded_at: datetime) -> None:
        if not self._caller.may_migrate:
            raise Refused(
                "recorded_at",
                "migrate_not_allowed",
                "Only a key with the right 'migrate' may say when a fact was recorded: leave recorded_at out.",
            )
        if recorded_at > self._now:
            raise Refused("recorded_at", "in_the_future", "recorded_at lies in the future.")

    def _check_day_of_work(self, sent: Any, school: _AtSchool) -> None:
        field, recorded_at = sent.DONE_ON, sent.recorded_at
        day = getattr(sent, field)
        if day > school.today:
            raise Refused(field, "in_the_future", f"{field} {day} lies in the future; today is {school.today}.")
        if recorded_at is None or day < recorded_at.date() - _DAY:
            return
        recorded_on = local_date(recorded_at, school.time_zone)
        if day > recorded_on:
            raise Refused(field, "after_recorded_at", f"{field} {day} lies after recorded_at, {recorded_on} there.")

    def _check_names(self, sent: Any) -> Any:
        """What a fact names must be known. Gives back the same, with a mark written in its one way."""
        kind = type(sent)
        if kind in _NAMES_NOBODY:
            return sent
        pupil = getattr(sent, "pupil", None)
        if pupil is not None:
            self._check_pupil("pupil", sent.school, pupil)
        if kind is told.SentAssessment:
            state = known_state(sent, self._knowledge.curriculum(sent.school))
            return sent if state == sent.state else msgspec.structs.replace(sent, state=state)
        if kind is told.SentResult:
            check_score(sent, self._knowledge.tests)
        elif kind is told.SentMerge or kind is told.SentSplit:
            self._check_pupil("other", sent.school, sent.other)
            if self._ids.pupil(sent.school, sent.pupil) == self._ids.pupil(sent.school, sent.other):
                raise Refused("other", "same_pupil", "pupil and other are the same reference.")
        return sent

    def _check_pupil(self, field: str, school: str, reference: str) -> None:
        if (school, self._ids.pupil(school, reference)) not in self._knowledge.pupils:
            raise Refused(
                field, "unknown_pupil", f"No pupil of this reference was ever enrolled at {school}: send pupils first."
            )

    # --- What comes of it ------------------------------------------------------------------------------------

    def _accept(self, sent: Any, base: facts.Envelope, superseded: bool, facts_of_key: Sequence[Told]) -> Decision:
        kind = type(sent)
        year_groups = self._year_groups(sent, standing_of(facts_of_key)) if kind is told.SentPupil else ()
        fact = facts.make_fact(sent, base, self._ids, year_groups)
        self._knowledge.learn(fact)
        if kind in _ABOUT_SCHOOLS:
            self._schools.pop(sent.school, None)
        names = (sent, fact.recorded_at) if kind is told.SentPupil else None
        return Decision((fact,), fact.event_id, superseded, schools=(sent.school,), names=names)

    def _duplicate(self, sent: Any, event_id: str, told_at: datetime) -> Decision:
        names = (sent, told_at) if type(sent) is told.SentPupil else None
        return Decision(event_id=event_id, schools=(sent.school,), names=names)

    def _is_repeated(self, event: Event, school: str, event_id: str) -> bool:
        """Whether the school has this event already. Refuses another content under the same id."""
        if (school, event_id) not in self._knowledge.given:
            return False
        if event.sent.event_id is not None and not self._says_the_same(event, school, event_id):
            raise Refused(
                "event_id", "event_id_conflict", "The ledger has another fact under this event_id: use a new one."
            )
        return True

    def _says_the_same(self, event: Event, school: str, event_id: str) -> bool:
        content = self._knowledge.given[school, event_id]
        if content is None:  # the id was made of the content, and came back with it
            return event_id == event.make_id()
        return content == self._content(event, school)

    def _content(self, event: Event, school: str) -> str:
        return facts.content_of_event(self._ids.pupil_key, event.sent.source, event.type_name, school, event.content)

    def _version_fact(self, row: told.SentCurriculum, base: facts.Envelope) -> Fact:
        fact = facts.make_fact(row, base, self._ids)
        if not facts.fits_the_log(fact):
            raise Refused("", "version_too_large", "The version is too large: shorten the texts or split it.")
        return fact

    def _year_groups(self, sent: told.SentPupil, standing: Told | None) -> tuple[YearGroupFrom, ...]:
        if sent.recorded_at is not None:
            return facts.year_groups_said(sent, (), None)
        school = self._at(sent.school)
        told_on = local_date(school.stamp, school.time_zone)
        return facts.year_groups_said(sent, standing.year_groups if standing is not None else (), told_on)

    def _row_base(self, sent: Any, school: str, key: str, content: str, revision: int) -> facts.Envelope:
        event_id = identifiers.row_fact_id(
            sent.source, sent.KIND, school, key, facts.instant_text(sent.recorded_at), revision
        )
        base = self._base(sent, school, event_id)
        base |= {"batch_id": self._batch_id, "key": key, "content": content, "revision": revision}
        return base

    def _event_base(self, event: Event, school: str, event_id: str) -> facts.Envelope:
        base = self._base(event.sent, school, event_id)
        if event.sent.event_id is not None:
            base |= {"given_id": True, "content": self._content(event, school)}
        return base

    def _base(self, sent: Any, school: str, event_id: str) -> facts.Envelope:
        return {
            "event_id": event_id,
            "school": school,
            "recorded_at": sent.recorded_at or self._at(school).stamp,
            "source": sent.source,
            "sequence": sent.sequence,
            "actor": self._caller.actor,
            "migrated": sent.recorded_at is not None,
        }

    def _at(self, name: str) -> _AtSchool:
        """What holds for a school in this chunk."""
        at = self._schools.get(name)
        if at is None:
            school = self._knowledge.school(name)
            today = local_date(self._now, school.time_zone)
            at = self._schools[name] = _AtSchool(
                covered=self._covers(name, school, today),
                registered=school.registered,
                time_zone=school.time_zone,
                today=today,
                stamp=max(self._now, school.stamp) if school.stamp is not None else self._now,
            )
        return at

    def _trust_of(self, name: str) -> str | None:
        return self._knowledge.school(name).trust_on(self._at(name).today)

    def _covers(self, name: str, school: School, today: date) -> bool:
        if self._caller.all or name in self._caller.schools:
            return True
        return bool(self._caller.trusts) and school.trust_on(today) in self._caller.trusts
