"""Values that single facts decide: the best and the first sitting, a judgement of a name, the profile and its GLD."""

from __future__ import annotations

import random
from datetime import date, timedelta

import numpy as np
import pytest

from schemas.events import FactWithdrawn, JudgementRecorded, ResultRecorded, SchoolRegistered, State
from services.domain.built_in import BUILT_IN_SCALES, BUILT_IN_TESTS
from services.domain.eyfs import EYFSP, GOALS, judge_profile
from services.domain.measures import parse_measure
from services.query.bound_measures import Declared, bind_measure
from services.query.external_values import read_sittings
from services.query.fact_values import judge, profile_of, read_chosen
from services.query.numbers import NO_CODE
from services.query.population import gather_cohort
from services.query.reports.listing import Column, Listed, cut_page, values_of
from services.query.requests import Population
from services.query.vectors import SchoolReading
from tests.builders import Book, subject
from tests.unit.query.told import enrol, read

ON = date(2026, 7, 1)
READING = "test:ks2:reading:-:scaled"


def book_of(*pupils: str, year_group: str = "6") -> Book:
    book = Book("oak")
    book.tell(SchoolRegistered, "2024-09-01", name="Oak")
    for pupil in pupils:
        enrol(book, pupil, year_group)
    return book


def sit(book: Book, pupil: str, score: str, on: str, score_type: str = "scaled", **fields: str) -> str:
    said = {"test": "ks2", "subject": "reading", "score_type": score_type, "score": score, "sat_on": on, **fields}
    return book.tell(ResultRecorded, on, pupil=pupil, **said).event_id


def reading_told(book: Book, known: str | None = None) -> SchoolReading:
    """The school with its facts."""
    reading, facts = read(book, known=known)
    (school,) = reading.schools
    school.learn(facts[book.school])
    return school


def listed_of(school: SchoolReading, pupil: str) -> Listed:
    """A pupil as of a page."""
    cohort = gather_cohort([school], Population(schools=("oak",)), ON)
    page = cut_page(cohort, np.arange(cohort.size), 500, None)
    return next(one for one in page.pupils if one.pupil == pupil)


def told(school: SchoolReading, pupil: str, measure: str, on: date = ON) -> tuple[str, str | None]:
    """(status, code or value or score)."""
    bound = bind_measure(parse_measure(measure), Declared(BUILT_IN_TESTS, BUILT_IN_SCALES))
    (value,) = values_of([listed_of(school, pupil)], [Column(bound, on)])[0]
    return value.status, value.code or value.value or value.score


def test_the_latest_the_best_and_the_first_of_several_sittings() -> None:
    book = book_of("p1", "p2")
    for score, on in (("100", "2025-10-01"), ("108", "2026-01-15"), ("103", "2026-05-12")):
        sit(book, "p1", score, on)
    sit(book, "p2", "A", "2025-10-01")
    sit(book, "p2", "90", "2026-01-15")
    sit(book, "p2", "B", "2026-05-12")
    school = reading_told(book)
    found = {choice: told(school, "p1", f"{READING}:{choice}")[1] for choice in ("latest", "best", "first")}
    assert found == {"latest": "103", "best": "108", "first": "100"}
    assert told(school, "p2", f"{READING}:best") == ("value", "90")
    assert told(school, "p2", f"{READING}:first") == ("coded", "A")
    assert told(school, "p1", f"{READING}:best@2026-02-01..2026-06-30") == ("value", "103")
    assert told(school, "p1", f"{READING}:first@2024-12-31") == ("no_data", None)


def test_what_was_withdrawn_is_not_the_best_and_as_known_before_it_is() -> None:
    book = book_of("p1")
    sit(book, "p1", "100", "2025-10-01")
    wrong = sit(book, "p1", "119", "2026-01-15")
    book.tell(FactWithdrawn, "2026-02-01", withdraws=wrong)
    assert told(reading_told(book), "p1", f"{READING}:best") == ("value", "100")
    assert told(reading_told(book, known="2026-01-20"), "p1", f"{READING}:best") == ("value", "119")


def test_a_judgement_of_a_name() -> None:
    book = book_of("p1")
    for name, value in (("class work", "silver"), ("homework", "gold")):
        fields = {"subject": "maths", "scale": "bronze-silver-gold", "value": value, "judged_on": "2026-03-01"}
        book.tell(JudgementRecorded, "2026-03-01", pupil="p1", name=name, **fields)
    school, measure = reading_told(book), "judgement:maths:bronze-silver-gold"
    assert told(school, "p1", f"{measure}:class work") == ("value", "silver")
    assert told(school, "p1", f"{measure}:homework") == ("value", "gold")
    assert told(school, "p1", f"{measure}:reading") == ("no_data", None)


def tell_profile(book: Book, pupil: str, values: str, on: str = "2026-06-20") -> None:
    """E01 to E17, one letter each; a point = nothing."""
    for goal, value in zip(GOALS, values, strict=True):
        if value != ".":
            fields = {"test": "eyfsp", "subject": "eyfsp", "component": goal, "score_type": "ta", "score": value}
            book.tell(ResultRecorded, on, pupil=pupil, sat_on=on, **fields)


