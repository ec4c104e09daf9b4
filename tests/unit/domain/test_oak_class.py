"""Worked examples 4.1, 4.2 and 4.6 (`domain.md`): what a pupil of class Oak has reached, by day and by what was known.

The oracle of the property tests answers; the rules' own arithmetic must give the same percent.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from schemas import events as e
from services.domain.calendar import local_date, months_of_academic_year, parse_months
from services.domain.scores import average_variance, decimal_text, percent
from tests.builders import day, instant
from tests.unit.domain.oak_class import NO_DATA, NOT_APPLICABLE, Y3, ask, maths, oak_class, value

MONTH_ENDS = ("2025-09-30", "2025-10-31", "2025-11-30", "2025-12-31", "2026-01-31", "2026-02-28")


def test_amy_overall_at_each_month_end() -> None:
    book = oak_class()
    reached = [maths(book, "amy", "overall", month_end) for month_end in MONTH_ENDS]
    assert [v.percent for v in reached] == [10, 20, 50, 50, 60, 60]
    assert reached[2] == value("2.5", "5", 50)


def test_amy_assessed_at_each_month_end() -> None:
    book = oak_class()
    reached = [maths(book, "amy", "assessed", month_end) for month_end in MONTH_ENDS]
    assert [v.percent for v in reached] == [50, 100, 83, 83, 100, 75]
    assert reached[2] == value("2.5", "3", 83)
    assert reached[5] == value("3", "4", 75)


@pytest.mark.parametrize(("known", "reached"), [("2025-11-30", 30), ("2026-02-28", 50)])
def test_ben_overall_at_the_end_of_november_depends_on_what_was_known(known: str, reached: int) -> None:
    assert maths(oak_class(), "ben", "overall", "2025-11-30", known=known).percent == reached


@pytest.mark.parametrize(("known", "reached"), [("2025-12-31", 20), ("2026-02-28", 40)])
def test_ben_a_judgement_may_go_down(known: str, reached: int) -> None:
    assert maths(oak_class(), "ben", "overall", "2025-12-31", known=known).percent == reached


def test_cai_a_withdrawn_fact_was_never_there_as_known_after_the_withdrawal() -> None:
    book = oak_class()
    assert maths(book, "cai", "overall", "2025-10-10", known="2025-10-10").percent == 20
    assert maths(book, "cai", "overall", "2025-10-10", known="2025-10-31") == NO_DATA
    assert maths(book, "cai", "overall", "2025-11-30").percent == 10


def test_dee_overall_rounds_half_up() -> None:
    reached = maths(oak_class(), "dee", "overall", "2025-11-30", ability="Y4")
    assert reached == value("2.5", "4", 63), "62.5 is 63; half to even would say 62"
    assert percent(5, 8) == 63


def test_dee_assessed_leaves_out_the_work_of_last_year() -> None:
    reached = maths(oak_class(), "dee", "assessed", "2025-11-30", ability="any")
    assert reached == value("2.5", "3", 83), "with last year's five it would be 7.5 of 8, 93.75"


def test_dee_overall_keeps_the_work_of_last_year() -> None:
    assert maths(oak_class(), "dee", "overall", "2025-11-30") == value("5", "5", 100)


def test_amy_with_other_state_weights() -> None:
    book = oak_class(states={"N": "0", "W": "0.4", "A": "0.8", "X": "1"})
    assert maths(book, "amy", "overall", "2025-11-30") == value("2", "5", 40)


def test_amy_with_an_objective_out_of_scope() -> None:
    book = oak_class(weights={"m1": "0"})
    assert maths(book, "amy", "overall", "2025-11-30") == value("1.5", "4", 38)


@pytest.mark.parametrize("as_at", ["2024-09-30", "2025-09-01", "2026-02-28"])
def test_eli_has_no_data_on_any_date(as_at: str) -> None:
    book = oak_class()
    assert maths(book, "eli", "overall", as_at) == NO_DATA
    assert maths(book, "eli", "assessed", as_at, ability="any") == NO_DATA


def test_an_assessed_not_yet_is_0_percent_and_no_missing_data() -> None:
    book = oak_class()
    book.assess("eli", "m1", "N", "2025-11-03")
    assert maths(book, "eli", "overall", "2025-11-30") == value("0", "5", 0)
    assert maths(book, "eli", "assessed", "2025-11-30") == value("0", "1", 0)


def test_only_an_objective_of_weight_0_assessed_is_no_data() -> None:
    book = oak_class(weights={"m1": "0"})
    assert maths(book, "cai", "overall", "2025-11-30") == NO_DATA


def test_no_objective_in_scope_is_not_applicable() -> None:
    book = oak_class(weights=dict.fromkeys(Y3, "0"))
    assert maths(book, "amy", "overall", "2025-11-30") == NOT_APPLICABLE
    assert maths(book, "amy", "overall", "2025-11-30", ability="own-year") == NOT_APPLICABLE
    assert maths(book, "dee", "overall", "2025-11-30", ability="own-year").percent == 63


def test_own_year_needs_a_year_group_at_the_date() -> None:
    book = oak_class()
    assert maths(book, "dee", "overall", "2025-08-31", ability="own-year") == NOT_APPLICABLE
    assert maths(book, "dee", "overall", "2025-09-01", ability="own-year") == NO_DATA


def test_of_one_day_the_higher_sequence_wins_then_the_later_told() -> None:
    book = oak_class()
    book.assess("eli", "m1", "A", "2025-11-03", sequence=1)
    book.assess("eli", "m1", "N", "2025-11-03", told="2025-11-04")
    assert maths(book, "eli", "assessed", "2025-11-03").percent == 100
    book.assess("eli", "m2", "A", "2025-11-03")
    book.assess("eli", "m2", "N", "2025-11-03", told="2025-11-04")
    assert maths(book, "eli", "assessed", "2025-11-03") == value("1", "2", 50)


# --- 4.6 Score tracking ------------------------------------------------------------------------------------------


def test_amy_score_tracking_variances_are_of_displayed_percents() -> None:
    book = oak_class()
    start = maths(book, "amy", "overall", "2025-09-01")
    months = [
        maths(book, "amy", "overall", month) for month in ("2025-10-31", "2025-11-30", "2026-01-31", "2026-02-28")
    ]
    shown = [v.percent for v in months]
    assert start == NO_DATA
    assert shown == [20, 50, 60, 60]
    variances = [later - earlier for earlier, later in pairwise(shown)]
    assert variances == [30, 10, 0]
    assert average_variance(variances) == "13.3"


def test_dee_score_tracking_starts_with_last_years_work() -> None:
    book = oak_class()
    months = [str(month) for month in months_of_academic_year(day("2025-11-30"), 9)]
    assert [maths(book, "dee", "overall", month).percent for month in ["2025-09-01", *months]] == [100] * 13


def test_dee_assessed_resets_on_the_first_day_of_the_year() -> None:
    book = oak_class()
    assert maths(book, "dee", "assessed", "2025-08-31").percent == 100
    assert maths(book, "dee", "assessed", "2025-09-01") == NO_DATA


@pytest.mark.parametrize(
    ("told", "local"),
    [
        ("2025-09-30T23:30:00", "2025-10-01"),
        ("2025-10-31T23:30:00", "2025-10-31"),
        ("2026-03-31T23:10:00", "2026-04-01"),
    ],
)
def test_an_instant_falls_in_the_month_of_the_schools_own_time(told: str, local: str) -> None:
    assert local_date(instant(told), "Europe/London") == day(local)


def test_the_months_of_4_6_can_be_asked_for_by_name() -> None:
    assert [str(month) for month in parse_months("2025-10,2025-11,2026-01,2026-02")] == [
        "2025-10-31",
        "2025-11-30",
        "2026-01-31",
        "2026-02-28",
    ]


# --- 4.11 Imports, and what the rules above rest on ---------------------------------------------------------------


def test_a_corrected_row_supersedes_and_as_known_before_the_old_one_stands() -> None:
    book = oak_class()
    row = {"key": "a" * 32, "batch_id": "imp_1"}
    book.assess("eli", "m1", "N", "2025-11-03", revision=1, **row)
    corrected = book.assess("eli", "m1", "A", "2025-11-03", told="2025-11-20", revision=2, **row)
    assert maths(book, "eli", "assessed", "2025-11-30", known="2025-11-10").percent == 0
    assert maths(book, "eli", "assessed", "2025-11-30", known="2025-11-30").percent == 100
    book.tell(e.FactWithdrawn, "2025-12-01", withdraws=corrected.event_id)
    assert maths(book, "eli", "assessed", "2025-11-30", known="2025-12-31").percent == 0, "the first stands again"


def test_decimals_of_the_examples_are_exact() -> None:
    shown = maths(oak_class(), "amy", "assessed", "2025-11-30")
    assert shown.numerator is not None and shown.denominator is not None
    assert decimal_text(shown.numerator.numerator, shown.numerator.denominator) == "2.5"
    assert decimal_text(shown.denominator.numerator, shown.denominator.denominator) == "3"
    assert ask(oak_class(), "2025-11-30").lanes == {"maths": ("nc", "1")}
