"""Reading rows against the table of kinds: the header of a file, and the fields of a row, all faults of it at once.

It knows kinds, fields and Sents, not files, and decides nothing about what the ledger knows.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache, partial
from typing import Any, cast

import msgspec

from services.ingest import fields as read
from services.ingest.kinds import KINDS, Shape
from services.ingest.sent import AnySent, Sent, SentRow


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


_UNKNOWN_NAMED_MAX = 8
_NAME_LENGTH_MAX = 64
_ALWAYS_IN_KEY = ("school", "reference", "recorded_at")


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
    by_lower = {each.lower(): each for each in known}
    return by_lower[difflib.get_close_matches(name[:_NAME_LENGTH_MAX].lower(), list(by_lower), n=1, cutoff=0.0)[0]]


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


@lru_cache(maxsize=256)
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
    known = _names_of(shape)
    fields: dict[str, str] = {}
    faults: list[RowFault] = []
    unknown = 0
    for name, value in members.items():
        if name in ignored:
            continue
        if name not in known:
            unknown += 1
            if unknown <= _UNKNOWN_NAMED_MAX:  # finding the nearest name is slow, and the first few tell the story
                detail = f"{no_such_column(shape, name[:_NAME_LENGTH_MAX])} {hint}"
                faults.append(RowFault(read.shown(name), "", "unknown_column", detail))
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
                faults.append(RowFault(name, "", "missing_value", f"{name} is missing: {shape.name} needs it."))
            continue
        try:
            values[name] = parse(text)
        except read.FieldError as error:
            faults.append(RowFault(name, read.shown(text), error.code, error.detail))
    if faults:
        return faults
    sent = shape.build(**values)
    return period_faults(sent) or sent if isinstance(sent, Sent) else sent


def parse_members(shape: Shape, members: Mapping[str, Any], context: RowContext, nested: Collection[str] = ()) -> Any:
    """As parse_fields, for a JSON object of a body; `nested` names the members that are read elsewhere."""
    sent = _parse_faultless(shape, members, context, nested)
    if sent is not None:
        return sent
    texts, faults = text_fields(shape, members, nested, "Rename it or take it out.")
    parsed = parse_fields(shape, texts, context)
    if isinstance(parsed, list):
        named = {fault.column for fault in faults}
        faults.extend(fault for fault in parsed if fault.column not in named)
    return faults or parsed


def _parse_faultless(shape: Shape, members: Mapping[str, Any], context: RowContext, nested: Collection[str]) -> Any:
    """The members read in the order in which they came, which is quick; None as soon as there is anything wrong."""
    values: dict[str, Any] = {"source": context.source}
    parsers, needed = _parsers(shape, context.today)
    try:
        for name, value in members.items():
            if name in nested:
                continue
            parse = parsers[name]
            if value is not None and (text := value.strip()):
                values[name] = parse(text)
    except (KeyError, AttributeError, read.FieldError):
        return None
    if not needed <= values.keys():
        return None
    sent = shape.build(**values)
    return None if getattr(sent, "PERIOD", None) is not None and period_faults(sent) else sent


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
def _parsers(shape: Shape, today: date) -> tuple[dict[str, Callable[[str], Any]], frozenset[str]]:
    """The reader of each column by its name, and the names that every row must have."""
    readers = _readers(shape, today)
    needed = frozenset(name for name, is_required, _ in readers if is_required)
    return {name: parse for name, _, parse in readers}, needed


@lru_cache(maxsize=64)
def _names_of(shape: Shape) -> frozenset[str]:
    return frozenset(shape.column_names())


@lru_cache(maxsize=64)
def _readers(shape: Shape, today: date) -> Readers:
    """Name, required and reader of each column, with today filled in: made once a day for each shape."""
    return tuple(
        (column.name, column.required, partial(column.parse, today=today) if column.dated else column.parse)
        for column in shape.columns
    )
