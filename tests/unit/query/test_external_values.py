"""Tests as their definitions say: codes, windows, siblings, earlier years; combined measures (`domain.md` 3.2, 4.8)."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest

from services.domain.bands import NO_DATA, NOT_APPLICABLE
from services.domain.built_in import BUILT_IN_SCALES, BUILT_IN_TESTS
from services.domain.measures import Measure, parse_measure
from services.query.answers import Value
from services.query.bound_measures import Declared, bind_measure
from services.query.numbers import NO_CODE
from services.query.population import gather_cohort
from services.query.reports.listing import Column, cut_page, values_of
from services.query.requests import Population
from services.query.vectors import SchoolReading
from tests.unit.query.hand_made import HandMadeSchool

DECLARED = Declared(BUILT_IN_TESTS, BUILT_IN_SCALES)
READING, WRITING, MATHS = "test:ks2:reading:-:scaled", "test:ks2:writing:-:ta", "test:ks2:maths:-:scaled"
PHONICS = "test:phonics:phonics:-:raw"
SAT = "2026-05-12"
ON = date(2026, 7, 1)


def bound(text: str) -> Measure:
    return bind_measure(parse_measure(text), DECLARED)


def ks2_school(*pupils: tuple[str, str, str]) -> SchoolReading:
    """Pupils p1, p2 … with (reading, writing, maths); empty = nothing was told."""
    school = HandMadeSchool("oak")
    for number, told in enumerate(pupils, 1):
        school.enrol(f"p{number}", "6")
        for column, score in zip((READING, WRITING, MATHS), told, strict=True):
            if score:
                school.sit(f"p{number}", column, score, SAT)
    return school.reading()


def value_of(school: SchoolReading, measure: str, pupil: str, on: date = ON) -> tuple[str, str | None]:
    """(status, code or value or score)."""
    cohort = gather_cohort([school], Population(schools=("oak",)), on)
    page = cut_page(cohort, np.arange(cohort.size), 500, None)
    values = values_of(page.pupils, [Column(bound(measure), on)])
    told = {one.pupil: each[0] for one, each in zip(page.pupils, values, strict=True)}
    value: Value = told[pupil]
    return value.status, value.code or value.value or value.score


def amount_of(school: SchoolReading, measure: str, pupil: str, on: date = ON) -> tuple[int, int]:
    """(what is banded, number of the code)."""
    values = school.values(bound(measure), on)
    slot = school.index.document.pupils.index(pupil)
    return int(values.amounts[slot]), NO_CODE if values.codes is None else int(values.codes[slot])


def test_worked_example_4_8_reading_writing_and_maths() -> None:
    school = ks2_school(
        ("102", "EXS", "99"),
        ("110", "GDS", "110"),
        ("B", "PK6", "B"),
        ("A", "EXS", "100"),
        ("L", "L", "L"),
        ("100", "EXS", "100"),
    )
    expected = [value_of(school, "combined:ks2-rwm:expected", f"p{n}")[1] for n in range(1, 7)]
    assert expected == ["no", "yes", "no", "no", "L", "yes"]
    assert value_of(school, "combined:ks2-rwm:expected", "p5") == ("excluded", "L")
    higher = [value_of(school, "combined:ks2-rwm:higher", f"p{n}")[1] for n in range(1, 7)]
    assert higher == ["no", "yes", "no", "no", "L", "no"]


def test_codes_count_or_do_not() -> None:
    school = ks2_school(("A", "", ""), ("L", "", ""), ("B", "", ""), ("", "", ""), ("104", "", ""))
    assert value_of(school, READING, "p1") == ("coded", "A")
    assert value_of(school, READING, "p2") == ("excluded", "L")
    assert value_of(school, READING, "p3") == ("coded", "B")
    assert value_of(school, READING, "p4") == ("no_data", None)
    assert value_of(school, READING, "p5") == ("value", "104")
    assert amount_of(school, READING, "p1")[0] == NO_DATA
    assert amount_of(school, READING, "p2")[0] == NOT_APPLICABLE
    assert amount_of(school, READING, "p3")[0] == 0  # in the lowest band
    assert amount_of(school, READING, "p4") == (NO_DATA, NO_CODE)


def test_a_code_of_the_sitting_under_another_score_type_stands_for_the_number() -> None:
    school = HandMadeSchool("oak")
    for pupil in ("p1", "p2", "p3"):
        school.enrol(pupil, "6")
    school.sit("p1", "test:ks2:reading:-:raw", "A", SAT)
    school.sit("p2", "test:ks2:reading:-:raw", "A", "2026-05-01")
    school.sit("p2", READING, "103", SAT)
    school.sit("p3", READING, "103", SAT)
    school.sit("p3", "test:ks2:reading:-:ta", "Q", SAT)
    school.sit("p3", "test:ks2:reading:-:raw", "44", SAT)
    reading = school.reading()
    assert value_of(reading, READING, "p1") == ("coded", "A")
    assert value_of(reading, READING, "p2") == ("value", "103")
    assert value_of(reading, READING, "p3") == ("coded", "Q")


def test_p_uses_the_earlier_result_and_nothing_else_does() -> None:
    school = HandMadeSchool("oak")
    for pupil, code in (("p1", "P"), ("p2", "A"), ("p3", "")):
        school.enrol(pupil, "6")
        school.sit(pupil, READING, "107", "2025-05-13")
        if code:
            school.sit(pupil, READING, code, SAT)
    reading = school.reading()
    assert value_of(reading, READING, "p1") == ("value", "107")
    assert value_of(reading, READING, "p2") == ("coded", "A")
    assert value_of(reading, READING, "p3") == ("no_data", None)


def test_a_value_counts_in_its_window() -> None:
    school = HandMadeSchool("oak")
    school.enrol("p1", "6")
    school.sit("p1", "test:reading-age:reading:-:months", "97", "2025-05-13")
    reading, text = school.reading(), "test:reading-age:reading:-:months"
    assert value_of(reading, text, "p1")[0] == "no_data"
    assert value_of(reading, f"{text}@2025-05-01..2026-05-01", "p1") == ("value", "97")
    assert value_of(reading, f"{text}@2025-05-14..2026-05-01", "p1")[0] == "no_data"
    assert value_of(reading, f"{text}@2025-06-30", "p1") == ("value", "97")
    always = msgspec.structs.replace(parse_measure(text).scoring, window="any")
    measure = msgspec.structs.replace(parse_measure(text), scoring=always)
    assert int(reading.values(measure, ON).amounts[0]) == 97_000


def test_phonics_by_the_end_of_year_2_is_met_in_either_year() -> None:
    school = HandMadeSchool("oak")
    for pupil, first, again in (
        ("p1", "31", "32"),
        ("p2", "32", ""),
        ("p3", "20", "A"),
        ("p4", "", ""),
        ("p5", "L", ""),
    ):
        school.enrol(pupil, "2")
        if first:
            school.sit(pupil, PHONICS, first, "2025-06-10")
        if again:
            school.sit(pupil, PHONICS, again, "2026-06-09")
    school.enrol("y1", "1")
    school.sit("y1", PHONICS, "40", "2026-06-09")
    reading = school.reading()
    at_end = {pupil: value_of(reading, "combined:phonics:end-of-year-2", pupil) for pupil in ("p1", "p2", "p3", "p4")}
    assert at_end == {"p1": ("value", "yes"), "p2": ("value", "yes"), "p3": ("value", "no"), "p4": ("no_data", None)}
    assert value_of(reading, "combined:phonics:end-of-year-2", "p5")[0] == "excluded"
    assert value_of(reading, "combined:phonics:end-of-year-2", "y1")[0] == "not_applicable"
    in_year_1 = {pupil: value_of(reading, "combined:phonics:year-1", pupil)[1] for pupil in ("p1", "p2", "y1")}
    assert in_year_1 == {"p1": "no", "p2": "yes", "y1": "yes"}


@pytest.mark.parametrize("kind", ["ta", "achieved"])
def test_literacy_is_all_three_parts(kind: str) -> None:
    school = HandMadeSchool("oak")
    for pupil, writing in (("p1", "no"), ("p2", "yes"), ("p3", "")):
        school.enrol(pupil, "P4")
        told = (("reading", "yes"), ("writing", writing), ("listening-and-talking", "yes"))
        for subject, value in told:
            if value:
                school.sit(pupil, f"test:acel:{subject}:-:{kind}", value, "2026-06-08")
    reading = school.reading()
    assert [value_of(reading, "combined:acel-literacy", f"p{n}") for n in (1, 2, 3)] == [
        ("value", "no"),
        ("value", "yes"),
        ("no_data", None),
    ]


def test_a_level_is_held_against_that_of_the_stage() -> None:
    school = HandMadeSchool("oak")
    for pupil, level in (("p1", "early"), ("p2", "first"), ("p3", "second")):
        school.enrol(pupil, "P4")
        for subject in ("reading", "writing", "listening-and-talking"):
            school.sit(pupil, f"test:acel:{subject}:-:level", level, "2026-06-08")
    reading = school.reading()
    assert [value_of(reading, "combined:acel-literacy", f"p{n}")[1] for n in (1, 2, 3)] == ["no", "yes", "yes"]


def test_a_school_without_any_of_the_tests_has_nothing_applicable() -> None:
    school = HandMadeSchool("oak")
    school.enrol("p1", "6")
    assert value_of(school.reading(), "combined:ks2-rwm:expected", "p1") == ("not_applicable", None)
