"""The context of the score tracking page: pupils by months. It repeats numbers of the answer and computes none.

Pure: the answer, the parameters and the choices come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from services.access.problems import Problem
from services.query.answers import PupilMonths, ScoreTracking, Value
from services.query.directory import Choices
from services.query.pages.overview_form import Pairs, address
from services.query.pages.page_parts import SUGGESTIONS_MAX, field_errors, form_choices, show_value, title_of, whom
from services.query.pages.plain_form import fields_of_parameters
from services.query.pages.wording import measure_label

SCORE_TRACKING_PATH = "/reports/score-tracking"
FIELDS: Mapping[str, str] = {
    "school": "Schools",
    "trust": "Trust",
    "measure": "Measure",
    "months": "Months",
    "members": "Pupils",
    "as_at": "As at",
    "as_known_at": "As known at",
    "year_group": "Year groups",
    "group": "Groups",
    "filter": "Characteristics",
}
_NOT_OF_A_LINK = ("min_position", "wait_seconds", "cursor")


class Month(msgspec.Struct, frozen=True):
    """A pupil's month: the percent (or why there is none), and the difference to the one before."""

    text: str
    variance: str


class Line(msgspec.Struct, frozen=True):
    """A pupil's row."""

    title: str
    reference: str
    school: str
    year_group: str
    start: str
    months: tuple[Month, ...]
    average: str


def score_tracking_context(
    pairs: Pairs, choices: Choices, answer: ScoreTracking | None, problem: Problem | None, named: bool
) -> dict[str, Any]:
    """What `score_tracking.html` shows: the pupils, or the form alone, and what was wrong with the parameters."""
    fields = fields_of_parameters(pairs)
    errors = [] if problem is None else field_errors(problem, FIELDS)
    wrong: dict[str, list[str]] = {}
    for error in errors:
        wrong.setdefault(error.anchor, []).append(error.detail)
    link = [(name, value) for name, value in pairs if name not in _NOT_OF_A_LINK]
    names = {entry.school: entry.name for entry in choices.schools}
    schools = fields.get("school", ())
    following = None if answer is None else answer.next
    return {
        "form": fields,
        "choices": {
            **form_choices(choices, schools),
            "measures": choices.markbook_measures(schools)[:SUGGESTIONS_MAX],
        },
        "errors": errors,
        "wrong": wrong,
        "answer": answer,
        "named": named,
        "whom": whom(pairs, names),
        "several_schools": "trust" in fields or len(fields.get("school", ())) > 1,
        "measure": "" if answer is None else measure_label(answer.measure),
        "months": [] if answer is None else [f"{month:%b %Y}" for month in answer.months],
        "lines": [] if answer is None else [_line(pupil, names, named) for pupil in answer.pupils],
        "csv_href": address(f"{SCORE_TRACKING_PATH}.csv", link),
        "workbook_href": address(f"{SCORE_TRACKING_PATH}.xlsx", link),
        "next_href": following and address(SCORE_TRACKING_PATH, [*link, ("cursor", following)]),
    }


def _line(pupil: PupilMonths, names: Mapping[str, str], named: bool) -> Line:
    return Line(
        title=title_of(pupil, named),
        reference=pupil.reference if isinstance(pupil.reference, str) else "",
        school=names.get(pupil.school, pupil.school),
        year_group=pupil.year_group or "Not known",
        start=_text(pupil.start),
        months=tuple(
            Month(_text(value), "" if variance is None else f"{variance:+d}" if variance else "0")
            for value, variance in zip(pupil.values, pupil.variances, strict=True)
        ),
        average=pupil.average_variance or "",
    )


def _text(value: Value | None) -> str:
    return "" if value is None else show_value(value).text
