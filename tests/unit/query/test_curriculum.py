"""Curriculum Tracking over class Oak (`domain.md` 4.10) and over what is awkward: mixed classes, versions, marks."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events import CurriculumPublished
from services.domain.bands import parse_bands
from services.query.fact_requests import ColumnAsked, CurriculumRequest
from services.query.reports import curriculum
from services.query.reports.curriculum import Curriculum, CurriculumRow
from services.query.requests import Clocks, Population
from tests.builders import Book, day, subject
from tests.unit.query.told import OAK_MATHS, STATES, enrol, read, tell_oak

NOVEMBER = "2025-11-30"
CUT_OFFS = parse_bands("21,36,51,66", whole_percent=True)


def ask(*books: Book, known: str | None = "2026-02-28", as_at: str = NOVEMBER, **more: Any) -> Curriculum:
    reading, facts = read(*books, known=known)
    fields: dict[str, Any] = {
        "population": Population(schools=tuple(book.school for book in books)),
        "clocks": Clocks(day(as_at)),
        "subject": "maths",
        "ability": "own-year",
        "columns": (ColumnAsked(f"@{as_at}", day(as_at)),),
    }
    bands = more.pop("bands", None)
    request = CurriculumRequest(**{**fields, **more})
    columns = curriculum.lay_columns(reading, facts, request)
    return curriculum.answer(reading, request, columns, bands, reading.provenance)


def counts(row: CurriculumRow, cell: int = 0) -> dict[str, int]:
    found = row.cells[cell]
    return {state: count for state, count in found.counts.items() if count} | (
        {"none": found.none} if found.none else {}
    )


def by_row(answer: Curriculum, cell: int = 0) -> dict[str, dict[str, int]]:
    return {row.row.partition(":")[2]: counts(row, cell) for row in answer.rows}


OAK_Y3 = {
    "m1": {"W": 1, "A": 2, "none": 1},
    "m2": {"W": 1, "A": 1, "none": 2},
    "m3": {"W": 1, "A": 1, "none": 2},
    "m4": {"none": 4},
    "m5": {"none": 4},
}


def test_4_10_curriculum_of_oak_by_own_year() -> None:
    answer = ask(tell_oak())
    assert [(state.state, state.name, state.weight) for state in answer.states] == [
        ("N", "Not yet", "0"),
        ("W", "Working towards", "0.5"),
        ("A", "Achieved", "1"),
    ]
    assert {name: found for name, found in by_row(answer).items() if name.startswith("m")} == OAK_Y3
    assert by_row(answer)["n1"] == {"A": 1}
    assert (answer.outside, answer.columns[0].pupils) == (0, 5)
    first = answer.rows[0]
    assert (first.row, first.strand, first.weight, first.text) == ("objective:m1", "Number", "1", "Count in fours")
    assert first.cells[0].percents == {"N": 0, "W": 25, "A": 50}
    mean = first.cells[0].mean
    assert (mean.percent, mean.numerator, mean.denominator, mean.pupils) == (83, "2.5", "3", 3)


def test_4_10_a_mixed_class_by_one_ability_shows_the_pupils_outside_it_apart() -> None:
    answer = ask(tell_oak(), ability="Y3", population=Population(schools=("oak",), groups=("Oak",)))
    assert by_row(answer) == OAK_Y3
    assert (answer.outside, answer.columns[0].pupils) == (1, 5)


def test_any_ability_may_be_chosen_for_pupils_who_are_all_of_another_year() -> None:
    answer = ask(tell_oak(), ability="Y3", population=Population(schools=("oak",), year_groups=("4",)))
    assert by_row(answer) == {f"m{n}": {"A": 1} for n in range(1, 6)}
    assert answer.outside == 0


def test_4_10_the_mean_of_a_strand_is_over_pupils_with_data() -> None:
    answer = ask(tell_oak(), ability="Y3", rows="strand")
    (strand,) = answer.rows
    mean = strand.cells[0].mean
    assert (strand.row, strand.strand, strand.weight) == ("strand:Number", "Number", "5")
    assert (mean.percent, mean.numerator, mean.denominator, mean.pupils) == (37, "5.5", "15", 3)
    assert counts(strand) == {"W": 3, "A": 4, "none": 13}


def test_names_of_strands_are_encoded_in_their_rows() -> None:
    rows = [row.row for row in ask(tell_oak(), rows="strand").rows]
    assert rows == ["strand:Number", "strand:Number%3A more"]


def test_two_dates_side_by_side_count_the_pupils_of_the_report() -> None:
    days = (ColumnAsked("@2025-10-10", day("2025-10-10")), ColumnAsked("@2025-11-30", day(NOVEMBER)))
    answer = ask(tell_oak(), ability="Y3", columns=days, population=Population(schools=("oak",), year_groups=("3",)))
    assert by_row(answer, 0)["m1"] == {"W": 1, "A": 1, "none": 2}
    assert by_row(answer, 1)["m1"] == OAK_Y3["m1"]
    assert [column.column for column in answer.columns] == ["@2025-10-10", "@2025-11-30"]


def test_groups_and_values_side_by_side() -> None:
    columns = (
        ColumnAsked("characteristic:sex:F", day(NOVEMBER), filter=("sex", "F")),
        ColumnAsked("characteristic:sex:Not known", day(NOVEMBER), filter=("sex", "Not known")),
    )
    answer = ask(tell_oak(), columns=columns)
    assert [column.pupils for column in answer.columns] == [2, 1]
    assert by_row(answer, 0)["m1"] == {"A": 1}
    assert by_row(answer, 1)["m1"] == {"none": 1}


def test_as_known_before_a_late_fact_it_is_not_there() -> None:
    assert by_row(ask(tell_oak(), known="2025-11-30"))["m3"] == {"W": 1, "none": 3}


def test_a_state_that_the_version_in_force_lacks_is_none() -> None:
    book = tell_oak()
    book.publish("2025-09-01", OAK_MATHS, framework_version="2", states=STATES[:2], effective_on="2025-09-01")
    assert by_row(ask(book))["m1"] == {"W": 1, "none": 3}


def test_a_school_without_the_subject_is_outside_and_schools_add_up() -> None:
    other, elm = tell_oak(), Book("elm")
    enrol(elm, "zoe", "3")
    answer = ask(elm, other)
    assert (answer.outside, answer.columns[0].pupils) == (1, 6)
    assert by_row(answer)["m1"] == OAK_Y3["m1"]
    elm.publish("2024-09-01", OAK_MATHS, states=STATES)
    elm.assess("zoe", "m1", "A", "2025-11-01")
    both = ask(elm, other)
    assert by_row(both)["m1"] == {"W": 1, "A": 3, "none": 1}
    assert (both.rows[0].cells[0].mean.numerator, both.rows[0].cells[0].mean.denominator) == ("3.5", "4")


def marked() -> Book:
    book = Book("oak")
    book.publish("2024-09-01", subject("maths", {"q1": "Y3", "q2": "Y3"}, strand={"q1": "S", "q2": "S"}), marks_max=40)
    for pupil, q1, q2 in (("amy", "20", "40"), ("ben", "8.5", None), ("cai", None, None)):
        enrol(book, pupil, "3")
        for objective, mark in (("q1", q1), ("q2", q2)):
            if mark is not None:
                book.assess(pupil, objective, mark, "2025-11-01")
    return book


def test_marks_are_counted_by_bands_of_their_percent() -> None:
    answer = ask(marked(), ability="Y3", bands=CUT_OFFS)
    assert (answer.states, answer.bands) == ([], [21, 36, 51, 66])
    assert by_row(answer) == {"q1": {"at": 1, "below": 1, "none": 1}, "q2": {"sig_above": 1, "none": 2}}
    assert answer.rows[0].cells[0].mean.numerator == "28.5"
    (strand,) = ask(marked(), ability="Y3", rows="strand", bands=CUT_OFFS).rows
    assert counts(strand) == {"sig_above": 1, "sig_below": 1, "none": 1}
    mean = strand.cells[0].mean
    assert (mean.percent, mean.numerator, mean.denominator, mean.pupils) == (43, "68.5", "160", 2)


def test_marks_without_bands_are_refused() -> None:
    with pytest.raises(curriculum.MarksWithoutBands):
        ask(marked(), ability="Y3")


def test_objectives_without_weight_are_no_rows() -> None:
    book = Book("oak")
    book.publish("2024-09-01", subject("maths", {"m1": "Y3", "m2": "Y3"}, weight={"m2": "0"}), states=STATES)
    enrol(book, "amy", "3")
    assert [row.row for row in ask(book, ability="Y3").rows] == ["objective:m1"]
    assert isinstance(book.history[0][1], CurriculumPublished)
