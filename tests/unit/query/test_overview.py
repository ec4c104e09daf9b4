"""The overview: bands, denominators and Combined of the worked examples (`domain.md` 4.3, 4.4)."""

from __future__ import annotations

import msgspec

from services.domain.bands import BAND_IDS, parse_bands
from services.domain.measures import parse_measure
from services.query.answers import Overview, OverviewRow
from services.query.reports import overview
from services.query.requests import By, Clocks, OverviewRequest, Population
from tests.unit.query.hand_made import HandMadeSchool, day, reading_of
from tests.unit.query.oak import make_oak

CUT_OFFS = parse_bands("21,36,51,66", whole_percent=True)
OWN_YEAR = "markbook:maths:own-year:overall"
OF_BAND = {"sb": 10, "b": 30, "at": 40, "ab": 60, "sa": 90}


def ask(schools: list[HandMadeSchool], *measures: str, known: str | None = None, **more: object) -> Overview:
    request = OverviewRequest(
        Population(schools=tuple(school.school for school in schools)),
        Clocks(day("2025-11-30")),
        tuple(map(parse_measure, measures)),
        (CUT_OFFS,) * len(measures),
        **more,
    )
    return overview.answer(reading_of(*(school.reading(known) for school in schools)), request)


def counts(row: OverviewRow, cell: int = 0) -> list[int]:
    return list(msgspec.structs.astuple(row.cells[cell].counts))


def percents(row: OverviewRow) -> list[int | None]:
    return list(msgspec.structs.astuple(row.cells[0].percents))


def test_oak_as_at_30_november_known_28_february() -> None:
    whole = ask([make_oak()], OWN_YEAR, known="2026-02-28").rows[0]
    assert (whole.row, whole.pupils) == ("whole", 5)
    assert counts(whole) == [1, 0, 2, 1, 0]
    assert percents(whole) == [20, 0, 40, 20, 0]
    cell = whole.cells[0]
    assert (cell.of, cell.no_data, cell.no_data_percent, cell.not_applicable) == (5, 1, 20, 0)


def test_oak_with_data_divides_by_those_with_data_but_no_data_by_all() -> None:
    whole = ask([make_oak()], OWN_YEAR, known="2026-02-28", denominator="with_data").rows[0]
    assert percents(whole) == [25, 0, 50, 25, 0]
    assert (whole.cells[0].of, whole.cells[0].no_data_percent) == (4, 20)


def test_oak_known_30_november_has_ben_below() -> None:
    whole = ask([make_oak()], OWN_YEAR, known="2025-11-30").rows[0]
    assert counts(whole) == [1, 1, 1, 1, 0]
    assert whole.cells[0].no_data == 1


def test_the_answer_has_the_shape_of_the_contract() -> None:
    answer = ask([make_oak()], OWN_YEAR, known="2026-02-28", by=(By("characteristic", "sex"),))
    decoded = msgspec.json.decode(msgspec.json.encode(answer))
    assert list(decoded) == ["report", "provenance", "measures", "rows"]
    assert decoded["measures"] == [{"id": OWN_YEAR, "bands": [21, 36, 51, 66]}]
    assert [row["row"] for row in decoded["rows"]] == [
        "whole",
        "characteristic:sex:F",
        "characteristic:sex:M",
        "characteristic:sex:Not known",
    ]
    assert decoded["rows"][0] == {
        "row": "whole",
        "pupils": 5,
        "cells": [
            {
                "counts": {"sig_below": 1, "below": 0, "at": 2, "above": 1, "sig_above": 0},
                "percents": {"sig_below": 20, "below": 0, "at": 40, "above": 20, "sig_above": 0},
                "of": 5,
                "no_data": 1,
                "no_data_percent": 20,
                "not_applicable": 0,
            }
        ],
        "combined": {
            "working_at_or_above": 3,
            "not_working_at": 2,
            "incomplete": 1,
            "percents": {"working_at_or_above": 60, "not_working_at": 40},
        },
    }


def make_combined_school() -> HandMadeSchool:
    """p1..p6 of 4.4: reading, writing, maths."""
    school = HandMadeSchool("oak")
    for pupil, *bands in (
        ("p1", "at", "at", "at"),
        ("p2", "sa", "ab", "at"),
        ("p3", "sa", "sa", "sa"),
        ("p4", "at", "b", "ab"),
        ("p5", "at", "at", None),
        ("p6", "sb", "sb", "sb"),
    ):
        school.enrol(pupil, "6")
        for subject, band in zip("RWM", bands, strict=True):
            school.mark(pupil, subject, None if band is None else OF_BAND[band])
    return school


