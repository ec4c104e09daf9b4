"""The reports of single facts, as entries of the table of reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.query.asked.changes import OWN as CHANGES
from services.query.asked.changes import changes_reader
from services.query.asked.curriculum import CURRICULUM, CURRICULUM_MEMBERS, read_curriculum, read_curriculum_members
from services.query.asked.explain import EXPLAIN, read_explain
from services.query.asked.multi_ability import MULTI_ABILITY, read_multi_ability
from services.query.asked.teaching import FRAMEWORK, RECORDING, read_framework, read_recording
from services.query.changing import changes_answer
from services.query.explaining import answer_explain
from services.query.exports import Table, members_table
from services.query.fact_reports import (
    answer_curriculum,
    answer_curriculum_members,
    answer_framework,
    answer_multi_ability,
    answer_recording,
)
from services.query.report import Report
from services.query.tables.changes import changes_table
from services.query.tables.curriculum import curriculum_table
from services.query.tables.explain import explain_table
from services.query.tables.multi_ability import multi_ability_table
from services.query.tables.teaching import framework_table, recording_table


def _curriculum_members_table(answer: Any, request: Any) -> Table:
    return members_table(answer, [column.text for column in request.curriculum.columns])


def changes_report(reports: Sequence[Report]) -> Report:
    """The comparison of a report with itself; those that list pupils behind cells are no reports of their own."""
    compared = {each.path: each for each in reports if "/" not in each.path and each.path not in _NOT_COMPARED}
    known = dict.fromkeys(name for each in compared.values() for name in each.known)
    return Report(
        path="changes",
        title="What changed in a report between two states of knowledge",
        known=(*CHANGES, *(name for name in known if name not in CHANGES)),
        read=changes_reader({path: each.read for path, each in compared.items()}),
        answer=changes_answer(compared),
        table=lambda answer, _: changes_table(answer),
        named=True,
    )


_NOT_COMPARED = ("explain", "framework")

FACT_REPORTS = (
    Report(
        path="curriculum",
        title="Objectives or strands of a subject by states",
        known=CURRICULUM,
        read=read_curriculum,
        answer=answer_curriculum,
        table=lambda answer, _: curriculum_table(answer),
        named=False,
    ),
    Report(
        path="curriculum/members",
        title="The pupils behind cells of Curriculum Tracking",
        known=CURRICULUM_MEMBERS,
        read=read_curriculum_members,
        answer=answer_curriculum_members,
        table=_curriculum_members_table,
        named=True,
    ),
    Report(
        path="multi-ability",
        title="Pupils by one to four abilities of a subject",
        known=MULTI_ABILITY,
        read=read_multi_ability,
        answer=answer_multi_ability,
        table=lambda answer, _: multi_ability_table(answer),
        named=True,
    ),
    Report(
        path="multi-ability/members",
        title="The same pupils",
        known=MULTI_ABILITY,
        read=read_multi_ability,
        answer=answer_multi_ability,
        table=lambda answer, _: multi_ability_table(answer),
        named=True,
    ),
    Report(
        path="explain",
        title="What one pupil's value in a measure is made of",
        known=EXPLAIN,
        read=read_explain,
        answer=answer_explain,
        table=lambda answer, _: explain_table(answer),
        named=True,
    ),
    Report(
        path="framework",
        title="The curriculum in force: subjects, strands, objectives, weights, states",
        known=FRAMEWORK,
        read=read_framework,
        answer=answer_framework,
        table=lambda answer, _: framework_table(answer),
        named=False,
    ),
    Report(
        path="recording",
        title="What was assessed in each class and subject",
        known=RECORDING,
        read=read_recording,
        answer=answer_recording,
        table=lambda answer, _: recording_table(answer),
        named=False,
    ),
)
