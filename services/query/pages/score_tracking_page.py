"""Score tracking as a page: pupils by months, with the difference to the month before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.query.answers import PupilMonths, ScoreTracking, Value
from services.query.pages.addresses import one
from services.query.pages.blocks import Block, Cell, Column, Row, Table
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.page_parts import show_value, title_of
from services.query.pages.sections import DATES, PUPILS
from services.query.pages.wording import long_date, measure_label, pupils_words


def _show(shown: Shown) -> Sequence[Block]:
    answer: ScoreTracking = shown.answer
    if not answer.pupils:
        return []
    several = len({school for name, school in shown.pairs if name == "school"}) > 1 or bool(one(shown.pairs, "trust"))
    targeted = any(isinstance(getattr(pupil, "target", None), int) for pupil in answer.pupils)
    head = [Column(text="Name"), Column(text="Reference")] if shown.named else [Column(text="Pupil")]
    head += [Column(text="School")] if several else []
    head += [Column(text="Year group"), Column(text="Start", number=True)]
    head += [Column(text=f"{month:%b %Y}", number=True) for month in answer.months]
    head += [Column(text="Average difference", number=True)]
    head += [Column(text="Target", number=True), Column(text="Met")] if targeted else []
    return [
        Table(
            title=measure_label(answer.measure),
            of=f"{shown.of}; each month at its end, or on {long_date(answer.provenance.as_at)} if that comes first",
            sentence="Beside each percent stands its difference to the month before.",
            kind="months",
            head=tuple(head),
            rows=tuple(_row(shown, pupil, several, targeted) for pupil in answer.pupils),
            notes=_notes(answer),
        )
    ]


def _notes(answer: ScoreTracking) -> tuple[str, ...]:
    if len(answer.pupils) >= answer.total:
        return ()
    return (f"{len(answer.pupils)} of {pupils_words(answer.total)} are on this page.",)


def _row(shown: Shown, pupil: PupilMonths, several: bool, targeted: bool) -> Row:
    before = [Cell(text=pupil.reference if isinstance(pupil.reference, str) else "")] if shown.named else []
    before += [Cell(text=shown.schools.get(pupil.school, pupil.school))] if several else []
    months = (
        Cell(
            text=_text(value),
            note="" if variance is None else f"{variance:+d}" if variance else "0",
            tone="below" if variance is not None and variance < 0 else "",
            number=True,
        )
        for value, variance in zip(pupil.values, pupil.variances, strict=True)
    )
    return Row(
        head=Cell(
            text=title_of(pupil, shown.named),
            href=shown.explain(pupil.pupil, pupil.school, shown.answer.measure),
        ),
        cells=(
            *before,
            Cell(text=pupil.year_group or "Not known"),
            Cell(text=_text(pupil.start), number=True),
            *months,
            Cell(text=pupil.average_variance or "", number=True),
            *(_target(pupil) if targeted else ()),
        ),
    )


def _target(pupil: Any) -> tuple[Cell, Cell]:
    met = {True: "▲ met", False: "▼ not met"}.get(pupil.met, "")
    return Cell(text=f"{pupil.target}%" if isinstance(pupil.target, int) else "", number=True), Cell(text=met)


def _text(value: Value | None) -> str:
    return "" if value is None else show_value(value).text


def _count(answer: ScoreTracking) -> int:
    return answer.total


SCORE_TRACKING = Page(
    report="score-tracking",
    title="Score tracking",
    about="Each pupil's percent at the end of each month of a year, and how it moved.",
    sections=(
        PUPILS,
        Section(
            title="What to show",
            fields=(
                Field(kind="markbook_measure", name="measure", label="Measure"),
                Field(
                    kind="months",
                    name="months",
                    label="Months",
                    hint="From and to, at most twelve. Empty: the academic year of the date.",
                ),
                Field(
                    kind="text",
                    name="target",
                    label="Target",
                    hint="By how many percentage points each pupil should rise from the start to the last month.",
                ),
                Field(
                    kind="select",
                    name="members",
                    label="Whose rows",
                    options=(("now", "On roll on the date of the report"), ("then", "On roll at the end of a month")),
                ),
            ),
        ),
        DATES,
    ),
    show=_show,
    count=_count,
    button="Show score tracking",
)
