"""The table of what may be sent in files: for each kind its columns, and for each column its type.

A new kind is one entry in KINDS; events of other fields have theirs in `event_types`. Reading a row against the table
is done in `columns`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import msgspec

from services.ingest import fields as read
from services.ingest.sent import (
    SentAssessment,
    SentCharacteristic,
    SentDay,
    SentGroup,
    SentJudgement,
    SentPupil,
    SentResult,
    SentSchool,
    SentYearGroup,
)


class Column(msgspec.Struct, frozen=True):
    """A column, its type, and whether every row must have it. `dated`: the reader also takes today."""

    name: str
    parse: Callable[..., Any]
    required: bool = False
    dated: bool = False


class Shape(msgspec.Struct, frozen=True, eq=False):
    """What one kind of row, or one type of event, consists of; `build` makes the Sent out of the values by name.

    `key`: the columns of the row key, beside the school, where a row gives no reference. There is one of each: it is
    itself what caches find it by, since comparing all its columns costs more than what is cached.
    """

    name: str
    columns: tuple[Column, ...]
    build: Callable[..., Any]
    key: tuple[str, ...] = ()

    def column_names(self) -> tuple[str, ...]:
        """In the order of the contract."""
        return tuple(column.name for column in self.columns)


class CurriculumRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a curriculum file; `curriculum_rows` gathers them into whole versions."""

    framework: str
    version: str
    subject: str
    ability: str
    objective: str
    effective_on: SentDay | None = None
    year_group: str = ""
    strand: str = ""
    text: str = ""
    weight: str = "1"
    school: str | None = None
    trust: str | None = None
    source: str = "default"
    reference: str | None = None
    sequence: int = 0
    recorded_at: datetime | None = None


def required(name: str, parse: Callable[..., Any]) -> Column:
    """A column that every row must have."""
    return Column(name, parse, required=True)


def optional(name: str, parse: Callable[..., Any]) -> Column:
    """A column that a row may leave empty."""
    return Column(name, parse)


def required_day(name: str) -> Column:
    """A date that every row must have."""
    return Column(name, read.parse_day, required=True, dated=True)


def optional_day(name: str, parse: Callable[[str, date], Any] = read.parse_day) -> Column:
    """A date that a row may leave empty."""
    return Column(name, parse, dated=True)


SCHOOL = required("school", read.parse_identifier)
PUPIL = required("pupil", read.parse_pupil)
COMMON = (
    optional("reference", read.parse_text),
    optional("sequence", read.parse_sequence),
    optional_day("recorded_at", read.parse_recorded_at),
)


def _shape(name: str, build: Callable[..., Any], *columns: Column, key: str = "") -> Shape:
    return Shape(name, (*columns, *COMMON), build, tuple(key.split()))


KINDS: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        _shape(
            "schools",
            SentSchool,
            SCHOOL,
            required("name", read.parse_text),
            optional("trust", read.parse_identifier),
            optional_day("joined_on"),
            optional_day("left_on"),
            optional("nation", read.parse_nation),
            optional("year_starts", read.parse_month),
            optional("time_zone", read.parse_time_zone),
            key="joined_on",
        ),
        _shape(
            "pupils",
            SentPupil,
            SCHOOL,
            PUPIL,
            required_day("enrolled_on"),
            optional_day("left_on"),
            optional("year_group", read.parse_value),
            optional("given_name", read.parse_text),
            optional("family_name", read.parse_text),
            optional_day("date_of_birth", read.parse_birth),
            optional("sex", read.parse_value),
            optional("upn", read.parse_text),
            key="pupil enrolled_on",
        ),
        _shape(
            "year-groups",
            SentYearGroup,
            SCHOOL,
            PUPIL,
            required("year_group", read.parse_value),
            required_day("starts_on"),
            key="pupil starts_on",
        ),
        _shape(
            "groups",
            SentGroup,
            SCHOOL,
            required("group", read.parse_text),
            optional("kind", read.parse_group_kind),
            PUPIL,
            required_day("joined_on"),
            optional_day("left_on"),
            key="group pupil joined_on",
        ),
        _shape(
            "characteristics",
            SentCharacteristic,
            SCHOOL,
            PUPIL,
            required("name", read.parse_text),
            required("value", read.parse_value),
            required_day("starts_on"),
            optional_day("ends_on"),
            key="pupil name starts_on",
        ),
        _shape(
            "curriculum",
            CurriculumRow,
            required("framework", read.parse_identifier),
            required("version", read.parse_identifier),
            optional_day("effective_on"),
            required("subject", read.parse_identifier),
            required("ability", read.parse_ability),
            optional("year_group", read.parse_value),
            optional("strand", read.parse_line),
            required("objective", read.parse_identifier),
            optional("text", read.parse_prose),
            optional("weight", read.parse_weight),
            optional("school", read.parse_identifier),
            optional("trust", read.parse_identifier),
        ),
        _shape(
            "assessments",
            SentAssessment,
            SCHOOL,
            PUPIL,
            required("subject", read.parse_identifier),
            required("objective", read.parse_identifier),
            required("state", read.parse_identifier),
            required_day("assessed_on"),
            optional("framework", read.parse_identifier),
            optional("ability", read.parse_identifier),
            key="pupil subject objective assessed_on sequence",
        ),
        _shape(
            "results",
            SentResult,
            SCHOOL,
            PUPIL,
            required("test", read.parse_identifier),
            required("subject", read.parse_identifier),
            optional("component", read.parse_identifier),
            required("score_type", read.parse_identifier),
            required("score", read.parse_score),
            required_day("sat_on"),
            optional("date_precision", read.parse_date_precision),
            key="pupil test subject component score_type sat_on",
        ),
        _shape(
            "judgements",
            SentJudgement,
            SCHOOL,
            PUPIL,
            required("subject", read.parse_judged_subject),
            required("scale", read.parse_identifier),
            required("value", read.parse_judged_value),
            required_day("judged_on"),
            optional("name", read.parse_text),
            key="pupil subject scale name judged_on",
        ),
    )
}
