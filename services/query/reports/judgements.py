"""Judgements: up to three columns of tests, markbooks or judgements beside the teacher's judgement and its history.

Pure. The judgement shown is the latest of the academic year, as of every measure; `earlier` are all that stood before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import msgspec
import numpy as np

from schemas.definitions import ScaleDefined
from schemas.events import JudgementRecorded
from services.domain.calendar import year_start
from services.query.answers import Listing, Provenance, Pupil, Value
from services.query.external_requests import JudgementsRequest
from services.query.notes import with_notes
from services.query.population import gather_cohort
from services.query.questions import SINGLE_FACTS, Moment, Question, Reading, moments_of
from services.query.reports.listing import Chosen, Column, Listed, Paging, Pupils, page_of, values_of
from services.query.sittings_held import sittings_of
from services.query.vectors import SchoolReading, Wanted

REPORT = "judgements"
HISTORY_MAX = 20


class EarlierJudgement(msgspec.Struct, frozen=True):
    """A judgement that stood before the one that is shown."""

    value: str
    judged_on: date
    recorded_at: datetime
    actor: str
    event_id: str


class Judgement(msgspec.Struct, frozen=True):
    """The judgement that counts. `earlier`: how many stand before it; `history`: the latest of those, newest first."""

    value: str
    judged_on: date
    actor: str
    event_id: str
    earlier: int
    history: list[EarlierJudgement]


class ScaleShown(msgspec.Struct, frozen=True):
    """The scale of the judgement: its values, lowest first, or what they lie between. None is defined: `id` alone."""

    id: str
    name: str | None = None
    values: list[dict[str, str]] = []
    min: str | None = None
    max: str | None = None
    step: str | None = None


class JudgedPupil(Pupil, frozen=True, kw_only=True):
    """A pupil with the value of each column and the judgement, if there is one."""

    values: list[Value]
    judgement: Judgement | None


class Judgements(msgspec.Struct, frozen=True):
    """GET /v1/reports/judgements."""

    report: str
    provenance: Provenance
    columns: list[str]
    judgement: str | None
    scale: ScaleShown | None
    total: int
    pupils: list[JudgedPupil]
    next: str | None


def question(request: JudgementsRequest) -> Question:
    """What the report needs of the views, and the single facts for the judgement."""
    on = request.clocks.as_at
    moments = [moment for measure in request.columns for moment in moments_of(measure, on)]
    if request.judgement is not None:
        moments.append(Moment(on, column=SINGLE_FACTS))
    return Question(request.population, request.clocks, on, lambda _: moments)


def choose(reading: Reading, request: JudgementsRequest) -> Chosen:
    """Everyone of the population."""
    on = request.clocks.as_at
    cohort = gather_cohort(reading.schools, request.population, on, axis=reading.axis)
    reading.axis.load_values([Wanted(measure, on) for measure in request.columns])
    columns = tuple(Column(measure, on) for measure in request.columns)
    return Chosen(REPORT, cohort, np.arange(cohort.size, dtype=np.int64), columns)


def answer(
    reading: Reading, request: JudgementsRequest, chosen: Chosen, scale: ScaleDefined | None, names: Pupils | None
) -> Listing[Judgements]:
    """A page of it. `scale`: what is defined of the judgement's scale."""
    page = page_of(chosen, Paging(request.limit, request.cursor, request.sort), names)
    values = values_of(page.pupils, chosen.columns)
    told_at = {school.index.school: _judgements_at(school, request) for school in reading.schools}
    pupils = [
        JudgedPupil(
            pupil=one.pupil,
            school=one.school.index.school,
            year_group=one.year_group,
            values=list(of_pupil),
            judgement=_judgement_of(one, told_at[one.school.index.school].get(one.slot, []), request),
        )
        for one, of_pupil in zip(page.pupils, values, strict=True)
    ]
    judged = request.judgement
    told = Judgements(
        report=REPORT,
        provenance=with_notes(reading.provenance, reading, chosen.cohort, request.population),
        columns=[measure.text for measure in request.columns],
        judgement=None if judged is None else judged.text.removeprefix("judgement:"),
        scale=None if judged is None else _scale_of(judged.scale, scale),
        total=page.total,
        pupils=pupils,
        next=page.next,
    )
    return Listing(told, tuple(one.shown for one in page.pupils))


def _judgement_of(pupil: Listed, told: Sequence[JudgementRecorded], request: JudgementsRequest) -> Judgement | None:
    first = year_start(request.clocks.as_at, pupil.school.views.year_starts())
    if not told or told[-1].judged_on < first:
        return None
    latest, before = told[-1], told[:-1]
    return Judgement(
        value=latest.value,
        judged_on=latest.judged_on,
        actor=latest.actor,
        event_id=latest.event_id,
        earlier=len(before),
        history=[
            EarlierJudgement(each.value, each.judged_on, each.recorded_at, each.actor, each.event_id)
            for each in reversed(before[-HISTORY_MAX:])
        ],
    )


def _judgements_at(school: SchoolReading, request: JudgementsRequest) -> dict[int, list[JudgementRecorded]]:
    """Of each slot the judgements that stand, in the order of truth."""
    known, judged = school.views.facts, request.judgement
    found: dict[int, list[JudgementRecorded]] = {}
    if judged is None or known is None:
        return found
    table, until = sittings_of(known.held), request.clocks.as_at.toordinal()
    rows = table.rows(known, [judged.column], since=0, until=until, name=judged.name)
    for slot, place in zip(rows.slots.tolist(), rows.places.tolist(), strict=True):
        fact = table.told[place].fact
        if isinstance(fact, JudgementRecorded):
            found.setdefault(slot, []).append(fact)
    return found


def _scale_of(name: str, scale: ScaleDefined | None) -> ScaleShown:
    if scale is None:
        return ScaleShown(name)
    values: list[Mapping[str, str]] = [{"value": each.value, "name": each.name or each.value} for each in scale.values]
    return ScaleShown(
        name, scale.name, [dict(each) for each in values], scale.min or None, scale.max or None, scale.step or None
    )
