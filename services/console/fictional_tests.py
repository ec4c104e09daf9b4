"""What was measured from outside in the demonstration: the profile, phonics, tables check, key stages, bought tests.
And the teachers' judgements beside it.

Pure and deterministic rows of `results` and `judgements` files. The checks of 2020 and 2021 did not take place, and
statutory key stage 1 ended in 2023. What lies before the trust began was told on its first day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random

from services.console.fictional_people import RECEPTION_YEAR, SEED, Pupil, Years, own_years
from services.domain.eyfs import EYFSP

RESULT_COLUMNS = ("school", "pupil", "test", "subject", "component", "score_type", "score", "sat_on", "recorded_at")
JUDGEMENT_COLUMNS = ("school", "pupil", "subject", "scale", "value", "judged_on", "name", "recorded_at")

TERMLY = "termly"
EFFORT = "effort"
JUDGED_SUBJECTS = ("reading", "writing", "maths")
TERMLY_SITTINGS = (("first", 80), ("first", 200), ("first", 292), ("second", 72))
"""In which year, and on which of its days."""
_JUDGED_ON = (("first", 212, "Spring"), ("first", 300, "Summer"), ("second", 45, "Autumn"))
_CHECKS_FROM, _KEY_STAGE_1_UNTIL = 2022, 2023
_PROGRESS = ("below", "expected", "above")

Sitting = tuple[str, str, str, object]
"""Subject, component, score type, score."""


def result_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """All results, sitting after sitting."""
    random = Random(SEED + 7)
    for pupil in pupils:
        for year in range(RECEPTION_YEAR, 7):
            summer = years.start(pupil.year - year).year + 1
            for test, sat_on, sittings in _statutory(pupil, year, summer, random):
                yield from _results(pupil, test, sat_on, sittings, years)
        for which, day in TERMLY_SITTINGS:
            sat_on = (years.first if which == "first" else years.second) + timedelta(days=day)
            yield from _results(pupil, TERMLY, sat_on, _termly(pupil, sat_on, years, random), years)


def judgement_rows(pupils: Sequence[Pupil], years: Years) -> Iterator[Sequence[object]]:
    """Progress in reading, writing and maths at the end of term; effort in maths, on the trust's own scale."""
    random = Random(SEED + 8)
    for pupil in pupils:
        for which, day, term in _JUDGED_ON:
            judged_on = (years.first if which == "first" else years.second) + timedelta(days=day)
            if not (_is_taught(pupil, judged_on, years) and pupil.is_on_roll(judged_on)):
                continue
            for subject in JUDGED_SUBJECTS:
                value = _PROGRESS[_step(pupil.strength + random.gauss(0, 0.2), (0.45, 0.85))]
                yield _judgement(pupil, subject, "progress-3", value, judged_on, f"End of {term}", years)
            if term == "Autumn":
                effort = str(1 + _step(pupil.strength + random.gauss(0, 0.25), (0.3, 0.5, 0.8)))
                yield _judgement(pupil, "maths", EFFORT, effort, judged_on, "", years)


def _statutory(pupil: Pupil, year: int, summer: int, random: Random) -> Iterator[tuple[str, date, list[Sitting]]]:
    """What a pupil takes in the summer of a year group."""
    if summer < _CHECKS_FROM:
        return
    if year == RECEPTION_YEAR:
        yield "eyfsp", date(summer, 6, 25), _profile(pupil, random)
    if year == 1:
        yield "phonics", date(summer, 6, 10), [("phonics", "", "raw", _coded(_phonics_mark(pupil), random, "A"))]
    if year == 2:
        if _phonics_mark(pupil) < 32:
            again = min(40, _phonics_mark(pupil) + random.randrange(2, 11))
            yield "phonics", date(summer, 6, 10), [("phonics", "", "raw", again)]
        if summer <= _KEY_STAGE_1_UNTIL:
            scaled = [(subject, "", "scaled", _scaled(pupil, random, 85, 115)) for subject in ("reading", "maths")]
            yield "ks1", date(summer, 5, 20), [*scaled, ("writing", "", "ta", _writing(pupil, random, "PKS"))]
    if year == 4:
        answers = min(25, max(0, round(25 * (pupil.strength + 0.2 + random.gauss(0, 0.1)))))
        yield "mtc", date(summer, 6, 12), [("maths", "", "raw", _coded(answers, random, "A"))]
    if year == 6:
        scores = [
            (subject, "", "scaled", _coded(_scaled(pupil, random, 80, 120), random, "B"))
            for subject in ("reading", "maths", "gps")
        ]
        yield "ks2", date(summer, 5, 14), [*scores, ("writing", "", "ta", _writing(pupil, random, "PK6"))]


def _results(
    pupil: Pupil, test: str, sat_on: date, sittings: Sequence[Sitting], years: Years
) -> Iterator[Sequence[object]]:
    told_on = sat_on + timedelta(days=12)
    if told_on > years.ends_on or not pupil.is_on_roll(sat_on):
        return
    for subject, component, score_type, score in sittings:
        told = years.told(told_on)
        yield pupil.school.school, pupil.reference, test, subject, component, score_type, score, sat_on, told


def _profile(pupil: Pupil, random: Random) -> list[Sitting]:
    """The goals of the profile; now and then a child is exempt from all of them."""
    exempt = random.random() < 0.01
    return [
        (area.area, code, "ta", "A" if exempt else 2 if pupil.strength + random.gauss(0.15, 0.12) > 0.45 else 1)
        for code, (area, _) in EYFSP.goals().items()
    ]


def _termly(pupil: Pupil, sat_on: date, years: Years, random: Random) -> list[Sitting]:
    """Standardised scores in reading and maths from Year 1 on; who is away has a code."""
    if not _is_taught(pupil, sat_on, years):
        return []
    return [
        (subject, "", "standardised", _coded(max(69, min(141, round(62 + 60 * pupil.strength + noise))), random, "A"))
        for subject in ("reading", "maths")
        for noise in (random.gauss(0, 7),)
    ]


def _is_taught(pupil: Pupil, day: date, years: Years) -> bool:
    """Whether the pupil is in Year 1 or above on a day."""
    return any(
        year > RECEPTION_YEAR and (starts_on == years.second) == (day >= years.second)
        for year, starts_on in own_years(pupil, years)
    )


def _judgement(
    pupil: Pupil, subject: str, scale: str, value: str, judged_on: date, name: str, years: Years
) -> Sequence[object]:
    return pupil.school.school, pupil.reference, subject, scale, value, judged_on, name, years.told(judged_on)


def _phonics_mark(pupil: Pupil) -> int:
    return max(0, min(40, round(16 + 34 * pupil.strength)))


def _scaled(pupil: Pupil, random: Random, low: int, high: int) -> int:
    middle = (low + high) / 2 + 3
    return max(low, min(high, round(middle + (high - low) * 0.7 * (pupil.strength - 0.6 + random.gauss(0, 0.1)))))


def _writing(pupil: Pupil, random: Random, lowest: str) -> str:
    return (lowest, "WTS", "EXS", "GDS")[_step(pupil.strength + random.gauss(0, 0.1), (0.25, 0.5, 0.85))]


def _coded(score: int, random: Random, code: str) -> int | str:
    """Three in a hundred have a code instead."""
    return code if random.random() < 0.03 else score


def _step(strength: float, limits: Sequence[float]) -> int:
    return sum(strength >= limit for limit in limits)
