"""One reader for each type of field of the contract (section 2): the trimmed text of a cell to a checked value.

Each raises FieldError with a stable code and a text that names the reason and the fix. Nothing here knows a column,
a file or a clock: the day that bounds a date comes in. Successful readings are cached, because a file says few
different identifiers and days very often.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.ingest.sent import SentDay

TEXT_LENGTH_MAX = 128
LINE_LENGTH_MAX = 1000
PROSE_LENGTH_MAX = 10_000
EARLIEST_DAY = date(1990, 1, 1)
EARLIEST_BIRTH = date(1900, 1, 1)
YEARS_AHEAD = 10
WEIGHT_MAX = 1000
MARKS_MAX = 1000
SCORE_MAX = 1_000_000
SEQUENCE_MAX = 2**31 - 1
NOT_KNOWN = "Not known"
RESERVED_ABILITIES = ("own-year", "any")
NATIONS = ("england", "scotland", "wales", "northern-ireland")
GROUP_KINDS = ("class", "user")
DATE_PRECISIONS = ("day", "month", "year")
KNOWN_ACROSS_SCHOOLS = ("upn:", "uln:", "scn:", "trust:")

_SHOWN_LENGTH = 80
_ANY_ZONE = timedelta(hours=14)
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,30})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DECIMAL = re.compile(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_JUDGED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~+*=-]{0,127}|-[0-9]{1,40}(?:\.[0-9]{1,40})?")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}|#[0-9A-Fa-f]{3}|[a-z]{3,32}")
_JOINERS = "\u200c\u200d"


class FieldError(ValueError):
    """The text is no value of its type: `code` is stable (`problem_codes`), `detail` names reason and fix."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def shown(text: str) -> str:
    """`text` as it may stand in an error: short, printable, without what a terminal or a database would choke on."""
    cut = text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"
    if cut.isprintable():
        return cut
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)


# --- Text --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def parse_identifier(text: str) -> str:
    """Of a school, subject, framework, objective, state and so on."""
    if _IDENTIFIER.fullmatch(text) is None:
        raise FieldError(
            "invalid_identifier",
            f"'{shown(text)}' is no identifier: use 1 to 128 letters A-Z a-z, digits and . _ ~ -, "
            "with a letter or digit first.",
        )
    return text


def parse_ability(text: str) -> str:
    """An identifier that no measure takes for something else."""
    if text in RESERVED_ABILITIES:
        raise FieldError("reserved_name", f"{text!r} means something else in a measure: give the ability another name.")
    return parse_identifier(text)


