"""The readers of single parameter values: text in, a checked value out, or `Invalid` with a code and a fix.

Pure. What the values of a request mean together is decided in `services.query.parameters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

from services.domain.bands import BAND_IDS, Bands, InvalidBands, parse_bands
from services.domain.calendar import InvalidMonths, local_date, parse_months
from services.domain.measures import IDENTIFIER, InvalidMeasure, Measure, parse_measure
from services.query.query_string import Invalid, decode_escapes
from services.query.requests import By, Cursor, InvalidCursor, OverviewCellRef, parse_cursor
from services.runtime.positions import InvalidPosition, Position, decode_position

FIRST_DATE = date(1990, 1, 1)
YEARS_AHEAD_MAX = 10
LIMIT_MAX = 500
WAIT_SECONDS_MAX = 30
TEXT_LENGTH_MAX = 128
TIME_ZONE = "Europe/London"
"""Whose today `as_at` is by default: that of a school that gave no time zone (contract 3.1)."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|([+ -])([0-9]{2}):([0-9]{2}))"
)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,6}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_SECONDS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3})?")
_MEASURE_BANDS = (*BAND_IDS, "no_data", "not_applicable")
_CODED = ("coded", "excluded")
_COMBINED_BANDS = ("working_at_or_above", "not_working_at", "incomplete")


def today_of(now: datetime) -> date:
    """The day of `now` where a school is by default."""
    return local_date(now, TIME_ZONE)


def read_identifier(text: str) -> str:
    """An identifier of the contract (2)."""
    if IDENTIFIER.fullmatch(text) is None:
        raise Invalid("invalid_identifier", "Use letters, digits and . _ ~ - (at most 128, a letter or digit first).")
    return text


def read_text(text: str) -> str:
    """A name of a group, year group, characteristic or value."""
    if len(text) > TEXT_LENGTH_MAX:
        raise Invalid("value_too_long", f"Use at most {TEXT_LENGTH_MAX} characters.")
    return text


def read_row(text: str) -> str:
    """A row id; whether the overview has it is not known here."""
    kind, _, rest = text.partition(":")
    if text != "whole" and (kind not in ("school", "year-group", "group", "characteristic") or not rest):
        raise Invalid("invalid_row", "Use a row id of the overview: whole, school:ID, year-group:NAME, group:NAME, …")
    return text


def read_filter(text: str) -> tuple[str, str]:
    """(name, value) of `NAME:VALUE`."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not value.strip():
        raise Invalid("malformed_filter", "Write NAME:VALUE, such as sex:F; a : or % inside a name as %3A or %25.")
    return read_text(decode_escapes(name).strip()), read_text(decode_escapes(value).strip())


def read_by(text: str) -> By:
    """A breakdown."""
    kind, colon, name = text.partition(":")
    if kind == "characteristic" and name.strip():
        return By("characteristic", read_text(decode_escapes(name).strip()))
    if colon or kind not in ("school", "year-group", "group"):
        raise Invalid("unknown_breakdown", "Use school, year-group, group or characteristic:NAME.")
    return By(kind)  # type: ignore[arg-type]  # narrowed by the line above


def read_measure(text: str) -> Measure:
    """A measure."""
    try:
        return parse_measure(text)
    except InvalidMeasure as invalid:
        raise Invalid(invalid.code, _sentence(invalid.detail)) from None


def read_dated_measure(text: str, as_at: date, now: datetime) -> tuple[Measure, date]:
    """A measure and its date, `as_at` if it brings none; with a window the date is its last day."""
    name, at, day = text.partition("@")
    if ".." in day:
        measure = read_measure(text)
        return measure, measure.day(as_at)
    return read_measure(name), read_date(day, now) if at else as_at


def bands_reader(measure: Measure) -> Callable[[str], Bands]:
    """A reader of four cut-offs for values of `measure`."""

    def read(text: str) -> Bands:
        try:
            return parse_bands(text, whole_percent=measure.kind == "markbook")
        except InvalidBands as invalid:
            raise Invalid(invalid.code, _sentence(invalid.detail)) from None

    return read


def read_months(text: str) -> tuple[date, ...]:
    """The last days of months."""
    try:
        return parse_months(text)
    except InvalidMonths as invalid:
        raise Invalid(invalid.code, _sentence(invalid.detail)) from None


def read_date(text: str, now: datetime) -> date:
    """A day, in the years that the contract takes."""
    if _DATE.fullmatch(text) is None:
        raise Invalid("invalid_date", "Write a date as YYYY-MM-DD.")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid("invalid_date", "There is no such day; write a date as YYYY-MM-DD.") from None
    if not FIRST_DATE <= day <= _last_date(today_of(now)):
        raise Invalid("date_out_of_range", f"Use a date from {FIRST_DATE} to {YEARS_AHEAD_MAX} years ahead.")
    return day


def read_instant(text: str, now: datetime) -> int | None:
    """Whole seconds since the epoch, not after `now`."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise Invalid(
            "invalid_instant", "Write an instant with its offset: 2026-01-31T12:00:00Z or …+01:00 (%2B01:00)."
        )
    day = read_date(found[1], now)
    try:
        # a form or a query decodes "+" as a space, so a space before the offset is one
        offset = timedelta(hours=int(found[6] or 0), minutes=int(found[7] or 0)) * (-1 if found[5] == "-" else 1)
        zone = timezone(offset) if found[5] else UTC
        instant = datetime(day.year, day.month, day.day, int(found[2]), int(found[3]), int(found[4]), tzinfo=zone)
    except ValueError:
        raise Invalid("invalid_instant", "There is no such time of day or offset.") from None
    if int(found[7] or 0) > 59:
        raise Invalid("invalid_instant", "There is no such offset.")
    if instant > now:
        raise Invalid("instant_in_future", "What will be known later is not known yet; use an instant up to now.")
    return int(instant.timestamp())


