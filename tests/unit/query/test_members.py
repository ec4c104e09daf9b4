"""The pupils behind cells of an overview: rows, cells, pages, and whose name is shown."""

from __future__ import annotations

import msgspec
import pytest

from schemas.documents import FOREVER, Alias
from services.domain.bands import parse_bands
from services.domain.measures import parse_measure
from services.query.answers import Listing, Members, Name, Value
from services.query.reports import members
from services.query.reports.listing import Paging, names_to_sort, page_of
from services.query.requests import Clocks, MembersRequest, OverviewCellRef, OverviewRequest, Population, parse_cursor
from tests.unit.query.hand_made import HandMadeSchool, day, reading_of
from tests.unit.query.oak import make_oak

CUT_OFFS = parse_bands("21,36,51,66", whole_percent=True)
OWN_YEAR = "markbook:maths:own-year:overall"


def ask(
    schools: list[HandMadeSchool],
    *cells: tuple[int | None, str],
    measures: tuple[str, ...] = (OWN_YEAR,),
    **more: object,
) -> Listing[Members]:
    overview = OverviewRequest(
        Population(schools=tuple(school.school for school in schools)),
        Clocks(day("2025-11-30")),
        tuple(map(parse_measure, measures)),
        (CUT_OFFS,) * len(measures),
    )
    request = MembersRequest(overview, cells=tuple(OverviewCellRef(*cell) for cell in cells), **more)
    return members.answer(reading_of(*(school.reading("2026-02-28") for school in schools)), request)


def names(listing: Listing[Members]) -> list[str]:
    return [pupil.pupil for pupil in listing.answer.pupils]


@pytest.mark.parametrize(
    ("row", "cells", "expected"),
    [
        ("whole", [], ["amy", "ben", "cai", "dee", "eli"]),
        ("whole", [(0, "at")], ["amy", "ben"]),
        ("whole", [(0, "at"), (0, "no_data")], ["amy", "ben", "eli"]),
        ("whole", [(0, "not_applicable")], []),
        ("characteristic:sex:F", [], ["amy", "dee"]),
        ("characteristic:sex:F", [(0, "at")], ["amy"]),
        ("characteristic:sex:Not known", [], ["eli"]),
        ("year-group:4", [], ["dee"]),
        ("group:Oak", [(0, "above")], ["dee"]),
        ("school:oak", [(0, "sig_below")], ["cai"]),
        ("year-group:77", [], []),
        ("whole", [(None, "working_at_or_above")], ["amy", "ben", "dee"]),
        ("whole", [(None, "not_working_at")], ["cai", "eli"]),
        ("whole", [(None, "incomplete")], ["eli"]),
        ("whole", [(None, "incomplete"), (0, "above")], ["dee", "eli"]),
    ],
)
def test_who_is_in_the_cells_of_a_row(row: str, cells: list[tuple[int | None, str]], expected: list[str]) -> None:
    listing = ask([make_oak()], *cells, row=row)
    assert names(listing) == expected
    assert listing.answer.total == len(expected)


def test_a_member_carries_exact_values_of_all_measures() -> None:
    listing = ask([make_oak()], (0, "above"), measures=(OWN_YEAR, "markbook:latin:any:overall"))
    decoded = msgspec.json.decode(msgspec.json.encode(listing.answer))
    missing = dict.fromkeys(("percent", "numerator", "denominator", "score", "value", "band", "on"))
    exact = {"percent": 63, "numerator": "2.5", "denominator": "4", "band": "above"}
    assert decoded["pupils"] == [
        {
            "pupil": "dee",
            "school": "oak",
            "year_group": "4",
            "values": [
                {"status": "value"} | missing | exact,
                {"status": "not_applicable"} | missing,
            ],
        }
    ]
    assert (decoded["total"], decoded["next"]) == (1, None)
    assert list(decoded["pupils"][0]["values"][0]) == [
        "status", "percent", "numerator", "denominator", "score", "value", "band", "on",
    ]  # fmt: skip


def test_no_data_has_nothing_but_its_status() -> None:
    assert ask([make_oak()], (0, "no_data")).answer.pupils[0].values == [Value("no_data")]


