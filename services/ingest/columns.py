"""The table of what may be sent: for each kind of file its columns, and for each column its type.

A new kind is one entry in KINDS (events of other fields have their table in `event_bodies`). `parse_row` reads a row
against it and reports every wrong field at once. It knows fields and Sents, not files, and decides nothing about what
the ledger knows.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache, partial
from typing import Any, cast

import msgspec

from services.ingest import fields as read
from services.ingest.sent import (
    AnySent,
    Sent,
    SentAssessment,
    SentCharacteristic,
    SentGroup,
    SentPupil,
    SentRow,
    SentSchool,
    SentYearGroup,
)


class RowContext(msgspec.Struct, frozen=True):
    """What a row cannot say by itself: the day it is judged on (for "10 years ahead") and the source of the request."""

    today: date
    source: str = "default"


class RowFault(msgspec.Struct, frozen=True, gc=False):
    """One wrong field of a row; `column` is "" where the whole row is meant. `value` is safe to store and to show."""

    column: str
    value: str
    code: str
    detail: str


class HeaderFault(Exception):
    """Wrong kind, header, encoding or parameter: a 4xx, nothing is written. `parameter`: kind, ignore, states or ""."""

    def __init__(self, code: str, detail: str, parameter: str = "") -> None:
        super().__init__(detail)
        self.code, self.detail, self.parameter = code, detail, parameter


class Column(msgspec.Struct, frozen=True):
    """A column, its type, and whether every row must have it. `dated`: the reader also takes today."""

    name: str
    parse: Callable[..., Any]
    required: bool = False
    dated: bool = False


class Shape(msgspec.Struct, frozen=True):
    """What one kind of row, or one type of event, consists of; `build` makes the Sent out of the values by name.

    `key`: the columns of the row key, beside the school, where a row gives no reference.
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
    effective_on: date | datetime | None = None
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
_LONG_TEXT = partial(read.parse_text, length_max=1000)


_ALWAYS_IN_KEY = ("school", "reference", "recorded_at")


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
            optional("strand", _LONG_TEXT),
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
    )
}


def find_kind(kind: str) -> Shape:
    """The table of `kind`. Raises HeaderFault."""
    shape = KINDS.get(kind)
    if shape is None:
        raise HeaderFault(
            "unknown_kind",
            f"There is no kind '{read.shown(kind)}'; did you mean '{nearest(kind, KINDS)}'? "
            f"The kinds are {', '.join(KINDS)}.",
            "kind",
        )
    return shape


def nearest(name: str, known: Collection[str]) -> str:
    """The known name that is most like `name`."""
    return difflib.get_close_matches(name[:64].lower(), list(known), n=1, cutoff=0.0)[0]


def check_header(shape: Shape, header: Sequence[str], ignored: Collection[str]) -> tuple[str, ...]:
    """The column of each field of a line; "" for one to be ignored. Raises HeaderFault."""
    known = shape.column_names()
    names: list[str] = []
    for position, sent_name in enumerate(header, 1):
        name = sent_name.strip()
        if name in ignored:
            names.append("")
            continue
        if name not in known:
            raise _unknown_column(shape, name, position)
        if name in names:
            raise HeaderFault(
                "repeated_column", f"The header has the column '{name}' twice, again as field {position}: keep one."
            )
        names.append(name)
    missing = [column.name for column in shape.columns if column.required and column.name not in names]
    if missing:
        raise HeaderFault(
            "missing_column",
            f"The header lacks {', '.join(missing)}; {shape.name} needs "
            f"{', '.join(column.name for column in shape.columns if column.required)}.",
        )
    return tuple(names)


def _unknown_column(shape: Shape, name: str, position: int) -> HeaderFault:
    if not name:
        return HeaderFault("unknown_column", f"Field {position} of the header has no name: name it or take it out.")
    return HeaderFault("unknown_column", f"{no_such_column(shape, name)} {IGNORE_HINT}", "ignore")


IGNORE_HINT = "Rename it, or have it ignored with ignore=COLUMN."


def no_such_column(shape: Shape, name: str) -> str:
    """Names the column and the nearest known one."""
    return f"{shape.name} has no '{read.shown(name)}'; did you mean '{nearest(name, shape.column_names())}'?"


