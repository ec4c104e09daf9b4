"""An office of ingest without a database: what was accepted is known to the next chunk, as by the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from schemas.events import (
    CurriculumPublished,
    Fact,
    FactWithdrawn,
    PupilEnrolled,
    SchoolJoinedTrust,
    SchoolLeftTrust,
    SchoolRegistered,
)
from services.ingest import facts
from services.ingest.accept import Desk
from services.ingest.columns import RowContext, parse_row
from services.ingest.decisions import Caller, Decision, Event, Row
from services.ingest.event_bodies import decode_events
from services.ingest.knowledge import Curricula, Kept, Knowledge, School, Told, latest_of_keys, names_of_version
from services.ingest.pupils import PupilIds
from services.ingest.recall import withdrawn_of
from services.ingest.sent import SentCurriculum
from services.ingest.states import DEFAULT_STATES
from tests.builders import instant, subject

PUPIL_KEY = b"p" * 40
NOW = instant("2026-03-02T09:00:00")
EVERYTHING = Caller("admin", True, frozenset(), frozenset(), True)


def caller(*schools: str, trusts: Iterable[str] = (), may_migrate: bool = False) -> Caller:
    """A key of some schools or trusts."""
    return Caller("key_1", False, frozenset(schools), frozenset(trusts), may_migrate)


class Office:
    """Takes in rows and events chunk by chunk; `log` is what a reader of the ledger sees."""

    def __init__(self) -> None:
        self.log: list[Fact] = []
        self.ids = PupilIds(PUPIL_KEY)

    def rows(
        self, kind: str, *rows: Mapping[str, str], by: Caller = EVERYTHING, now: datetime = NOW, source: str = "default"
    ) -> list[Decision]:
        """Judge rows of a file as one chunk."""
        desk = self._desk(by, now, "imp_1")
        decisions = []
        for fields in rows:
            sent = parse_row(kind, fields, RowContext(now.date(), source))
            assert not isinstance(sent, list), sent
            key = facts.key_of_row(PUPIL_KEY, sent, sent.school)
            decisions.append(desk.decide_row(Row(sent, key, facts.content_of_row(PUPIL_KEY, sent, sent.school))))
        return self._append(decisions)

    def row(self, kind: str, by: Caller = EVERYTHING, now: datetime = NOW, **fields: str) -> Decision:
        """Judge one row."""
        return self.rows(kind, fields, by=by, now=now)[0]

    def version(self, sent: SentCurriculum, by: Caller = EVERYTHING, now: datetime = NOW) -> Decision:
        """Judge a version of a framework."""
        return self._append([self._desk(by, now, "imp_1").decide_version(sent)])[0]

    def events(self, *events: Mapping[str, Any], by: Caller = EVERYTHING, now: datetime = NOW) -> list[Decision]:
        """Judge events of one request, none of which is wrong by itself."""
        desk = self._desk(by, now, "")
        items = decode_events(msgspec.json.encode({"events": events}), RowContext(now.date()))
        decisions = []
        for item in items:
            assert item.sent is not None, item.faults
            decisions.append(desk.decide_event(Event(item.sent, item.type_name, item.content)))
        return self._append(decisions)

    def event(self, type_name: str, by: Caller = EVERYTHING, now: datetime = NOW, **fields: Any) -> Decision:
        """Judge one event."""
        return self.events({"type": type_name, **fields}, by=by, now=now)[0]

    def withdraw(self, fact: Fact, now: datetime = NOW) -> FactWithdrawn:
        """A withdrawal as a reversal makes it."""
        withdrawal = FactWithdrawn(
            event_id=f"w{len(self.log)}",
            school=fact.school,
            recorded_at=now,
            batch_id="imp_1",
            withdraws=fact.event_id,
            withdraws_key=fact.key,
        )
        self.log.append(withdrawal)
        return withdrawal

    def _append(self, decisions: list[Decision]) -> list[Decision]:
        self.log.extend(fact for decision in decisions for fact in decision.facts)
        return decisions

    def _desk(self, by: Caller, now: datetime, batch_id: str) -> Desk:
        return Desk(self.knowledge(), by, now, batch_id, self.ids)

    def knowledge(self) -> Knowledge:
        """Everything that the log makes known."""
        withdrawals: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for fact in self.log:
            if isinstance(fact, FactWithdrawn):
                withdrawals.setdefault((fact.school, fact.withdraws), []).append((fact.school, fact.event_id))
        gone = withdrawn_of([(fact.school, fact.event_id) for fact in self.log], withdrawals)
        knowledge = Knowledge(schools={})
        school_facts: dict[str, list[Any]] = {}
        versions: dict[str, list[Any]] = {}
        enrolments: list[Any] = []
        stamps: dict[str, datetime] = {}
        for offset, fact in enumerate(self.log):
            withdrawn = (fact.school, fact.event_id) in gone
            if not fact.migrated:
                stamps[fact.school] = max(fact.recorded_at, stamps.get(fact.school, fact.recorded_at))
            if fact.key:
                knowledge.told.setdefault(fact.key, []).append(_told(fact, offset, withdrawn))
                knowledge.keys_of[fact.school, fact.event_id] = fact.key
            elif not fact.batch_id:
                knowledge.given.setdefault((fact.school, fact.event_id), fact.content or None)
            if withdrawn:
                continue
            if isinstance(fact, PupilEnrolled):
                enrolments.append(Kept(fact.key, fact.recorded_at, offset, (fact.school, fact.pupil)))
            elif isinstance(fact, CurriculumPublished):
                kept: Any = Kept(fact.key, fact.recorded_at, offset, names_of_version(fact))
                versions.setdefault(fact.school, []).append(kept)
            elif isinstance(fact, SchoolRegistered | SchoolJoinedTrust | SchoolLeftTrust):
                school_facts.setdefault(fact.school, []).append(Kept(fact.key, fact.recorded_at, offset, fact))
        knowledge.pupils = {kept.said for kept in latest_of_keys(enrolments)}
        for school in {fact.school for fact in self.log}:
            knowledge.schools[school] = School(school_facts.get(school, ()), stamps.get(school))
            knowledge.curricula[school] = Curricula(versions.get(school, ()))
        return knowledge


def _told(fact: Fact, offset: int, withdrawn: bool) -> Told:
    return Told(
        event_id=fact.event_id,
        revision=fact.revision,
        content=fact.content,
        recorded_at=fact.recorded_at,
        migrated=fact.migrated,
        offset=offset,
        withdrawn=withdrawn,
        year_groups=getattr(fact, "year_groups", ()),
    )


def school_with_maths(school: str = "oak", **details: str) -> Office:
    """A registered school with pupil A1 since 2025 and framework nc: maths with m1, m2."""
    office = Office()
    office.row("schools", school=school, name="Oak", **details)
    office.row("pupils", school=school, pupil="A1", enrolled_on="2025-09-01")
    office.version(maths(school=school))
    return office


def maths(version: str = "1", effective_on: date | None = None, **fields: Any) -> SentCurriculum:
    """A version of framework nc: maths with m1, m2 and the default states."""
    said = {
        "framework": "nc",
        "subjects": (subject("maths", {"m1": "Y3", "m2": "Y3"}),),
        "states": DEFAULT_STATES.states,
        **fields,
    }
    return SentCurriculum(version=version, effective_on=effective_on, **said)


def code_of(decision: Decision) -> str:
    """The code of its rejection; "" if it was not rejected."""
    return decision.rejection.code if decision.rejection is not None else ""


def outcome(decision: Decision) -> str:
    """In one word, `superseded` being an accepted one that takes the place of another."""
    if decision.rejection is not None:
        return "rejected"
    if not decision.facts:
        return "duplicate"
    return "superseded" if decision.superseded else "accepted"