def measure_of(subject: str) -> str:
    return f"markbook:{subject}:any:overall"


def test_combined_counts_sig_above_and_takes_a_missing_subject_as_not_working() -> None:
    whole = ask([make_combined_school()], *map(measure_of, "RWM")).rows[0]
    combined = whole.combined
    assert (combined.working_at_or_above, combined.not_working_at, combined.incomplete) == (3, 3, 1)
    assert (combined.percents.working_at_or_above, combined.percents.not_working_at) == (50, 50)
    rates = [sum(counts(whole, cell)[BAND_IDS.index("at") :]) for cell in range(3)]
    assert rates == [5, 4, 4]


def test_combined_over_two_subjects_is_67_percent() -> None:
    combined = ask([make_combined_school()], measure_of("R"), measure_of("W")).rows[0].combined
    assert (combined.working_at_or_above, combined.percents.working_at_or_above) == (4, 67)


def test_combined_does_not_change_with_the_denominator() -> None:
    measures = tuple(map(measure_of, "RWM"))
    row = ask([make_combined_school()], *measures).rows[0].combined
    assert ask([make_combined_school()], *measures, denominator="with_data").rows[0].combined == row


def test_not_applicable_is_outside_every_denominator_and_outside_combined() -> None:
    school = HandMadeSchool("oak")
    school.teach("maths", {"m1": ("Y3", "3", 1)})
    school.enrol("ann", "3")
    school.enrol("bob", "4")
    school.enrol("cat", "3")
    school.assess("ann", "maths", "m1", "A", "2025-10-01")
    whole = ask([school], OWN_YEAR).rows[0]
    cell = whole.cells[0]
    assert (whole.pupils, cell.of, cell.no_data, cell.no_data_percent, cell.not_applicable) == (3, 2, 1, 50, 1)
    assert percents(whole) == [0, 0, 0, 0, 50]
    assert (whole.combined.working_at_or_above, whole.combined.not_working_at, whole.combined.incomplete) == (1, 1, 1)


def test_a_subject_that_the_school_lacks_is_not_applicable_to_everyone() -> None:
    whole = ask([make_oak()], measure_of("latin")).rows[0]
    assert (whole.cells[0].not_applicable, whole.cells[0].of, whole.cells[0].no_data_percent) == (5, 0, None)
    assert percents(whole) == [None] * 5
    assert whole.combined.percents.working_at_or_above is None


def test_a_report_without_schools_is_the_empty_whole() -> None:
    answer = ask([], OWN_YEAR, by=(By("school"),))
    assert [(row.row, row.pupils) for row in answer.rows] == [("whole", 0)]
    assert percents(answer.rows[0]) == [None] * 5


def test_rows_over_schools_are_the_sums_of_their_schools() -> None:
    oak, combined = make_oak(), make_combined_school()
    combined.school = "elm"
    combined.teach("maths", {"m1": ("Y6", "6", 1)})
    combined.assess("p1", "maths", "m1", "A", "2025-10-01")
    rows = ask([combined, oak], OWN_YEAR, known="2026-02-28", by=(By("school"),)).rows
    assert [(row.row, row.pupils) for row in rows] == [("whole", 11), ("school:elm", 6), ("school:oak", 5)]
    assert counts(rows[0]) == [a + b for a, b in zip(counts(rows[1]), counts(rows[2]), strict=True)]
    assert counts(rows[0]) == [1, 0, 2, 1, 1]


def test_percents_are_half_up_and_not_forced_to_100() -> None:
    school = HandMadeSchool("oak")
    for n, percent in enumerate([10, 10, 10, 30, 30, 40, 40, 60]):
        school.enrol(f"p{n}", "6")
        school.mark(f"p{n}", "R", percent)
    assert percents(ask([school], measure_of("R")).rows[0]) == [38, 25, 25, 13, 0]


def test_bands_are_of_the_displayed_percent() -> None:
    school = HandMadeSchool("oak")
    school.teach("R", {"o": ("any-ability", "", 1)}, marks_max=1000)
    for pupil, mark in (("p1", 354), ("p2", 355), ("p3", 504), ("p4", 505), ("p5", 0), ("p6", 1000)):
        school.enrol(pupil, "6")
        school.assess(pupil, "R", "o", mark, "2025-10-01")
    assert counts(ask([school], measure_of("R")).rows[0]) == [1, 1, 2, 1, 1]
