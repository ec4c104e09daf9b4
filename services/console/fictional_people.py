"""The people of the demonstration, made up: 3 primary schools of a trust, 1,200 pupils, and where they were when.

Pure and deterministic. The trust began with Markledger on the first day of the first year; what lies before (when
pupils came to school, the year groups that they went through) was told on that day, as a migration tells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

TRUST = "river-trust"
SEED = 20_261_120
PUPILS_PER_SCHOOL = 400
RECEPTION = "R"
RECEPTION_YEAR = 0
LAST_YEAR = 6
COHORTS = LAST_YEAR + 2
"""Reception to Year 6 in the first year, and one that comes to Reception in the second."""
MOVERS = 9
MOVED_ON_DAY = 182
TOLD_AT = "T16:30:00Z"


class School(NamedTuple):
    """A made-up school; `joined_trust_on` lies inside the history for one of them."""

    school: str
    name: str
    joined_trust_on: date
    strength: float


class Pupil(NamedTuple):
    """A made-up pupil at a school. `year` is the year group in the first academic year (0 = Reception, -1 = comes to
    Reception in the second)."""

    school: School
    reference: str
    upn: str
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

    def is_on_roll(self, day: date) -> bool:
        """Whether the pupil is on roll on a day."""
        return self.enrolled_on <= day and (self.left_on is None or day <= self.left_on)


class Years(NamedTuple):
    """The two academic years and the last day that was lived through."""

    first: date
    second: date
    ends_on: date

    def start(self, years_before_first: int) -> date:
        """The first day of an earlier academic year."""
        return self.first.replace(year=self.first.year - years_before_first)

    def told(self, day: date) -> str:
        """When a fact of a day became known: that afternoon, or when the trust began."""
        return f"{max(day, self.first)}{TOLD_AT}"


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


def years_until(ends_on: date) -> Years:
    """The academic year of `ends_on` and the one before it."""
    second = date(ends_on.year if ends_on.month >= 9 else ends_on.year - 1, 9, 1)
    return Years(second.replace(year=second.year - 1), second, ends_on)


def year_group_name(year: int) -> str:
    """`R`, `1`, …, `6`."""
    return RECEPTION if year == RECEPTION_YEAR else str(year)


def make_pupils(years: Years, random: Random) -> list[Pupil]:
    """1,200 pupils: eight cohorts a school, of which one leaves and one starts between the two years; then the second
    stays of those who moved to another school of the trust."""
    pupils = []
    family_names = _FAMILY.split()
    for number in range(len(SCHOOLS) * PUPILS_PER_SCHOOL):
        school = SCHOOLS[number // PUPILS_PER_SCHOOL]
        year = number % PUPILS_PER_SCHOOL % COHORTS - 1
        sex = random.choice("FM")
        enrolled_on, left_on = _stay(year, years, random)
        premium, sen = random.random() < 0.24, random.random() < 0.16
        pupils.append(
            Pupil(
                school=school,
                reference=f"{school.school[0].upper()}{number % PUPILS_PER_SCHOOL + 1:04d}",
                upn=unique_pupil_number(number),
                given_name=random.choice(_GIVEN[sex].split()),
                family_name=random.choice(family_names),
                date_of_birth=years.start(5 + year) + timedelta(days=random.randrange(365)),
                sex=sex,
                enrolled_on=enrolled_on,
                left_on=left_on,
                year=year,
                strength=random.gauss(0.62, 0.17) + school.strength - 0.09 * premium - 0.16 * sen,
                has_pupil_premium=premium,
                has_sen=sen,
            )
        )
    return _moved(pupils, years)


def _stay(year: int, years: Years, random: Random) -> tuple[date, date | None]:
    """First and last day on roll: most came to Reception and stay, a few join or leave inside the first year."""
    if year < RECEPTION_YEAR:
        return years.second, None
    last_day = years.second - timedelta(days=41) if year == LAST_YEAR else None
    chance = random.random()
    if chance < 0.03:
        return years.first + timedelta(days=random.randrange(40, 230)), last_day
    if chance < 0.06:
        return years.start(year), years.first + timedelta(days=random.randrange(60, 260))
    return years.start(year), last_day


def _moved(pupils: Sequence[Pupil], years: Years) -> list[Pupil]:
    """Some pupils of the first school go to the second one in spring, under a new reference and the same UPN."""
    day = years.first + timedelta(days=MOVED_ON_DAY)
    moving = [
        number
        for number, pupil in enumerate(pupils[:PUPILS_PER_SCHOOL])
        if RECEPTION_YEAR < pupil.year < LAST_YEAR and pupil.is_on_roll(day) and pupil.left_on is None
    ][:: PUPILS_PER_SCHOOL // MOVERS // 2][:MOVERS]
    changed = list(pupils)
    for number in moving:
        pupil = pupils[number]
        changed[number] = pupil._replace(left_on=day - timedelta(days=1))
        changed.append(pupil._replace(school=SCHOOLS[1], reference=f"B9{number:03d}", enrolled_on=day))
    return changed


def unique_pupil_number(number: int) -> str:
    """A well-formed UPN of the made-up authority 999: check letter, authority, school, year, serial."""
    digits = f"999400{number // 1000}25{number % 1000:03d}"
    total = sum(int(digit) * weight for weight, digit in enumerate(digits, start=2))
    return "ABCDEFGHJKLMNPQRTUVWXYZ"[total % 23] + digits


# --- Rows of files -----------------------------------------------------------------------------------------------


def school_rows(years: Years) -> Iterator[Sequence[object]]:
    """The schools; one was known before it joined the trust."""
    for school in SCHOOLS:
        if school.joined_trust_on > years.first:
            yield school.school, school.name, "", "", years.told(years.first)
        yield school.school, school.name, TRUST, school.joined_trust_on, years.told(school.joined_trust_on)


def pupil_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """The stays of the pupils."""
    for pupil in pupils:
        yield (
            pupil.school.school,
            pupil.reference,
            pupil.enrolled_on,
            pupil.left_on or "",
            year_group_name(_year_on(pupil, pupil.enrolled_on, years)),
            pupil.given_name,
            pupil.family_name,
            pupil.date_of_birth,
            pupil.sex,
            pupil.upn,
            years.told(pupil.enrolled_on),
        )


def year_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """The year groups after the first, each from its September."""
    for pupil in pupils:
        for year in range(RECEPTION_YEAR + 1, LAST_YEAR + 1):
            starts_on = years.start(pupil.year - year)
            if pupil.enrolled_on < starts_on <= years.second and pupil.is_on_roll(starts_on):
                yield pupil.school.school, pupil.reference, year, starts_on, years.told(starts_on)


def _year_on(pupil: Pupil, day: date, years: Years) -> int:
    starts = day.year if day.month >= years.first.month else day.year - 1
    return max(pupil.year + starts - years.first.year, RECEPTION_YEAR)


def own_years(pupil: Pupil, years: Years) -> Iterator[tuple[int, date]]:
    """The years that the pupil goes through in the history, each with the first day of its academic year."""
    if pupil.year >= RECEPTION_YEAR:
        yield pupil.year, years.first
    if pupil.year < LAST_YEAR:
        yield pupil.year + 1, years.second


def group_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """Two classes a year; a group for reading from the winter on, and a club."""
    random = Random(SEED + 1)
    first_ends, boost_starts = years.second - timedelta(days=1), years.first + timedelta(days=126)
    for number, pupil in enumerate(pupils):
        side = "AB"[number // COHORTS % 2]
        school = pupil.school.school
        for year, starts_on in own_years(pupil, years):
            joined = max(pupil.enrolled_on, starts_on)
            if pupil.is_on_roll(joined):
                ends = min(first_ends, pupil.left_on or first_ends) if starts_on == years.first else ""
                yield (
                    school,
                    f"{year_group_name(year)}{side}",
                    "class",
                    pupil.reference,
                    joined,
                    ends,
                    years.told(joined),
                )
        in_school = pupil.year > RECEPTION_YEAR and pupil.is_on_roll(boost_starts)
        if in_school and pupil.strength < 0.45:
            yield school, "Reading boost", "user", pupil.reference, boost_starts, "", years.told(boost_starts)
        if random.random() < 0.1 and pupil.is_on_roll(max(pupil.enrolled_on, boost_starts)):
            joined = max(pupil.enrolled_on, boost_starts)
            yield school, "Chess club", "user", pupil.reference, joined, "", years.told(joined)


def characteristic_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """Characteristics from the first day on, some of which change, a few of them told late."""
    random = Random(SEED + 2)
    for pupil in pupils:
        sen = random.choice(("EHC plan", "SEN support", "SEN support")) if pupil.has_sen else "No SEN"
        values = {
            "pupil-premium": "yes" if pupil.has_pupil_premium else "no",
            "sen": sen,
            "eal": "yes" if random.random() < 0.19 else "no",
        }
        for name, value in values.items():
            yield pupil.school.school, pupil.reference, name, value, pupil.enrolled_on, years.told(pupil.enrolled_on)
        if random.random() < _CHARACTERISTICS_CHANGE and pupil.enrolled_on < years.second:
            name = random.choice(("pupil-premium", "sen"))
            changed = {"yes": "no", "no": "yes", "No SEN": "SEN support"}.get(values[name], "EHC plan")
            starts_on = max(pupil.enrolled_on, years.first) + timedelta(days=random.randrange(30, 400))
            starts_on = min(starts_on, years.ends_on - timedelta(days=30))
            told_on = starts_on + timedelta(days=random.choice((0, 0, 0, 21)))  # some become known late
            yield pupil.school.school, pupil.reference, name, changed, starts_on, years.told(told_on)
