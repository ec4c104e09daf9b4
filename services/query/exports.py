"""Reports as tables: one flat table for each report, written as CSV or as a workbook.

CSV is UTF-8 with CRLF; a text that a spreadsheet would take for a formula gets a leading apostrophe. In a workbook
texts are stored as texts, and a second sheet tells from what the table was made. No report is computed here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import msgspec
import xlsxwriter

from services.domain.bands import BAND_IDS
from services.query.answers import Matrix, Members, Overview, OverviewCell, Provenance, Pupil, ScoreTracking, Value

CSV_MEDIA_TYPE = "text/csv"
WORKBOOK_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
COMBINED = "combined"
NO_BAND = "none"
SUPPRESSED = "c"
"""Stands for a number that the key may not see."""
_COUNTS = ("pupils", "count", "of", "met")

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
PUPIL_HEADER = ("pupil", "reference", "name", "school", "year_group")
VALUE_HEADER = ("status", "percent", "numerator", "denominator", "score", "value", "code", "band", "on")
_MADE_AT = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands in every workbook for the time of its making, so that equal reports are equal files."""

Cell = str | int | date | None
_MET: Mapping[Any, Cell] = {True: "yes", False: "no"}


class Table(msgspec.Struct, frozen=True):
    """A header and its lines."""

    header: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]


def overview_table(answer: Overview) -> Table:
    """`row,measure,band,pupils,percent`: bands, `no_data` and `not_applicable` of each measure, then Combined. Where
    rows are split again, `in` says of which row each is a part."""
    return band_table(answer.measures, answer.rows, cell_lines)


def band_table(
    measures: Sequence[Any], rows: Sequence[Any], lines_of: Callable[[Any], Iterator[tuple[str, int, int | None]]]
) -> Table:
    """The table of an overview, or of what is like one: `lines_of` gives band, pupils and percent of a cell."""
    header, lines = ("row", "measure", "band", "pupils", "percent"), _band_lines(measures, rows, lines_of)
    if any(row.inside for row in rows):
        return Table((*header, "in"), tuple((*line, inside) for line, inside in lines))
    return Table(header, tuple(line for line, _ in lines))


def members_table(answer: Members, measures: Sequence[str]) -> Table:
    """One line for each pupil and measure."""
    lines = (
        (*pupil_cells(pupil), measure, *value_cells(value))
        for pupil in answer.pupils
        for measure, value in zip(measures, pupil.values, strict=True)
    )
    return Table((*PUPIL_HEADER, "measure", *VALUE_HEADER), tuple(lines))


def score_tracking_table(answer: ScoreTracking) -> Table:
    """One line for each pupil: the displayed percents, each month's variance beside it, and the target if any."""
    aimed = any(pupil.target is not msgspec.UNSET for pupil in answer.pupils)
    months = [column for month in answer.months for column in (month.isoformat(), f"{month} variance")]
    lines = (
        (
            *pupil_cells(pupil),
            _percent(pupil.start),
            *(
                cell
                for value, variance in zip(pupil.values, pupil.variances, strict=True)
                for cell in (_percent(value), variance)
            ),
            pupil.average_variance,
            *((None if pupil.target is msgspec.UNSET else pupil.target, _MET.get(pupil.met)) if aimed else ()),
        )
        for pupil in answer.pupils
    )
    header = (*PUPIL_HEADER, "start", *months, "average_variance", *(("target", "met") if aimed else ()))
    return Table(header, tuple(lines))


def matrix_table(answer: Matrix) -> Table:
    """`first,second,pupils`: the 25 cells, then those that could not be plotted (`none` = no band)."""
    plotted = (
        (first, second, pupils)
        for first, row in zip(BAND_IDS, answer.counts, strict=True)
        for second, pupils in zip(BAND_IDS, row, strict=True)
    )
    unplotted = ((cell.first or NO_BAND, cell.second or NO_BAND, cell.pupils) for cell in answer.unplotted)
    return Table(("first", "second", "pupils"), (*plotted, *unplotted))


def marked(table: Table, answer: object) -> Table:
    """The table with `c` for what the answer does not show: in a line without its count, for all its numbers."""
    if not getattr(answer, "suppressed", ()):
        return table
    counts = [column for column, name in enumerate(table.header) if name in _COUNTS]
    lines = (
        tuple(SUPPRESSED if cell is None else cell for cell in line) if any(line[n] is None for n in counts) else line
        for line in table.lines
    )
    return Table(table.header, tuple(lines))


