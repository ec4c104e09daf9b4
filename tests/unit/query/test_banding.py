"""Cut-offs that differ by school and year group, and rows inside rows: an overview by settings (`domain.md` 4.3)."""

from __future__ import annotations

import msgspec
import pytest

from services.domain.bands import parse_bands
from services.domain.measures import parse_measure
from services.query.answers import Overview, OverviewRow
from services.query.banding import Banding, NoCutOffs, Settled
from services.query.reports import members, overview
from services.query.requests import By, Clocks, MembersRequest, OverviewCellRef, OverviewRequest, Population
from tests.unit.query.hand_made import HandMadeSchool, day, reading_of
from tests.unit.query.oak import make_oak

OWN_YEAR = "markbook:maths:own-year:overall"
LOW = parse_bands("21,36,51,66", whole_percent=True)
HIGH = parse_bands("35,50,70,85", whole_percent=True)
YEAR, SEX = By("year-group"), By("characteristic", "sex")


def request_of(schools: list[HandMadeSchool], **more: object) -> OverviewRequest:
    population = Population(schools=tuple(school.school for school in schools))
    return OverviewRequest(population, Clocks(day("2025-11-30")), (parse_measure(OWN_YEAR),), **more)


def ask(schools: list[HandMadeSchool], banding: Banding, **more: object) -> Overview:
    reading = reading_of(*(school.reading("2026-02-28") for school in schools))
    return overview.answer(reading, request_of(schools, **more), Settled((banding,), reading.provenance))


def counts(row: OverviewRow) -> list[int]:
    return list(msgspec.structs.astuple(row.cells[0].counts))


def test_each_pupil_is_banded_by_the_cut_offs_of_the_year_group() -> None:
    by_year = Banding(None, {("oak", "3"): HIGH, ("oak", "4"): LOW, ("oak", None): LOW})
    answer = ask([make_oak()], by_year, by=(YEAR,))
    assert answer.measures[0].bands is None
    assert [counts(row) for row in answer.rows] == [[1, 0, 2, 1, 0], [1, 0, 2, 0, 0], [0, 0, 0, 1, 0]]
    high_for_dee = Banding(None, {("oak", "3"): LOW, ("oak", "4"): HIGH})
    assert counts(ask([make_oak()], high_for_dee).rows[0]) == [1, 0, 3, 0, 0]


def test_schools_may_have_different_cut_offs() -> None:
    oak, elm = make_oak(), make_oak()
    elm.school = "elm"
    one = Banding(None, {("oak", year): LOW for year in ("3", "4", None)} | {("elm", year): HIGH for year in "34"})
    rows = ask([elm, oak], one, by=(By("school"),)).rows
    assert [row.row for row in rows] == ["whole", "school:elm", "school:oak"]
    assert counts(rows[1]) == [1, 0, 3, 0, 0]
    assert counts(rows[2]) == [1, 0, 2, 1, 0]
    assert counts(rows[0]) == [a + b for a, b in zip(counts(rows[1]), counts(rows[2]), strict=True)]


def test_a_value_without_cut_offs_refuses_the_report_and_one_without_a_value_does_not() -> None:
    only_4 = Banding(None, {("oak", "4"): LOW})
    with pytest.raises(NoCutOffs) as refused:
        ask([make_oak()], only_4)
    assert (refused.value.school, refused.value.year_group, refused.value.measure) == ("oak", "3", OWN_YEAR)
    school = make_oak()
    school.enrol("fay", "5")
    both = Banding(None, {("oak", "3"): LOW, ("oak", "4"): LOW})
    answer = ask([school], both)
    assert counts(answer.rows[0]) == [1, 0, 2, 1, 0]
    assert (answer.rows[0].pupils, answer.rows[0].cells[0].not_applicable) == (6, 1)


def test_members_are_in_the_band_of_their_own_year_group() -> None:
    by_year = Banding(None, {("oak", "3"): LOW, ("oak", "4"): HIGH})
    schools = [make_oak()]
    reading = reading_of(*(school.reading("2026-02-28") for school in schools))
    request = MembersRequest(request_of(schools), cells=(OverviewCellRef(0, "at"),))
    listing = members.answer(reading, request, Settled((by_year,), reading.provenance))
    found = [(one.pupil, one.values[0].percent, one.values[0].band) for one in listing.answer.pupils]
    assert found == [("amy", 50, "at"), ("ben", 50, "at"), ("dee", 63, "at")]


# --- Rows inside rows --------------------------------------------------------------------------------------------


def test_each_row_is_followed_by_its_own_rows() -> None:
    rows = ask([make_oak()], Banding(LOW), by=(YEAR,), then=(SEX,)).rows
    decoded = msgspec.json.decode(msgspec.json.encode(rows))
    assert [(row.get("in"), row["row"], row["pupils"]) for row in decoded] == [
        (None, "whole", 5),
        (None, "year-group:3", 4),
        ("year-group:3", "characteristic:sex:F", 1),
        ("year-group:3", "characteristic:sex:M", 2),
        ("year-group:3", "characteristic:sex:Not known", 1),
        (None, "year-group:4", 1),
        ("year-group:4", "characteristic:sex:F", 1),
    ]
    assert "in" not in decoded[0] and "in" not in decoded[1]
    inside = [row["cells"][0]["counts"] for row in decoded if row.get("in") == "year-group:3"]
    assert [list(each.values()) for each in inside] == [[0, 0, 1, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0]]


def test_rows_inside_rows_of_several_schools_and_breakdowns() -> None:
    oak, elm = make_oak(), make_oak()
    elm.school = "elm"
    rows = ask([elm, oak], Banding(LOW), by=(By("school"), SEX), then=(YEAR, By("group"))).rows
    found = {(row.inside or None, row.row): row.pupils for row in rows}
    assert found["school:elm", "year-group:3"] == found["school:oak", "year-group:3"] == 4
    assert found["characteristic:sex:F", "year-group:4"] == 2
    assert found["characteristic:sex:M", "group:Oak"] == 4
    assert ("characteristic:sex:M", "year-group:4") not in found
    assert [row.row for row in rows if row.inside == "school:oak"] == ["year-group:3", "year-group:4", "group:Oak"]


def test_an_empty_report_has_the_whole_alone() -> None:
    assert [row.row for row in ask([], Banding(LOW), by=(YEAR,), then=(SEX,)).rows] == ["whole"]


def test_a_row_inside_a_row_is_opened_by_both() -> None:
    schools = [make_oak()]
    reading = reading_of(schools[0].reading("2026-02-28"))
    asked = request_of(schools, bands=(LOW,))
    for row, inside, expected in (
        ("characteristic:sex:F", "year-group:3", ["amy"]),
        ("characteristic:sex:F", "whole", ["amy", "dee"]),
        ("year-group:4", "characteristic:sex:M", []),
    ):
        listing = members.answer(reading, MembersRequest(asked, row, inside=inside))
        assert [one.pupil for one in listing.answer.pupils] == expected, (row, inside)
