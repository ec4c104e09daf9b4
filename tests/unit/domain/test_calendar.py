"""Academic years, months and local days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.calendar import (
    InvalidMonths,
    UnknownTimeZone,
    academic_year,
    local_date,
    month_end,
    month_number,
    months_of_academic_year,
    parse_months,
    year_start,
)

DAYS = st.dates(date(1990, 1, 1), date(2100, 1, 1))
MONTHS = st.integers(1, 12)


@pytest.mark.parametrize(
    ("on", "year_starts", "first"),
    [
        (date(2025, 8, 31), 9, date(2024, 9, 1)),
        (date(2025, 9, 1), 9, date(2025, 9, 1)),
        (date(2025, 8, 1), 8, date(2025, 8, 1)),
        (date(2025, 1, 1), 1, date(2025, 1, 1)),
        (date(2025, 12, 31), 1, date(2025, 1, 1)),
    ],
)
def test_the_academic_year_starts_in_the_schools_month(on: date, year_starts: int, first: date) -> None:
    assert year_start(on, year_starts) == first


@given(DAYS, MONTHS)
def test_a_day_lies_in_exactly_one_academic_year(on: date, year_starts: int) -> None:
    first, last = academic_year(on, year_starts)
    assert first <= on <= last
    assert first.month == year_starts and first.day == 1
    assert academic_year(last + timedelta(days=1), year_starts)[0] == last + timedelta(days=1)
    assert academic_year(first - timedelta(days=1), year_starts)[1] == first - timedelta(days=1)


@given(DAYS, MONTHS)
def test_an_academic_year_has_twelve_month_ends(on: date, year_starts: int) -> None:
    months = months_of_academic_year(on, year_starts)
    first, last = academic_year(on, year_starts)
    assert len(months) == 12
    assert months[-1] == last
    assert [month_number(month) for month in months] == list(range(month_number(first), month_number(first) + 12))
    assert all((month + timedelta(days=1)).day == 1 for month in months)


def test_month_ends_know_leap_years() -> None:
    assert [month_end(2024, 2), month_end(2025, 2), month_end(2100, 2)] == [
        date(2024, 2, 29),
        date(2025, 2, 28),
        date(2100, 2, 28),
    ]
    assert month_end(2025, 12) == date(2025, 12, 31)


def test_consecutive_months_have_consecutive_numbers() -> None:
    assert month_number(date(2026, 1, 1)) - month_number(date(2025, 12, 31)) == 1
    assert month_number(date(2025, 9, 1)) == 2025 * 12 + 8


def test_a_range_of_months_is_the_months_in_it() -> None:
    assert parse_months("2013-09..2014-08") == months_of_academic_year(date(2014, 1, 1), 9)
    assert parse_months("2013-09..2013-09") == (date(2013, 9, 30),)
    assert parse_months("2013-12, 2014-02") == (date(2013, 12, 31), date(2014, 2, 28))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_month"),
        ("2013", "invalid_month"),
        ("2013-13", "invalid_month"),
        ("2013-00", "invalid_month"),
        ("2013-9", "invalid_month"),
        ("2013-09-01", "invalid_month"),
        ("2013-09..", "invalid_month"),
        ("2013-09..2013-10..2013-11", "invalid_month"),
        ("2013-09,", "invalid_month"),
        ("２０１３-09", "invalid_month"),
        ("1989-12", "date_out_of_range"),
        ("9999-12", "date_out_of_range"),
        ("0000-01", "date_out_of_range"),
        ("2013-09..2014-09", "too_many_months"),
        ("1990-01..2199-12", "too_many_months"),
        ("2013-10..2013-09", "months_out_of_order"),
        ("2013-10,2013-09", "months_out_of_order"),
        ("2013-09,2013-09", "months_out_of_order"),
    ],
)
def test_months_that_cannot_be_read_are_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidMonths) as refused:
        parse_months(text)
    assert refused.value.code == code
    assert refused.value.detail


def test_the_same_instant_is_another_day_elsewhere() -> None:
    told = datetime(2025, 1, 1, 11, 30, tzinfo=UTC)
    assert local_date(told, "Pacific/Kiritimati") == date(2025, 1, 2)
    assert local_date(told, "UTC") == date(2025, 1, 1)
    assert local_date(told.astimezone(), "UTC") == date(2025, 1, 1)


@pytest.mark.parametrize("name", ["", "Europe", "Europe/Nowhere", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 1000])
def test_an_unknown_time_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnknownTimeZone):
        local_date(datetime(2025, 1, 1, tzinfo=UTC), name)


def test_an_instant_without_zone_has_no_local_day() -> None:
    with pytest.raises(ValueError, match="offset"):
        local_date(datetime(2025, 1, 1), "UTC")
