"""Answers the reports of external data and of early years: what is declared is looked up, read, counted, and named."""

from __future__ import annotations

from services.access.keys import Access
from services.access.problems import Problem, ProblemError
from services.domain.measures import Measure
from services.query.answers import Listing, Members, Pupil, PupilValues
from services.query.axis import unpack_words
from services.query.banding import Wish
from services.query.bound_measures import Declared, bind_measure
from services.query.explaining import list_pupil
from services.query.external_requests import (
    ExternalMembersRequest,
    ExternalRequest,
    EyfsGroupRequest,
    EyfsPupilRequest,
    GldMembersRequest,
    JudgementsRequest,
    year_of_day,
)
from services.query.parameters import Asked
from services.query.population import population_words
from services.query.questions import Reading
from services.query.refusals import as_problems
from services.query.reporting import Reporting, answering
from services.query.reports import external, eyfs_group, eyfs_pupil, gld, judgements, overview
from services.query.reports.external import External
from services.query.reports.eyfs_group import EyfsGroup
from services.query.reports.eyfs_pupil import EyfsPupil
from services.query.reports.gld import GldReport, Goal
from services.query.reports.judgements import Judgements
from services.query.reports.listing import Listed, Paging
from services.query.requests import Clocks, Population


@answering("external")
async def answer_external(reporting: Reporting, access: Access, asked: Asked[ExternalRequest]) -> External:
    """The results of a test. Raises Problem, as all answers here."""
    request = asked.request
    declared = await declared_at(reporting, request.clocks)
    test = declared.tests.get(request.test)
    if test is None:
        raise unknown_test(request.test)
    reading = await reporting.read(access, external.question(request), asked.wait)
    measures = _measures_of(reading, request, declared)
    return external.answer(reading, request, test, measures)


@answering("external/members")
async def answer_external_members(
    reporting: Reporting, access: Access, asked: Asked[ExternalMembersRequest]
) -> Members:
    """The pupils behind cells of them."""
    request = asked.request
    declared = await declared_at(reporting, request.external.clocks)
    test = declared.tests.get(request.external.test)
    if test is None:
        raise unknown_test(request.external.test)
    reading = await reporting.read(access, external.question(request.external), asked.wait)
    measures = _measures_of(reading, request.external, declared)
    chosen = external.choose(reading, request, test, measures)
    paging = Paging(request.limit, request.cursor, request.sort)
    return await reporting.list_members(access, asked, reading.provenance, chosen, paging)


def _measures_of(reading: Reading, request: ExternalRequest, declared: Declared) -> list[Measure]:
    """The measures of a test with what it declares."""
    return [bind_measure(each, declared) for each in external.measures_of(reading, request)]


@answering("judgements")
async def answer_judgements(reporting: Reporting, access: Access, asked: Asked[JudgementsRequest]) -> Judgements:
    """Columns beside the teacher's judgement."""
    request = asked.request
    reading = await reporting.read(access, judgements.question(request), asked.wait)
    chosen = judgements.choose(reading, request)
    names = await reporting.names_to_sort(access, chosen, Paging(request.limit, request.cursor, request.sort))
    scale = None
    if request.judgement is not None:
        scale = (await declared_at(reporting, request.clocks)).scales.get(request.judgement.scale)
    listing = judgements.answer(reading, request, chosen, scale, names)
    return await reporting.with_names(access, asked.occasion, listing)


@answering("gld")
async def answer_gld(reporting: Reporting, access: Access, asked: Asked[GldMembersRequest]) -> GldReport:
    """The profiles of a year."""
    return await _answer_gld(reporting, access, asked, "gld")


@answering("gld/members")
async def answer_gld_members(reporting: Reporting, access: Access, asked: Asked[GldMembersRequest]) -> GldReport:
    """The pupils behind cells of a row of it."""
    return await _answer_gld(reporting, access, asked, "gld/members")


async def _answer_gld(reporting: Reporting, access: Access, asked: Asked[GldMembersRequest], report: str) -> GldReport:
    request = asked.request
    declared = await declared_at(reporting, request.gld.clocks)
    test = declared.tests[gld.profile_of_year(request.gld.year).profile]
    reading = await reporting.read(access, gld.question(request.gld), asked.wait)
    profiles = gld.read_profiles(reading, request.gld, test)
    chosen = gld.choose(profiles, request)
    paging = Paging(request.gld.limit, request.gld.cursor, request.gld.sort)
    names = await reporting.names_to_sort(access, chosen, paging)
    listing = gld.answer(reading, request, profiles, chosen, names, report)
    return await reporting.with_names(access, asked.occasion, listing)


