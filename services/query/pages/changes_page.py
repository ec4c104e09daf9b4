"""What changed, as a page: the cells and pupils of a report that later facts moved, and those facts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.query.pages.blocks import Block, Cell, Column, Row, Table, Words
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.page_parts import show_value
from services.query.pages.pupil_tables import pupil_table
from services.query.pages.sections import DATES, MEASURES, PUPILS, SETTINGS
from services.query.pages.wording import CELL_WORDS, HIDDEN, in_words, long_date, long_instant, measure_label, row_label

_KINDS = {
    "FactWithdrawn": "An earlier fact was withdrawn",
    "ImportReversed": "A file was taken back",
    "CurriculumPublished": "A changed framework",
    "PupilEnrolled": "Enrolment",
    "PupilLeft": "Leaving",
    "YearGroupSet": "Year group",
    "GroupJoined": "Class or group joined",
    "GroupLeft": "Class or group left",
    "CharacteristicSet": "Characteristic",
    "CharacteristicEnded": "End of a characteristic",
    "ResultRecorded": "Result of a test",
    "JudgementRecorded": "Judgement",
    "PupilsMerged": "Two records of one pupil",
    "PupilsSplit": "Records of two pupils",
}


def _show(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    if not answer.rows and not answer.pupils:
        return [Words(title="Nothing changed", sentences=("Every number is the same as it was known then.",))]
    blocks: list[Block] = []
    if answer.rows:
        blocks.append(_cells(shown))
    if answer.pupils:
        blocks.append(_pupils(shown))
    return blocks


def _cells(shown: Shown) -> Table:
    return Table(
        title="Numbers that changed",
        of=shown.of,
        head=(
            Column(text="Pupils in"),
            Column(text="Number"),
            Column(text="Was", number=True),
            Column(text="Is", number=True),
        ),
        rows=tuple(
            Row(
                head=Cell(text=row_label(row.row, shown.schools)),
                cells=(
                    Cell(text=_cell_words(shown, row.cell)),
                    Cell(text=_number(row, "before"), number=True),
                    Cell(text=_number(row, "after"), number=True),
                ),
            )
            for row in shown.answer.rows
        ),
    )


def _pupils(shown: Shown) -> Table:
    return pupil_table(
        shown,
        title="Pupils whose value changed",
        of="With the facts that changed it",
        columns=[Column(text="Measure"), Column(text="Was"), Column(text="Is"), Column(text="Because of")],
        more=lambda pupil: [
            Cell(text=measure_label(pupil.measure)),
            _value(pupil, "before"),
            _value(pupil, "after"),
            Cell(text="; ".join(_fact(each) for each in pupil.facts)),
        ],
    )


def _number(row: Any, end: str) -> str:
    number = getattr(row, end)
    return HIDDEN if number is None else str(number)


def _value(pupil: Any, end: str) -> Cell:
    value = getattr(pupil, end)
    if value is None:
        return Cell(text="not on roll")
    shown_value = show_value(value)
    return Cell(text=shown_value.text, note=shown_value.exact, band=shown_value.band)


def _fact(fact: Any) -> str:
    """`ma3-01 Achieved on 3 July 2026, told 29 July 2026 at 17:30:00 BST`."""
    about = _KINDS.get(fact.type, in_words(fact.type))
    if fact.objective or fact.state:
        about = " ".join(part for part in (fact.objective, in_words(fact.state) if fact.state else "") if part)
    day = f" on {long_date(fact.on)}" if fact.on is not None else ""
    return f"{about}{day}, told {long_instant(fact.recorded_at)}"


def _cell_words(shown: Shown, cell: str) -> str:
    index, _, band = cell.partition(":")
    measures = [value for name, value in shown.pairs if name == "measure"]
    words = CELL_WORDS.get(band, band)
    named = index.isdecimal() and int(index) < len(measures)
    return f"{measure_label(measures[int(index)])}: {words}" if named else words or cell


CHANGES = Page(
    report="changes",
    title="What changed",
    about="Which numbers of a report later facts and corrections have moved, for which pupils, and why.",
    sections=(
        PUPILS,
        Section(
            title="Which report",
            fields=(
                Field(kind="select", name="report", label="Report", options=(("overview", "Overview"),)),
                MEASURES,
                SETTINGS,
                Field(kind="instant", name="known_from", label="Compare with what was known at", hint="UK time."),
            ),
        ),
        DATES,
    ),
    show=_show,
    button="Show what changed",
)
