"""One area of learning of a group: goals of the profile, or age ranges of a markbook; by pupil, or by characteristic.

Pure. By pupil it is a list as Multi-Ability Tracking's, by characteristic an overview: this module says of which
measures, and has no arithmetic but the mean of what is shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from services.domain.bands import Bands, parse_bands
from services.domain.eyfs import Area, Profile
from services.domain.measures import Measure
from services.domain.scores import percent
from services.domain.scoring import PARTS
from services.query.answers import MeasureUsed, Members, Overview, OverviewRow, Provenance, PupilValues
from services.query.banding import Banding
from services.query.external_requests import EyfsGroupRequest
from services.query.population import Cohort, gather_cohort
from services.query.questions import Moment, Question, Reading, moments_of
from services.query.reports.gld import Goal, goals_shown
from services.query.reports.listing import Chosen, Column
from services.query.requests import OverviewRequest
from services.query.school_index import SchoolIndex
from services.query.vectors import Wanted

REPORT = "eyfs-group"
GOAL_BANDS = parse_bands("-,2,3,-", whole_percent=False)
"""A goal is met from expected (2) on, and exceeded by a 3 of the old profile; emerging is the lowest band."""
EXPECTED = 2 * PARTS


class GroupMean(msgspec.Struct, frozen=True):
    """Of a markbook the mean of the shown percents; of a goal the percent of pupils at expected. `pupils`: of how
    many."""

    percent: int | None
    pupils: int


class EyfsGroup(msgspec.Struct, frozen=True):
    """GET /v1/reports/eyfs-group. `pupils` and `means` by pupil, `rows` otherwise; values stand in the order of
    `abilities` (goals, or age ranges)."""

    report: str
    provenance: Provenance
    area: str
    framework: str | None
    abilities: list[str]
    goals: list[Goal]
    measures: list[MeasureUsed] | UnsetType = UNSET
    rows: list[OverviewRow] | UnsetType = UNSET
    means: list[GroupMean] | UnsetType = UNSET
    total: int | UnsetType = UNSET
    pupils: list[PupilValues] | UnsetType = UNSET
    next: str | None = None


def question(request: EyfsGroupRequest, measures: Sequence[Measure] | None) -> Question:
    """What the report needs of the views. `measures` None: all abilities of the subject."""
    on = request.clocks.as_at

    def moments(_: Sequence[SchoolIndex]) -> list[Moment]:
        subject = [] if measures is not None else [Moment(on, request.subject)]
        return [*subject, *(moment for measure in measures or () for moment in moments_of(measure, on))]

    return Question(request.population, request.clocks, on, moments)


def area_of(request: EyfsGroupRequest, profile: Profile) -> Area | None:
    """The area of the profile that is asked for, by its id or its name."""
    asked = request.area.casefold()
    return next((area for area in profile.areas if asked in (area.area, area.name.casefold())), None)


def goals_of(area: Area, profile: Profile) -> list[Goal]:
    """The goals of an area."""
    return [goal for goal in goals_shown(profile) if goal.area == area.area]


def goal_measures(goals: Sequence[Goal]) -> list[Measure]:
    """The measures of some goals."""
    return [Measure(kind="eyfs", text=f"eyfs:{goal.id}", subject="", item=goal.id) for goal in goals]


def abilities_of(reading: Reading, request: EyfsGroupRequest) -> list[str]:
    """The age ranges asked for; all that the schools' markbooks have of the subject where none is."""
    if request.abilities:
        return list(request.abilities)
    day = request.clocks.as_at.toordinal()
    lanes = [school.index.lane_at(request.subject, day, school.known_at) for school in reading.schools]
    return list(dict.fromkeys(cell.ability for lane in lanes if lane is not None for cell in lane.cells))


def frameworks_of(reading: Reading, request: EyfsGroupRequest) -> list[str]:
    """The frameworks that the schools have the subject in."""
    day = request.clocks.as_at.toordinal()
    lanes = [school.index.lane_at(request.subject, day, school.known_at) for school in reading.schools]
    return list(dict.fromkeys(lane.framework for lane in lanes if lane is not None))


def ability_measures(request: EyfsGroupRequest, abilities: Sequence[str]) -> list[Measure]:
    """The measures of some age ranges of the subject."""
    return [
        Measure(
            kind="markbook",
            text=f"markbook:{request.subject}:{ability}:{request.percent}",
            subject=request.subject,
            ability=ability,
            percent=request.percent,
        )
        for ability in abilities
    ]


def overview_of(request: EyfsGroupRequest, measures: Sequence[Measure], bands: Bands | None) -> OverviewRequest:
    """The overview that the rows of a characteristic are."""
    return OverviewRequest(
        population=request.population,
        clocks=request.clocks,
        measures=tuple(measures),
        bands=() if bands is None else (bands,) * len(measures),
        by=() if request.by is None else (request.by,),
        settings=request.settings,
    )


def as_rows(overview: Overview, request: EyfsGroupRequest, framework: str | None, goals: list[Goal]) -> EyfsGroup:
    """An overview as this report."""
    names = [goal.id for goal in goals] or [measure.id.split(":")[2] for measure in overview.measures]
    return EyfsGroup(
        report=REPORT,
        provenance=overview.provenance,
        area=request.area or request.subject,
        framework=framework,
        abilities=names,
        goals=goals,
        measures=overview.measures,
        rows=overview.rows,
    )


def choose(
    reading: Reading, request: EyfsGroupRequest, measures: Sequence[Measure], bandings: Sequence[Banding]
) -> Chosen:
    """The pupils of the report."""
    on = request.clocks.as_at
    cohort = gather_cohort(reading.schools, request.population, on, axis=reading.axis)
    reading.axis.load_values([Wanted(measure, on) for measure in measures])
    banded = [*bandings, *[None] * (len(measures) - len(bandings))]
    columns = tuple(Column(measure, on, banding) for measure, banding in zip(measures, banded, strict=True))
    return Chosen(REPORT, cohort, np.arange(cohort.size, dtype=np.int64), columns)


def as_pupils(
    members: Members, chosen: Chosen, request: EyfsGroupRequest, framework: str | None, goals: list[Goal]
) -> EyfsGroup:
    """A page of pupils as this report, with the means of everyone."""
    measures = [column.measure for column in chosen.columns]
    return EyfsGroup(
        report=REPORT,
        provenance=members.provenance,
        area=request.area or request.subject,
        framework=framework,
        abilities=[goal.id for goal in goals] or [measure.ability for measure in measures],
        goals=goals,
        means=[_mean_of(chosen.cohort, measure) for measure in measures],
        total=members.total,
        pupils=members.pupils,
        next=members.next,
    )


def _mean_of(cohort: Cohort, measure: Measure) -> GroupMean:
    amounts = cohort.axis.values(measure, cohort.on).amounts[cohort.places]
    there = amounts[amounts >= 0]
    if measure.kind == "eyfs":
        return GroupMean(percent(int((there >= EXPECTED).sum()), int(there.size)), int(there.size))
    return GroupMean(percent(int(there.sum()), 100 * there.size), int(there.size))
