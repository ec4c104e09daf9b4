"""The demonstration trust, made up: 3 primary schools, 1,200 pupils, two academic years, as import files.

Pure and deterministic: the same day and seed give the same rows, byte for byte. It sends nothing (`demo.py` does).
Every row has its `recorded_at`, so that the ledger knows when it was told: most facts on their day, some late, some
corrected. The frameworks are in `fictional_frameworks.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from services.console.fictional_frameworks import (
    CURRICULUM_COLUMNS,
    OBJECTIVES_PER_YEAR,
    PRIMARY_SUBJECTS,
    STATES,
    TEST_MARKS_MAX,
    TEST_TERMS,
    YEAR_GROUPS,
    objective_id,
    primary_rows,
    science_rows,
    science_test_id,
)

TRUST = "river-trust"
ENDS_ON = date(2026, 11, 20)
"""The last day of the made-up history; it lies in the second of the two academic years."""
SEED = 20_261_120
PUPILS_PER_SCHOOL = 400
TOLD_AT = "T16:30:00Z"


class School(NamedTuple):
    """A made-up school; `joined_trust_on` lies inside the history for one of them."""

    school: str
    name: str
    joined_trust_on: date
    strength: float


class Pupil(NamedTuple):
    """A made-up pupil. `year` is the year group in the first academic year (0 = starts in the second)."""

    school: School
    reference: str
    given_name: str
    family_name: str
    date_of_birth: date
    sex: str
    enrolled_on: date
    left_on: date | None
    year: int
    strength: float
    has_pupil_premium: bool
    has_sen: bool


class DemoFile(NamedTuple):
    """One import: its kind, a title for the progress line, `states` for a curriculum, columns, rows."""

    kind: str
    title: str
    columns: Sequence[str]
    rows: Iterator[Sequence[object]]
    states: str | None = None


class Years(NamedTuple):
    """The two academic years and the last day that was lived through."""

    first: date
    second: date
    ends_on: date


SCHOOLS = (
    School("ashgrove", "Ashgrove Primary School", date(2020, 9, 1), 0.06),
    School("brookfield", "Brookfield Primary Academy", date(2020, 9, 1), 0.0),
    School("cedar-lane", "Cedar Lane Community Primary School", date(2026, 1, 1), -0.05),
)
_GIVEN = {
    "F": "Amara Beth Cerys Daisy Elif Freya Grace Hana Isla Jaya Kezia Lily Maya Nora Olive Priya Rosa Sofia Tara Zoe",
    "M": "Adam Ben Caleb Dylan Ewan Felix George Hugo Ivan Jack Kofi Leo Musa Noah Omar Pavel Reuben Sam Tomasz Yusuf",
}
_FAMILY = (
    "Abbott Begum Castle Drummond Edwards Farrow Granger Hussain Ibbotson Jarvis Kowalski Langley Mensah Nightingale"
    " Okafor Patel Quigley Rowntree Shah Thackray Underhill Varga Whitlock Xavier Yates Zielinski"
)
_CHARACTERISTICS_CHANGE = 0.06

SCHOOL_COLUMNS = ("school", "name", "trust", "joined_on", "recorded_at")
PUPIL_COLUMNS = (
    *("school", "pupil", "enrolled_on", "left_on", "year_group"),
    *("given_name", "family_name", "date_of_birth", "sex", "upn", "recorded_at"),
)
YEAR_COLUMNS = ("school", "pupil", "year_group", "starts_on", "recorded_at")
GROUP_COLUMNS = ("school", "group", "kind", "pupil", "joined_on", "left_on", "recorded_at")
CHARACTERISTIC_COLUMNS = ("school", "pupil", "name", "value", "starts_on", "recorded_at")
ASSESSMENT_COLUMNS = ("school", "pupil", "subject", "objective", "state", "assessed_on", "recorded_at")


def years_until(ends_on: date) -> Years:
    """The academic year of `ends_on` and the one before it."""
    second = date(ends_on.year if ends_on.month >= 9 else ends_on.year - 1, 9, 1)
    return Years(second.replace(year=second.year - 1), second, ends_on)


def demo_files(ends_on: date = ENDS_ON) -> Iterator[DemoFile]:
    """The files of the demonstration, in the order in which they must be sent."""
    years = years_until(ends_on)
    pupils = make_pupils(years, Random(SEED))
    yield DemoFile("schools", "schools", SCHOOL_COLUMNS, _school_rows(years))
    yield DemoFile("pupils", "pupils", PUPIL_COLUMNS, _pupil_rows(pupils))
    yield DemoFile("year-groups", "year groups", YEAR_COLUMNS, _year_rows(pupils, years))
    yield DemoFile("groups", "classes and groups", GROUP_COLUMNS, _group_rows(pupils, years))
    yield DemoFile("characteristics", "characteristics", CHARACTERISTIC_COLUMNS, _characteristic_rows(pupils, years))
    framework, tests = primary_rows(years.first, years.second), science_rows(years.first)
    yield DemoFile("curriculum", "primary framework", CURRICULUM_COLUMNS, framework, STATES)
    yield DemoFile("curriculum", "science tests", CURRICULUM_COLUMNS, tests, f"marks:{TEST_MARKS_MAX}")
    yield DemoFile("assessments", "assessments", ASSESSMENT_COLUMNS, _assessment_rows(pupils, years))
    yield DemoFile("assessments", "science marks", ASSESSMENT_COLUMNS, _mark_rows(pupils, years))
    yield DemoFile("assessments", "corrections", ASSESSMENT_COLUMNS, _correction_rows(pupils, years))


def make_pupils(years: Years, random: Random) -> list[Pupil]:
    """1,200 pupils: seven cohorts a school, of which one leaves and one starts between the two years."""
    pupils = []
    family_names = _FAMILY.split()
    for school in SCHOOLS:
        for number in range(PUPILS_PER_SCHOOL):
            year = number % (len(YEAR_GROUPS) + 1)
            sex = random.choice("FM")
            enrolled_on, left_on = _stay(year, years, random)
            premium, sen = random.random() < 0.24, random.random() < 0.16
            pupils.append(
                Pupil(
                    school=school,
                    reference=f"{school.school[0].upper()}{number + 1:04d}",
                    given_name=random.choice(_GIVEN[sex].split()),
                    family_name=random.choice(family_names),
                    date_of_birth=years.first.replace(year=years.first.year - 5 - year)
                    + timedelta(days=random.randrange(365)),
                    sex=sex,
                    enrolled_on=enrolled_on,
                    left_on=left_on,
                    year=year,
                    strength=random.gauss(0.62, 0.17) + school.strength - 0.09 * premium - 0.16 * sen,
                    has_pupil_premium=premium,
                    has_sen=sen,
                )
            )
    return pupils


def _stay(year: int, years: Years, random: Random) -> tuple[date, date | None]:
    """First and last day on roll: most stay, a few join or leave inside the first year."""
    if year == 0:
        return years.second, None
    last_day = years.second - timedelta(days=41) if year == len(YEAR_GROUPS) else None
    chance = random.random()
    if chance < 0.03:
        return years.first + timedelta(days=random.randrange(40, 230)), last_day
    if chance < 0.06:
        return years.first, years.first + timedelta(days=random.randrange(60, 260))
    return years.first, last_day


def _school_rows(years: Years) -> Iterator[Sequence[object]]:
    for school in SCHOOLS:
        told_on = max(years.first, school.joined_trust_on)
        if school.joined_trust_on > years.first:  # it was known before it joined
            yield school.school, school.name, "", "", _told(years.first)
        yield school.school, school.name, TRUST, school.joined_trust_on, _told(told_on)


def _pupil_rows(pupils: Sequence[Pupil]) -> Iterator[Sequence[object]]:
    for number, pupil in enumerate(pupils):
        yield (
            pupil.school.school,
            pupil.reference,
            pupil.enrolled_on,
            pupil.left_on or "",
            max(pupil.year, 1),
            pupil.given_name,
            pupil.family_name,
            pupil.date_of_birth,
            pupil.sex,
            unique_pupil_number(number),
            _told(pupil.enrolled_on),
        )


def unique_pupil_number(number: int) -> str:
    """A well-formed UPN of the made-up authority 999: check letter, authority, school, year, serial."""
    digits = f"999400{number // 1000}25{number % 1000:03d}"
    total = sum(int(digit) * weight for weight, digit in enumerate(digits, start=2))
    return "ABCDEFGHJKLMNPQRTUVWXYZ"[total % 23] + digits


def _year_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    for pupil in pupils:
        if 1 <= pupil.year < len(YEAR_GROUPS) and _on_roll(pupil, years.second):
            yield pupil.school.school, pupil.reference, pupil.year + 1, years.second, _told(years.second)


def _group_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    random = Random(SEED + 1)
    first_ends, boost_starts = years.second - timedelta(days=1), years.first + timedelta(days=126)
    for number, pupil in enumerate(pupils):
        side = "AB"[number // (len(YEAR_GROUPS) + 1) % 2]
        school = pupil.school.school
        if pupil.year:
            ends = min(first_ends, pupil.left_on or first_ends)
            joined = pupil.enrolled_on
            yield school, f"{pupil.year}{side}", "class", pupil.reference, joined, ends, _told(joined)
        if pupil.year < len(YEAR_GROUPS) and _on_roll(pupil, years.second):
            joined = years.second
            yield school, f"{pupil.year + 1}{side}", "class", pupil.reference, joined, "", _told(joined)
        if pupil.year and pupil.strength < 0.45 and _on_roll(pupil, boost_starts):
            yield school, "Reading boost", "user", pupil.reference, boost_starts, "", _told(boost_starts)
        if random.random() < 0.1:
            joined = max(pupil.enrolled_on, boost_starts)
            yield school, "Chess club", "user", pupil.reference, joined, "", _told(joined)


def _characteristic_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    random = Random(SEED + 2)
    for pupil in pupils:
        sen = random.choice(("EHC plan", "SEN support", "SEN support")) if pupil.has_sen else "No SEN"
        values = {
            "pupil-premium": "yes" if pupil.has_pupil_premium else "no",
            "sen": sen,
            "eal": "yes" if random.random() < 0.19 else "no",
        }
        for name, value in values.items():
            yield pupil.school.school, pupil.reference, name, value, pupil.enrolled_on, _told(pupil.enrolled_on)
        if random.random() < _CHARACTERISTICS_CHANGE and pupil.enrolled_on < years.second:
            name = random.choice(("pupil-premium", "sen"))
            changed = {"yes": "no", "no": "yes", "No SEN": "SEN support"}.get(values[name], "EHC plan")
            starts_on = pupil.enrolled_on + timedelta(days=random.randrange(30, 400))
            starts_on = min(starts_on, years.ends_on - timedelta(days=30))
            told_on = starts_on + timedelta(days=random.choice((0, 0, 0, 21)))  # some become known late
            yield pupil.school.school, pupil.reference, name, changed, starts_on, _told(told_on)


def _assessment_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """Each objective of the pupil's own year when it was taught, and again two half-terms later."""
    random = Random(SEED + 3)
    for pupil in pupils:
        for year_group, starts_on in _own_years(pupil, years):
            for subject in PRIMARY_SUBJECTS:
                for number in range(OBJECTIVES_PER_YEAR):
                    objective = objective_id(subject, year_group, number)
                    taught_on = starts_on + timedelta(days=30 + number * 22 + random.randrange(14))
                    yield from _two_judgements(pupil, subject, objective, taught_on, years, random)


