"""What the overview page shows, made ready for its template: tables, links to the pupils, the legend.

Pure. It repeats numbers of the answer and computes none, but for the lengths of the bars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from services.domain.bands import BAND_IDS
from services.query.answers import Overview, OverviewCell, OverviewRow
from services.query.pages.overview_form import Pairs, address
from services.query.pages.wording import (
    CELL_WORDS,
    count_and_percent,
    cut_off_labels,
    measure_label,
    row_label,
)

MEMBERS_PATH = "/reports/overview/members"
_NOT_OF_A_LINK = ("min_position", "wait_seconds", "row", "cell", "limit", "cursor")
_COMBINED = ("working_at_or_above", "not_working_at", "incomplete")


class Link(msgspec.Struct, frozen=True):
    """A number that leads to its pupils: what is seen, what is read out, where it leads."""

    text: str
    label: str
    href: str


class Segment(msgspec.Struct, frozen=True):
    """A band's part of a bar of length 100."""

    band: str
    start: float
    length: float


class Line(msgspec.Struct, frozen=True):
    """A row of a table: its name, its pupils, its cells, its bar."""

    name: str
    pupils: Link
    cells: tuple[Link, ...]
    bar: tuple[Segment, ...]


class Table(msgspec.Struct, frozen=True):
    """One measure: its name, its band limits in words (lowest band first), its rows."""

    name: str
    limits: tuple[str, ...]
    lines: tuple[Line, ...]


class Tables(msgspec.Struct, frozen=True):
    """The whole page: a table for each measure, and Combined."""

    measures: tuple[Table, ...]
    combined: tuple[Line, ...]


def overview_tables(answer: Overview, pairs: Pairs, schools: Mapping[str, str]) -> Tables:
    """The tables of an overview that was asked for with these parameters; `schools` gives names."""
    links = _Links(report_pairs(pairs), schools)
    return Tables(
        measures=tuple(
            Table(
                name=measure_label(measure.id),
                limits=tuple(cut_off_labels(measure.bands, whole=measure.id.startswith("markbook:"))),
                lines=tuple(links.measure_line(row, index, measure_label(measure.id)) for row in answer.rows),
            )
            for index, measure in enumerate(answer.measures)
        ),
        combined=tuple(links.combined_line(row) for row in answer.rows),
    )


def report_pairs(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters of an overview without those of one request or one list of pupils."""
    return [(name, value) for name, value in pairs if name not in _NOT_OF_A_LINK]


class _Links:
    """Makes the links of one overview."""

    def __init__(self, pairs: Sequence[tuple[str, str]], schools: Mapping[str, str]) -> None:
        self._pairs = pairs
        self._schools = schools

    def measure_line(self, row: OverviewRow, index: int, measure: str) -> Line:
        """A row of the table of a measure."""
        cell = row.cells[index]
        counts, percents = msgspec.structs.asdict(cell.counts), msgspec.structs.asdict(cell.percents)
        cells = [self._link(row, measure, f"{index}:{band}", counts[band], percents[band]) for band in BAND_IDS]
        cells.append(self._link(row, measure, f"{index}:no_data", cell.no_data, cell.no_data_percent))
        cells.append(self._link(row, measure, f"{index}:not_applicable", cell.not_applicable, None))
        return Line(row_label(row.row, self._schools), self._pupils(row), tuple(cells), _bar(cell))

    def combined_line(self, row: OverviewRow) -> Line:
        """A row of Combined."""
        combined = row.combined
        percents = (combined.percents.working_at_or_above, combined.percents.not_working_at, None)
        cells = tuple(
            self._link(row, "Combined", f"combined:{part}", getattr(combined, part), percent)
            for part, percent in zip(_COMBINED, percents, strict=True)
        )
        return Line(row_label(row.row, self._schools), self._pupils(row), cells, ())

    def _pupils(self, row: OverviewRow) -> Link:
        label = f"{row.pupils} pupils, {row_label(row.row, self._schools)}: show pupils"
        return Link(str(row.pupils), label, address(MEMBERS_PATH, [*self._pairs, ("row", row.row)]))

    def _link(self, row: OverviewRow, measure: str, cell: str, pupils: int, percent: int | None) -> Link:
        said = "" if percent is None else f" {percent} percent,"
        word = CELL_WORDS[cell.partition(":")[2]]
        label = f"{pupils} pupils,{said} {word}, {row_label(row.row, self._schools)}, {measure}: show pupils"
        href = address(MEMBERS_PATH, [*self._pairs, ("row", row.row), ("cell", cell)])
        return Link(count_and_percent(pupils, percent), label, href)


def _bar(cell: OverviewCell) -> tuple[Segment, ...]:
    counts = msgspec.structs.asdict(cell.counts)
    plotted = sum(counts.values())
    segments, start = [], 0.0
    for band in BAND_IDS:
        if counts[band]:
            length = round(100 * counts[band] / plotted, 2)
            segments.append(Segment(band, round(start, 2), length))
            start += length
    return tuple(segments)
