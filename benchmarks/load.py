"""The seeded load: schools with two years (or more) of rosters and judgements, as facts in the order they were told.

The same numbers go to the product as facts and to the peers as rows: `assessments` and `memberships` are what `facts`
says. One school is made at a time, so that any number of them fits into memory.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.events import (
    CharacteristicSet,
    CurriculumPublished,
    Fact,
    GroupJoined,
    Objective,
    ObjectiveAssessed,
    PupilEnrolled,
    PupilLeft,
    SchoolRegistered,
    State,
    Subject,
    YearGroupFrom,
    YearGroupSet,
)

TRUST = "load"
LAST_ON = date(2026, 7, 17)
FOREVER = date(2100, 1, 1)
EPOCH = date(1970, 1, 1)
CORE = ("english", "maths", "science")
SUBJECTS = (*CORE, *(f"foundation-{number}" for number in range(1, 10)))
JUDGEMENTS_A_YEAR = (16.0,) * 3 + (1.6,) * 9
YEARS = 6
OBJECTIVES = 30
STATES = ("not_yet", "working_towards", "achieved", "exceeding")
HALVES = (0, 1, 2, 2)
"""What a state is worth, in halves of an objective."""
CHARACTERISTICS = {
    "sex": ("F", "M"),
    "pp": ("yes", "no"),
    "send": ("none", "support", "plan"),
    "eal": ("yes", "no"),
    "fsm": ("yes", "no"),
    "ethnicity": tuple(f"code-{number}" for number in range(1, 9)),
    "looked-after": ("yes", "no"),
    "term-of-birth": ("autumn", "spring", "summer"),
}
CHANGING = ("pp", "send", "fsm", "looked-after")
HOUSES = ("red", "blue", "green", "yellow", "white", "black")
COLUMNS = ("pupil", "subject", "year", "objective", "state", "day", "told_at")

Ints = npt.NDArray[np.int64]


class Framework(NamedTuple):
    """How many objectives a year group has in a subject, and how they are judged: by STATES, or by marks in tenths
    up to `marks_max` whole ones."""

    objectives: int = OBJECTIVES
    marks_max: int = 0

    @property
    def lowest(self) -> int:
        """The least state that is drawn; marks come from the upper seven tenths."""
        return 3 * self.marks_max

    @property
    def states(self) -> int:
        """States are below this number."""
        return 10 * self.marks_max + 1 if self.marks_max else len(STATES)

    @property
    def whole(self) -> int:
        """What all objectives of a year group are worth together, in the unit of `worth`."""
        return self.objectives * (10 * self.marks_max or 2)

    def worth(self, states: Ints) -> Ints:
        """Halves of an objective, or tenths of a mark."""
        return states if self.marks_max else np.array(HALVES)[states]

    def names(self) -> tuple[str, ...]:
        """The states as facts tell them."""
        return tuple(f"{tenths / 10:g}" for tenths in range(self.states)) if self.marks_max else STATES


PRIMARY = Framework()
WIDE = Framework(objectives=300, marks_max=100)


class Enrolment(NamedTuple):
    """A pupil's time at the school. `years`: the year group by academic year (0 = the first of the load)."""

    pupil: int
    starts_on: date
    ends_on: date
    years: dict[int, int]


class Membership(NamedTuple):
    """A pupil belongs to a row of the overview, by its id, from one day to another."""

    pupil: int
    code: str
    starts_on: date
    ends_on: date


class School(NamedTuple):
    """One school. `assessments`: an array for each of COLUMNS, in the order of the log; days and seconds since 1970."""

    name: str
    starts: list[date]
    enrolments: list[Enrolment]
    memberships: list[Membership]
    assessments: dict[str, Ints]
    told_on: date | None = None
    framework: Framework = PRIMARY

    def facts(self) -> Iterator[Fact]:
        """What the school was told, in the order of `recorded_at`."""
        roster = sorted(_roster_facts(self), key=_told_at)
        return heapq.merge(roster, self._assessed(), key=_told_at)

    def judgements(self) -> int:
        """How many judgements there are."""
        return len(self.assessments["day"])

    def _assessed(self) -> Iterator[Fact]:
        pupils = [pupil_id(self.name, each.pupil) for each in self.enrolments]
        columns = [self.assessments[name].tolist() for name in COLUMNS]
        states = self.framework.names()
        for number, (pupil, subject, year, objective, state, day, told_at) in enumerate(zip(*columns, strict=True)):
            yield ObjectiveAssessed(
                event_id=f"{self.name}-{number}",
                school=self.name,
                recorded_at=datetime.fromtimestamp(told_at, UTC),
                pupil=pupils[pupil],
                subject=SUBJECTS[subject],
                objective=f"y{year}-{objective}",
                state=states[state],
                assessed_on=EPOCH + timedelta(days=day),
            )


