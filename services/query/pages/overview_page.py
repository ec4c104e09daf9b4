"""The context of the overview page and of its list of pupils: everything that their templates name.

Pure: the answer, the parameters and the choices come in. Wrong parameters become a summary linked to the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.access.problems import Problem
from services.query.answers import Members, Overview
from services.query.directory import Choices
from services.query.pages.overview_form import Pairs, address, form_of_parameters
from services.query.pages.overview_tables import overview_tables, report_pairs
from services.query.pages.page_parts import field_errors, form_choices, show_pupil, whom
from services.query.pages.wording import CELL_WORDS, measure_label, row_label

OVERVIEW_PATH = "/reports/overview"
_FIELDS: Mapping[str, str] = {
    "school": "Schools",
    "trust": "Trust",
    "measure": "Measures",
    "bands": "Cut-offs",
    "as_at": "As at",
    "as_known_at": "As known at",
    "denominator": "Percents of",
    "by": "Rows by",
    "year_group": "Year groups",
    "group": "Groups",
    "filter": "Characteristics",
}


def overview_context(
    pairs: Pairs, choices: Choices, answer: Overview | None, problem: Problem | None, known_now: str
) -> dict[str, Any]:
    """What `overview.html` shows: the report, or the form alone, and what was wrong with the parameters.

    `known_now`: this moment, for the link that never changes.
    """
    form = form_of_parameters(pairs)
    errors = [] if problem is None else field_errors(problem, _FIELDS)
    wrong: dict[str, list[str]] = {}
    for error in errors:
        wrong.setdefault(error.anchor, []).append(error.detail)
    names = {entry.school: entry.name for entry in choices.schools}
    link = report_pairs(pairs)
    fixed = link if form.as_known_at else [*link, ("as_known_at", known_now)]
    if answer is not None and not form.as_at:
        fixed = [*fixed, ("as_at", answer.provenance.as_at.isoformat())]
    return {
        "form": form,
        "choices": form_choices(choices, form.schools),
        "errors": errors,
        "wrong": wrong,
        "answer": answer,
        "tables": None if answer is None else overview_tables(answer, pairs, names),
        "whom": whom(pairs, names),
        "csv_href": address(f"{OVERVIEW_PATH}.csv", link),
        "workbook_href": address(f"{OVERVIEW_PATH}.xlsx", link),
        "fixed_href": address(OVERVIEW_PATH, fixed),
    }


def members_context(pairs: Pairs, choices: Choices, answer: Members, named: bool) -> dict[str, Any]:
    """What `members.html` shows: the pupils behind cells of an overview."""
    names = {entry.school: entry.name for entry in choices.schools}
    measures = [measure_label(value) for name, value in pairs if name == "measure"]
    row = next((value for name, value in pairs if name == "row"), "whole")
    without_cursor = [(name, value) for name, value in pairs if name != "cursor"]
    return {
        "answer": answer,
        "named": named,
        "row": f"{row_label(row, names)}, {whom(pairs, names)}",
        "cells": [_cell_words(value, measures) for name, value in pairs if name == "cell"],
        "measures": measures,
        "pupils": [show_pupil(pupil, names, named) for pupil in answer.pupils],
        "back": "overview",
        "back_href": address(OVERVIEW_PATH, report_pairs(pairs)),
        "csv_href": address(f"{OVERVIEW_PATH}/members.csv", without_cursor),
        "workbook_href": address(f"{OVERVIEW_PATH}/members.xlsx", without_cursor),
        "next_href": answer.next and address(f"{OVERVIEW_PATH}/members", [*without_cursor, ("cursor", answer.next)]),
    }


def _cell_words(cell: str, measures: Sequence[str]) -> str:
    index, _, band = cell.partition(":")
    words = CELL_WORDS.get(band, band)
    return f"{measures[int(index)]}: {words}" if index.isdecimal() else f"Combined: {words}"
