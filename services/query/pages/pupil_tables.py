"""Pupils with their values as a table: the same first columns in every report that lists pupils. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from services.query.pages.blocks import Cell, Column, Row, Table
from services.query.pages.page import Shown
from services.query.pages.page_parts import ShownValue, show_value, title_of
from services.query.pages.wording import pupils_words


def pupil_table(
    shown: Shown,
    *,
    title: str,
    of: str,
    columns: Sequence[Column],
    measures: Sequence[str] = (),
    more: Callable[[Any], Sequence[Cell]] = lambda _: (),
    href: Callable[[Any], str] = lambda _: "",
) -> Table:
    """The pupils of an answer: who they are, their values (explained in `measures`), and `more` of each."""
    answer = shown.answer
    several = len({pupil.school for pupil in answer.pupils}) > 1
    rows = [
        Row(
            head=Cell(text=title_of(pupil, shown.named), href=href(pupil)),
            cells=(*_who(shown, pupil, several), *_values(shown, pupil, measures), *more(pupil)),
        )
        for pupil in answer.pupils
    ]
    total = getattr(answer, "total", len(rows))
    notes = (f"{len(rows)} of {pupils_words(total)} are on this page.",) if len(rows) < total else ()
    return Table(
        title=title, of=of, head=(*_head(shown.named, several), *columns), rows=tuple(rows), notes=notes, kind="pupils"
    )


def value_cell(value: ShownValue, explain: str = "") -> Cell:
    """A pupil's value; where it can be explained it leads there."""
    return Cell(
        text=value.text,
        note=value.exact,
        band=value.band,
        href=explain,
        label=f"{value.text}: explain this number" if explain else "",
    )


def _head(named: bool, several: bool) -> list[Column]:
    head = [Column(text="Name"), Column(text="Reference")] if named else [Column(text="Pupil")]
    return [*head, *([Column(text="School")] if several else []), Column(text="Year group")]


def _who(shown: Shown, pupil: Any, several: bool) -> list[Cell]:
    before = [Cell(text=pupil.reference if isinstance(pupil.reference, str) else "")] if shown.named else []
    before += [Cell(text=shown.schools.get(pupil.school, pupil.school))] if several else []
    return [*before, Cell(text=pupil.year_group or "Not known")]


def _values(shown: Shown, pupil: Any, measures: Sequence[str]) -> list[Cell]:
    cells = []
    for index, value in enumerate(getattr(pupil, "values", ())):
        measure = measures[index] if index < len(measures) else ""
        markbook = measure.startswith("markbook:") and value.status == "value"
        explain = shown.explain(pupil.pupil, pupil.school, measure) if markbook else ""
        cells.append(value_cell(show_value(value), explain))
    return cells