def _two_judgements(
    pupil: Pupil, subject: str, objective: str, taught_on: date, years: Years, random: Random
) -> Iterator[Sequence[object]]:
    again_on = taught_on + timedelta(days=random.randrange(40, 90))
    rise = random.random() * 0.35
    for assessed_on, strength in ((taught_on, pupil.strength - 0.15), (again_on, pupil.strength + rise)):
        told_on = _told_on(assessed_on, random)
        if told_on > years.ends_on or not _on_roll(pupil, assessed_on):
            return
        state = _state(strength + random.gauss(0, 0.18))
        yield pupil.school.school, pupil.reference, subject, objective, state, assessed_on, _told(told_on)


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


def _mark_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """A science test at the end of each term, in marks."""
    random = Random(SEED + 4)
    for pupil in pupils:
        for year_group, starts_on in _own_years(pupil, years):
            for term, days in TEST_TERMS:
                sat_on = starts_on + timedelta(days=days)
                mark = max(0, min(TEST_MARKS_MAX, round(TEST_MARKS_MAX * (pupil.strength + random.gauss(0, 0.12)))))
                told_on = sat_on + timedelta(days=4)
                if told_on <= years.ends_on and _on_roll(pupil, sat_on):
                    yield (
                        pupil.school.school,
                        pupil.reference,
                        "science",
                        science_test_id(year_group, term),
                        mark,
                        sat_on,
                        _told(told_on),
                    )


def _correction_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """One judgement in a hundred is told again, weeks later, with another state."""
    random = Random(SEED + 5)
    for school, reference, subject, objective, state, assessed_on, told_at in _assessment_rows(pupils, years):
        told_on = date.fromisoformat(str(told_at)[:10]) + timedelta(days=random.randrange(10, 40))
        if random.random() < 0.01 and told_on <= years.ends_on:
            corrected = "working_towards" if state == "achieved" else "achieved"
            yield school, reference, subject, objective, corrected, assessed_on, _told(told_on)


def _own_years(pupil: Pupil, years: Years) -> Iterator[tuple[int, date]]:
    """The year groups that the pupil goes through, each with the first day of its academic year."""
    if pupil.year:
        yield pupil.year, years.first
    if pupil.year < len(YEAR_GROUPS):
        yield pupil.year + 1, years.second


def _on_roll(pupil: Pupil, day: date) -> bool:
    return pupil.enrolled_on <= day and (pupil.left_on is None or day <= pupil.left_on)


def _told(day: date) -> str:
    return f"{day}{TOLD_AT}"
