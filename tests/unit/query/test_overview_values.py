"""The values of the worked examples (`domain.md` 4.2), read from block bytes as reports read them."""

from __future__ import annotations

import pytest

from services.domain.bands import NO_DATA, NOT_APPLICABLE
from services.domain.measures import parse_measure
from tests.unit.query.hand_made import HandMadeSchool, day
from tests.unit.query.oak import make_oak


def percent_of(school: HandMadeSchool, pupil: str, measure: str, on: str, known: str | None = None) -> int:
    reading = school.reading(known)
    values = reading.values(parse_measure(measure), day(on))
    return int(values.amounts[reading.index.document.pupils.index(pupil)])


MONTH_ENDS = ("2025-09-30", "2025-10-31", "2025-11-30", "2025-12-31", "2026-01-31", "2026-02-28")


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("markbook:maths:Y3:overall", [10, 20, 50, 50, 60, 60]),
        ("markbook:maths:Y3:assessed", [50, 100, 83, 83, 100, 75]),
        ("markbook:maths:own-year:overall", [10, 20, 50, 50, 60, 60]),
        ("markbook:maths:any:assessed", [50, 100, 83, 83, 100, 75]),
    ],
)
def test_amy_at_the_month_ends(measure: str, expected: list[int]) -> None:
    assert [percent_of(make_oak(), "amy", measure, on) for on in MONTH_ENDS] == expected


@pytest.mark.parametrize(
    ("pupil", "measure", "on", "known", "expected"),
    [
        ("ben", "markbook:maths:Y3:overall", "2025-11-30", "2025-11-30", 30),
        ("ben", "markbook:maths:Y3:overall", "2025-11-30", "2026-02-28", 50),
        ("ben", "markbook:maths:Y3:overall", "2025-12-31", "2025-12-31", 20),
        ("ben", "markbook:maths:Y3:overall", "2025-12-31", "2026-02-28", 40),
        ("cai", "markbook:maths:Y3:overall", "2025-10-10", "2025-10-10", 20),
        ("cai", "markbook:maths:Y3:overall", "2025-10-10", "2025-10-31", NO_DATA),
        ("cai", "markbook:maths:Y3:overall", "2025-11-30", None, 10),
        ("dee", "markbook:maths:Y4:overall", "2025-11-30", None, 63),
        ("dee", "markbook:maths:own-year:overall", "2025-11-30", None, 63),
        ("dee", "markbook:maths:any:assessed", "2025-11-30", None, 83),
        ("dee", "markbook:maths:Y3:assessed", "2025-11-30", None, NO_DATA),
        ("dee", "markbook:maths:Y3:overall", "2025-11-30", None, 100),
        ("dee", "markbook:maths:Y3:assessed", "2025-08-31", None, 100),
        ("dee", "markbook:maths:Y3:assessed", "2025-09-01", None, NO_DATA),
        ("eli", "markbook:maths:own-year:overall", "2026-02-28", None, NO_DATA),
        ("eli", "markbook:maths:Y9:overall", "2026-02-28", None, NOT_APPLICABLE),
        ("eli", "markbook:science:any:overall", "2026-02-28", None, NOT_APPLICABLE),
        ("eli", "test:ks2:maths:-:scaled", "2026-02-28", None, NOT_APPLICABLE),
    ],
)
def test_one_value(pupil: str, measure: str, on: str, known: str | None, expected: int) -> None:
    assert percent_of(make_oak(), pupil, measure, on, known) == expected


def amy_in(school: HandMadeSchool) -> int:
    school.enrol("amy", "3")
    for objective, state in (("m1", "A"), ("m2", "A"), ("m3", "W")):
        school.assess("amy", "maths", objective, state, "2025-11-05")
    return percent_of(school, "amy", "markbook:maths:Y3:overall", "2025-11-30")


def test_other_state_weights() -> None:
    school = HandMadeSchool("oak")
    school.teach("maths", {f"m{n}": ("Y3", "3", 1) for n in range(1, 6)}, states={"N": 0, "W": 4, "A": 8})
    assert amy_in(school) == 40


def test_an_objective_of_weight_0_is_out_of_scope() -> None:
    school = HandMadeSchool("oak")
    school.teach("maths", {f"m{n}": ("Y3", "3", int(n > 1)) for n in range(1, 6)})
    assert amy_in(school) == 38


def test_an_assessed_not_yet_is_0_and_no_missing_data() -> None:
    school = HandMadeSchool("oak")
    school.teach("maths", {"m1": ("Y3", "3", 1)})
    school.enrol("amy", "3")
    school.assess("amy", "maths", "m1", "N", "2025-11-05")
    assert percent_of(school, "amy", "markbook:maths:Y3:overall", "2025-11-30") == 0


def test_own_year_does_not_apply_without_a_year_group_or_without_a_tag() -> None:
    school = HandMadeSchool("oak")
    school.teach("maths", {"m1": ("Y3", "3", 1), "x": ("Y3", "", 1)})
    school.enrol("ann", "3")
    school.enrol("bob")
    school.enrol("cat", "4")
    for pupil in ("ann", "bob", "cat"):
        school.assess(pupil, "maths", "x", "A", "2025-11-05")
    own_year = "markbook:maths:own-year:overall"
    assert [percent_of(school, p, own_year, "2025-11-30") for p in ("ann", "bob", "cat")] == [
        NO_DATA,
        NOT_APPLICABLE,
        NOT_APPLICABLE,
    ]
    assert percent_of(school, "bob", "markbook:maths:any:overall", "2025-11-30") == 50


def test_marks_count_in_their_own_unit() -> None:
    school = HandMadeSchool("oak")
    school.teach("maths", {"a": ("Y3", "3", 1), "b": ("Y3", "3", 3)}, marks_max=40)
    school.enrol("amy", "3")
    school.assess("amy", "maths", "b", 30, "2025-11-05")
    assert percent_of(school, "amy", "markbook:maths:Y3:overall", "2025-11-30") == 56
    assert percent_of(school, "amy", "markbook:maths:Y3:assessed", "2025-11-30") == 75