def pupil_id(school: str, pupil: int) -> str:
    """The ledger's id of a pupil of the load."""
    return f"pup_{school}-{pupil:05}"


class Recipe(NamedTuple):
    """What a school is made from, so that another process can make the same one. `told_on`: everything on one day."""

    number: int
    seed: int
    prefix: str = "school-"
    on_roll: int = 400
    years: int = 2
    density: float = 1.0
    framework: Framework = PRIMARY
    told_on: date | None = None

    @property
    def name(self) -> str:
        """The school's id."""
        return f"{self.prefix}{self.number:03}"


def make(recipe: Recipe) -> School:
    """The school of a recipe, always the same; its last academic year is that of LAST_ON."""
    rng = np.random.default_rng([recipe.seed, recipe.number])
    starts = [date(LAST_ON.year - recipe.years + year, 9, 1) for year in range(recipe.years)]
    enrolments = _enrol(rng, starts, recipe.on_roll)
    memberships = list(_belong(rng, starts, enrolments))
    assessments = _assess(rng, starts, enrolments, recipe.density, recipe.framework)
    school = School(recipe.name, starts, enrolments, memberships, assessments, framework=recipe.framework)
    return school if recipe.told_on is None else told_at_once(school, recipe.told_on)


def make_school(number: int, seed: int) -> School:
    """School `number` of the load as it is."""
    return make(Recipe(number, seed))


def told_at_once(school: School, on: date) -> School:
    """The same school, everything told on one day in the same order: a back-fill."""
    count = school.judgements()
    seconds = (on - EPOCH).days * 86_400 + 8 * 3_600 + np.arange(count, dtype=np.int64) * 36_000 // max(count, 1)
    return school._replace(assessments={**school.assessments, "told_at": seconds}, told_on=on)


