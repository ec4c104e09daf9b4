"""The pupils behind a row or the cells of any report, as a page. Pure: the answer comes in."""

from __future__ import annotations

from typing import Any

from services.query.pages.addresses import address, many, one, report_pairs, without
from services.query.pages.blocks import Cell, Column, Table
from services.query.pages.page import ROOT, Opened
from services.query.pages.pupil_tables import pupil_table
from services.query.pages.wording import BAND_OF, measure_label, pupils_words, row_label

_ORDERS = (("", "School"), ("name", "Name"), ("value", "Value"))


def members_context(opened: Opened) -> dict[str, Any]:
    """What `members.html` shows."""
    page, pairs, answer, shown = opened.page, opened.pairs, opened.answer, opened.shown
    row, parent = one(pairs, "row", "whole"), one(pairs, "in")
    rows = [row_label(each, shown.schools) for each in (row, parent) if each]
    words = ", ".join([*rows, shown.of]) if page.report != "matrix" else shown.of
    here = without(pairs, "cursor", "sort")
    path, link = f"{ROOT}/{page.report}/members", without(pairs, "cursor")
    return {
        "page": page,
        "answer": answer,
        "named": opened.named,
        "whom": words,
        "title": pupils_words(answer.total),
        "cells": [page.cell_words(value, pairs) for value in many(pairs, "cell")],
        "table_block": _table(opened, words),
        "orders": [
            (words, address(path, [*here, *([("sort", order)] if order else [])]), one(pairs, "sort") == order)
            for order, words in _ORDERS
        ]
        if answer.total > 1 and page.sortable
        else [],
        "back_href": address(f"{ROOT}/{page.report}", report_pairs(pairs)),
        "csv_href": address(f"{path}.csv", link),
        "workbook_href": address(f"{path}.xlsx", link),
        "next_href": answer.next and address(path, [*link, ("cursor", answer.next)]),
    }


def _table(opened: Opened, words: str) -> Table | None:
    page, pairs, answer = opened.page, opened.pairs, opened.answer
    if not answer.pupils:
        return None
    columns = [Column(text=each) for each in page.columns(pairs)]
    measures = many(pairs, "measure") or [value for side in ("first", "second") for value in many(pairs, side)]
    progress = any(getattr(pupil, "progress", None) for pupil in answer.pupils)
    if progress:
        columns += [Column(text=f"Progress in {measure_label(each)}") for each in measures]
        measures = [each for each in measures for _ in ("start", "end")]
    return pupil_table(
        opened.shown,
        title=words,
        of=" or ".join(page.cell_words(value, pairs) for value in many(pairs, "cell")) or "everyone in the row",
        columns=columns,
        measures=measures if not progress else (),
        more=lambda pupil: [Cell(text="", band=BAND_OF.get(band or "")) for band in getattr(pupil, "progress", ())],
    )
