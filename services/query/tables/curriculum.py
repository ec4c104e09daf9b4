"""The table of Curriculum Tracking: a line for each row, column and state, then none and the mean."""

from __future__ import annotations

from collections.abc import Iterator

from services.query.exports import Cell, Table
from services.query.reports.curriculum import Curriculum

_HEADER = ("row", "strand", "weight", "text", "column", "state", "pupils", "percent")
NONE, MEAN, OUTSIDE = "none", "mean", "outside"


def curriculum_table(answer: Curriculum) -> Table:
    """One line for each number; `mean` has the pupils with data, and `outside` those who are not in any row."""
    return Table(_HEADER, (*_lines(answer), (OUTSIDE, None, None, None, None, None, answer.outside, None)))


def _lines(answer: Curriculum) -> Iterator[tuple[Cell, ...]]:
    for row in answer.rows:
        for column, cell in zip(answer.columns, row.cells, strict=True):
            about = (row.row, row.strand, row.weight, row.text, column.column)
            for state, count in cell.counts.items():
                yield (*about, state, count, cell.percents[state])
            yield (*about, NONE, cell.none, None)
            yield (*about, MEAN, cell.mean.pupils, cell.mean.percent)
