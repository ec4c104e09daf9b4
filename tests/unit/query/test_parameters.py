"""Query strings become requests, strictly: what is meant is understood, everything else is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import pytest

from services.access.problems import Problem
from services.domain.bands import parse_bands
from services.query import parameters
from services.query.pages.problem_texts import PROBLEM_TEXTS
from services.query.requests import By, Cursor, OverviewCellRef, Population, format_cursor
from services.runtime.positions import decode_position, encode_position

NOW = datetime(2026, 3, 31, 23, 30, 15, tzinfo=UTC)
"""In London it is 1 April already."""

MATHS = "measure=markbook:maths:Y3:overall"
BANDS = "bands=35,50,70,85"
GOOD = f"school=oak&{MATHS}&{BANDS}"
MATRIX = "school=oak&first=markbook:maths:Y3:overall&second=markbook:reading:Y3:assessed@2026-01-31"
MATRIX_BANDS = "first_bands=35,50,70,85&second_bands=10,20,30,40"


SAME = "school=oak&first=markbook:m:Y3:overall&second=markbook:m:Y3:overall"


def overview(query: str) -> Any:
    return parameters.read_overview(query.encode(), NOW).request


def members(query: str) -> Any:
    return parameters.read_overview_members(f"{GOOD}&{query}".encode(), NOW).request


def tracking(query: str) -> Any:
    return parameters.read_score_tracking(query.encode(), NOW).request


def matrix(query: str) -> Any:
    return parameters.read_matrix(query.encode(), NOW).request


def faults(read: Callable[[str], Any], query: str) -> list[tuple[str | None, str]]:
    """(parameter, code) of each fault; each has a fix and a page."""
    with pytest.raises(Problem) as raised:
        read(query)
    problem = raised.value
    assert problem.status == 422
    assert problem.errors
    assert all(error.detail and error.code in PROBLEM_TEXTS for error in problem.errors)
    codes = {error.code for error in problem.errors}
    assert problem.code == (codes.pop() if len(codes) == 1 else "invalid_parameters")
    return [(error.parameter, error.code) for error in problem.errors]


# --- What is understood ------------------------------------------------------------------------------------------


def test_the_least_that_an_overview_needs() -> None:
    request = overview(GOOD)
    assert request.population == Population(schools=("oak",))
    assert [measure.text for measure in request.measures] == ["markbook:maths:Y3:overall"]
    assert request.bands == (parse_bands("35,50,70,85", whole_percent=True),)
    assert (request.by, request.denominator, request.clocks.as_known_at) == ((), "row", None)


def test_today_is_the_schools_day() -> None:
    assert overview(GOOD).clocks.as_at == date(2026, 4, 1)


def test_repeated_parameters_are_lists_and_duplicates_count_once() -> None:
    request = overview(f"{GOOD}&school=elm&school=oak&year_group=4&year_group=Reception&group=4B&group=4B")
    assert request.population.schools == ("oak", "elm")
    assert request.population.year_groups == ("4", "Reception")
    assert request.population.groups == ("4B",)


def test_filters_of_one_name_belong_together() -> None:
    request = overview(f"{GOOD}&filter=sex:F&filter=home:Polish&filter=sex:M")
    assert request.population.filters == (("sex", ("F", "M")), ("home", ("Polish",)))


def test_a_colon_inside_a_name_is_escaped_twice_in_an_address() -> None:
    request = overview(f"{GOOD}&filter={quote('a%3Ab%25:c%3Ad', safe='')}&by={quote('characteristic:a%3Ab', safe='')}")
    assert request.population.filters == (("a:b%", ("c:d",)),)
    assert request.by == (By("characteristic", "a:b"),)


def test_plus_is_a_space_in_names() -> None:
    assert overview(f"{GOOD}&group=Class+4%2B").population.groups == ("Class 4+",)


def test_bands_one_for_each_measure_or_one_for_all() -> None:
    three = f"school=oak&{MATHS}&measure=test:ks2:maths:-:scaled&measure=judgement:maths:ta"
    one = overview(f"{three}&bands=80,90,95,100")
    assert len(one.bands) == 3
    each = overview(f"{three}&bands=1,2,3,4&bands=99.5,100,110,115&bands=1,2,3,4")
    assert each.bands[1] == parse_bands("99.5,100,110,115", whole_percent=False)


@pytest.mark.parametrize(
    ("bands", "code"),
    [
        ("80,99.5,100,110", "not_whole"),
        ("80,90,100,110", "out_of_range"),
        ("1,2,2,3", "out_of_order"),
    ],
)
def test_one_bands_for_all_must_suit_each_measure(bands: str, code: str) -> None:
    mixed = f"school=oak&measure=test:ks2:maths:-:scaled&{MATHS}&bands={bands}"
    assert faults(overview, mixed) == [("bands", code)]
    scores = "school=oak&measure=test:ks2:maths:-:scaled&measure=judgement:maths:ta"
    assert len(overview(f"{scores}&bands=80,99.5,100,110.125").bands) == 2
    assert faults(overview, f"{scores}&bands=1,2,3,1000000.001") == [("bands", "out_of_range")]
    assert faults(overview, f"{scores}&bands=1,2,3,4.0001") == [("bands", "not_a_number")]


def test_each_side_of_a_matrix_has_bands_of_its_kind() -> None:
    mixed = f"school=oak&first={MATHS.removeprefix('measure=')}&second=test:ks2:maths:-:scaled@2026-01-31"
    request = matrix(f"{mixed}&first_bands=35,50,70,85&second_bands=80,99.5,100,110")
    assert (request.second.column, request.second_bands.shown()) == ("test:ks2:maths:-:scaled", [80, "99.5", 100, 110])
    wrong = f"{mixed}&first_bands=80,99.5,100,110&second_bands=80,99.5,100,110"
    assert faults(matrix, wrong) == [("first_bands", "not_whole")]


def test_the_same_measure_may_be_banded_twice() -> None:
    assert len(overview(f"school=oak&{MATHS}&{MATHS}&{BANDS}&bands=10,20,30,40").measures) == 2


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-31T23:30:15Z", datetime(2026, 3, 31, 23, 30, 15, tzinfo=UTC)),
        ("2026-03-31T23:30:15.999Z", datetime(2026, 3, 31, 23, 30, 15, tzinfo=UTC)),
        ("2026-01-31T12:00:00%2B01:00", datetime(2026, 1, 31, 11, 0, 0, tzinfo=UTC)),
        ("2026-01-31T12:00:00+01:00", datetime(2026, 1, 31, 11, 0, 0, tzinfo=UTC)),
        ("2026-01-31T12:00:00-05:30", datetime(2026, 1, 31, 17, 30, 0, tzinfo=UTC)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    assert overview(f"{GOOD}&as_known_at={text}").clocks.as_known_at == int(instant.timestamp())


def test_the_range_of_dates() -> None:
    for day in ("1990-01-01", "2036-04-01", "2024-02-29"):
        assert overview(f"{GOOD}&as_at={day}").clocks.as_at == date.fromisoformat(day)


def test_ten_years_ahead_of_a_leap_day() -> None:
    leap_day = datetime(2028, 2, 29, 12, tzinfo=UTC)
    read = parameters.read_overview(f"{GOOD}&as_at=2038-02-28".encode(), leap_day)
    assert read.request.clocks.as_at == date(2038, 2, 28)
    with pytest.raises(Problem):
        parameters.read_overview(f"{GOOD}&as_at=2038-03-01".encode(), leap_day)


def test_waiting_for_a_position() -> None:
    token = encode_position("log", {3: 7})
    asked = parameters.read_overview(f"{GOOD}&min_position={token}&wait_seconds=0.5".encode(), NOW)
    assert asked.wait == parameters.Wait(decode_position(token), 0.5)
    assert parameters.read_overview(GOOD.encode(), NOW).wait == parameters.Wait(None, 2.0)


def test_members_of_cells() -> None:
    request = members("row=group:4%253AB&cell=0:at&cell=combined:incomplete&limit=500")
    assert (request.row, request.limit, request.cursor) == ("group:4%3AB", 500, None)
    assert request.cells == (OverviewCellRef(0, "at"), OverviewCellRef(None, "incomplete"))
    assert (members("").row, members("").limit) == ("whole", 50)
    assert members(f"cursor={format_cursor(Cursor('oak', 12))}").cursor == Cursor("oak", 12)


def test_without_bands_settings_or_the_schools_own_say_them() -> None:
    assert (overview(f"school=oak&{MATHS}").bands, overview(f"school=oak&{MATHS}").settings) == ((), "")
    assert overview(f"school=oak&{MATHS}&settings=set_a1@3").settings == "set_a1@3"
    one = matrix(f"{MATRIX}&first_bands=35,50,70,85&settings=set_a1")
    assert (one.first_bands, one.second_bands, one.settings) == (
        parse_bands("35,50,70,85", whole_percent=True),
        None,
        "set_a1",
    )


def test_rows_inside_rows_and_the_order_of_members() -> None:
    request = members("by=year-group&then=characteristic:sex&row=characteristic:sex:F&in=year-group:4&sort=value")
    assert request.overview.then == (By("characteristic", "sex"),)
    assert (request.row, request.inside, request.sort) == ("characteristic:sex:F", "year-group:4", "value")


def test_an_ability_matrix_is_one_source_on_two_dates() -> None:
    assert matrix(f"{SAME}@2026-01-31&type=ability").type == "ability"


def test_score_tracking() -> None:
    request = tracking(f"school=oak&{MATHS}&months=2025-12..2026-02&members=then")
    assert request.months == (date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28))
    assert request.members == "then"
    assert tracking(f"trust=woods&{MATHS}").months == ()


def test_matrix() -> None:
    request = matrix(f"{MATRIX}&{MATRIX_BANDS}&on=first&as_at=2026-02-01")
    assert (request.first_on, request.second_on, request.on) == (date(2026, 2, 1), date(2026, 1, 31), "first")
    assert request.second.text == "markbook:reading:Y3:assessed"
    assert request.second_bands == parse_bands("10,20,30,40", whole_percent=True)
    read = parameters.read_matrix_members(f"{MATRIX}&{MATRIX_BANDS}&cell=at:above&cell=none:at".encode(), NOW)
    assert read.request.cells == (("at", "above"), (None, "at"))


# --- What is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (f"{MATHS}&{BANDS}", ("school", "no_school")),
        (f"{GOOD}&trust=woods", ("trust", "school_and_trust")),
        (f"trust=a&trust=b&{MATHS}&{BANDS}", ("trust", "repeated_parameter")),
        (f"school=o%20k&{MATHS}&{BANDS}", ("school", "invalid_identifier")),
        (f"school='%20OR%201=1&{MATHS}&{BANDS}", ("school", "invalid_identifier")),
        (f"school=o%00k&{MATHS}&{BANDS}", ("school", "unprintable_character")),
        (f"school={'x' * 129}&{MATHS}&{BANDS}", ("school", "invalid_identifier")),
        (f"{GOOD}&colour=red", ("colour", "unknown_parameter")),
        (f"{GOOD}&As_At=2026-01-01", ("As_At", "unknown_parameter")),
        (f"{GOOD}&row=whole", ("row", "unknown_parameter")),
        (f"{GOOD}&as_at=", ("as_at", "empty_parameter")),
        (f"{GOOD}&group=+", ("group", "empty_parameter")),
        (f"{GOOD}&group=%zz", ("group", "malformed_escape")),
        (f"{GOOD}&group=%ff", ("group", "malformed_escape")),
        (f"{GOOD}&group=%ed%a0%80", ("group", "malformed_escape")),
        (f"{GOOD}&group=a%0Ab", ("group", "unprintable_character")),
        (f"{GOOD}&group={'x' * 129}", ("group", "value_too_long")),
        (f"school=oak&{BANDS}", ("measure", "missing_parameter")),
        (f"{GOOD}&{MATHS}&{MATHS}&{MATHS}", ("measure", "too_many_measures")),
        (f"school=oak&measure=markbook:maths&{BANDS}", ("measure", "malformed_measure")),
        (f"school=oak&measure=horoscope:maths:Y3:overall&{BANDS}", ("measure", "unknown_measure")),
        (f"school=oak&measure=markbook:maths:Y3:half&{BANDS}", ("measure", "unknown_percent")),
        (f"school=oak&{MATHS}&settings=set_1@x", ("settings", "unknown_settings")),
        (f"{GOOD}&settings=set_1", ("settings", "bands_and_settings")),
        (f"school=oak&{MATHS}&bands=-,-,-,-", ("bands", "no_bands")),
        (f"{GOOD}&then=year-group", ("then", "nothing_to_split")),
        (f"{GOOD}&by=year-group&then=shoe-size", ("then", "unknown_breakdown")),
        (f"school=oak&{MATHS}&bands=10,35,50,70,85", ("bands", "wrong_count")),
        (f"school=oak&{MATHS}&bands=35,50,70", ("bands", "wrong_count")),
        (f"{GOOD}&{BANDS}", ("bands", "wrong_count")),
        (f"school=oak&{MATHS}&bands=50,35,70,85", ("bands", "out_of_order")),
        (f"school=oak&{MATHS}&bands=35,35,70,85", ("bands", "out_of_order")),
        (f"school=oak&{MATHS}&bands=NaN,50,70,85", ("bands", "not_a_number")),
        (f"school=oak&{MATHS}&bands=35,50,70,1e400", ("bands", "not_a_number")),
        (f"school=oak&{MATHS}&bands=35,50,70,85.5", ("bands", "not_whole")),
        (f"school=oak&{MATHS}&bands=35,50,70,101", ("bands", "out_of_range")),
        (f"{GOOD}&by=shoe-size", ("by", "unknown_breakdown")),
        (f"{GOOD}&by=characteristic:", ("by", "unknown_breakdown")),
        (f"{GOOD}&by=school:oak", ("by", "unknown_breakdown")),
        (f"{GOOD}&filter=sex", ("filter", "malformed_filter")),
        (f"{GOOD}&filter=sex:", ("filter", "malformed_filter")),
        (f"{GOOD}&filter=a%25:b", ("filter", "malformed_escape")),
        (f"{GOOD}&denominator=all", ("denominator", "unknown_value")),
        (f"{GOOD}&as_at=2026-02-30", ("as_at", "invalid_date")),
        (f"{GOOD}&as_at=20260201", ("as_at", "invalid_date")),
        (f"{GOOD}&as_at=2026-2-1", ("as_at", "invalid_date")),
        (f"{GOOD}&as_at=٢٠٢٦-01-01", ("as_at", "invalid_date")),
        (f"{GOOD}&as_at=2026-02-01T00:00:00Z", ("as_at", "invalid_date")),
        (f"{GOOD}&as_at=1989-12-31", ("as_at", "date_out_of_range")),
        (f"{GOOD}&as_at=2036-04-02", ("as_at", "date_out_of_range")),
        (f"{GOOD}&as_at=2026-01-01&as_at=2026-01-02", ("as_at", "repeated_parameter")),
        (f"{GOOD}&as_known_at=2026-03-31T23:30:16Z", ("as_known_at", "instant_in_future")),
        (f"{GOOD}&as_known_at=2026-03-31T23:30:15", ("as_known_at", "invalid_instant")),
        (f"{GOOD}&as_known_at=2026-03-31", ("as_known_at", "invalid_instant")),
        (f"{GOOD}&as_known_at=2026-03-31T24:00:00Z", ("as_known_at", "invalid_instant")),
        (f"{GOOD}&as_known_at=2026-03-31T12:00:00-25:00", ("as_known_at", "invalid_instant")),
        (f"{GOOD}&as_known_at=2026-03-31T12:00:00-01:60", ("as_known_at", "invalid_instant")),
        (f"{GOOD}&as_known_at=2026-02-30T12:00:00Z", ("as_known_at", "invalid_date")),
        (f"{GOOD}&as_known_at=0001-01-01T00:00:00%2B23:00", ("as_known_at", "date_out_of_range")),
        (f"{GOOD}&min_position=AAAA", ("min_position", "malformed_position")),
        (f"{GOOD}&min_position=%2e%2e", ("min_position", "malformed_position")),
        (f"{GOOD}&wait_seconds=31", ("wait_seconds", "out_of_range")),
        (f"{GOOD}&wait_seconds=-1", ("wait_seconds", "out_of_range")),
        (f"{GOOD}&wait_seconds=nan", ("wait_seconds", "out_of_range")),
    ],
)
def test_a_wrong_overview_is_refused_by_name(query: str, fault: tuple[str, str]) -> None:
    assert faults(overview, query) == [fault]


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("limit=0", ("limit", "out_of_range")),
        ("limit=501", ("limit", "out_of_range")),
        ("limit=5.0", ("limit", "out_of_range")),
        ("limit=%D9%A5", ("limit", "out_of_range")),
        ("cursor=x", ("cursor", "malformed_cursor")),
        ("cursor=%2e%2e", ("cursor", "malformed_cursor")),
        ("row=column:1", ("row", "invalid_row")),
        ("row=group:", ("row", "invalid_row")),
        ("row=whole&row=whole", ("row", "repeated_parameter")),
        ("cell=0:brilliant", ("cell", "unknown_cell")),
        ("cell=1:at", ("cell", "unknown_cell")),
        ("cell=-1:at", ("cell", "unknown_cell")),
        ("cell=at", ("cell", "unknown_cell")),
        ("cell=combined:at", ("cell", "unknown_cell")),
        ("sort=age", ("sort", "unknown_value")),
        ("in=column:1", ("in", "invalid_row")),
    ],
)
def test_wrong_members_are_refused_by_name(query: str, fault: tuple[str, str]) -> None:
    assert faults(members, query) == [fault]


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("school=oak", ("measure", "missing_parameter")),
        (f"school=oak&{MATHS}&{MATHS}", ("measure", "repeated_parameter")),
        (f"school=oak&{MATHS}&months=2025-12..2025-10", ("months", "months_out_of_order")),
        (f"school=oak&{MATHS}&months=2025-01..2026-01", ("months", "too_many_months")),
        (f"school=oak&{MATHS}&months=2025-13", ("months", "invalid_month")),
        (f"school=oak&{MATHS}&months=2025-10,2025-10", ("months", "months_out_of_order")),
        (f"school=oak&{MATHS}&members=always", ("members", "unknown_value")),
        (f"school=oak&{MATHS}&target=101", ("target", "out_of_range")),
        (f"school=oak&{MATHS}&{BANDS}", ("bands", "unknown_parameter")),
        ("school=oak&measure=test:ks2:maths:-:scaled", ("measure", "not_a_markbook_measure")),
        ("school=oak&measure=judgement:maths:ta", ("measure", "not_a_markbook_measure")),
    ],
)
def test_wrong_score_tracking_is_refused_by_name(query: str, fault: tuple[str, str]) -> None:
    assert fault in faults(tracking, query)


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (f"{SAME}@2026-01-31&type=abilities", ("type", "unknown_value")),
        (f"{SAME}&type=ability", ("second", "one_date")),
        (f"{MATRIX}&type=ability", ("second", "two_sources")),
        ("school=oak&first=markbook:m:Y3:overall@2026-01-31&second=markbook:m:Y4:overall&type=ability",
         ("second", "two_abilities")),
        (f"school=oak&first=markbook:maths:Y3:overall&{MATRIX_BANDS}", ("second", "missing_parameter")),
        (f"{MATRIX}&{MATRIX_BANDS}&first=markbook:maths:Y4:overall", ("first", "repeated_parameter")),
        (f"school=oak&first=markbook:a:b:overall@2026-02-30&second=markbook:a:b:overall&{MATRIX_BANDS}",
         ("first", "invalid_date")),
        (f"{MATRIX}&{MATRIX_BANDS}&on=both", ("on", "unknown_value")),
        (f"{MATRIX}&{MATRIX_BANDS}&settings=set_1", ("settings", "bands_and_settings")),
    ],
)  # fmt: skip
def test_a_wrong_matrix_is_refused_by_name(query: str, fault: tuple[str, str]) -> None:
    assert fault in faults(matrix, query)


def test_every_fault_is_named_at_once_and_a_near_name_is_suggested() -> None:
    with pytest.raises(Problem) as raised:
        overview("scool=oak&measure=x&bands=1&as_at=never")
    problem = raised.value
    assert problem.code == "invalid_parameters"
    assert {error.parameter for error in problem.errors} == {"scool", "school", "measure", "as_at"}
    assert "Did you mean school?" in problem.errors[0].detail


def test_a_thousand_parameters_are_refused() -> None:
    assert faults(overview, GOOD + "&group=a" * 1000) == [("", "too_many_parameters")]
