"""Who is counted and in which rows: both as masks over slots, over one school and several."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.documents import RosterValue
from services.query.breakdown import break_down, parse_row_id, row_id
from services.query.population import gather_cohort, natural_key
from services.query.requests import By, Cursor, Population, format_cursor, parse_cursor
from tests.unit.query.hand_made import HandMadeSchool, day, noon

NOVEMBER = day("2025-11-30")


def rows_of(schools: list[HandMadeSchool], *by: By) -> dict[str, int]:
    cohort = gather_cohort([school.reading() for school in schools], Population(), NOVEMBER)
    rows = break_down(cohort, by)
    return dict(zip(rows.ids, rows.sizes().tolist(), strict=True))


def pupils_of(school: HandMadeSchool, population: Population, on: str = "2025-11-30") -> list[str]:
    cohort = gather_cohort([school.reading()], population, day(on))
    return [school.document().pupils[slot] for _, slot in cohort.locate(np.arange(cohort.size))]


@pytest.fixture
def school() -> HandMadeSchool:
    made = HandMadeSchool("oak")
    made.enrol("ann", "3", groups=("Oak", "Choir"), sex="F", send="K")
    made.enrol("bob", "10", groups=("Oak",), sex="M")
    made.enrol("cat", "9", sex="F", send="E")
    made.enrol("dan", groups=("Elm",))
    made.enrol("eve", "3", sex="F", ends="2025-11-29")
    return made


def test_natural_order_counts_digits_as_numbers_and_puts_not_known_last() -> None:
    names = ["Not known", "Year 10", "b", "Year 9", "10", "9", "A"]
    assert sorted(names, key=natural_key) == ["9", "10", "A", "b", "Year 9", "Year 10", "Not known"]


def test_row_ids_encode_colons_and_percent_signs() -> None:
    assert row_id(By("characteristic", "a:b"), "50%:x") == "characteristic:a%3Ab:50%25%3Ax"
    assert parse_row_id("characteristic:a%3Ab:50%25%3Ax") == (By("characteristic", "a:b"), "50%:x")
    assert parse_row_id("year-group:4") == (By("year-group"), "4")
    assert parse_row_id("whole") is None
    assert parse_row_id("characteristic:sex") is None


def test_rows_come_in_the_order_of_by_then_naturally(school: HandMadeSchool) -> None:
    assert rows_of([school], By("year-group"), By("characteristic", "send"), By("group"), By("school")) == {
        "whole": 4,
        "year-group:3": 1,
        "year-group:9": 1,
        "year-group:10": 1,
        "year-group:Not known": 1,
        "characteristic:send:E": 1,
        "characteristic:send:K": 1,
        "characteristic:send:Not known": 2,
        "group:Choir": 1,
        "group:Elm": 1,
        "group:Oak": 2,
        "school:oak": 4,
    }
    ids = list(rows_of([school], By("year-group"), By("characteristic", "send")))
    assert ids[1:5] == ["year-group:3", "year-group:9", "year-group:10", "year-group:Not known"]
    assert ids[5:] == ["characteristic:send:E", "characteristic:send:K", "characteristic:send:Not known"]


def test_a_characteristic_that_nobody_has_makes_one_row_of_not_known(school: HandMadeSchool) -> None:
    assert rows_of([school], By("characteristic", "fsm")) == {"whole": 4, "characteristic:fsm:Not known": 4}


def test_without_pupils_only_the_whole_is_left() -> None:
    assert rows_of([HandMadeSchool("new")], By("school"), By("year-group"), By("group")) == {"whole": 0}
    assert rows_of([], By("school")) == {"whole": 0}


def test_rows_over_several_schools_are_sums_and_a_pupil_at_two_counts_twice(school: HandMadeSchool) -> None:
    other = HandMadeSchool("elm")
    other.enrol("ann", "3", groups=("Oak",), sex="F")
    other.enrol("fay", "4")
    assert rows_of([other, school], By("school"), By("group"), By("characteristic", "sex")) == {
        "whole": 6,
        "school:elm": 2,
        "school:oak": 4,
        "group:Choir": 1,
        "group:Elm": 1,
        "group:Oak": 3,
        "characteristic:sex:F": 3,
        "characteristic:sex:M": 1,
        "characteristic:sex:Not known": 2,
    }


def test_filters_are_or_inside_a_name_and_and_between_names(school: HandMadeSchool) -> None:
    assert pupils_of(school, Population(filters=(("send", ("K", "E")),))) == ["ann", "cat"]
    assert pupils_of(school, Population(filters=(("send", ("K", "E")), ("sex", ("F",))))) == ["ann", "cat"]
    assert pupils_of(school, Population(filters=(("send", ("K",)), ("sex", ("M",))))) == []
    assert pupils_of(school, Population(filters=(("send", ("Not known",)), ("sex", ("M", "F"))))) == ["bob"]


def test_year_groups_and_groups_are_or_each_and_and_together(school: HandMadeSchool) -> None:
    assert pupils_of(school, Population(year_groups=("3", "9"))) == ["ann", "cat"]
    assert pupils_of(school, Population(year_groups=("10", "Not known"))) == ["bob", "dan"]
    assert pupils_of(school, Population(groups=("Choir", "Elm"))) == ["ann", "dan"]
    assert pupils_of(school, Population(groups=("Oak",), year_groups=("10",))) == ["bob"]


@pytest.mark.parametrize(
    "population",
    [
        Population(groups=("Nobody",)),
        Population(year_groups=("77",)),
        Population(filters=(("fsm", ("Y",)),)),
        Population(filters=(("sex", ("X",)),)),
    ],
)
def test_what_is_unknown_gives_an_empty_population(school: HandMadeSchool, population: Population) -> None:
    assert pupils_of(school, population) == []


def test_the_last_day_on_roll_is_inclusive(school: HandMadeSchool) -> None:
    assert "eve" in pupils_of(school, Population(), "2025-11-29")
    assert "eve" not in pupils_of(school, Population(), "2025-11-30")


def test_a_value_outside_the_enrolment_makes_nobody_present() -> None:
    school = HandMadeSchool("oak")
    school.hold("zoe", RosterValue("group", "Oak"), starts="2024-09-01")
    assert rows_of([school], By("group")) == {"whole": 0}


def test_a_roster_told_later_is_not_known_before() -> None:
    school = HandMadeSchool("oak")
    school.enrol("ann", "3", recorded="2025-12-05")
    cohort = gather_cohort([school.reading("2025-12-04")], Population(), NOVEMBER)
    assert cohort.size == 0
    assert gather_cohort([school.reading("2025-12-05")], Population(), NOVEMBER).size == 1
    assert noon("2025-12-05") > noon("2025-12-04")


def test_a_cursor_goes_on_after_its_pupil_whoever_left(school: HandMadeSchool) -> None:
    other = HandMadeSchool("a10")
    other.enrol("zed", "1")
    cohort = gather_cohort([other.reading(), school.reading()], Population(), NOVEMBER)
    assert cohort.position_after(None) == 0
    assert cohort.position_after(Cursor("a10", 0)) == 1
    assert cohort.position_after(Cursor("oak", 1)) == 3
    assert cohort.position_after(Cursor("a9", 5)) == 0
    assert cohort.position_after(Cursor("b", 0)) == 1
    assert cohort.position_after(Cursor("zzz", 0)) == cohort.size


def test_a_cursor_travels_as_opaque_text() -> None:
    cursor = Cursor("oak", 7)
    assert parse_cursor(format_cursor(cursor)) == cursor
    with pytest.raises(ValueError, match="cursor"):
        parse_cursor("nonsense")
    with pytest.raises(ValueError, match="cursor"):
        parse_cursor("é")
