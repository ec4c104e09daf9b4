"""The overview as a page: a table and a chart for each measure, then Combined. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.query.answers import Overview
from services.query.pages.band_tables import cell_words, combined_table, legend_once, measure_table
from services.query.pages.blocks import Block
from services.query.pages.forms import Section
from services.query.pages.page import Page, Shown
from services.query.pages.sections import BREAKDOWN, DATES, DENOMINATOR, MEASURES, PUPILS, SETTINGS, THEN
from services.query.pages.wording import measure_label


def _show(shown: Shown) -> Sequence[Block]:
    answer: Overview = shown.answer
    tables = [
        measure_table(shown, index, measure_label(measure.id), f"measure-{index + 1}")
        for index, measure in enumerate(answer.measures)
    ]
    return [*legend_once(tables), combined_table(shown)]


def _count(answer: Overview) -> int:
    return answer.rows[0].pupils


OVERVIEW = Page(
    report="overview",
    title="Overview",
    about="How many pupils are below, at and above expectations, in one to three measures at once.",
    sections=(
        PUPILS,
        Section(title="What to show", fields=(MEASURES, SETTINGS, BREAKDOWN, THEN, DENOMINATOR)),
        DATES,
    ),
    show=_show,
    count=_count,
    cell_words=cell_words,
    movable=True,
    button="Show the overview",
)
