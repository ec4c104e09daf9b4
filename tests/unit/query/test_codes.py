"""Codes instead of scores in an overview: which count, which do not, and who has them (`domain.md` 3.2, 4.8)."""

from __future__ import annotations

import pytest

from services.domain.bands import BAND_IDS, parse_bands
from services.query import exports
from services.query.answers import Overview
from services.query.parameter_values import read_overview_cell
from services.query.query_string import Invalid
from services.query.reports import members, overview
from services.query.requests import Clocks, MembersRequest, OverviewCellRef, OverviewRequest, Population
from services.query.vectors import SchoolReading
from tests.unit.query.hand_made import reading_of
from tests.unit.query.test_external_values import MATHS, ON, READING, bound, ks2_school

BANDS = parse_bands("80,100,110,-", whole_percent=False)
SCORES = ("102", "110", "B", "A", "L", "100", "")
"""Of p1 to p7: B is below the test and in the lowest band, A was absent, L had left, p7 was told nothing."""


@pytest.fixture
def school() -> SchoolReading:
    return ks2_school(*((score, "", "100") for score in SCORES))


def request_of(*measures: str, **more: object) -> OverviewRequest:
    population = Population(schools=("oak",))
    return OverviewRequest(population, Clocks(ON), tuple(map(bound, measures)), (BANDS,) * len(measures), **more)


def ask(school: SchoolReading, *measures: str, **more: object) -> Overview:
    return overview.answer(reading_of(school), request_of(*measures, **more))


def test_a_code_that_counts_is_in_the_denominator_and_one_that_does_not_is_outside(school: SchoolReading) -> None:
    cell = ask(school, READING).rows[0].cells[0]
    counts = {band: getattr(cell.counts, band) for band in BAND_IDS}
    assert counts == {"sig_below": 1, "below": 0, "at": 2, "above": 1, "sig_above": 0}
    assert (cell.coded, cell.excluded) == ({"A": 1, "B": 1}, {"L": 1})
    assert (cell.of, cell.no_data, cell.no_data_percent, cell.not_applicable) == (6, 1, 17, 0)
    assert cell.percents.at == 33
    with_data = ask(school, READING, denominator="with_data").rows[0].cells[0]
    assert (with_data.of, with_data.percents.at, with_data.no_data) == (5, 40, 1)


def test_new_cut_offs_on_an_open_report_say_the_same_of_codes(school: SchoolReading) -> None:
    reading = reading_of(school)
    first = overview.answer(reading, request_of(READING, MATHS))
    assert overview.answer(reading, request_of(READING, MATHS)) == first


def test_a_code_that_counts_is_not_working_at_and_not_incomplete(school: SchoolReading) -> None:
    combined = ask(school, READING, MATHS).rows[0].combined
    assert (combined.working_at_or_above, combined.not_working_at, combined.incomplete) == (3, 3, 1)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (OverviewCellRef(0, "coded"), ["p3", "p4"]),
        (OverviewCellRef(0, "coded", "A"), ["p4"]),
        (OverviewCellRef(0, "excluded"), ["p5"]),
        (OverviewCellRef(0, "excluded", "A"), []),
        (OverviewCellRef(0, "no_data"), ["p7"]),
        (OverviewCellRef(0, "not_applicable"), []),
        (OverviewCellRef(0, "sig_below"), ["p3"]),
        (OverviewCellRef(None, "incomplete"), ["p7"]),
        (OverviewCellRef(None, "not_working_at"), ["p3", "p4", "p7"]),
    ],
)
def test_who_has_a_code(school: SchoolReading, cell: OverviewCellRef, expected: list[str]) -> None:
    listing = members.answer(reading_of(school), MembersRequest(request_of(READING, MATHS), cells=(cell,)))
    assert [one.pupil for one in listing.answer.pupils] == expected


def test_a_markbook_has_no_codes_and_a_test_without_any_has_none(school: SchoolReading) -> None:
    answer = ask(school, "markbook:maths:Y6:overall", MATHS)
    assert not answer.rows[0].cells[0].coded
    assert (answer.rows[0].cells[1].coded, answer.rows[0].cells[1].excluded) == ({}, {})


def test_a_table_has_a_line_for_each_code(school: SchoolReading) -> None:
    lines = exports.overview_table(ask(school, READING)).lines
    assert [line[2:] for line in lines if ":" in str(line[2])] == [
        ("coded:A", 1, None),
        ("coded:B", 1, None),
        ("excluded:L", 1, None),
    ]


def test_cells_of_codes() -> None:
    assert read_overview_cell("0:coded:A", 1) == OverviewCellRef(0, "coded", "A")
    assert read_overview_cell("0:excluded", 1) == OverviewCellRef(0, "excluded")
    for text in ("0:at:A", "0:coded:", "1:coded", "0:code"):
        with pytest.raises(Invalid):
            read_overview_cell(text, 1)