def parse_text(text: str, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Printable text on one line."""
    if len(text) > length_max:
        raise FieldError("text_too_long", f"The text has {len(text):,} characters; at most {length_max:,} are kept.")
    if not text.isprintable():
        _check_characters(text)
    return text


def parse_line(text: str) -> str:
    """Printable text on one line that is no name: a title, a strand, a reason."""
    return parse_text(text, LINE_LENGTH_MAX)


def parse_prose(text: str) -> str:
    """Printable text that may have several lines, such as the text of an objective."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > PROSE_LENGTH_MAX:
        raise FieldError(
            "text_too_long", f"The text has {len(text):,} characters; at most {PROSE_LENGTH_MAX:,} are kept."
        )
    if not text.isprintable():
        _check_characters(text.replace("\n", "").replace("\t", ""))
    return text


def _check_characters(text: str) -> None:
    """Refuses what str.isprintable refuses, but for spaces of other widths and the joiners that some scripts need."""
    for position, character in enumerate(text, 1):
        if character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs":
            continue
        raise FieldError(
            "invalid_text",
            f"Character {position} (U+{ord(character):04X}) is not printable: remove it. Control characters, line "
            "breaks, NUL and lone surrogates are refused.",
        )


def parse_pupil(text: str) -> str:
    """The source's own reference of a pupil, perhaps with a prefix that makes it known across schools."""
    parse_text(text)
    if text in KNOWN_ACROSS_SCHOOLS:
        raise FieldError(
            "invalid_pupil", f"Nothing follows {text!r}: put the number after it, or leave the prefix out."
        )
    return text


def parse_value(text: str) -> str:
    """A year group, or the value of a characteristic: any text but the name of the row of those without one."""
    if text == NOT_KNOWN:
        raise FieldError(
            "reserved_value", f"{NOT_KNOWN!r} is what reports call a missing value: leave the row or the cell out."
        )
    return parse_text(text)


@lru_cache(maxsize=4096)
def parse_judged_subject(text: str) -> str:
    """The subject of a judgement; `-` = none, which is kept as no text."""
    return "" if text == "-" else parse_identifier(text)


def parse_judged_value(text: str) -> str:
    """A value on a scale: a code such as EXS, 2+ or A*, or a number. No prose: the ledger holds none about a pupil."""
    if _JUDGED.fullmatch(text) is None:
        raise FieldError(
            "invalid_judgement",
            f"'{shown(text)}' is no value of a scale: use a number, or 1 to 128 letters A-Z a-z, digits and "
            ". _ ~ + * = -, with a letter or digit first and no spaces.",
        )
    return text


def parse_colour(text: str) -> str:
    """A colour as `#rrggbb` or by its plain name."""
    if _COLOUR.fullmatch(text) is None:
        raise FieldError("invalid_colour", f"'{shown(text)}' is no colour: use #rrggbb or a name such as green.")
    return text


def parse_choice(text: str, choices: tuple[str, ...]) -> str:
    """One of a few words."""
    if text not in choices:
        raise FieldError("invalid_choice", f"'{shown(text)}' is not one of {', '.join(choices)}.")
    return text


def parse_nation(text: str) -> str:
    """One of the four nations."""
    return parse_choice(text, NATIONS)


def parse_group_kind(text: str) -> str:
    """Class or user group."""
    return parse_choice(text, GROUP_KINDS)


def parse_date_precision(text: str) -> str:
    """How exactly a day is known."""
    return parse_choice(text, DATE_PRECISIONS)


@lru_cache(maxsize=64)
def parse_time_zone(text: str) -> str:
    """An IANA time zone that this machine knows."""
    try:
        ZoneInfo(text)
    except (ValueError, KeyError, OSError) as error:
        raise FieldError(
            "invalid_time_zone", f"'{shown(text)}' is no time zone: use an IANA name such as Europe/London."
        ) from error
    return text


# --- Days and instants -------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def parse_day(text: str, today: date) -> SentDay:
    """A date, or an instant that the school's time zone will make one; within the contract's range."""
    return _day_within(text, EARLIEST_DAY, today)


def parse_birth(text: str, today: date) -> SentDay:
    """A date of birth."""
    return _day_within(text, EARLIEST_BIRTH, today)


@lru_cache(maxsize=8192)
def parse_recorded_at(text: str, today: date) -> datetime:
    """When another system was told: an instant in UTC, whole seconds."""
    instant = parse_instant(text)
    if not EARLIEST_DAY <= instant.date() <= _latest_day(today):
        raise _out_of_range(text, EARLIEST_DAY, _latest_day(today))
    return instant


def parse_instant(text: str) -> datetime:
    """An instant in UTC; a fraction of a second is cut."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise FieldError(
            "invalid_instant",
            f"'{shown(text)}' is no instant: write it with seconds and an offset or Z, as 2026-03-31T16:00:00+01:00.",
        )
    day, time, offset = match.groups()
    try:
        return datetime.fromisoformat(f"{day}T{time}{offset.upper()}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise FieldError(
            "invalid_instant", f"'{shown(text)}' does not exist: check day, hour, minute, second and offset."
        ) from error


def _day_within(text: str, earliest: date, today: date) -> SentDay:
    latest = _latest_day(today)
    if len(text) > 10 and _INSTANT.fullmatch(text):
        instant = parse_instant(text)
        try:
            first, last = (instant - _ANY_ZONE).date(), (instant + _ANY_ZONE).date()
        except OverflowError as error:
            raise _out_of_range(text, earliest, latest) from error
        if first < earliest or last > latest:
            raise _out_of_range(text, earliest, latest)
        return instant
    day = _parse_date(text)
    if not earliest <= day <= latest:
        raise _out_of_range(text, earliest, latest)
    return day


def _parse_date(text: str) -> date:
    if len(text) == 10 and text[4] == text[7] == "-":
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise FieldError(
        "invalid_date", f"'{shown(text)}' is no date that exists: write it as YYYY-MM-DD, such as 2026-03-31."
    )


def _latest_day(today: date) -> date:
    is_leap_day = (today.month, today.day) == (2, 29)
    return today.replace(year=today.year + YEARS_AHEAD, day=28 if is_leap_day else today.day)


def _out_of_range(text: str, earliest: date, latest: date) -> FieldError:
    return FieldError("date_out_of_range", f"{shown(text)} lies outside {earliest} to {latest}: check the year.")


# --- Numbers -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def parse_decimal(text: str, low: int, high: int) -> str:
    """The canonical text ("40", "12.5", "-3") of a decimal in low..high with up to three decimals."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise FieldError(
            "not_a_number",
            f"'{shown(text)}' is no decimal number: use digits and a point, without exponent, sign + or separators.",
        )
    sign, whole, fraction = match[1], match[2].lstrip("0"), (match[3] or "").rstrip("0")
    if len(fraction) > 3:
        raise FieldError("too_many_decimals", f"{shown(text)} has more than three decimals: round it.")
    thousandths = int(whole + fraction.ljust(3, "0"))
    if sign:
        thousandths = -thousandths
    if not low * 1000 <= thousandths <= high * 1000:
        raise FieldError("out_of_range", f"{shown(text)} lies outside {low} to {high:,}.")
    canonical = (whole or "0") + ("." + fraction if fraction else "")
    return "-" + canonical if thousandths < 0 else canonical


