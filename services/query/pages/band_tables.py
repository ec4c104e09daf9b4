"""Pupils in bands as tables, charts and legends: the blocks of the overview and of progress.

Pure. It repeats numbers of the answer and computes none, but for the lengths of the bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from services.domain.bands import BAND_IDS
from services.query.pages.addresses import one
from services.query.pages.blocks import (
    BAND_COLOURS,
    NO_DATA_COLOUR,
    Bar,
    Cell,
    Chart,
    Column,
    Key,
    Legend,
    Row,
    Segment,
    Table,
    band_keys,
    stack,
)
from services.query.pages.forms import EXAMPLE_CUT_OFFS
from services.query.pages.page import Shown
from services.query.pages.wording import (
    BANDS,
    CELL_WORDS,
    HIDDEN,
    count_and_percent,
    cut_off_labels,
    long_date,
    measure_label,
    pupils_words,
    row_label,
    worth_of_a_pupil,
    year_group_words,
)

COMBINED = ("working_at_or_above", "not_working_at", "incomplete")
_WORKING = (BAND_COLOURS["above"], BAND_COLOURS["below"])


def measure_table(shown: Shown, index: int, title: str, id: str, said: str = "at or above expectations") -> Table:
    """The table of one measure, with its chart and its legend. `said`: what those in At, Above and Sig Above are."""
    rows, measure = shown.answer.rows, shown.answer.measures[index]
    whole = rows[0].cells[index]
    return Table(
        title=title,
        of=of_words(shown),
        sentence=_sentence(title, whole, said),
        head=(
            Column(text="Pupils in"),
            Column(text="Pupils", number=True),
            *(Column(text=band.word, band=band, number=True) for band in BANDS),
            Column(text="No data", number=True),
            Column(text="Not applicable", number=True),
        ),
        rows=tuple(_row(shown, row, _cells(shown, row, index, title), row.cells[index].of) for row in rows),
        chart=_chart(shown, index, title, id),
        legend=legend(shown, measure_label(measure.id), measure.id, measure.bands, shown.answer.provenance.as_at),
    )


def combined_table(shown: Shown) -> Table:
    """Combined over all measures."""
    rows, measures = shown.answer.rows, len(shown.answer.measures)
    every = f"all {measures} measures" if measures > 1 else "the measure"
    first = rows[0].combined
    of = (first.working_at_or_above or 0) + (first.not_working_at or 0)
    said = f"{count_and_percent(first.working_at_or_above, first.percents.working_at_or_above)} of "
    said += f"{pupils_words(of)} are working at or above expectations in {every}."
    if first.incomplete:
        said += f" {first.incomplete} of those who are not have no data in a measure, and are below At in none."
    return Table(
        title="Combined",
        of=f"At or above in {every}. {of_words(shown)}",
        sentence=said if first.working_at_or_above is not None and of else "",
        head=(
            Column(text="Pupils in"),
            Column(text="Pupils", number=True),
            Column(text="Working at or above", number=True),
            Column(text="Not working at", number=True),
            Column(text="of these incomplete", number=True),
        ),
        rows=tuple(_row(shown, row, _combined_cells(shown, row), None) for row in rows),
        chart=_combined_chart(shown),
    )


def legend(shown: Shown, title: str, measure: str, bands: Sequence[object] | None, on: date | None = None) -> Legend:
    """Which bands were used for a measure (on its own date), and where they come from."""
    used = [
        each
        for each in shown.answer.provenance.settings
        if each.measure == measure and each.bands and on in (None, each.on)
    ]
    heading = f"Attainment settings: {title}"
    if used:
        named = list(dict.fromkeys(f"“{each.name}”, version {each.version}" for each in used))
        warned = any(each.warning for each in used)
        used.sort(key=lambda each: not each.year_group)  # all the others stand last
        parts = {_of_settings(each): _band_keys(measure, each.bands) for each in used}
        return Legend(
            title=heading,
            keys=_band_keys(measure, bands) if bands else (),
            parts=() if bands else tuple(parts.items()),
            source=f"From the saved settings {' and '.join(named)}.",
            warning="They are not meant for the date of this report." if warned else "",
        )
    example = [str(cut) for cut in bands or ()] == list(EXAMPLE_CUT_OFFS)
    said = "Typed for this report: an example to start from, not the school's expectations."
    return Legend(
        title=heading,
        keys=_band_keys(measure, bands or ()),
        source=said if example else "Typed for this report.",
    )


def _of_settings(used: Any) -> str:
    return year_group_words(used.year_group) if used.year_group else "Other pupils"


def _band_keys(measure: str, bands: Sequence[object]) -> tuple[Key, ...]:
    return band_keys(tuple(cut_off_labels(bands, whole=measure.startswith("markbook:"))) if bands else ())


def legend_once(tables: list[Table]) -> list[Table]:
    """Where all measures have the same bands from the same place, their legend stands once, under the last."""
    legends = [each.legend for each in tables if each.legend is not None]
    shared = {(each.keys, each.parts, each.source, each.warning) for each in legends}
    if len(tables) < 2 or len(shared) != 1:
        return tables
    title = "Attainment settings: all measures"
    last = msgspec.structs.replace(tables[-1], legend=msgspec.structs.replace(legends[0], title=title))
    return [*(msgspec.structs.replace(each, legend=None) for each in tables[:-1]), last]


def of_words(shown: Shown) -> str:
    """Whose numbers these are, and of when."""
    divided = ", percents of those with data" if one(shown.pairs, "denominator") == "with_data" else ""
    return f"{shown.of}, as at {long_date(shown.answer.provenance.as_at)}{divided}"


def cell_words(cell: str, pairs: Sequence[tuple[str, str]]) -> str:
    """What a cell of an overview is called."""
    index, _, band = cell.partition(":")
    words = CELL_WORDS.get(band, band)
    if not index.isdecimal():
        return f"Combined: {words}"
    measures = [value for name, value in pairs if name == "measure"]
    return f"{measure_label(measures[int(index)])}: {words}" if int(index) < len(measures) else words


def within(row: Any) -> str:
    """The row that a row is a part of; empty if it is one of its own."""
    parent = getattr(row, "inside", None)
    return parent if isinstance(parent, str) else ""


def _sentence(title: str, cell: Any, words: str) -> str:
    """What the first row says, for who does not read tables."""
    counts = msgspec.structs.asdict(cell.counts)
    if any(count is None for count in counts.values()) or not cell.of:
        return ""
    met = sum(counts[band] for band in BAND_IDS[2:])
    missed = sum(counts[band] for band in BAND_IDS[:2])
    said = f"{title}: {met} of {pupils_words(cell.of)} {'is' if met == 1 else 'are'} {words}"
    said += f", {missed} below ({counts['sig_below']} significantly)."
    if cell.no_data:
        said += f" {pupils_words(cell.no_data)} have no data." if cell.no_data > 1 else " 1 pupil has no data."
    return said


def _row(shown: Shown, row: Any, cells: tuple[Cell, ...], of: int | None) -> Row:
    name = row_label(row.row, shown.schools)
    parent = within(row)
    href = shown.members(("row", row.row), *([("in", parent)] if parent else []))
    pupils = Cell(
        text=HIDDEN if row.pupils is None else str(row.pupils),
        href="" if row.pupils is None else href,
        label=f"{row.pupils} pupils, {name}: show pupils",
        number=True,
    )
    return Row(
        head=Cell(text=name, note=worth_of_a_pupil(of)),
        cells=(pupils, *cells),
        strong=row.row == "whole",
        depth=1 if parent else 0,
    )


def _cells(shown: Shown, row: Any, index: int, title: str) -> tuple[Cell, ...]:
    cell = row.cells[index]
    counts, percents = msgspec.structs.asdict(cell.counts), msgspec.structs.asdict(cell.percents)
    made = [_cell(shown, row, title, f"{index}:{band}", counts[band], percents[band]) for band in BAND_IDS]
    made.append(_cell(shown, row, title, f"{index}:no_data", cell.no_data, cell.no_data_percent))
    made.append(_cell(shown, row, title, f"{index}:not_applicable", cell.not_applicable, None))
    return tuple(made)


def _combined_cells(shown: Shown, row: Any) -> tuple[Cell, ...]:
    combined = row.combined
    percents = (combined.percents.working_at_or_above, combined.percents.not_working_at, None)
    return tuple(
        _cell(shown, row, "Combined", f"combined:{part}", getattr(combined, part), percent)
        for part, percent in zip(COMBINED, percents, strict=True)
    )


def _cell(shown: Shown, row: Any, title: str, cell: str, pupils: int | None, percent: int | None) -> Cell:
    text, word = count_and_percent(pupils, percent), CELL_WORDS[cell.partition(":")[2]]
    parent = within(row)
    href = shown.members(("row", row.row), *([("in", parent)] if parent else []), ("cell", cell))
    return Cell(
        text=text,
        href="" if pupils is None else href,
        label=f"{text} pupils, {word}, {row_label(row.row, shown.schools)}, {title}: show pupils",
        tone="quiet" if pupils == 0 else "",
        number=True,
    )


def _chart(shown: Shown, index: int, title: str, id: str) -> Chart | None:
    bars = []
    for row in shown.answer.rows:
        cell = row.cells[index]
        counts = msgspec.structs.asdict(cell.counts)
        if all(count is not None for count in counts.values()):
            cells = _cells(shown, row, index, title)
            parts = [
                (BAND_COLOURS[band.id], counts[band.id], f"{band.symbol} {counts[band.id]}", each.label, each.href)
                for band, each in zip(BANDS, cells, strict=False)
            ]
            parts.append((NO_DATA_COLOUR, cell.no_data or 0, f"x {cell.no_data}", cells[5].label, cells[5].href))
            bars.append(Bar(name=row_label(row.row, shown.schools), segments=stack(parts)))
    if not any(bar.segments for bar in bars):
        return None
    return Chart(
        id=id,
        title=title,
        summary=f"Bars of the pupils in each band, one for each of {len(bars)} rows of the table above: {title}.",
        bars=tuple(bars),
        keys=(*band_keys(), Key(word="No data", symbol="x", colour=NO_DATA_COLOUR[0])),
        svg_href=shown.picture(id),
    )


def _combined_chart(shown: Shown) -> Chart | None:
    bars = []
    for row in shown.answer.rows:
        cells = _combined_cells(shown, row)
        counts = (row.combined.working_at_or_above, row.combined.not_working_at)
        if None not in counts:
            segments: tuple[Segment, ...] = stack(
                [
                    (colours, count, f"{symbol} {count}", cell.label, cell.href)
                    for colours, count, symbol, cell in zip(_WORKING, counts, "▲▼", cells, strict=False)
                ]
            )
            bars.append(Bar(name=row_label(row.row, shown.schools), segments=segments))
    if not any(bar.segments for bar in bars):
        return None
    keys = tuple(
        Key(word=CELL_WORDS[part], symbol=symbol, colour=colours[0])
        for part, symbol, colours in zip(COMBINED, "▲▼", _WORKING, strict=False)
    )
    return Chart(
        id="combined",
        title="Combined",
        summary=f"Bars of the pupils at or above in all measures and of the others, {len(bars)} rows.",
        bars=tuple(bars),
        keys=keys,
        svg_href=shown.picture("combined"),
    )
