"""The pupils behind a row or the cells of any report, as a page. Pure: the answer comes in."""

from __future__ import annotations

from typing import Any

from services.query.pages.addresses import address, many, one, report_pairs, without
from services.query.pages.blocks import Cell, Column, Row, Table
from services.query.pages.page import ROOT, Opened
from services.query.pages.page_parts import ShownValue, show_value, title_of
from services.query.pages.wording import pupils_words, row_label

_ORDERS = (("name", "By name"), ("value", "By value"))


def members_context(opened: Opened) -> dict[str, Any]:
    """What `members.html` shows."""
    page, pairs, answer, shown = opened.page, opened.pairs, opened.answer, opened.shown
    row, parent = one(pairs, "row", "whole"), one(pairs, "in")
    rows = [row_label(each, shown.schools) for each in (row, parent) if each]
    words = ", ".join([*rows, shown.of]) if page.report != "matrix" else shown.of
    path, link = f"{ROOT}/{page.report}/members", without(pairs, "cursor")
    return {
        "page": page,
        "answer": answer,
        "named": opened.named,
        "whom": words,
        "title": pupils_words(answer.total),
        "cells": [page.cell_words(value, pairs) for value in many(pairs, "cell")],
        "table_block": _table(opened, words),
        "back_href": address(f"{ROOT}/{page.report}", report_pairs(pairs)),
        "csv_href": address(f"{path}.csv", link),
        "workbook_href": address(f"{path}.xlsx", link),
        "next_href": answer.next and address(path, [*link, ("cursor", answer.next)]),
    }


def _table(opened: Opened, words: str) -> Table | None:
    page, pairs, answer, shown = opened.page, opened.pairs, opened.answer, opened.shown
    if not answer.pupils:
        return None
    cells = [page.cell_words(value, pairs) for value in many(pairs, "cell")]
    several = len({pupil.school for pupil in answer.pupils}) > 1
    measures = many(pairs, "measure")
    head = [Column(text="Name"), Column(text="Reference")] if opened.named else [Column(text="Pupil")]
    head += [Column(text="School")] if several else []
    head += [Column(text="Year group"), *(Column(text=each) for each in page.columns(pairs))]
    rows = []
    for pupil in answer.pupils:
        before = [Cell(text=pupil.reference if isinstance(pupil.reference, str) else "")] if opened.named else []
        before += [Cell(text=shown.schools.get(pupil.school, pupil.school))] if several else []
        values = []
        for index, value in enumerate(getattr(pupil, "values", ())):
            measure = measures[index] if index < len(measures) and measures[index].startswith("markbook:") else ""
            values.append(
                value_cell(show_value(value), shown.explain(pupil.pupil, pupil.school, measure) if measure else "")
            )
        rows.append(
            Row(
                head=Cell(text=title_of(pupil, opened.named)),
                cells=(*before, Cell(text=pupil.year_group or "Not known"), *values),
            )
        )
    notes = (f"{len(rows)} of {pupils_words(answer.total)} are on this page.",) if len(rows) < answer.total else ()
    return Table(
        title=words, of=" or ".join(cells) or "everyone in the row", head=tuple(head), rows=tuple(rows), notes=notes
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