def read_position(text: str) -> Position | None:
    """A position token."""
    try:
        return decode_position(text)
    except InvalidPosition:
        raise Invalid("malformed_position", "Send back the `position` of an answer exactly as it was.") from None


def read_wait_seconds(text: str) -> float:
    """How long to wait."""
    if _SECONDS.fullmatch(text) is None or float(text) > WAIT_SECONDS_MAX:
        raise Invalid("out_of_range", f"Use 0 to {WAIT_SECONDS_MAX} seconds.")
    return float(text)


def read_limit(text: str) -> int:
    """How many pupils a page has."""
    if _WHOLE_NUMBER.fullmatch(text) is None or not 1 <= int(text) <= LIMIT_MAX:
        raise Invalid("out_of_range", f"Use a whole number from 1 to {LIMIT_MAX}.")
    return int(text)


def read_cursor(text: str) -> Cursor | None:
    """Where a page starts."""
    try:
        return parse_cursor(text)
    except InvalidCursor:
        raise Invalid("malformed_cursor", "Send back the `next` of the page before exactly as it was.") from None


def read_settings_name(text: str) -> str:
    """The id of settings, perhaps with a version: `set_…`, `set_…@3`. Whether there are any is not known here."""
    name, at, version = text.partition("@")
    if IDENTIFIER.fullmatch(name) is None or (at and _VERSION.fullmatch(version) is None):
        raise Invalid("unknown_settings", "There are no such settings; name them by id, set_… or set_…@3.")
    return text


def read_points(text: str) -> int:
    """An expected rise, in whole percentage points."""
    if _WHOLE_NUMBER.fullmatch(text) is None or int(text) > 100:
        raise Invalid("out_of_range", "Use a whole number of points from 0 to 100.")
    return int(text)


def read_overview_cell(text: str, measures: int) -> OverviewCellRef:
    """`INDEX:BAND` or `combined:PART` of an overview with so many measures."""
    index, _, band = text.partition(":")
    if index == "combined":
        if band not in _COMBINED_BANDS:
            raise Invalid("unknown_cell", f"Use combined: and one of {', '.join(_COMBINED_BANDS)}.")
        return OverviewCellRef(None, band)
    band, colon, code = band.partition(":")
    known = (band in _MEASURE_BANDS and not colon) or (band in _CODED and bool(code) == bool(colon))
    if _WHOLE_NUMBER.fullmatch(index) is None or not known:
        bands = ", ".join((*_MEASURE_BANDS, *_CODED))
        raise Invalid("unknown_cell", f"Use INDEX:BAND, where BAND is one of {bands}; or INDEX:coded:CODE.")
    if int(index) >= measures:
        raise Invalid("unknown_cell", f"Measures are counted from 0; there are {measures}.")
    return OverviewCellRef(int(index), band, code)


def read_matrix_cell(text: str) -> tuple[str | None, str | None]:
    """`BAND:BAND`; `none` = no data or not applicable."""
    bands = text.split(":")
    if len(bands) != 2 or not all(band in (*BAND_IDS, "none") for band in bands):
        raise Invalid("unknown_cell", f"Use BAND:BAND, each one of {', '.join(BAND_IDS)} or none.")
    first, second = (None if band == "none" else band for band in bands)
    return first, second


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _last_date(today: date) -> date:
    year = today.year + YEARS_AHEAD_MAX
    return date(year, 3, 1) - timedelta(days=1) if (today.month, today.day) == (2, 29) else today.replace(year=year)
