"""The table of what may be sent as an event: for each type its fields, those of the file's columns where it has one.

A new type is one entry in EVENT_TYPES; how a body is read against the table is `event_bodies`' to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.ingest import fields as read
from services.ingest.curriculum_documents import HEAD_COLUMNS
from services.ingest.kinds import (
    COMMON,
    KINDS,
    PUPIL,
    SCHOOL,
    Column,
    Shape,
    optional,
    optional_day,
    required,
    required_day,
)
from services.ingest.sent import (
    SentCharacteristicEnded,
    SentGroupLeft,
    SentMerge,
    SentPupilLeft,
    SentSplit,
    SentTrustJoined,
    SentTrustLeft,
    SentWithdrawal,
)

CURRICULUM_PUBLISHED = "CurriculumPublished"

_ENVELOPE = (
    optional("event_id", read.parse_text),
    optional("type_version", read.parse_type_version),
    optional("source", read.parse_identifier),
)


def _as_row(type_name: str, kind: str) -> Shape:
    return Shape(type_name, (*KINDS[kind].columns, *_ENVELOPE), KINDS[kind].build)


def _as_event(type_name: str, build: Callable[..., Any], *columns: Column) -> Shape:
    return Shape(type_name, (SCHOOL, *columns, *COMMON, *_ENVELOPE), build)


EVENT_TYPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        _as_row("SchoolRegistered", "schools"),
        _as_event(
            "SchoolJoinedTrust",
            SentTrustJoined,
            required("trust", read.parse_identifier),
            optional_day("joined_on"),
            optional_day("left_on"),
        ),
        _as_event("SchoolLeftTrust", SentTrustLeft, required_day("left_on"), optional("trust", read.parse_identifier)),
        _as_row("PupilEnrolled", "pupils"),
        _as_event("PupilLeft", SentPupilLeft, PUPIL, required_day("left_on")),
        _as_row("YearGroupSet", "year-groups"),
        _as_row("GroupJoined", "groups"),
        _as_event("GroupLeft", SentGroupLeft, required("group", read.parse_text), PUPIL, required_day("left_on")),
        _as_row("CharacteristicSet", "characteristics"),
        _as_event(
            "CharacteristicEnded",
            SentCharacteristicEnded,
            PUPIL,
            required("name", read.parse_text),
            required_day("ends_on"),
        ),
        _as_event("PupilsMerged", SentMerge, PUPIL, required("other", read.parse_pupil)),
        _as_event("PupilsSplit", SentSplit, PUPIL, required("other", read.parse_pupil)),
        Shape(CURRICULUM_PUBLISHED, (*HEAD_COLUMNS, *_ENVELOPE), dict),
        _as_row("ObjectiveAssessed", "assessments"),
        _as_row("ResultRecorded", "results"),
        _as_row("JudgementRecorded", "judgements"),
        _as_event(
            "FactWithdrawn", SentWithdrawal, required("withdraws", read.parse_text), optional("reason", read.parse_line)
        ),
    )
}
