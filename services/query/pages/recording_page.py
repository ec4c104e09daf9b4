"""Recording as a page: what was assessed in each class and subject, and where little is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.query.pages.blocks import Block, Cell, Column, Row, Table
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.sections import DATES, PUPILS
from services.query.pages.wording import HIDDEN, count_and_percent, in_words, long_date, row_label


def _show(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    several = len({row.school for row in answer.rows}) > 1
    head = [Column(text="Class")]
    head += [Column(text="School")] if several else []
    head += [
        Column(text="Subject"),
        Column(text="Pupils", number=True),
        Column(text="Pupils assessed", number=True),
        Column(text="Last assessed on"),
        Column(text="Objectives covered", number=True),
    ]
    head += [Column(text="Minimum")] if answer.minimum is not None else []
    since = "since the academic year began" if answer.since is None else f"since {long_date(answer.since)}"
    below = sum(1 for row in answer.rows if row.below_minimum)
    minimum = f" {below} of {len(answer.rows)} rows lie below the minimum of {answer.minimum}%." if below else ""
    return [
        Table(
            title="What was recorded",
            of=f"{shown.of}, {since}, until {long_date(answer.until)}",
            sentence="An objective is covered if it was assessed for anyone in the class. No member of staff is named."
            + minimum,
            head=tuple(head),
            rows=tuple(_row(shown, row, several, answer.minimum is not None) for row in answer.rows),
            kind="lines",
        )
    ]


def _row(shown: Shown, row: Any, several: bool, minimum: bool) -> Row:
    covered = row.covered
    cells = [Cell(text=shown.schools.get(row.school, row.school))] if several else []
    cells += [
        Cell(text=in_words(row.subject)),
        Cell(text=HIDDEN if row.pupils is None else str(row.pupils), number=True),
        Cell(text=count_and_percent(row.assessed, row.assessed_percent), number=True),
        Cell(text="nothing yet" if row.last_assessed_on is None else long_date(row.last_assessed_on)),
        Cell(text=f"{covered.objectives} of {covered.of}", note=_percent(covered.percent), number=True),
    ]
    if minimum:
        words = {True: "▼ below", False: "reached", None: "nothing taught"}[row.below_minimum]
        cells.append(Cell(text=words, tone="short" if row.below_minimum else "quiet"))
    return Row(head=Cell(text=row_label(row.row, shown.schools)), cells=tuple(cells), strong=row.row == "whole")


def _percent(percent: int | None) -> str:
    return "" if percent is None else f"{percent}%"


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
