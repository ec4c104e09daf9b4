"""Reports as CSV: the same numbers as the JSON, one flat table for each report.

UTF-8, CRLF. A cell of text that a spreadsheet would take for a formula gets a leading apostrophe; numbers are numbers.
No report is computed here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import msgspec

from services.domain.bands import BAND_IDS
from services.query.answers import Matrix, Members, Overview, OverviewCell, Pupil, ScoreTracking, Value

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
COMBINED = "combined"
NO_BAND = "none"

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_PUPIL = ("pupil", "reference", "name", "school", "year_group")
_VALUE = ("status", "percent", "numerator", "denominator", "score", "value", "band", "on")

Cell = str | int | date | None


def overview_csv(answer: Overview) -> bytes:
    """`row,measure,band,pupils,percent`: bands, `no_data` and `not_applicable` of each measure, then Combined."""
    return _csv(("row", "measure", "band", "pupils", "percent"), _overview_lines(answer))


def members_csv(answer: Members, measures: Sequence[str]) -> bytes:
    """One line for each pupil and measure."""
    lines = (
        (*_pupil_cells(pupil), measure, *_value_cells(value))
        for pupil in answer.pupils
        for measure, value in zip(measures, pupil.values, strict=True)
    )
    return _csv((*_PUPIL, "measure", *_VALUE), lines)


def score_tracking_csv(answer: ScoreTracking) -> bytes:
    """One line for each pupil: the displayed percents, and each month's variance beside it."""
    months = [column for month in answer.months for column in (month.isoformat(), f"{month} variance")]
    lines = (
        (
            *_pupil_cells(pupil),
            _percent(pupil.start),
            *(
                cell
                for value, variance in zip(pupil.values, pupil.variances, strict=True)
                for cell in (_percent(value), variance)
            ),
            pupil.average_variance,
        )
        for pupil in answer.pupils
    )
    return _csv((*_PUPIL, "start", *months, "average_variance"), lines)


def matrix_csv(answer: Matrix) -> bytes:
    """`first,second,pupils`: the 25 cells, then those that could not be plotted (`none` = no band)."""
    plotted = (
        (first, second, pupils)
        for first, row in zip(BAND_IDS, answer.counts, strict=True)
        for second, pupils in zip(BAND_IDS, row, strict=True)
    )
    unplotted = ((cell.first or NO_BAND, cell.second or NO_BAND, cell.pupils) for cell in answer.unplotted)
    return _csv(("first", "second", "pupils"), (*plotted, *unplotted))


def _overview_lines(answer: Overview) -> Iterator[tuple[Cell, ...]]:
    for row in answer.rows:
        for measure, cell in zip(answer.measures, row.cells, strict=True):
            for band, pupils, percent in _cell_lines(cell):
                yield row.row, measure.id, band, pupils, percent
        combined = row.combined
        yield (
            row.row,
            COMBINED,
            "working_at_or_above",
            combined.working_at_or_above,
            combined.percents.working_at_or_above,
        )
        yield row.row, COMBINED, "not_working_at", combined.not_working_at, combined.percents.not_working_at
        yield row.row, COMBINED, "incomplete", combined.incomplete, None


def _cell_lines(cell: OverviewCell) -> Iterator[tuple[str, int, int | None]]:
    counts, percents = msgspec.structs.asdict(cell.counts), msgspec.structs.asdict(cell.percents)
    for band in BAND_IDS:
        yield band, counts[band], percents[band]
    yield "no_data", cell.no_data, cell.no_data_percent
    yield "not_applicable", cell.not_applicable, None


def _pupil_cells(pupil: Pupil) -> tuple[Cell, ...]:
    return (
        pupil.pupil,
        None if pupil.reference is msgspec.UNSET else pupil.reference,
        None if pupil.name is msgspec.UNSET else pupil.name,
        pupil.school,
        pupil.year_group,
    )


def _value_cells(value: Value) -> tuple[Cell, ...]:
    return tuple(getattr(value, field) for field in _VALUE)


def _percent(value: Value | None) -> Cell:
    return None if value is None else value.percent if value.status == "value" else value.status


def _csv(header: Sequence[str], lines: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([guard_formula(cell) for cell in header])
    writer.writerows([guard_formula(cell) for cell in line] for line in lines)
    return text.getvalue().encode("utf-8")


def guard_formula(cell: Cell) -> Cell:
    """`cell`, harmless in a spreadsheet."""
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(text: str) -> bool:
    """Whether the text is one of our own decimal strings, such as an average variance of -2.5."""
    return text.removeprefix("-").replace(".", "", 1).isdecimal() and text.isascii()
