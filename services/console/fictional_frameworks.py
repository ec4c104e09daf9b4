"""The made-up frameworks of the demonstration: a primary one with named states, early years, and science in marks.

Pure rows of `curriculum` files. The primary framework has a second version, in force from the second academic year,
that adds an objective to each year and subject, retires one and gives another more weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from services.domain.eyfs import EYFSP

YEAR_GROUPS = (1, 2, 3, 4, 5, 6)
PRIMARY_SUBJECTS = ("reading", "writing", "maths")
OBJECTIVES_PER_YEAR = 12
ADDED_NUMBER = OBJECTIVES_PER_YEAR
RETIRED_NUMBER = 11
HEAVIER_NUMBER = 0
STATES = "not_yet:0,working_towards:0.5,achieved:1,exceeding:1"
TEST_MARKS_MAX = 50
TEST_TERMS = (("autumn", 75), ("spring", 195), ("summer", 290))
"""Each test with the days from the start of the academic year to its sitting."""

EARLY_AREAS = {area.area: area.name for area in EYFSP.areas}
EARLY_RANGES = {
    "age-3-4": ("Three and four years old", 2, 10, 12),
    "reception": ("Reception", 5, 40, 46),
}
"""Age ranges of the early years: name, objectives an area, the day of the first, and how many days lie between."""

CURRICULUM_COLUMNS = (
    *("framework", "version", "effective_on", "subject", "ability", "year_group"),
    *("strand", "objective", "text", "weight", "recorded_at"),
)

_STRANDS = {
    "reading": ("Word reading", "Vocabulary", "Retrieval", "Inference", "Prediction", "Response to texts"),
    "writing": ("Transcription", "Handwriting", "Composition", "Grammar", "Punctuation", "Editing"),
    "maths": ("Place value", "Addition and subtraction", "Multiplication", "Fractions", "Measurement", "Geometry"),
}


def objective_id(subject: str, year_group: int, number: int) -> str:
    """The id of an objective of the primary framework."""
    return f"{subject[:2]}{year_group}-{number + 1:02d}"


def science_test_id(year_group: int, term: str) -> str:
    """The id of a science test."""
    return f"sc{year_group}-{term}"


def primary_rows(first: date, second: date) -> Iterator[Sequence[object]]:
    """Both versions of the primary framework; the second was published in the summer before its first day."""
    numbers = range(OBJECTIVES_PER_YEAR)
    yield from _version_rows("2025", "", numbers, f"{first}T08:00:00Z", heavier=False)
    numbers_after = [number for number in (*numbers, ADDED_NUMBER) if number != RETIRED_NUMBER]
    published_at = f"{second.replace(month=7, day=6)}T08:00:00Z"
    yield from _version_rows("2026", second, numbers_after, published_at, heavier=True)


def _version_rows(
    version: str, effective_on: date | str, numbers: Sequence[int], told_at: str, *, heavier: bool
) -> Iterator[Sequence[object]]:
    for subject in PRIMARY_SUBJECTS:
        strands = _STRANDS[subject]
        for year_group in YEAR_GROUPS:
            for number in numbers:
                strand = strands[number % len(strands)]
                weight = 2 if heavier and number == HEAVIER_NUMBER else 1
                yield (
                    "primary",
                    version,
                    effective_on,
                    subject,
                    f"Y{year_group}",
                    year_group,
                    strand,
                    objective_id(subject, year_group, number),
                    f"{strand}, step {number // len(strands) + 1} of year {year_group}",
                    weight,
                    told_at,
                )


def science_rows(first: date) -> Iterator[Sequence[object]]:
    """The science tests, three a year."""
    for year_group in YEAR_GROUPS:
        for term, _ in TEST_TERMS:
            yield (
                "science-tests",
                "1",
                "",
                "science",
                f"Y{year_group}",
                year_group,
                "Tests",
                science_test_id(year_group, term),
                f"Year {year_group} {term} test",
                1,
                f"{first}T08:00:00Z",
            )


def early_objective_id(area: str, age_range: str, number: int) -> str:
    """The id of an objective of the early years."""
    return f"{area[:3]}-{age_range}-{number + 1}"


def early_years_rows(first: date) -> Iterator[Sequence[object]]:
    """The early years: seven areas, each in two age ranges, of which one belongs to Reception."""
    for area, name in EARLY_AREAS.items():
        for age_range, (range_name, numbers, _, _) in EARLY_RANGES.items():
            for number in range(numbers):
                yield (
                    "early-years",
                    "2021",
                    "",
                    area,
                    age_range,
                    "R" if age_range == "reception" else "",
                    range_name,
                    early_objective_id(area, age_range, number),
                    f"{name}, {range_name.lower()}: step {number + 1}",
                    1,
                    f"{first}T08:00:00Z",
                )