PROFILES_4_7 = {
    "A": "2" * 17,
    "B": "2" * 12 + "1" * 5,
    "C": "2" * 9 + "1" + "2" * 7,
    "D": "1" * 17,
    "E": "A" * 17,
    "F": "2" * 16 + ".",
    "G": "1" + "2" * 15 + ".",
}


def test_worked_example_4_7_the_profile_as_results() -> None:
    book = book_of(*PROFILES_4_7, year_group="R")
    for pupil, values in PROFILES_4_7.items():
        tell_profile(book, pupil, values)
    check_4_7(reading_told(book))


def test_worked_example_4_7_the_profile_as_a_markbook() -> None:
    book = book_of(*PROFILES_4_7, year_group="R")
    states = (State("1", "0"), State("2", "1"), State("A", None))
    book.publish("2024-09-01", subject("eyfsp", dict.fromkeys(GOALS, "R")), framework="eyfsp", states=states)
    for pupil, values in PROFILES_4_7.items():
        for goal, value in zip(GOALS, values, strict=True):
            if value != ".":
                book.assess(pupil, goal, value, "2026-06-20", subject="eyfsp")
    check_4_7(reading_told(book))


def check_4_7(school: SchoolReading) -> None:
    gld = {pupil: told(school, pupil, "eyfs:gld") for pupil in PROFILES_4_7}
    assert gld == {
        "A": ("value", "yes"),
        "B": ("value", "yes"),
        "C": ("value", "no"),
        "D": ("value", "no"),
        "E": ("excluded", "A"),
        "F": ("no_data", None),
        "G": ("value", "no"),
    }
    total = {pupil: told(school, pupil, "eyfs:total")[1] for pupil in PROFILES_4_7}
    assert total == {"A": "34", "B": "29", "C": "33", "D": "17", "E": "A", "F": None, "G": None}
    assert told(school, "C", "eyfs:E10") == ("value", "1")
    assert told(school, "A", "eyfs:gld@2025-07-01") == ("no_data", None)


@pytest.mark.parametrize("seed", range(20))
def test_many_profiles_are_judged_as_each_by_itself(seed: int) -> None:
    rng, book = random.Random(seed), book_of("p", "q", year_group="R")
    profiles = {pupil: "".join(rng.choice("1222222222.") for _ in GOALS) for pupil in ("p", "q")}
    for pupil, values in profiles.items():
        tell_profile(book, pupil, values)
    school = reading_told(book)
    known = school.views.facts
    assert known is not None
    found = profile_of(school.index, known, 9, date(2025, 9, 1).toordinal(), ON, school.index.slots)
    judged = judge(found)
    for pupil, values in profiles.items():
        slot = school.index.document.pupils.index(pupil)
        alone = judge_profile({goal: value for goal, value in zip(GOALS, values, strict=True) if value != "."}, EYFSP)
        assert alone.gld == ("yes" if judged.gld[slot] else "no" if judged.below[slot] else "incomplete")
        assert (alone.total if alone.total is not None else -1) == judged.total[slot]
        assert (alone.expected if alone.expected is not None else -1) == judged.expected[slot]


@pytest.mark.parametrize("seed", range(12))
def test_the_latest_by_blocks_is_the_latest_by_facts(seed: int) -> None:
    """Sittings as they come: numbers of all score types, or a code in any of them."""
    rng, pupils = random.Random(seed), ("p", "q", "r")
    book = book_of(*pupils)
    sittings = []
    for offset in sorted(rng.sample(range(300), 12)):
        on = (date(2025, 9, 1) + timedelta(days=offset)).isoformat()
        pupil, code = rng.choice(pupils), rng.choice(("A", "L", "B", "", "", ""))
        types = (rng.choice(("scaled", "raw")),) if code else ("scaled", "raw")
        score = code or str(rng.randrange(80, 121))
        sittings.append([sit(book, pupil, score, on, score_type) for score_type in types])
    for event_id in (each for sitting in rng.sample(sittings, 2) for each in sitting):
        book.tell(FactWithdrawn, "2026-07-10", withdraws=event_id)
    declared = Declared(BUILT_IN_TESTS, BUILT_IN_SCALES)
    by_blocks = bind_measure(parse_measure(READING), declared)
    by_facts = bind_measure(parse_measure(f"{READING}:latest"), declared)
    for known in ("2026-03-01", None):
        school = reading_told(book, known=known)
        for on in (date(2025, 11, 1), date(2026, 2, 1), ON):
            found = read_sittings(school.axis, by_blocks, on)
            again = read_chosen(school.axis, by_facts, on)
            assert found.amounts.tolist() == again.amounts.tolist(), (seed, known, on)
            no_codes = np.full(school.axis.size, NO_CODE)
            codes = [no_codes if each.codes is None else each.codes for each in (found, again)]
            assert codes[0].tolist() == codes[1].tolist(), (seed, known, on)
