"""Answers `progress` and its members: settles the bands of both ends and the rule, and adds names for keys that may."""

from __future__ import annotations

from services.access.keys import Access
from services.query.attainment import RuleWish
from services.query.parameters import Asked
from services.query.questions import Question, Reading
from services.query.refusals import as_problems
from services.query.reporting import Reporting, answering
from services.query.reports import progress
from services.query.reports.listing import Paging
from services.query.reports.progress import Progress, ProgressMembers, SettledProgress
from services.query.requests import ProgressMembersRequest, ProgressRequest


@answering("progress")
async def answer_progress(reporting: Reporting, access: Access, asked: Asked[ProgressRequest]) -> Progress:
    """The report of progress. Raises Problem."""
    question = progress.question(asked.request)
    reading = await reporting.read(access, question, asked.wait)
    settled = await _settle(reporting, access, question, reading, asked.request)
    with as_problems():
        return progress.answer(reading, asked.request, settled)


@answering("progress/members")
async def answer_progress_members(
    reporting: Reporting, access: Access, asked: Asked[ProgressMembersRequest]
) -> ProgressMembers:
    """The pupils behind cells of it. Raises Problem."""
    request = asked.request
    question = progress.question(request.progress)
    reading = await reporting.read(access, question, asked.wait)
    settled = await _settle(reporting, access, question, reading, request.progress)
    with as_problems():
        chosen = progress.choose(reading, request, settled)
        names = await reporting.names_to_sort(access, chosen, Paging(request.limit, request.cursor, request.sort))
        listing = progress.answer_members(reading, request, settled, names)
    return await reporting.with_names(access, asked.occasion, listing)


async def _settle(
    reporting: Reporting, access: Access, question: Question, reading: Reading, request: ProgressRequest
) -> SettledProgress:
    settled = await reporting.attainment.settle(access, question, reading, progress.wishes(request))
    wish = RuleWish(request.overview.clocks.as_at, request.rule, request.rule_settings)
    rule, provenance = await reporting.attainment.settle_rule(access, question, reading, wish, settled.provenance)
    measures = len(request.overview.measures)
    return SettledProgress(settled.bandings[:measures], settled.bandings[measures:], rule, provenance)
