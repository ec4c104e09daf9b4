"""Days, months and academic years, as a school counts them.

An academic year is named by the month in which it starts (`year_starts`, 1..12); an instant falls
on a day by the school's own time zone. Nothing here reads the clock: days and instants come in as arguments.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

MONTHS_MAX = 12
_FIRST_YEAR, _LAST_YEAR = 1990, 2199
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class InvalidMonths(ValueError):
    """A list or range of months that cannot be read. `code` is for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class UnknownTimeZone(ValueError):
    """No time zone of this name is known."""


def month_number(day: date) -> int:
    """Months since year 0: consecutive months have consecutive numbers."""
    return day.year * 12 + day.month - 1


def month_end(year: int, month: int) -> date:
    """The last day of a month."""
    next_month = date(year + month // 12, month % 12 + 1, 1)
    return next_month - timedelta(days=1)


def year_start(day: date, year_starts: int) -> date:
    """The first day of the academic year that holds `day`."""
    return date(day.year if day.month >= year_starts else day.year - 1, year_starts, 1)


def academic_year(day: date, year_starts: int) -> tuple[date, date]:
    """The first and the last day of the academic year that holds `day`."""
    first = year_start(day, year_starts)
    return first, date(first.year + 1, year_starts, 1) - timedelta(days=1)


def months_of_academic_year(day: date, year_starts: int) -> tuple[date, ...]:
    """The twelve month ends of the academic year that holds `day`."""
    first = month_number(year_start(day, year_starts))
    return tuple(_end_of(number) for number in range(first, first + 12))


def parse_months(text: str) -> tuple[date, ...]:
    """The month ends named by `2013-09..2014-08` or `2013-09,2013-10`.

    1 to 12 months, each once, rising: differences of neighbours mean nothing otherwise. Raises InvalidMonths.
    """
    if ".." in text:
        first, _, last = text.partition("..")
        numbers = list(range(_parse_month(first), _parse_month(last) + 1))
        if not numbers:
            raise InvalidMonths("months_out_of_order", f"the range {text!r} ends before it starts")
    else:
        numbers = [_parse_month(part) for part in text.split(",")]
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            raise InvalidMonths("months_out_of_order", "months must rise, and each may come once")
    if len(numbers) > MONTHS_MAX:
        raise InvalidMonths(
            "too_many_months", f"{len(numbers)} months were asked for; at most {MONTHS_MAX} are answered"
        )
    return tuple(_end_of(number) for number in numbers)


def local_date(instant: datetime, time_zone: str) -> date:
    """The day that an instant falls on in a time zone. Raises UnknownTimeZone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs its offset from UTC")
    return instant.astimezone(find_time_zone(time_zone)).date()


@cache
def find_time_zone(name: str) -> ZoneInfo:
    """The time zone called `name`. Raises UnknownTimeZone."""
    try:
        return ZoneInfo(name)
    except (
        LookupError,
        ValueError,
        OSError,
    ) as error:  # absent; not a relative path; a directory such as "Europe"
        raise UnknownTimeZone(f"no time zone is called {name!r}") from error


def _end_of(number: int) -> date:
    return month_end(number // 12, number % 12 + 1)


def _parse_month(text: str) -> int:
    match = _MONTH.fullmatch(text.strip())
    if match is None:
        raise InvalidMonths("invalid_month", f"{text[:40]!r} is no month; write it as 2013-09")
    year, month = int(match[1]), int(match[2])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise InvalidMonths("date_out_of_range", f"{text.strip()} lies outside {_FIRST_YEAR}..{_LAST_YEAR}")
    return year * 12 + month - 1
