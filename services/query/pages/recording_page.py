"""Recording as a page: what was assessed in each class and subject, and where little is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.query.pages.blocks import Block, Cell, Column, Row, Table
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.sections import DATES, PUPILS
from services.query.pages.wording import HIDDEN, in_words, long_date, pupils_words, row_label, short_date


def _show(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    subjects = list(dict.fromkeys(row.subject for row in answer.rows))
    several = len({row.school for row in answer.rows}) > 1
    since = "since the academic year began" if answer.since is None else f"since {long_date(answer.since)}"
    below = sum(1 for row in answer.rows if row.below_minimum)
    said = f" Below the minimum of {answer.minimum}%, and marked ▼: {below} of {len(answer.rows)}." if below else ""
    by_class: dict[tuple[str, str], dict[str, Any]] = {}
    for row in answer.rows:
        by_class.setdefault((row.school, row.row), {})[row.subject] = row
    head = [Column(text="Class"), *([Column(text="School")] if several else []), Column(text="Pupils", number=True)]
    return [
        Table(
            title="What was recorded",
            of=f"{shown.of}, {since}, until {long_date(answer.until)}",
            sentence="Each cell: how many of the class's objectives were assessed for anyone in it, the pupils "
            f"assessed, and the last day. No member of staff is named.{said}",
            head=(*head, *(Column(text=in_words(subject)) for subject in subjects)),
            rows=tuple(_row(shown, key, found, subjects, several) for key, found in by_class.items()),
            kind="recording",
        )
    ]


def _row(shown: Shown, key: tuple[str, str], found: dict[str, Any], subjects: list[str], several: bool) -> Row:
    school, name = key
    pupils = next(iter(found.values())).pupils
    cells = [Cell(text=shown.schools.get(school, school))] if several else []
    cells.append(Cell(text=HIDDEN if pupils is None else str(pupils), number=True))
    cells += [_cell(found.get(subject)) for subject in subjects]
    return Row(head=Cell(text=row_label(name, shown.schools)), cells=tuple(cells), strong=name == "whole")


def _cell(row: Any) -> Cell:
    if row is None or not row.covered.of:
        return Cell(text="not taught", tone="quiet")
    if not row.covered.objectives:
        text, note = f"0 of {row.covered.of}", "nothing yet"
    else:
        text = f"{row.covered.objectives} of {row.covered.of}"
        note = (
            f"{pupils_words(row.assessed) if row.assessed is not None else HIDDEN}, {short_date(row.last_assessed_on)}"
        )
    below = bool(row.below_minimum)
    return Cell(text=f"▼ {text}" if below else text, note=note, tone="short" if below else "")


RECORDING = Page(
    report="recording",
    title="Recording",
    about="What was assessed in each class and subject, and where less than your school's minimum is recorded.",
    sections=(
        PUPILS,
        Section(
            title="What to show",
            fields=(
                Field(kind="subjects", name="subject", label="Subjects", hint="None ticked: all of them."),
                Field(kind="date", name="since", label="Since", hint="Empty: the first day of the academic year."),
                Field(
                    kind="text",
                    name="minimum",
                    label="Minimum",
                    hint="The percent of objectives that your school expects to be covered by now.",
                ),
            ),
        ),
        DATES,
    ),
    show=_show,
    button="Show what was recorded",
)
