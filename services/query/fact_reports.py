"""Answers the reports of single facts: reads views and facts, settles bands, adds names where they may be seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.access.keys import Access
from services.access.problems import Problem, ProblemError
from services.domain.bands import Bands
from services.query.answers import Members, Provenance
from services.query.banding import Banding, Wish
from services.query.fact_requests import (
    CurriculumMembersRequest,
    CurriculumRequest,
    FrameworkRequest,
    MultiAbilityRequest,
    RecordingRequest,
)
from services.query.parameters import Asked
from services.query.questions import Reading
from services.query.reporting import Reporting, answering
from services.query.reports import curriculum, curriculum_members, framework, multi_ability, recording
from services.query.reports.curriculum import Column, Curriculum
from services.query.reports.framework import Framework
from services.query.reports.listing import Chosen, Paging, cut_page, page_of
from services.query.reports.multi_ability import MultiAbility
from services.query.reports.recording import Recording


class _Laid(NamedTuple):
    """Curriculum Tracking before it is counted: what was read, its columns, and the bands of marks."""

    reading: Reading
    columns: Sequence[Column]
    bands: Bands | None
    provenance: Provenance


@answering("curriculum")
async def answer_curriculum(reporting: Reporting, access: Access, asked: Asked[CurriculumRequest]) -> Curriculum:
    """Objectives or strands by states. Raises Problem, as all answers here."""
    laid = await _lay(reporting, access, asked, asked.request)
    return curriculum.answer(laid.reading, asked.request, laid.columns, laid.bands, laid.provenance)


@answering("curriculum/members")
async def answer_curriculum_members(
    reporting: Reporting, access: Access, asked: Asked[CurriculumMembersRequest]
) -> Members:
    """The pupils behind cells of it."""
    request = asked.request
    laid = await _lay(reporting, access, asked, request.curriculum)
    cohort = curriculum_members.cohort_of(laid.reading, request, laid.columns)
    positions = curriculum_members.positions_of(cohort, request, laid.columns, laid.bands)
    chosen = Chosen(curriculum_members.REPORT, cohort, positions, ())
    paging = Paging(request.limit, request.cursor, request.sort)
    if request.sort == "value":
        keys = curriculum_members.sort_keys(cohort, request, laid.columns)
        page = cut_page(cohort, positions, request.limit, request.cursor, keys)
    else:
        page = page_of(chosen, paging, await reporting.names_to_sort(access, chosen, paging))
    listing = curriculum_members.list_page(laid.provenance, page, request, laid.columns, laid.bands)
    return await reporting.with_names(access, asked.occasion, listing)


@answering("multi-ability")
async def answer_multi_ability(reporting: Reporting, access: Access, asked: Asked[MultiAbilityRequest]) -> MultiAbility:
    """Pupils by abilities."""
    access.require_pupils()
    request = asked.request
    question = multi_ability.question(request)
    reading = await reporting.read(access, question, asked.wait)
    settled = await reporting.attainment.settle(access, question, reading, multi_ability.wishes(request))
    chosen = multi_ability.choose(reading, request, settled.bandings)
    paging = Paging(request.limit, request.cursor, request.sort)
    members = await reporting.list_members(access, asked, settled.provenance, chosen, paging)
    return multi_ability.answer(reading, chosen, request, members, settled.bandings)


@answering("framework")
async def answer_framework(reporting: Reporting, access: Access, asked: Asked[FrameworkRequest]) -> Framework:
    """The curriculum in force."""
    reading = await reporting.read(access, framework.question(asked.request), asked.wait)
    return framework.answer(reading, await reporting.facts(access, reading), asked.request)


@answering("recording")
async def answer_recording(reporting: Reporting, access: Access, asked: Asked[RecordingRequest]) -> Recording:
    """What was recorded in each class and subject."""
    reading = await reporting.read(access, recording.question(asked.request), asked.wait)
    return recording.answer(reading, await reporting.facts(access, reading), asked.request)


async def _lay(
    reporting: Reporting,
    access: Access,
    asked: Asked[CurriculumRequest] | Asked[CurriculumMembersRequest],
    request: CurriculumRequest,
) -> _Laid:
    """Read what Curriculum Tracking is made of; bands are settled only where there are marks."""
    question = curriculum.question(request)
    reading = await reporting.read(access, question, asked.wait)
    columns = curriculum.lay_columns(reading, await reporting.facts(access, reading), request)
    if not curriculum.has_marks(columns):
        return _Laid(reading, columns, None, reading.provenance)
    wish = Wish(request.measure, request.clocks.as_at, request.bands, request.settings)
    settled = await reporting.attainment.settle(access, question, reading, [wish])
    return _Laid(reading, columns, _one_for_all(settled.bandings[0], request), settled.provenance)


def _one_for_all(banding: Banding, request: CurriculumRequest) -> Bands:
    """The cut-offs of everybody; of the report's year groups, where they are named. Raises Problem 422."""
    groups = request.population.year_groups
    wanted = {bands for (_, group), bands in banding.by_group.items() if not groups or group in groups}
    if banding.everybody is not None:
        return banding.everybody
    if len(wanted) == 1:
        return wanted.pop()
    detail = "The settings differ between the schools or year groups asked for: name one year group, or give bands."
    errors = [ProblemError("several_settings", detail, parameter="settings")]
    raise Problem(422, "several_settings", "There is no one set of cut-offs", detail, errors)