def parse_weight(text: str) -> str:
    """The weight of an objective."""
    return parse_decimal(text, 0, WEIGHT_MAX)


def parse_state_weight(text: str) -> str | None:
    """The weight of a state; `-` = a state that counts as not assessed."""
    return None if text == "-" else parse_decimal(text, 0, 1)


def parse_mark(text: str, marks_max: int) -> str:
    """A state of a framework with marks, in its canonical text."""
    return parse_decimal(text, 0, marks_max)


def parse_score(text: str) -> str:
    """The score of a test in its canonical text: a number, or what may be a value or code that its test declares."""
    try:
        return parse_decimal(text, 0, SCORE_MAX)
    except FieldError as fault:
        if fault.code != "not_a_number" or _JUDGED.fullmatch(text) is None:
            raise
        return text


def parse_integer(text: str, low: int, high: int) -> int:
    """A whole number in low..high."""
    if _INTEGER.fullmatch(text) is None:
        raise FieldError("not_an_integer", f"'{shown(text)}' is no whole number: use digits only.")
    number = int(text)
    if not low <= number <= high:
        raise FieldError("out_of_range", f"{shown(text)} lies outside {low} to {high:,}.")
    return number


def parse_sequence(text: str) -> int:
    """The order of two facts of one day."""
    return parse_integer(text, -SEQUENCE_MAX, SEQUENCE_MAX)


def parse_month(text: str) -> int:
    """A month of the year."""
    return parse_integer(text, 1, 12)


def parse_marks_max(text: str) -> int:
    """The highest mark of a framework with marks."""
    return parse_integer(text, 1, MARKS_MAX)


def parse_type_version(text: str) -> int:
    """The version of an event's type."""
    return parse_integer(text, 1, 1)
