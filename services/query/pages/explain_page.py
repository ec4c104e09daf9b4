"""Explain this number, as a page: what a pupil's value is made of, line by line, down to the facts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.query.pages.blocks import Block, Cell, Column, Row, Table, Words
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.page_parts import show_value, title_of
from services.query.pages.sections import DATES, SCHOOL
from services.query.pages.wording import in_words, long_date, long_instant, measure_label

_WHY = {
    "counted": "Counted",
    "not_assessed": "Not assessed",
    "state_not_counted": "This state does not count",
    "earlier_year": "Set in an earlier year",
    "weight_zero": "Has no weight",
    "outside": "Outside the ability",
    "replaced": "A later one counts instead",
}
_BEFORE = {"earlier": "earlier", "superseded": "corrected", "withdrawn": "withdrawn"}


def _show(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    shown_value = show_value(answer.value)
    who = title_of(answer.pupil, shown.named)
    said = [f"{who}, {measure_label(answer.measure)}, on {long_date(answer.on)}: {shown_value.text}."]
    if answer.value.denominator is not None:
        counted = sum(line.counted for line in answer.lines)
        said.append(
            f"{answer.sum.numerator} out of {answer.sum.denominator}, from {counted} of {len(answer.lines)} "
            "objectives; the percent is rounded half up to a whole number."
        )
    if answer.framework:
        said.append(f"By the framework {answer.framework}, version {answer.version}.")
    blocks: list[Block] = [Words(title="The number", sentences=tuple(said))]
    if answer.lines:
        blocks.append(_lines(shown))
    return blocks


def _lines(shown: Shown) -> Table:
    answer = shown.answer
    return Table(
        title="What it is made of",
        of="Each line is an objective or a sitting: its weight, what it was last judged, and where that came from",
        head=(
            Column(text="Objective"),
            Column(text="Weight", number=True),
            Column(text="State"),
            Column(text="Worth", number=True),
            Column(text="Counted"),
            Column(text="Assessed on"),
            Column(text="Told"),
            Column(text="Before"),
        ),
        rows=tuple(_line(line) for line in answer.lines),
        kind="lines",
    )


def _line(line: Any) -> Row:
    fact = line.fact
    name = line.text or line.objective or "Sitting"
    place = " · ".join(part for part in (line.strand, line.objective) if part and part != name)
    return Row(
        head=Cell(text=name, note=place),
        cells=(
            Cell(text=line.weight or "", number=True),
            Cell(text=in_words(line.state) if line.state else ""),
            Cell(text=line.state_weight or "", number=True),
            Cell(text=_WHY.get(line.why, line.why), tone="" if line.counted else "quiet"),
            Cell(text="" if fact is None else long_date(fact.assessed_on)),
            Cell(
                text="" if fact is None else long_instant(fact.recorded_at), note="" if fact is None else _origin(fact)
            ),
            Cell(text="; ".join(_before(each) for each in line.before)),
        ),
    )


def _origin(fact: Any) -> str:
    parts = (f"by {fact.actor}" if fact.actor else "", f"from {fact.source}" if fact.source else "")
    return " ".join(part for part in (*parts, fact.event_id or "") if part)


def _before(before: Any) -> str:
    return f"{in_words(before.state)} on {long_date(before.fact.assessed_on)} ({_BEFORE.get(before.status)})"


EXPLAIN = Page(
    report="explain",
    title="Explain this number",
    about="What one pupil's percent or score is made of, down to the facts that were told, and what stood before.",
    sections=(
        SCHOOL,
        Section(
            title="Which number",
            fields=(
                Field(
                    kind="text",
                    name="pupil",
                    label="Pupil",
                    hint="The id, pup_…: you get here most easily by a number in a list of pupils.",
                ),
                Field(kind="measure", name="measure", label="Measure"),
            ),
        ),
        DATES,
    ),
    show=_show,
    button="Explain",
)