# --- Rows --------------------------------------------------------------------------------------------------------

_JSON_NAMES = {bool: "boolean", list: "array", dict: "object"}

Readers = tuple[tuple[str, bool, Callable[[str], Any]], ...]


def parse_row(kind: str, fields: Mapping[str, str], context: RowContext) -> Any:
    """The row as a Sent of its kind (a CurriculumRow for curriculum), or the list of its faults."""
    return parse_fields(KINDS[kind], fields, context)


def text_fields(
    shape: Shape, members: Mapping[str, Any], ignored: Collection[str] = (), hint: str = IGNORE_HINT
) -> tuple[dict[str, str], list[RowFault]]:
    """The members of a JSON object as texts by column, without null, and what is wrong with their names and types."""
    known = shape.column_names()
    fields: dict[str, str] = {}
    faults: list[RowFault] = []
    for name, value in members.items():
        if name in ignored:
            continue
        if name not in known:
            shown_name = read.shown(name)
            faults.append(RowFault(shown_name, "", "unknown_column", f"{no_such_column(shape, name)} {hint}"))
        elif isinstance(value, str):
            fields[name] = value
        elif value is not None:
            detail = f"{name} is a JSON {_JSON_NAMES[type(value)]}: send a string or a number."
            faults.append(RowFault(name, "", "wrong_type", detail))
    return fields, faults


def parse_fields(shape: Shape, fields: Mapping[str, str], context: RowContext) -> Any:
    """As parse_row, for any shape. A field that the shape does not have is not looked at."""
    values: dict[str, Any] = {"source": context.source}
    faults: list[RowFault] = []
    for name, is_required, parse in _readers(shape, context.today):
        text = fields.get(name)
        if text is not None:
            text = text.strip()
        if not text:
            if is_required:
                faults.append(
                    RowFault(name, "", "missing_value", f"{name} is empty: {shape.name} needs it in each row.")
                )
            continue
        try:
            values[name] = parse(text)
        except read.FieldError as error:
            faults.append(RowFault(name, read.shown(text), error.code, error.detail))
    if faults:
        return faults
    sent = shape.build(**values)
    return period_faults(sent) or sent if isinstance(sent, Sent) else sent


def key_row(kind: str, fields: Mapping[str, str], context: RowContext) -> SentRow | None:
    """For a faulty row: a Sent with the fields of its row key (and recorded_at), so that `repeated_key` can be seen.

    The other fields hold nothing sensible. None where the key itself is missing or wrong.
    """
    shape = KINDS[kind]
    given: dict[str, Any] = {"source": context.source}
    unclear: set[str] = set()
    for name, is_required, parse in _readers(shape, context.today):
        text = fields.get(name, "").strip()
        try:
            if text:
                given[name] = parse(text)
            elif is_required:
                unclear.add(name)
        except read.FieldError:
            unclear.add(name)
    key = set(_ALWAYS_IN_KEY) if "reference" in given else {*_ALWAYS_IN_KEY, *shape.key}
    if not shape.key or unclear & key:
        return None
    return cast(SentRow, shape.build(**{**dict.fromkeys(unclear, ""), **given}))


def period_faults(sent: AnySent | Sent) -> list[RowFault]:
    """`ends_before_starts`. parse_row has asked already, unless sent.has_instants(): ask again after localise()."""
    if sent.PERIOD is None:
        return []
    start_name, end_name = sent.PERIOD
    start, end = getattr(sent, start_name), getattr(sent, end_name)
    if start is None or end is None or isinstance(start, datetime) or isinstance(end, datetime) or start <= end:
        return []
    detail = f"{end_name} {end} lies before {start_name} {start}: an end is the last day, inclusive."
    return [RowFault(end_name, end.isoformat(), "ends_before_starts", detail)]


@lru_cache(maxsize=64)
def _readers(shape: Shape, today: date) -> Readers:
    """Name, required and reader of each column, with today filled in: made once a day for each shape."""
    return tuple(
        (column.name, column.required, partial(column.parse, today=today) if column.dated else column.parse)
        for column in shape.columns
    )
