"""The demonstration trust as files and documents, in the order in which they must be sent. It sends nothing (`demo`).

Pure and deterministic: the same day and seed give the same rows, byte for byte. Every row has its `recorded_at`, so
that the ledger knows when it was told: most facts on their day, some late, some corrected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from random import Random
from typing import NamedTuple

from services.console import fictional_marks as marks
from services.console import fictional_people as people
from services.console import fictional_tests as tests
from services.console.fictional_frameworks import (
    CURRICULUM_COLUMNS,
    STATES,
    TEST_MARKS_MAX,
    early_years_rows,
    primary_rows,
    science_rows,
)
from services.console.fictional_people import SCHOOLS, SEED, TRUST, make_pupils, unique_pupil_number, years_until

__all__ = ["ENDS_ON", "SCHOOLS", "TRUST", "DemoFile", "demo_files", "unique_pupil_number", "years_until"]

ENDS_ON = date(2026, 11, 20)
"""The last day of the made-up history; it lies in the second of the two academic years."""


class DemoFile(NamedTuple):
    """One import: its kind, a title for the progress line, `states` for a curriculum, columns, rows."""

    kind: str
    title: str
    columns: Sequence[str]
    rows: Iterator[Sequence[object]]
    states: str | None = None


def demo_files(ends_on: date = ENDS_ON) -> Iterator[DemoFile]:
    """The files of the demonstration, in the order in which they must be sent."""
    years = years_until(ends_on)
    pupils = make_pupils(years, Random(SEED))
    yield DemoFile("schools", "schools", people.SCHOOL_COLUMNS, people.school_rows(years))
    yield DemoFile("pupils", "pupils", people.PUPIL_COLUMNS, people.pupil_rows(pupils, years))
    yield DemoFile("year-groups", "year groups", people.YEAR_COLUMNS, people.year_rows(pupils, years))
    yield DemoFile("groups", "classes and groups", people.GROUP_COLUMNS, people.group_rows(pupils, years))
    characteristics = people.characteristic_rows(pupils, years)
    yield DemoFile("characteristics", "characteristics", people.CHARACTERISTIC_COLUMNS, characteristics)
    framework, science = primary_rows(years.first, years.second), science_rows(years.first)
    yield DemoFile("curriculum", "primary framework", CURRICULUM_COLUMNS, framework, STATES)
    yield DemoFile("curriculum", "science tests", CURRICULUM_COLUMNS, science, f"marks:{TEST_MARKS_MAX}")
    yield DemoFile("curriculum", "early years", CURRICULUM_COLUMNS, early_years_rows(years.first), STATES)
    yield DemoFile("assessments", "assessments", marks.ASSESSMENT_COLUMNS, marks.assessment_rows(pupils, years))
    yield DemoFile("assessments", "early years marks", marks.ASSESSMENT_COLUMNS, marks.early_rows(pupils, years))
    yield DemoFile("assessments", "science marks", marks.ASSESSMENT_COLUMNS, marks.mark_rows(pupils, years))
    yield DemoFile("assessments", "corrections", marks.ASSESSMENT_COLUMNS, marks.correction_rows(pupils, years))
    yield DemoFile("results", "results of tests", tests.RESULT_COLUMNS, tests.result_rows(pupils, years))
    yield DemoFile("judgements", "judgements", tests.JUDGEMENT_COLUMNS, tests.judgement_rows(pupils, years))