def _enrol(rng: np.random.Generator, starts: list[date], on_roll: int) -> list[Enrolment]:
    """Six year groups move up every September, the eldest leave, and 4 % of all places change hands in a year."""
    enrolments: list[Enrolment] = []

    def enter(index: int, year: int, starts_on: date) -> int:
        enrolments.append(Enrolment(len(enrolments), starts_on, FOREVER, {index: year}))
        return len(enrolments) - 1

    def leave(pupil: int, ends_on: date) -> None:
        enrolments[pupil] = enrolments[pupil]._replace(ends_on=ends_on)

    places = [enter(0, 1 + place * YEARS // on_roll, starts[0]) for place in range(on_roll)]
    for index, start in enumerate(starts):
        for place, pupil in enumerate(places) if index else ():
            year = enrolments[pupil].years[index - 1] + 1
            if year <= YEARS:
                enrolments[pupil].years[index] = year
            else:
                leave(pupil, start - timedelta(days=1))
                places[place] = enter(index, 1, start)
        for place in np.flatnonzero(rng.random(on_roll) < 0.04).tolist():
            pupil, ends_on = places[place], start + timedelta(days=int(rng.integers(30, 280)))
            leave(pupil, ends_on)
            places[place] = enter(index, enrolments[pupil].years[index], ends_on + timedelta(days=1))
    return enrolments


def _belong(rng: np.random.Generator, starts: list[date], enrolments: list[Enrolment]) -> Iterator[Membership]:
    """Every pupil in a year group, a class, a house, and with every characteristic, some of which change."""
    for pupil, starts_on, ends_on, years in enrolments:
        last = max(years)
        for index, year in years.items():
            entered, over = max(starts_on, starts[index]), date(starts[index].year + 1, 8, 31)
            yield Membership(pupil, f"year-group:{year}", entered, FOREVER if index == last else over)
            yield Membership(pupil, f"group:{year}{'AB'[pupil % 2]}", entered, min(over, ends_on))
        yield Membership(pupil, f"group:{HOUSES[pupil % len(HOUSES)]}", starts_on, ends_on)
        for name, values in CHARACTERISTICS.items():
            value, since = int(rng.integers(len(values))), starts_on
            changes_on = starts_on + timedelta(days=int(rng.integers(20, 600)))
            if name in CHANGING and rng.random() < 0.3 and changes_on < min(ends_on, LAST_ON):
                yield Membership(pupil, _code(name, values[value]), since, changes_on - timedelta(days=1))
                value, since = (value + 1) % len(values), changes_on
            yield Membership(pupil, _code(name, values[value]), since, FOREVER)


def _code(name: str, value: str) -> str:
    return f"characteristic:{name}:{value}"


def _assess(
    rng: np.random.Generator, starts: list[date], enrolments: list[Enrolment], density: float, framework: Framework
) -> dict[str, Ints]:
    """Judgements while the pupil is there: 85 % told the same day, 12 % in a week, 3 % later; 1 % corrected."""
    spans = np.array(
        [
            (each.pupil, year, *_working_days(each, starts[index]))
            for each in enrolments
            for index, year in each.years.items()
        ]
    )
    share = np.clip((spans[:, 3] - spans[:, 2] + 1) / 320, 0, 1)
    counts = rng.poisson(share[:, None] * np.array(JUDGEMENTS_A_YEAR) * density)
    row, subject = (np.repeat(indices.ravel(), counts.ravel()) for indices in np.indices(counts.shape))
    first, last = spans[row, 2], spans[row, 3]
    total = len(row)
    day = first + (rng.random(total) * (last - first + 1)).astype(np.int64)
    luck = rng.random(total)
    late = np.where(luck < 0.85, 0, np.where(luck < 0.97, rng.integers(1, 8, total), rng.integers(8, 60, total)))
    told = {
        "pupil": spans[row, 0],
        "subject": subject,
        "year": spans[row, 1],
        "objective": rng.integers(framework.objectives, size=total),
        "state": rng.integers(framework.lowest, framework.states, size=total),
        "day": day,
        "told_at": (day + late) * 86_400 + rng.integers(8 * 3_600, 17 * 3_600, total),
    }
    corrected = np.flatnonzero(rng.random(total) < 0.01)
    again = {name: column[corrected] for name, column in told.items()}
    again["state"] = (again["state"] + 1) % framework.states
    again["told_at"] = again["told_at"] + rng.integers(1, 20, len(corrected)) * 86_400
    both = {name: np.concatenate([told[name], again[name]]) for name in COLUMNS}
    order = np.argsort(both["told_at"], kind="stable")
    return {name: column[order].astype(np.int64) for name, column in both.items()}


def _working_days(enrolment: Enrolment, start: date) -> tuple[int, int]:
    """The first and the last day of an academic year on which the pupil may be assessed, since 1970."""
    first, last = max(enrolment.starts_on, start), min(enrolment.ends_on, date(start.year + 1, 7, 17))
    return (first - EPOCH).days, max((last - EPOCH).days, (first - EPOCH).days)


def _told_at(fact: Fact) -> datetime:
    return fact.recorded_at


def _roster_facts(school: School) -> Iterator[Fact]:
    number = iter(range(10**9))

    def envelope(on: date) -> dict[str, object]:
        told_at = datetime.combine(school.told_on or on, time(7), UTC)
        return {"event_id": f"{school.name}-r{next(number)}", "school": school.name, "recorded_at": told_at}

    before = school.starts[0] - timedelta(days=1)
    yield SchoolRegistered(**envelope(before), name=school.name.title(), trust=TRUST)  # type: ignore[arg-type]
    yield curriculum(envelope(before), school.framework)
    for each in school.enrolments:
        pupil, year = pupil_id(school.name, each.pupil), str(each.years[min(each.years)])
        yield PupilEnrolled(
            **envelope(each.starts_on),  # type: ignore[arg-type]
            pupil=pupil,
            enrolled_on=each.starts_on,
            year_groups=(YearGroupFrom(year, each.starts_on),),
        )
        if each.ends_on < LAST_ON:
            yield PupilLeft(**envelope(each.ends_on), pupil=pupil, left_on=each.ends_on)  # type: ignore[arg-type]
    for pupil_number, code, starts_on, ends_on in school.memberships:
        pupil, said = pupil_id(school.name, pupil_number), code.split(":")
        fields: dict[str, object] = {**envelope(starts_on), "pupil": pupil}
        if said[0] == "year-group":
            yield YearGroupSet(**fields, year_group=said[1], starts_on=starts_on)  # type: ignore[arg-type]
        elif said[0] == "group":
            kind, left_on = "user" if said[1] in HOUSES else "class", None if ends_on == FOREVER else ends_on
            yield GroupJoined(**fields, group=said[1], joined_on=starts_on, kind=kind, left_on=left_on)  # type: ignore[arg-type]
        else:
            yield CharacteristicSet(**fields, name=said[1], value=said[2], starts_on=starts_on)  # type: ignore[arg-type]


def curriculum(envelope: dict[str, object], framework: Framework = PRIMARY) -> CurriculumPublished:
    """Twelve subjects, each with an ability of so many objectives for every year group."""
    objectives = tuple(
        Objective(f"y{year}-{number}", f"Y{year}", str(year))
        for year in range(1, YEARS + 1)
        for number in range(framework.objectives)
    )
    states = tuple(State(state, weight) for state, weight in zip(STATES, ("0", "0.5", "1", "1"), strict=True))
    return CurriculumPublished(
        **envelope,  # type: ignore[arg-type]
        framework="primary",
        framework_version="1",
        subjects=tuple(Subject(subject, objectives) for subject in SUBJECTS),
        states=() if framework.marks_max else states,
        marks_max=framework.marks_max or None,
    )
