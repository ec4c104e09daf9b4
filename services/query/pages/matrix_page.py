"""The context of the matrix page and of the list of pupils behind its cells. It repeats numbers and computes none.

Pure: the answer, the parameters and the choices come in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.access.problems import Problem
from services.domain.bands import BAND_IDS
from services.query.answers import Matrix, MeasureOn, Members
from services.query.directory import Choices
from services.query.pages.overview_form import Pairs, address
from services.query.pages.page_parts import field_errors, form_choices, show_pupil, whom
from services.query.pages.plain_form import fields_of_parameters
from services.query.pages.wording import BAND_WORDS, BANDS, Band, count_and_percent, cut_off_labels, long_date
from services.query.pages.wording import measure_label as measure_words

MATRIX_PATH = "/reports/matrix"
NO_BAND = "none"
FIELDS: Mapping[str, str] = {
    "school": "Schools",
    "trust": "Trust",
    "first": "First measure",
    "first_bands": "Cut-offs of the first",
    "second": "Second measure",
    "second_bands": "Cut-offs of the second",
    "on": "Roster of",
    "as_at": "As at",
    "as_known_at": "As known at",
    "year_group": "Year groups",
    "group": "Groups",
    "filter": "Characteristics",
}
_NOT_OF_A_LINK = ("min_position", "wait_seconds", "cell", "limit", "cursor")
_WORDS: Mapping[str, str] = {**BAND_WORDS, NO_BAND: "No band"}
_PARTS = {"on": "in the same band", "above": "in a higher band in the second", "below": "in a lower band in the second"}


class Cell(msgspec.Struct, frozen=True):
    """A count that leads to its pupils; `part`: on, above or below the diagonal, or none of them."""

    pupils: int
    label: str
    href: str
    part: str = ""


class Side(msgspec.Struct, frozen=True):
    """A measure of the matrix in words, with what each of its bands holds."""

    name: str
    limits: tuple[str, ...]


def matrix_context(pairs: Pairs, choices: Choices, answer: Matrix | None, problem: Problem | None) -> dict[str, Any]:
    """What `matrix.html` shows: the matrix, or the form alone, and what was wrong with the parameters."""
    fields = fields_of_parameters(pairs)
    errors = [] if problem is None else field_errors(problem, FIELDS)
    wrong: dict[str, list[str]] = {}
    for error in errors:
        wrong.setdefault(error.anchor, []).append(error.detail)
    link = _report_pairs(pairs)
    names = {entry.school: entry.name for entry in choices.schools}
    return {
        "form": fields,
        "choices": form_choices(choices, fields.get("school", ())),
        "errors": errors,
        "wrong": wrong,
        "answer": answer,
        "whom": whom(pairs, names),
        "csv_href": address(f"{MATRIX_PATH}.csv", link),
        "workbook_href": address(f"{MATRIX_PATH}.xlsx", link),
        **({} if answer is None else _shown(answer, link)),
    }


def matrix_members_context(pairs: Pairs, choices: Choices, answer: Members, named: bool) -> dict[str, Any]:
    """What `members.html` shows of the cells of a matrix."""
    names = {entry.school: entry.name for entry in choices.schools}
    without_cursor = [(name, value) for name, value in pairs if name != "cursor"]
    path = f"{MATRIX_PATH}/members"
    return {
        "answer": answer,
        "named": named,
        "row": whom(pairs, names),
        "cells": [_cell_words(value) for name, value in pairs if name == "cell"],
        "measures": [_dated_words(value) for side in ("first", "second") for name, value in pairs if name == side],
        "pupils": [show_pupil(pupil, names, named) for pupil in answer.pupils],
        "back": "matrix",
        "back_href": address(MATRIX_PATH, _report_pairs(pairs)),
        "csv_href": address(f"{path}.csv", without_cursor),
        "workbook_href": address(f"{path}.xlsx", without_cursor),
        "next_href": answer.next and address(path, [*without_cursor, ("cursor", answer.next)]),
    }


def _shown(answer: Matrix, link: Pairs) -> dict[str, Any]:
    overlay = answer.overlay
    return {
        "first": _side(answer.first),
        "second": _side(answer.second),
        "lines": [
            (first, [_cell(link, first.id, second.id, answer.counts[row][column]) for column, second in _numbered()])
            for row, first in _numbered()
        ],
        "unplotted": [
            _cell(link, each.first or NO_BAND, each.second or NO_BAND, each.pupils) for each in answer.unplotted
        ],
        "plotted": sum(sum(row) for row in answer.counts),
        "overlay": [
            f"{count_and_percent(share.pupils, share.percent)} {_PARTS[part]}"
            for part, share in (("on", overlay.on), ("above", overlay.above), ("below", overlay.below))
        ],
    }


def _numbered() -> Sequence[tuple[int, Band]]:
    return tuple(enumerate(BANDS))


def _cell(link: Pairs, first: str, second: str, pupils: int) -> Cell:
    part = ""
    if NO_BAND not in (first, second):
        difference = BAND_IDS.index(second) - BAND_IDS.index(first)
        part = "above" if difference > 0 else "below" if difference < 0 else "on"
    cell = f"{first}:{second}"
    href = address(f"{MATRIX_PATH}/members", [*link, ("cell", cell)])
    return Cell(pupils, _cell_words(cell), href, part)


def _cell_words(cell: str) -> str:
    first, _, second = cell.partition(":")
    return f"{_WORDS.get(first, first)} in the first, {_WORDS.get(second, second)} in the second"


def _side(side: MeasureOn) -> Side:
    limits = cut_off_labels(side.bands, whole=side.id.startswith("markbook:"))
    return Side(f"{measure_words(side.id)}, {long_date(side.on)}", tuple(limits))


def _dated_words(text: str) -> str:
    measure, at, day = text.partition("@")
    return f"{measure_words(measure)}, {day}" if at else measure_words(measure)


def _report_pairs(pairs: Pairs) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if name not in _NOT_OF_A_LINK]
