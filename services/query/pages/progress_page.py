"""Progress as a page: an overview of what a rule makes of each pupil's start and end, and the 5×5 tables behind it.

Pure. It repeats numbers of the answer and computes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.domain.bands import BAND_IDS
from services.domain.progress import DEFAULT_RULE_TEXT
from services.query.pages.addresses import Pairs, many
from services.query.pages.band_tables import cell_words, combined_table, legend, measure_table
from services.query.pages.blocks import Block, Cell, Column, Row, Table, Words
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.sections import BREAKDOWN, DATES, DENOMINATOR, MEASURES, PUPILS, SETTINGS, THEN
from services.query.pages.wording import BANDS, HIDDEN, long_date, measure_label, pupils_words

_SAID = "making the progress expected or more"
_ENDS = {"no_start": "no data at the start", "no_end": "no data at the end"}


def _show(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    blocks: list[Block] = []
    for index, measure in enumerate(answer.measures):
        title = measure_label(measure.id)
        blocks.append(measure_table(shown, index, f"Progress in {title}", f"progress-{index + 1}", _SAID))
        blocks.append(_ends(shown, index, title))
        start = measure.start_bands
        if start != measure.bands:
            blocks.append(legend(shown, f"{title}, at the start", measure.id, start, answer.start))
    return [*blocks, combined_table(shown), _rule(answer)]


def _ends(shown: Shown, index: int, title: str) -> Table:
    """The 5×5 table of the whole row, with Sig Above at the top."""
    answer, cell = shown.answer, shown.answer.rows[0].cells[index]
    lines = [
        Row(
            head=Cell(text=band.word, band=band),
            cells=tuple(
                _cell(shown, f"{index}:{band.id}:{other.id}", cell.table[row][column])
                for column, other in enumerate(BANDS)
            ),
        )
        for row, band in enumerate(BANDS)
    ]
    notes = [f"{pupils_words(getattr(cell, end))} with {words}." for end, words in _ENDS.items() if getattr(cell, end)]
    return Table(
        title=f"From start to end: {title}",
        of=f"Down: {long_date(answer.start)}. Across: {long_date(answer.provenance.as_at)}. {shown.of}",
        kind="matrix",
        head=(Column(text="Start ↓, end →"), *(Column(text=band.word, band=band, number=True) for band in BANDS)),
        rows=tuple(reversed(lines)),
        notes=tuple(notes),
    )


def _cell(shown: Shown, cell: str, pupils: int | None) -> Cell:
    return Cell(
        text=HIDDEN if pupils is None else str(pupils),
        href="" if pupils is None else shown.members(("row", "whole"), ("cell", cell)),
        label=f"{pupils} pupils, {_cell_words(cell, shown.pairs)}: show pupils",
        tone="on" if len(set(cell.split(":")[1:])) == 1 else "",
        number=True,
    )


def _rule(answer: Any) -> Words:
    own = "" if answer.rule == DEFAULT_RULE_TEXT else " It was changed for this report."
    said = [
        "The bands above are those of progress: each pupil's band at the start and at the end give one of the five "
        f"words by the rule {answer.rule} (five rows of start, Sig Below first; in each the five ends).{own}",
        answer.ceiling,
    ]
    if answer.warning:
        said.append(f"Check this rule: {answer.warning}")
    return Words(title="How progress is judged", sentences=tuple(each for each in said if each))


def _cell_words(cell: str, pairs: Pairs) -> str:
    index, _, rest = cell.partition(":")
    start, colon, end = rest.partition(":")
    if rest in _ENDS:
        return _ENDS[rest]
    if not colon or start not in BAND_IDS or end not in BAND_IDS:
        return cell_words(cell, pairs)
    words = {band.id: band.word for band in BANDS}
    measures = many(pairs, "measure")
    name = f"{measure_label(measures[int(index)])}: " if index.isdecimal() and int(index) < len(measures) else ""
    return f"{name}from {words[start]} to {words[end]}"


def _columns(pairs: Pairs) -> list[str]:
    return [f"{measure_label(each)}, {end}" for each in many(pairs, "measure") for end in ("start", "end")]


def _count(answer: Any) -> int | None:
    pupils: int | None = answer.rows[0].pupils
    return pupils


PROGRESS = Page(
    report="progress",
    title="Progress",
    about="Who has moved between two dates, and whether it was as much as you expect.",
    sections=(
        PUPILS,
        Section(
            title="What to show",
            fields=(
                MEASURES,
                SETTINGS,
                BREAKDOWN,
                THEN,
                DENOMINATOR,
                Field(kind="date", name="start", label="Start of progress", hint="The end is the date of the report."),
                Field(
                    kind="cut_offs",
                    name="start_bands",
                    label="Attainment settings at the start",
                    hint="Empty: those of the end.",
                ),
                Field(
                    kind="rule",
                    name="rule",
                    label="The rule of progress",
                    hint="A row for each band at the start: five digits, one for each band at the end, from 1 Sig "
                    f"Below to 5 Sig Above. Empty: {DEFAULT_RULE_TEXT}.",
                ),
            ),
        ),
        DATES,
    ),
    show=_show,
    count=_count,
    cell_words=_cell_words,
    columns=_columns,
    movable=True,
    button="Show progress",
)