def test_marks_travel_as_marks() -> None:
    school = HandMadeSchool("oak")
    school.teach("maths", {"a": ("Y3", "3", 1), "b": ("Y3", "3", 3)}, marks_max=40)
    school.enrol("amy", "3")
    school.assess("amy", "maths", "b", 30, "2025-11-05")
    value = ask([school]).answer.pupils[0].values[0]
    assert (value.numerator, value.denominator, value.percent) == ("90", "160", 56)


def test_pages_follow_the_cursor_over_schools_and_miss_and_repeat_nobody() -> None:
    other = HandMadeSchool("a10")
    other.enrol("zed", "3")
    other.enrol("amy", "3")
    schools = [other, make_oak()]
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        answer = ask(schools, limit=3, cursor=cursor and parse_cursor(cursor)).answer
        seen += [(pupil.school, pupil.pupil) for pupil in answer.pupils]
        assert answer.total == 7
        cursor, pages = answer.next, pages + 1
    assert pages == 3
    assert seen == [("a10", "zed"), ("a10", "amy"), *(("oak", p) for p in ("amy", "ben", "cai", "dee", "eli"))]


def test_a_full_last_page_has_no_next() -> None:
    assert ask([make_oak()], limit=5).answer.next is None
    assert ask([make_oak()], limit=4).answer.next is not None


def test_a_merged_pupil_shows_the_reference_of_the_latest_enrolment() -> None:
    school = make_oak()
    school.aliases.append(Alias(0, FOREVER, 0, 4))
    listing = ask([school], (0, "at"))
    assert names(listing) == ["amy", "ben"]
    assert listing.shown == (("oak", "eli"), ("oak", "ben"))


def test_names_are_absent_until_given_and_null_where_nothing_is_kept() -> None:
    listing = ask([make_oak()], (0, "at"))
    plain = msgspec.json.decode(msgspec.json.encode(listing.answer))["pupils"][0]
    assert "name" not in plain and "reference" not in plain
    named = listing.named({("oak", "amy"): Name("r-1", "Amy Ash"), ("elm", "ben"): Name("r-2", "Another Ben")})
    decoded = msgspec.json.decode(msgspec.json.encode(named))["pupils"]
    assert [(one["reference"], one["name"]) for one in decoded] == [("r-1", "Amy Ash"), (None, None)]
    assert list(decoded[0]) == ["pupil", "reference", "name", "school", "year_group", "values"]


# --- In an order -------------------------------------------------------------------------------------------------


def read_all(sort: str, names: dict[tuple[str, str], str] | None = None, limit: int = 2) -> list[str]:
    """Every page, one after the other."""
    other = HandMadeSchool("a10")
    other.teach("maths", {"m1": ("Y3", "3", 1)}, marks_max=100)
    for pupil, mark in (("zed", 50), ("yan", 63)):
        other.enrol(pupil, "3")
        other.assess(pupil, "maths", "m1", mark, "2025-11-05")
    reading = reading_of(other.reading("2026-02-28"), make_oak().reading("2026-02-28"))
    overview = OverviewRequest(
        Population(schools=("a10", "oak")), Clocks(day("2025-11-30")), (parse_measure(OWN_YEAR),), (CUT_OFFS,)
    )
    chosen = members.choose(reading, MembersRequest(overview))
    seen, cursor = [], None
    while True:
        paging = Paging(limit, cursor, sort)
        asked = set(names_to_sort(chosen, cursor))
        assert len(asked) == 7
        page = page_of(chosen, paging, names)
        seen += [one.pupil for one in page.pupils]
        if page.next is None:
            return seen
        cursor = parse_cursor(page.next)


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_by_value_the_lowest_come_first_and_those_without_one_last(limit: int) -> None:
    assert read_all("value", limit=limit) == ["cai", "zed", "amy", "ben", "yan", "dee", "eli"]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_by_name_over_the_schools_and_those_without_one_last(limit: int) -> None:
    given = {"amy": "Ann", "ben": "bob", "cai": "Bob", "dee": "ABE", "zed": "Cy", "yan": ""}
    names = {("a10" if pupil in ("zed", "yan") else "oak", pupil): name for pupil, name in given.items()}
    assert read_all("name", names, limit) == ["dee", "amy", "ben", "cai", "zed", "yan", "eli"]


def test_without_names_the_order_is_that_of_the_schools() -> None:
    assert read_all("name") == read_all("") == ["zed", "yan", "amy", "ben", "cai", "dee", "eli"]
