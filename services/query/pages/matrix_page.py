"""The matrix as a page: pupils by their bands in two measures, each number leading to its pupils. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.domain.bands import BAND_IDS
from services.query.answers import Matrix, MeasureOn
from services.query.pages.addresses import Pairs, many, report_pairs
from services.query.pages.band_tables import legend
from services.query.pages.blocks import Block, Cell, Column, Picking, Row, Table, Tone, Words
from services.query.pages.forms import Field, Section
from services.query.pages.page import ROOT, Page, Shown
from services.query.pages.sections import DATES, ON_ROSTER_OF, PUPILS, SETTINGS
from services.query.pages.wording import (
    BAND_WORDS,
    BANDS,
    HIDDEN,
    count_and_percent,
    long_date,
    measure_label,
    pupils_words,
)

NO_BAND = "none"
_WORDS = {**BAND_WORDS, NO_BAND: "No band"}
_PARTS = {
    "on": "in the same band in both (on the diagonal)",
    "above": "in a higher band in the second than in the first",
    "below": "in a lower band in the second than in the first",
}


def _show(shown: Shown) -> Sequence[Block]:
    answer: Matrix = shown.answer
    first, second = _side(answer.first), _side(answer.second)
    blocks: list[Block] = [_table(shown, first, second), _summary(answer)]
    if answer.unplotted:
        blocks.append(
            Words(
                title="Not in the matrix",
                sentences=("These pupils have no data in a measure, or it does not apply to them.",),
                links=tuple(
                    _cell(shown, each.first or NO_BAND, each.second or NO_BAND, each.pupils, named=True)
                    for each in answer.unplotted
                ),
            )
        )
    for title, side in ((f"First: {first}", answer.first), (f"Second: {second}", answer.second)):
        blocks.append(legend(shown, title, side.id, side.bands, side.on))
    return blocks


def _table(shown: Shown, first: str, second: str) -> Table:
    answer: Matrix = shown.answer
    lines = [
        Row(
            head=Cell(text=band.word, band=band),
            cells=tuple(
                _cell(shown, band.id, other.id, answer.counts[row][column], named=False)
                for column, other in enumerate(BANDS)
            ),
        )
        for row, band in enumerate(BANDS)
    ]
    return Table(
        title="Pupils by their bands in both measures",
        of=f"Down: {first}. Across: {second}. {shown.of}",
        sentence=_sentence(answer),
        kind="matrix",
        head=(Column(text="First ↓, second →"), *(Column(text=band.word, band=band, number=True) for band in BANDS)),
        rows=tuple(reversed(lines)),
        picking=Picking(
            action=f"{ROOT}/{shown.report}/members",
            pairs=tuple(report_pairs(shown.pairs)),
            button="Show the pupils of the ticked cells",
        )
        if f"{shown.report}/members" in shown.pages
        else None,
    )


def _sentence(answer: Matrix) -> str:
    overlay = answer.overlay
    if overlay.on.pupils is None:
        return ""
    plotted = overlay.on.pupils + overlay.above.pupils + overlay.below.pupils
    return (
        f"Of {pupils_words(plotted)} with a band in both, {overlay.on.pupils} are in the same band, "
        f"{overlay.above.pupils} in a higher and {overlay.below.pupils} in a lower one in the second. "
        "Left of and under the thick lines are those below expectations in the second and in the first."
    )


def _summary(answer: Matrix) -> Words:
    overlay = answer.overlay
    said = [
        f"{count_and_percent(share.pupils, share.percent)} {_PARTS[part]}"
        for part, share in (("on", overlay.on), ("above", overlay.above), ("below", overlay.below))
    ]
    missing = getattr(answer, "not_meeting", None)
    for side in ("first", "second"):
        share = getattr(missing, side, None)
        if share is not None:
            said.append(f"{count_and_percent(share.pupils, share.percent)} below expectations in the {side}")
    return Words(title="Overlay", sentences=tuple(said))


def _cell(shown: Shown, first: str, second: str, pupils: int | None, *, named: bool) -> Cell:
    cell = f"{first}:{second}"
    words = _cell_words(cell, ())
    plotted = NO_BAND not in (first, second)
    return Cell(
        text=HIDDEN if pupils is None else str(pupils),
        note=words if named else "",
        href="" if pupils is None else shown.members(("cell", cell)),
        label=f"{pupils} pupils, {words}: show pupils",
        tone=_part(first, second) if plotted else "",
        number=not named,
        pick=cell if plotted and pupils else "",
    )


def _part(first: str, second: str) -> Tone:
    difference = BAND_IDS.index(second) - BAND_IDS.index(first)
    return "above" if difference > 0 else "below" if difference < 0 else "on"


def _cell_words(cell: str, _: Pairs) -> str:
    first, _colon, second = cell.partition(":")
    return f"{_WORDS.get(first, first)} in the first, {_WORDS.get(second, second)} in the second"


def _side(side: MeasureOn) -> str:
    return f"{measure_label(side.id)}, {long_date(side.on)}"


def _columns(pairs: Pairs) -> list[str]:
    return [measure_label(value) for side in ("first", "second") for value in many(pairs, side)]


def _count(answer: Any) -> int | None:
    counts = [count for row in answer.counts for count in row] + [each.pupils for each in answer.unplotted]
    return None if None in counts else sum(counts)


def _fields(side: str, words: str) -> tuple[Field, ...]:
    return (
        Field(kind="measure", name=side, label=f"{words} measure"),
        Field(kind="date", name=f"{side}_day", label=f"{words} measure on", hint="Empty: the date of the report."),
        Field(kind="cut_offs", name=f"{side}_bands", label=f"{words} measure: lowest value of each band"),
    )


TYPE = Field(
    kind="select",
    name="type",
    label="Kind of matrix",
    options=(
        ("", "Any two measures"),
        ("group", "Group matrix: two sources, pupils' own year"),
        ("ability", "Ability matrix: one source on two dates"),
    ),
)

MATRIX = Page(
    report="matrix",
    title="Matrix",
    about="Two measures against each other: who is where you would expect, and who is not.",
    sections=(
        PUPILS,
        Section(title="First measure (down)", fields=_fields("first", "First")),
        Section(title="Second measure (across)", fields=_fields("second", "Second")),
        Section(title="How to compare", fields=(TYPE, SETTINGS, ON_ROSTER_OF)),
        DATES,
    ),
    show=_show,
    count=_count,
    cell_words=_cell_words,
    columns=_columns,
    movable=True,
    button="Show the matrix",
)