def write_csv(table: Table) -> bytes:
    """The table as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([guard_formula(cell) for cell in table.header])
    writer.writerows([guard_formula(cell) for cell in line] for line in table.lines)
    return text.getvalue().encode("utf-8")


def write_workbook(table: Table, provenance: Provenance, asked: str) -> bytes:
    """The table as a workbook of two sheets; `asked` is the address that made it."""
    file = io.BytesIO()
    workbook = xlsxwriter.Workbook(file, {"in_memory": True})
    workbook.set_properties({"created": _MADE_AT})
    bold = workbook.add_format({"bold": True})
    sheet = workbook.add_worksheet("Report")
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(table.header):
        sheet.write_string(0, column, name, bold)
        longest = max((len(str(line[column] or "")) for line in islice(table.lines, 200)), default=0)
        sheet.set_column(column, column, min(max(len(name), longest) + 2, 50))
    _fill(sheet, table.lines, first_row=1)
    about = workbook.add_worksheet("About")
    about.set_column(0, 0, 16)
    _fill(about, _about_lines(provenance, asked), first_row=0)
    workbook.close()
    return file.getvalue()


def guard_formula(cell: Cell) -> Cell:
    """`cell`, harmless in a spreadsheet that opens CSV."""
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _band_lines(
    measures: Sequence[Any], rows: Sequence[Any], lines_of: Callable[[Any], Iterator[tuple[str, int, int | None]]]
) -> Iterator[tuple[tuple[Cell, ...], Cell]]:
    """Each line, and the row that its row is a part of."""
    for row in rows:
        inside = row.inside or None
        for measure, cell in zip(measures, row.cells, strict=True):
            for band, pupils, percent in lines_of(cell):
                yield (row.row, measure.id, band, pupils, percent), inside
        combined, percents = row.combined, row.combined.percents
        met, missed = "working_at_or_above", "not_working_at"
        yield (row.row, COMBINED, met, combined.working_at_or_above, percents.working_at_or_above), inside
        yield (row.row, COMBINED, missed, combined.not_working_at, percents.not_working_at), inside
        yield (row.row, COMBINED, "incomplete", combined.incomplete, None), inside


def cell_lines(cell: OverviewCell) -> Iterator[tuple[str, int, int | None]]:
    """Band, pupils and percent of a cell, then of those without a band."""
    counts, percents = msgspec.structs.asdict(cell.counts), msgspec.structs.asdict(cell.percents)
    for band in BAND_IDS:
        yield band, counts[band], percents[band]
    yield "no_data", cell.no_data, cell.no_data_percent
    yield "not_applicable", cell.not_applicable, None
    for kind in ("coded", "excluded"):
        for code, pupils in (getattr(cell, kind) or {}).items():
            yield f"{kind}:{code}", pupils, None


def pupil_cells(pupil: Pupil) -> tuple[Cell, ...]:
    """The cells of PUPIL_HEADER."""
    return (
        pupil.pupil,
        None if pupil.reference is msgspec.UNSET else pupil.reference,
        None if pupil.name is msgspec.UNSET else pupil.name,
        pupil.school,
        pupil.year_group,
    )


def value_cells(value: Value) -> tuple[Cell, ...]:
    """The cells of VALUE_HEADER."""
    return tuple(getattr(value, field) or None if field == "code" else getattr(value, field) for field in VALUE_HEADER)


def _percent(value: Value | None) -> Cell:
    if value is None:
        return None
    return value.percent if value.status == "value" else value.status


def _is_number(text: str) -> bool:
    """Whether the text is one of our own decimal strings, such as an average variance of -2.5."""
    return text.removeprefix("-").replace(".", "", 1).isdecimal() and text.isascii()


def _about_lines(provenance: Provenance, asked: str) -> Iterator[tuple[Cell, ...]]:
    yield "address", asked
    yield "as_at", provenance.as_at
    yield "as_known_at", "all that is known" if provenance.as_known_at is None else provenance.as_known_at.isoformat()
    yield "position", provenance.position
    yield "stale", "yes" if provenance.stale else "no"
    if provenance.names is not msgspec.UNSET:
        yield "names", provenance.names
    for name, version in provenance.views.items():
        yield f"view {name}", version
    for used in provenance.settings:
        bands = used.rule or ",".join(map(str, used.bands or ()))
        whom = f"year group {used.year_group}" if used.year_group else ""
        yield f"settings {used.id}@{used.version}", used.name, used.measure, bands, used.on, whom, used.warning
    for note in provenance.notes or ():
        yield f"note {note.code}", note.detail


def _fill(sheet: xlsxwriter.worksheet.Worksheet, lines: Iterable[Sequence[Cell]], *, first_row: int) -> None:
    for row, line in enumerate(lines, first_row):
        for column, cell in enumerate(line):
            if isinstance(cell, int):
                sheet.write_number(row, column, cell)
            elif cell is not None:
                sheet.write_string(row, column, str(cell))
