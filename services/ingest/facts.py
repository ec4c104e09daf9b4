"""From what was sent to the fact that the ledger keeps: one small function for each kind, and the hashes of a row.

Pure. A fact holds no name and no reference: those go to the identity store. What may be told is decided in `accept`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Any

import msgspec

from schemas import identifiers
from schemas.codec import encode_fact
from schemas.events import (
    CharacteristicEnded,
    CharacteristicSet,
    CurriculumPublished,
    Fact,
    FactWithdrawn,
    GroupJoined,
    GroupLeft,
    JudgementRecorded,
    ObjectiveAssessed,
    PupilEnrolled,
    PupilLeft,
    PupilsMerged,
    PupilsSplit,
    ResultRecorded,
    SchoolJoinedTrust,
    SchoolLeftTrust,
    SchoolRegistered,
    YearGroupFrom,
    YearGroupSet,
)
from services.ingest import sent as told
from services.ingest.pupils import PupilIds
from services.ingest.sent import SentPupil, SentRow

Envelope = dict[str, Any]
"""The fields of `schemas.events.Fact` that do not depend on the kind."""

FACT_BYTES_MAX = 7 * 1024 * 1024
"""Less than both back ends of the log take, with room for the key and their own overhead."""

_NOT_CONTENT = frozenset({"source", "recorded_at", "event_id", "type_version"})
_CURRICULUM_CONTENT = (
    "reference",
    "sequence",
    "framework",
    "version",
    "effective_on",
    "title",
    "marks_max",
    "states",
    "subjects",
)


def key_of_row(pupil_key: bytes, row: SentRow, school: str) -> str:
    """The key of a row at a school: source, kind, school and reference or natural key, hashed."""
    return identifiers.row_key(pupil_key, row.source, row.KIND, school, row.row_key_parts())


def content_of_row(pupil_key: bytes, row: SentRow, school: str) -> str:
    """What a row says at a school, names included, hashed."""
    said = dict(zip(_content_names(type(row)), row.content_parts(), strict=True))
    return identifiers.row_content(pupil_key, row.source, row.KIND, school, said)


def content_of_event(pupil_key: bytes, source: str, type_name: str, school: str, content: bytes) -> str:
    """What an event says, hashed: tells two events with one given id apart."""
    return identifiers.row_content(pupil_key, source, type_name, school, {"content": content.decode("utf-8")})


@lru_cache(maxsize=10_000)
def instant_text(instant: datetime | None) -> str:
    """The one way to write a given recorded_at inside an id; "" if none is given."""
    return "" if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def _content_names(kind: type[SentRow]) -> tuple[str, ...]:
    if kind is told.SentCurriculum:
        return _CURRICULUM_CONTENT
    return tuple(name for name in kind.__struct_fields__ if name not in _NOT_CONTENT)


def fits_the_log(fact: Fact) -> bool:
    """Whether the log carries a fact of this size; only curricula can be too large."""
    return len(encode_fact(fact)) <= FACT_BYTES_MAX


def year_groups_said(
    sent: SentPupil, earlier: tuple[YearGroupFrom, ...], told_on: date | None
) -> tuple[YearGroupFrom, ...]:
    """All year groups that rows of this enrolment said so far, each with its first day.

    `earlier`: what the fact that stands says; `told_on`: the local day of this row, None for one of a migration, which
    always speaks for the whole enrolment.
    """
    enrolled_on: Any = sent.enrolled_on
    if sent.year_group is None:
        return () if told_on is None else earlier
    if told_on is None or not earlier:
        return (YearGroupFrom(sent.year_group, enrolled_on),)
    if enrolled_on < earlier[0].starts_on:  # a corrected first day: the first year group begins with it
        earlier = (YearGroupFrom(earlier[0].year_group, enrolled_on), *earlier[1:])
    if earlier[-1].year_group == sent.year_group:
        return earlier
    starts_on = max(told_on, earlier[-1].starts_on)
    kept = tuple(said for said in earlier if said.starts_on < starts_on)
    return (*kept, YearGroupFrom(sent.year_group, starts_on))


def make_fact(sent: told.AnySent, base: Envelope, ids: PupilIds, year_groups: tuple[YearGroupFrom, ...] = ()) -> Fact:
    """The fact of what was sent. `base` names the school; days are dates by now."""
    if type(sent) is SentPupil:
        return _pupil_enrolled(sent, base, ids, year_groups)
    return _MAKERS[type(sent)](sent, base, ids)


def _pupil_enrolled(
    sent: SentPupil, base: Envelope, ids: PupilIds, year_groups: tuple[YearGroupFrom, ...]
) -> PupilEnrolled:
    return PupilEnrolled(
        **base,
        pupil=ids.pupil(sent.school, sent.pupil),
        enrolled_on=sent.enrolled_on,
        left_on=sent.left_on,
        year_groups=year_groups,
        sex=sent.sex or "",
        same_person=ids.person(sent.pupil, sent.upn),
    )


def _school_registered(sent: told.SentSchool, base: Envelope, _: PupilIds) -> SchoolRegistered:
    return SchoolRegistered(
        **base,
        name=sent.name,
        nation=sent.nation,
        year_starts=sent.year_starts,
        time_zone=sent.time_zone,
        trust=sent.trust,
        joined_on=sent.joined_on,
        left_on=sent.left_on,
    )


def _curriculum_published(sent: told.SentCurriculum, base: Envelope, _: PupilIds) -> CurriculumPublished:
    return CurriculumPublished(
        **base,
        framework=sent.framework,
        framework_version=sent.version,
        subjects=sent.subjects,
        effective_on=sent.effective_on,
        title=sent.title,
        states=sent.states,
        marks_max=sent.marks_max,
    )


def _objective_assessed(sent: told.SentAssessment, base: Envelope, ids: PupilIds) -> ObjectiveAssessed:
    return ObjectiveAssessed(
        **base,
        pupil=ids.pupil(sent.school, sent.pupil),
        subject=sent.subject,
        objective=sent.objective,
        state=sent.state,
        assessed_on=sent.assessed_on,
    )


def _same_fields(fact: type[Fact], *names: str) -> Callable[[Any, Envelope, PupilIds], Fact]:
    """A maker of facts whose further fields have the names of what was sent; absent ones keep their default."""

    def make(sent: Any, base: Envelope, ids: PupilIds) -> Fact:
        values = {name: value for name in names if (value := getattr(sent, name)) is not None}
        for name in ("pupil", "other"):
            if name in values:
                values[name] = ids.pupil(sent.school, values[name])
        return fact(**base, **values)

    return make


_MAKERS: dict[type[msgspec.Struct], Callable[[Any, Envelope, PupilIds], Fact]] = {
    told.SentSchool: _school_registered,
    told.SentCurriculum: _curriculum_published,
    told.SentAssessment: _objective_assessed,
    told.SentResult: _same_fields(
        ResultRecorded, "pupil", "test", "subject", "component", "score_type", "score", "sat_on", "date_precision"
    ),
    told.SentJudgement: _same_fields(JudgementRecorded, "pupil", "subject", "scale", "value", "judged_on", "name"),
    told.SentYearGroup: _same_fields(YearGroupSet, "pupil", "year_group", "starts_on"),
    told.SentGroup: _same_fields(GroupJoined, "pupil", "group", "joined_on", "kind", "left_on"),
    told.SentCharacteristic: _same_fields(CharacteristicSet, "pupil", "name", "value", "starts_on", "ends_on"),
    told.SentTrustJoined: _same_fields(SchoolJoinedTrust, "trust", "joined_on", "left_on"),
    told.SentTrustLeft: _same_fields(SchoolLeftTrust, "trust", "left_on"),
    told.SentPupilLeft: _same_fields(PupilLeft, "pupil", "left_on"),
    told.SentGroupLeft: _same_fields(GroupLeft, "pupil", "group", "left_on"),
    told.SentCharacteristicEnded: _same_fields(CharacteristicEnded, "pupil", "name", "ends_on"),
    told.SentMerge: _same_fields(PupilsMerged, "pupil", "other"),
    told.SentSplit: _same_fields(PupilsSplit, "pupil", "other"),
    told.SentWithdrawal: _same_fields(FactWithdrawn, "withdraws", "reason"),
}
