"""Progress as a flat table: the lines of an overview, then the ways from band to band, and who lacks an end of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.domain.bands import BAND_IDS
from services.query.exports import PUPIL_HEADER, VALUE_HEADER, Table, band_table, cell_lines, pupil_cells, value_cells
from services.query.reports.progress import Progress, ProgressCounts, ProgressMembers


def progress_table(answer: Progress) -> Table:
    """`row,measure,band,pupils,percent` as an overview's; a way from one band to another is `at>above`."""
    return band_table(answer.measures, answer.rows, _lines_of)


def progress_members_table(answer: ProgressMembers, measures: Sequence[str]) -> Table:
    """One line for each pupil, measure and end."""
    lines = (
        (*pupil_cells(pupil), measure, end, *value_cells(value), progress)
        for pupil in answer.pupils
        for measure, values, progress in zip(
            measures, zip(pupil.values[::2], pupil.values[1::2], strict=True), pupil.progress, strict=True
        )
        for end, value in zip(("start", "end"), values, strict=True)
    )
    return Table((*PUPIL_HEADER, "measure", "end", *VALUE_HEADER, "progress"), tuple(lines))


def _lines_of(cell: ProgressCounts) -> Iterator[tuple[str, int, int | None]]:
    yield from cell_lines(cell)
    yield "no_start", cell.no_start, None
    yield "no_end", cell.no_end, None
    for start, row in zip(BAND_IDS, cell.table, strict=True):
        for end, pupils in zip(BAND_IDS, row, strict=True):
            yield f"{start}>{end}", pupils, None
