"""What teachers of the demonstration recorded: objectives of the markbooks, marks, corrections, the early years.

Pure and deterministic. Most facts are told on their day, some late, some corrected; the moves of pupils between schools
leave each school with what was recorded there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random

from services.console.fictional_frameworks import (
    EARLY_AREAS,
    EARLY_RANGES,
    OBJECTIVES_PER_YEAR,
    PRIMARY_SUBJECTS,
    TEST_MARKS_MAX,
    TEST_TERMS,
    early_objective_id,
    objective_id,
    science_test_id,
)
from services.console.fictional_people import RECEPTION_YEAR, SEED, Pupil, Years, own_years

ASSESSMENT_COLUMNS = ("school", "pupil", "subject", "objective", "state", "assessed_on", "recorded_at")


def assessment_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """Each objective of the pupil's own year when it was taught, and again two half-terms later."""
    random = Random(SEED + 3)
    for pupil in pupils:
        for year, starts_on in _school_years(pupil, years):
            for subject in PRIMARY_SUBJECTS:
                for number in range(OBJECTIVES_PER_YEAR):
                    objective = objective_id(subject, year, number)
                    taught_on = starts_on + timedelta(days=30 + number * 22 + random.randrange(14))
                    yield from _two_judgements(pupil, subject, objective, taught_on, years, random)


def early_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """The early years: what younger children can do at the start, then what Reception teaches."""
    random = Random(SEED + 6)
    for pupil in pupils:
        for year, starts_on in own_years(pupil, years):
            if year != RECEPTION_YEAR:
                continue
            for area in EARLY_AREAS:
                for age_range, (_, numbers, first_day, every) in EARLY_RANGES.items():
                    for number in range(numbers):
                        seen_on = starts_on + timedelta(days=first_day + number * every + random.randrange(10))
                        objective = early_objective_id(area, age_range, number)
                        if age_range == "reception":
                            yield from _two_judgements(pupil, area, objective, seen_on, years, random)
                        elif seen_on <= years.ends_on and pupil.is_on_roll(seen_on):
                            state = _state(pupil.strength + 0.25 + random.gauss(0, 0.15))
                            yield (
                                pupil.school.school,
                                pupil.reference,
                                area,
                                objective,
                                state,
                                seen_on,
                                years.told(seen_on),
                            )


def mark_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """A science test at the end of each term, in marks."""
    random = Random(SEED + 4)
    for pupil in pupils:
        for year, starts_on in _school_years(pupil, years):
            for term, days in TEST_TERMS:
                sat_on = starts_on + timedelta(days=days)
                mark = max(0, min(TEST_MARKS_MAX, round(TEST_MARKS_MAX * (pupil.strength + random.gauss(0, 0.12)))))
                told_on = sat_on + timedelta(days=4)
                if told_on <= years.ends_on and pupil.is_on_roll(sat_on):
                    yield (
                        pupil.school.school,
                        pupil.reference,
                        "science",
                        science_test_id(year, term),
                        mark,
                        sat_on,
                        years.told(told_on),
                    )


def correction_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """One judgement in a hundred is told again, weeks later, with another state."""
    random = Random(SEED + 5)
    for school, reference, subject, objective, state, assessed_on, told_at in assessment_rows(pupils, years):
        told_on = date.fromisoformat(str(told_at)[:10]) + timedelta(days=random.randrange(10, 40))
        if random.random() < 0.01 and told_on <= years.ends_on:
            corrected = "working_towards" if state == "achieved" else "achieved"
            yield school, reference, subject, objective, corrected, assessed_on, years.told(told_on)


def _school_years(pupil: Pupil, years: Years) -> Iterator[tuple[int, date]]:
    """The years from Year 1 on."""
    return ((year, starts_on) for year, starts_on in own_years(pupil, years) if year > RECEPTION_YEAR)


def _two_judgements(
    pupil: Pupil, subject: str, objective: str, taught_on: date, years: Years, random: Random
) -> Iterator[Sequence[object]]:
    again_on = taught_on + timedelta(days=random.randrange(40, 90))
    rise = random.random() * 0.35
    for assessed_on, strength in ((taught_on, pupil.strength - 0.15), (again_on, pupil.strength + rise)):
        told_on = _told_on(assessed_on, random)
        state = _state(strength + random.gauss(0, 0.18))
        if told_on > years.ends_on:
            return
        if pupil.is_on_roll(assessed_on):
            yield pupil.school.school, pupil.reference, subject, objective, state, assessed_on, years.told(told_on)


def _told_on(day: date, random: Random) -> date:
    """Most facts are told on their day, some in the week, a few weeks later."""
    chance = random.random()
    if chance < 0.85:
        return day
    return day + timedelta(days=random.randrange(1, 8) if chance < 0.97 else random.randrange(8, 60))


def _state(strength: float) -> str:
    if strength < 0.3:
        return "not_yet"
    if strength < 0.55:
        return "working_towards"
    return "achieved" if strength < 0.95 else "exceeding"