@answering("eyfs-group")
async def answer_eyfs_group(reporting: Reporting, access: Access, asked: Asked[EyfsGroupRequest]) -> EyfsGroup:
    """One area of a group, by pupil or by characteristic."""
    request = asked.request
    declared = await declared_at(reporting, request.clocks)
    goals: list[Goal] = []
    measures: list[Measure] | None = None
    bands = request.bands
    framework: str | None = None
    if request.area:
        profile = gld.profile_of_year(year_of_day(request.clocks.as_at))
        area = eyfs_group.area_of(request, profile)
        if area is None:
            raise _unknown_area(request.area, [each.area for each in profile.areas])
        goals, framework = eyfs_group.goals_of(area, profile), profile.profile
        measures = [bind_measure(each, declared) for each in eyfs_group.goal_measures(goals)]
        bands = eyfs_group.GOAL_BANDS if bands is None and not request.settings else bands
    question = eyfs_group.question(request, measures)
    reading = await reporting.read(access, question, asked.wait)
    if measures is None:
        framework = _framework_of(request, eyfs_group.frameworks_of(reading, request))
        abilities = eyfs_group.abilities_of(reading, request)
        measures = eyfs_group.ability_measures(request, abilities)
    on = request.clocks.as_at
    if request.by is not None:
        asked_for = eyfs_group.overview_of(request, measures, bands)
        settled = await reporting.attainment.settle(access, question, reading, overview.wishes(asked_for))
        with as_problems():
            return eyfs_group.as_rows(overview.answer(reading, asked_for, settled), request, framework, goals)
    wishes = [Wish(measure, on, bands, request.settings) for measure in measures] if bands or request.settings else []
    settled = await reporting.attainment.settle(access, question, reading, wishes)
    chosen = eyfs_group.choose(reading, request, measures, settled.bandings)
    paging = Paging(request.limit, request.cursor, request.sort)
    members = await reporting.list_members(access, asked, settled.provenance, chosen, paging)
    return eyfs_group.as_pupils(members, chosen, request, framework, goals)


@answering("eyfs-pupil")
async def answer_eyfs_pupil(reporting: Reporting, access: Access, asked: Asked[EyfsPupilRequest]) -> EyfsPupil:
    """All areas of one pupil."""
    request = asked.request
    access.require_pupils()
    reading = await reporting.read(access, eyfs_pupil.question(request), asked.wait)
    listed = _find_pupil(reading, request)
    nameless = PupilValues(
        pupil=listed.pupil, school=listed.school.index.school, year_group=listed.year_group, values=[]
    )
    members = Members(eyfs_pupil.REPORT, reading.provenance, 1, [nameless], None)
    (named,) = (await reporting.with_names(access, asked.occasion, Listing(members, (listed.shown,)))).pupils
    pupil = Pupil(
        pupil=named.pupil,
        reference=named.reference,
        name=named.name,
        school=named.school,
        year_group=named.year_group,
    )
    return eyfs_pupil.answer(reading.provenance, request, listed, pupil)


def _find_pupil(reading: Reading, request: EyfsPupilRequest) -> Listed:
    """The pupil, on roll or not; a key of groups finds only theirs."""
    within = Population(within=request.population.within)
    for school in reading.schools:
        covered = unpack_words(population_words(school.axis, within, request.clocks.as_at)) if within.within else None
        for slot, pupil in enumerate(school.index.document.pupils):
            if pupil == request.pupil and (covered is None or covered[slot]):
                return list_pupil(school, slot, request.clocks.as_at)
    detail = f"There is no pupil {request.pupil[:80]} at these schools. The lists of every report give the ids."
    errors = [ProblemError("unknown_pupil", detail, parameter="pupil")]
    raise Problem(404, "unknown_pupil", "There is no such pupil", detail, errors)


def _framework_of(request: EyfsGroupRequest, found: list[str]) -> str | None:
    """The framework of the subject; refused where another is asked for."""
    if request.framework and found and request.framework not in found:
        detail = f"The schools have {request.subject} in the framework {', '.join(found)}, not in {request.framework}."
        errors = [ProblemError("unknown_framework", detail, parameter="framework")]
        raise Problem(422, "unknown_framework", "There is no such framework here", detail, errors)
    return request.framework or (found[0] if found else None)


def _unknown_area(area: str, known: list[str]) -> Problem:
    detail = f"There is no area {area[:80]} of the profile; they are {', '.join(known)}."
    errors = [ProblemError("unknown_area", detail, parameter="area")]
    return Problem(422, "unknown_area", "There is no such area of learning", detail, errors)


async def declared_at(reporting: Reporting, clocks: Clocks) -> Declared:
    """The tests and scales that were known then."""
    definitions = reporting.definitions
    assert definitions is not None, "reports of external data need definitions"
    return Declared(await definitions.tests(clocks.as_known_at), await definitions.scales(clocks.as_known_at))


def unknown_test(test: str) -> Problem:
    """There is no such test, or it was not known then."""
    detail = f"There is no test {test[:80]}, or it was not defined then: GET /v1/tests lists them."
    errors = [ProblemError("unknown_test", detail, parameter="test")]
    return Problem(422, "unknown_test", "There is no such test", detail, errors)
