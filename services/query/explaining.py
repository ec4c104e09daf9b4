"""Answers `explain`: finds the pupil, reads the value and its facts, and asks the log where they came from."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from schemas.events import AnyFact, JudgementRecorded, ObjectiveAssessed, ResultRecorded
from services.access.keys import Access
from services.access.problems import Problem, ProblemError
from services.query.answers import Listing, Members, Pupil, PupilValues
from services.query.axis import unpack_words
from services.query.fact_requests import ExplainRequest
from services.query.parameters import Asked
from services.query.population import population_words
from services.query.questions import Moment, Question, Reading, moments_of
from services.query.reporting import Reporting, answering
from services.query.reports.explain import Asking, Explain, explain_value, offsets_named, origin_of
from services.query.reports.listing import Column, Listed, values_of
from services.query.requests import Population
from services.query.teaching import year_starts_of
from services.query.vectors import SchoolReading

REPORT = "explain"


class Found(NamedTuple):
    """A pupil at a school."""

    school: SchoolReading
    slot: int


@answering(REPORT)
async def answer_explain(reporting: Reporting, access: Access, asked: Asked[ExplainRequest]) -> Explain:
    """One pupil's value, line by line. Raises Problem."""
    request = asked.request
    reading = await reporting.read(access, question(request), asked.wait)
    facts = await reporting.facts(access, reading)
    found = _find(reading, request)
    school, known = found.school, facts[found.school.index.school]
    slot = int(known.owners[found.slot]) if found.slot < known.owners.size else found.slot
    asking = Asking(slot, request.measure, request.on, school.year_group(slot, request.on), year_starts_of(school))
    told = await reporting.facts_at(school.index.school, offsets_named(known, asking))
    origins = {offset: origin_of(fact, day_of(fact)) for offset, fact in told.items()}
    listed = list_pupil(school, slot, request.clocks.as_at)
    value = values_of((listed,), (Column(request.measure, request.on),))[0][0]
    explained = explain_value(known, asking, value, origins)
    return Explain(
        report=REPORT,
        provenance=reading.provenance,
        measure=request.measure.text,
        on=request.on,
        pupil=await _named(reporting, access, asked, reading, listed),
        value=value,
        framework=explained.framework,
        version=explained.version,
        lines=explained.lines,
        sum=explained.sum,
    )


def question(request: ExplainRequest) -> Question:
    """What is needed of the views: the measure on its day, and the pupil's year group that day."""
    return Question(
        request.population,
        request.clocks,
        request.clocks.as_at,
        lambda _: (*moments_of(request.measure, request.on), Moment(request.on)),
    )


def list_pupil(school: SchoolReading, slot: int, on: date) -> Listed:
    """A pupil as lists show one, on roll that day or not."""
    index = school.index
    shown = (index.school, index.shown_pupil(slot, school.known_at))
    return Listed(school, slot, slot, index.document.pupils[slot], school.year_group(slot, on), shown)


def day_of(fact: AnyFact) -> date:
    """The day that an assessment, a result or a judgement is about."""
    match fact:
        case ObjectiveAssessed():
            return fact.assessed_on
        case ResultRecorded():
            return fact.sat_on
        case JudgementRecorded():
            return fact.judged_on
    return fact.recorded_at.date()


def _find(reading: Reading, request: ExplainRequest) -> Found:
    """The pupil, on roll or not; a key of groups finds only theirs."""
    for school in reading.schools:
        for slot, pupil in enumerate(school.index.document.pupils):
            if pupil == request.pupil and _is_covered(school, slot, request):
                return Found(school, slot)
    detail = f"There is no pupil {request.pupil[:80]} at these schools. The lists of every report give the ids."
    errors = [ProblemError("unknown_pupil", detail, parameter="pupil")]
    raise Problem(404, "unknown_pupil", "There is no such pupil", detail, errors)


def _is_covered(school: SchoolReading, slot: int, request: ExplainRequest) -> bool:
    within = request.population.within
    if not within:
        return True
    words = population_words(school.axis, Population(within=within), request.clocks.as_at)
    return bool(unpack_words(words)[slot])


async def _named(
    reporting: Reporting, access: Access, asked: Asked[ExplainRequest], reading: Reading, listed: Listed
) -> Pupil:
    """The pupil, with the name for a key that may see it."""
    nameless = PupilValues(
        pupil=listed.pupil, school=listed.school.index.school, year_group=listed.year_group, values=[]
    )
    members = Members(REPORT, reading.provenance, 1, [nameless], None)
    named = (await reporting.with_names(access, asked.occasion, Listing(members, (listed.shown,)))).pupils[0]
    return Pupil(
        pupil=named.pupil,
        reference=named.reference,
        name=named.name,
        school=named.school,
        year_group=named.year_group,
    )
