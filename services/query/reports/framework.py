"""The framework's page: subject, strand, objective with tags and weights, the states, and one percentage worked out.

Pure. What schools teach alike stands once, with the schools that it is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import islice

import msgspec

from schemas.events import Objective
from services.domain.scores import decimal_text, percent
from services.query.answers import Provenance
from services.query.fact_requests import FrameworkRequest
from services.query.facts_known import KnownFacts, Taught
from services.query.population import natural_key
from services.query.questions import Question, Reading
from services.query.teaching import taught_all

REPORT = "framework"
WORKED_LINES = 3


class StateTold(msgspec.Struct, frozen=True):
    """A state; `weight` None = it counts as not assessed."""

    state: str
    name: str
    weight: str | None
    colour: str
    meaning: str


class ObjectiveTold(msgspec.Struct, frozen=True):
    """An objective; without weight it is out of scope."""

    objective: str
    text: str
    ability: str
    year_group: str | None
    weight: str
    in_scope: bool


class StrandTold(msgspec.Struct, frozen=True):
    """A strand and its objectives, in the order of the source."""

    strand: str
    objectives: list[ObjectiveTold]


class WorkedLine(msgspec.Struct, frozen=True):
    """An objective of the example: weight × state weight = points."""

    objective: str
    text: str
    weight: str
    state: str
    state_weight: str
    points: str


class WorkedPercent(msgspec.Struct, frozen=True):
    """A sum and its percent, half up."""

    numerator: str
    denominator: str
    percent: int | None


class Worked(msgspec.Struct, frozen=True):
    """One percentage worked out, of a pupil who does not exist: `overall` divides by all objectives of the ability,
    `assessed` by those of the lines."""

    ability: str
    objectives: int
    lines: list[WorkedLine]
    overall: WorkedPercent
    assessed: WorkedPercent


class SubjectTold(msgspec.Struct, frozen=True):
    """What some schools teach in a subject on the day, and how it is scored: by states, or marks up to `marks_max`."""

    subject: str
    title: str
    framework: str
    version: str
    framework_title: str
    effective_on: date | None
    schools: list[str]
    states: list[StateTold]
    marks_max: int | None
    abilities: list[str]
    strands: list[StrandTold]
    worked: Worked | None


class Framework(msgspec.Struct, frozen=True):
    """GET /v1/reports/framework."""

    report: str
    provenance: Provenance
    on: date
    subjects: list[SubjectTold]


def question(request: FrameworkRequest) -> Question:
    """What the report needs of the views: who the schools are."""
    return Question(request.population, request.clocks, request.clocks.as_at, lambda _: ())


def answer(reading: Reading, facts: Mapping[str, KnownFacts], request: FrameworkRequest) -> Framework:
    """The curriculum in force."""
    on = request.clocks.as_at
    found: dict[tuple[str, str, str, str], tuple[Taught, list[str]]] = {}
    for school in reading.schools:
        name = school.index.school
        for subject, taught in taught_all(facts[name], school, on).items():
            if request.subject in ("", subject):
                version = taught.version
                key = (subject, version.framework, version.framework_version, taught.content.lane.lane)
                found.setdefault(key, (taught, []))[1].append(name)
    ordered = sorted(found.values(), key=lambda each: natural_key(each[0].subject.subject))
    return Framework(REPORT, reading.provenance, on, [_tell(taught, schools) for taught, schools in ordered])


def _tell(taught: Taught, schools: list[str]) -> SubjectTold:
    version, subject = taught.version, taught.subject
    return SubjectTold(
        subject=subject.subject,
        title=subject.title or subject.subject,
        framework=version.framework,
        version=version.framework_version,
        framework_title=version.title or version.framework,
        effective_on=version.effective_on,
        schools=schools,
        states=[
            StateTold(
                each.state,
                each.name or each.state,
                None if each.weight is None else _text(Fraction(each.weight)),
                each.colour,
                each.meaning,
            )
            for each in version.states
        ],
        marks_max=version.marks_max,
        abilities=list(dict.fromkeys(each.ability for each in subject.objectives)),
        strands=_strands(subject.objectives),
        worked=_work_out(taught),
    )


def _strands(objectives: Sequence[Objective]) -> list[StrandTold]:
    strands: dict[str, list[ObjectiveTold]] = {}
    for each in objectives:
        weight = Fraction(each.weight)
        strands.setdefault(each.strand, []).append(
            ObjectiveTold(each.objective, each.text, each.ability, each.year_group or None, _text(weight), weight > 0)
        )
    return [StrandTold(strand, told) for strand, told in strands.items()]


def _work_out(taught: Taught) -> Worked | None:
    """The first objectives of the first ability, the best state first; None if there is nothing to score."""
    objectives = list(taught.in_scope.values())
    scored = list(islice(_example_states(taught), WORKED_LINES))
    if not objectives or not scored:
        return None
    ability = objectives[0].ability
    mine = [each for each in objectives if each.ability == ability]
    unit = taught.version.marks_max or 1
    lines, numerator, covered = [], Fraction(0), Fraction(0)
    for each, (state, worth) in zip(mine, scored, strict=False):
        weight = Fraction(each.weight)
        numerator += weight * worth
        covered += weight * unit
        lines.append(WorkedLine(each.objective, each.text, _text(weight), state, _text(worth), _text(weight * worth)))
    whole = sum((Fraction(each.weight) * unit for each in mine), Fraction(0))
    return Worked(ability, len(mine), lines, _percent(numerator, whole), _percent(numerator, covered))


def _example_states(taught: Taught) -> Iterator[tuple[str, Fraction]]:
    """States that count with their worth, the best first; of marks three quarters, a half and a quarter of the most."""
    if taught.version.marks_max is not None:
        for quarter in (3, 2, 1):
            mark = Fraction(taught.version.marks_max * quarter, 4)
            yield _text(mark), mark
        return
    counted = [(each.state, Fraction(each.weight)) for each in taught.version.states if each.weight is not None]
    yield from sorted(counted, key=lambda each: each[1], reverse=True)


def _percent(numerator: Fraction, denominator: Fraction) -> WorkedPercent:
    share = percent(numerator.numerator * denominator.denominator, denominator.numerator * numerator.denominator)
    return WorkedPercent(_text(numerator), _text(denominator), share)


def _text(number: Fraction) -> str:
    return decimal_text(number.numerator, number.denominator)
