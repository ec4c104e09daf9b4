"""Multi-Ability Tracking: what each pupil has in one to four abilities of a subject, and the mean of each ability.

Pure. The mean is over all pupils of the population with data, of the percents that are shown, so that a table adds up.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import msgspec
import numpy as np

from services.domain.bands import NOT_APPLICABLE
from services.domain.measures import Measure
from services.domain.scores import percent
from services.query.answers import Members, Provenance, PupilValues
from services.query.axis import Wanted
from services.query.banding import Banding, Wish
from services.query.fact_requests import MultiAbilityRequest
from services.query.notes import Applies, with_notes
from services.query.population import Cohort, gather_cohort
from services.query.questions import Question, Reading, moments_of
from services.query.reports.listing import Chosen, Column

REPORT = "multi-ability"


class AbilityMean(msgspec.Struct, frozen=True):
    """The mean of the shown percents of those with data; None without any."""

    percent: int | None
    pupils: int


class MultiAbility(msgspec.Struct, frozen=True):
    """GET /v1/reports/multi-ability. Values, `bands` and `means` stand in the order of `abilities`."""

    report: str
    provenance: Provenance
    subject: str
    percent: str
    abilities: list[str]
    bands: list[list[int | str] | None] | None
    means: list[AbilityMean]
    total: int
    pupils: list[PupilValues]
    next: str | None


def question(request: MultiAbilityRequest) -> Question:
    """What the report needs of the views."""
    on = request.clocks.as_at
    moments = [moment for measure in request.measures for moment in moments_of(measure, on)]
    return Question(request.population, request.clocks, on, lambda _: moments)


def wishes(request: MultiAbilityRequest) -> list[Wish]:
    """How the abilities are to be banded; not at all if neither bands nor settings are asked for."""
    if request.bands is None and not request.settings:
        return []
    on = request.clocks.as_at
    return [Wish(measure, on, request.bands, request.settings) for measure in request.measures]


def choose(reading: Reading, request: MultiAbilityRequest, bandings: Sequence[Banding]) -> Chosen:
    """The pupils of the report, with all their measures read at once."""
    on = request.clocks.as_at
    cohort = gather_cohort(reading.schools, request.population, on, axis=reading.axis)
    cohort.axis.load_values([Wanted(measure, on) for measure in request.measures])
    each = zip_longest(request.measures, bandings)
    columns = tuple(Column(measure, on, banding) for measure, banding in each if measure is not None)
    return Chosen(REPORT, cohort, np.arange(cohort.size, dtype=np.int64), columns)


def answer(
    reading: Reading, chosen: Chosen, request: MultiAbilityRequest, members: Members, bandings: Sequence[Banding]
) -> MultiAbility:
    """The report, from a page of its pupils and the means of everyone."""
    on, cohort = request.clocks.as_at, chosen.cohort
    applies = [Applies(each, on, _applying(cohort, each)) for each in request.measures]
    return MultiAbility(
        report=REPORT,
        provenance=with_notes(members.provenance, reading, cohort, request.population, applies),
        subject=request.subject,
        percent=request.percent,
        abilities=list(request.abilities),
        bands=[banding.shown() for banding in bandings] or None,
        means=_means(cohort, request),
        total=members.total,
        pupils=members.pupils,
        next=members.next,
    )


def _applying(cohort: Cohort, measure: Measure) -> int:
    return int((cohort.axis.values(measure, cohort.on).amounts[cohort.places] != NOT_APPLICABLE).sum())


def _means(cohort: Cohort, request: MultiAbilityRequest) -> list[AbilityMean]:
    found = []
    for measure in request.measures:
        amounts = cohort.axis.values(measure, cohort.on).amounts[cohort.places]
        there = amounts[amounts >= 0]
        found.append(AbilityMean(percent(int(there.sum()), 100 * there.size), int(there.size)))
    return found
