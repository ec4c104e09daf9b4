"""External data as a page: the results of a test, beside the national figures where they are known. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.query.pages.addresses import Pairs
from services.query.pages.blocks import (
    BAND_COLOURS,
    NO_DATA_COLOUR,
    Bar,
    Block,
    Cell,
    Chart,
    Column,
    Key,
    Row,
    Table,
    Words,
    stack,
)
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.sections import BREAKDOWN, DATES, PUPILS, YEAR
from services.query.pages.wording import (
    HIDDEN,
    count_and_percent,
    long_date,
    measure_label,
    row_label,
    worth_of_a_pupil,
)

_PARTS = {
    "met": "Met",
    "not_met": "Not met",
    "value": "With a score",
    "coded": "Not achieved, by code",
    "excluded": "Not counted, by code",
    "no_data": "No data",
    "not_applicable": "Not applicable",
}


def _show(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    if not answer.rows[0].measures:
        sentence = f"No result of {answer.name} is known for these pupils in {answer.year}."
        return [Words(title="No results", sentences=(sentence,))]
    return [_table(shown, index) for index in range(len(answer.rows[0].measures))]


def _table(shown: Shown, index: int) -> Table:
    answer = shown.answer
    whole = answer.rows[0].measures[index]
    expected = answer.expected.get(whole.id)
    compared = any(row.measures[index].national is not None for row in answer.rows)
    scored = any(row.measures[index].mean is not None for row in answer.rows)
    head = [Column(text="Pupils in"), Column(text="Pupils", number=True), Column(text="Counted", number=True)]
    head += [Column(text="Met", number=True, note=f"from {expected}" if expected else "")]
    head += [Column(text="National", number=True), Column(text="Gap in pupils")] if compared else []
    head += [Column(text="Mean score", number=True)] if scored else []
    head += [Column(text=words, number=True) for words in ("By code not achieved", "By code not counted", "No data")]
    title = measure_label(whole.id)
    return Table(
        title=title,
        of=f"{answer.name} {answer.year}. {shown.of}, roster of {long_date(answer.on)}",
        sentence=_sentence(title, whole),
        head=tuple(head),
        rows=tuple(_row(shown, row, index, compared, scored) for row in answer.rows),
        chart=_chart(shown, title, index),
        notes=tuple(_notes(whole)),
    )


def _row(shown: Shown, row: Any, index: int, compared: bool, scored: bool) -> Row:
    measure = row.measures[index]
    cells = [
        _cell(shown, row, "", row.pupils, None),
        Cell(text=HIDDEN if measure.of is None else str(measure.of), number=True),
        _cell(shown, row, f"{index}:met", measure.met, measure.percent),
    ]
    if compared:
        beside = measure.national
        cells += [
            Cell(text="" if beside is None else f"{beside.value}%", number=True),
            Cell(text="" if beside is None else _gap(beside.pupils_above, hidden=measure.met is None)),
        ]
    if scored:
        note = "" if measure.mean is None else f"of {measure.scores}"
        cells.append(Cell(text=measure.mean or "", note=note, number=True))
    cells += [
        _codes(shown, row, f"{index}:coded", measure.coded),
        _codes(shown, row, f"{index}:excluded", measure.excluded),
        _cell(shown, row, f"{index}:no_data", measure.no_data, None),
    ]
    name = row_label(row.row, shown.schools)
    return Row(head=Cell(text=name, note=worth_of_a_pupil(measure.of)), cells=tuple(cells), strong=row.row == "whole")


def _cell(shown: Shown, row: Any, cell: str, pupils: int | None, percent: int | None) -> Cell:
    if pupils is None:  # nothing is met where the test has no threshold
        return Cell(text=HIDDEN if shown.hides or not cell.endswith("met") else "", number=True)
    text, of = count_and_percent(pupils, percent), _PARTS.get(cell.partition(":")[2], "pupils")
    wanted = [("row", row.row), *([("cell", cell)] if cell else [])]
    label = f"{text} pupils, {of}, {row_label(row.row, shown.schools)}: show pupils"
    return Cell(text=text, href=shown.members(*wanted), label=label, tone="" if pupils else "quiet", number=True)


def _codes(shown: Shown, row: Any, cell: str, codes: Mapping[str, int | None] | None) -> Cell:
    if not codes:
        return Cell(text=HIDDEN if codes is None else "0", number=True, tone="quiet")
    text = ", ".join(f"{code} {HIDDEN if pupils is None else pupils}" for code, pupils in sorted(codes.items()))
    href = shown.members(("row", row.row), ("cell", cell))
    return Cell(text=text, href=href, label=f"{text}: show pupils", number=True)


def _sentence(title: str, measure: Any) -> str:
    said = ""
    if measure.met is not None and measure.of:
        said = f"{title}: {measure.met} of {measure.of} pupils ({measure.percent}%) met the standard."
    beside = measure.national
    if beside is not None:
        said += f" In the country {beside.value}% did in {beside.year}: {_gap(beside.pupils_above)}."
    return said


def _gap(pupils: int | None, *, hidden: bool = False) -> str:
    if pupils is None:
        return HIDDEN if hidden else "not comparable"
    if not pupils:
        return "in line"
    return f"{abs(pupils)} {'pupil' if abs(pupils) == 1 else 'pupils'} {'above' if pupils > 0 else 'below'}"


def _notes(measure: Any) -> list[str]:
    notes = []
    for beside in (measure.national, getattr(measure, "national_mean", None)):
        if beside is not None:
            notes.append(f"National figure of {beside.year}, {beside.status}: {beside.population}. {beside.source}")
    if len(measure.distribution) > 2:
        counts = measure.distribution.items()
        listed = ", ".join(f"{score}: {HIDDEN if pupils is None else pupils}" for score, pupils in counts)
        notes.append(f"Pupils by score, all rows together. {listed}")
    return notes


def _chart(shown: Shown, title: str, index: int) -> Chart | None:
    bars = []
    met, not_met = BAND_COLOURS["above"], BAND_COLOURS["below"]
    for row in shown.answer.rows:
        measure = row.measures[index]
        if measure.met is not None and measure.of is not None and measure.no_data is not None:
            missed = measure.of - measure.met - measure.no_data
            name = row_label(row.row, shown.schools)
            parts = [
                (colours, pupils, f"{symbol} {pupils}", f"{words}, {name}", _to(shown, row, f"{index}:{part}"))
                for part, colours, pupils, symbol, words in (
                    ("met", met, measure.met, "▲", "met"),
                    ("not_met", not_met, missed, "▼", "not met"),
                    ("no_data", NO_DATA_COLOUR, measure.no_data, "x", "no data"),
                )
            ]
            bars.append(Bar(name=name, segments=stack(parts)))
    if not any(bar.segments for bar in bars):
        return None
    return Chart(
        id=f"test-{index + 1}",
        title=title,
        summary=f"Bars of the pupils who met the standard and who did not, {len(bars)} rows.",
        bars=tuple(bars),
        keys=(
            Key(word="Met", symbol="▲", colour=met[0]),
            Key(word="Not met", symbol="▼", colour=not_met[0]),
            Key(word="No data", symbol="x", colour=NO_DATA_COLOUR[0]),
        ),
        svg_href=shown.picture(f"test-{index + 1}"),
    )


def _to(shown: Shown, row: Any, cell: str) -> str:
    return shown.members(("row", row.row), ("cell", cell))


def _cell_words(cell: str, _: Pairs) -> str:
    rest = cell.partition(":")[2]
    part, _colon, code = rest.partition(":")
    return f"{_PARTS.get(part, part)}{f' {code}' if code else ''}"


def _count(answer: Any) -> int | None:
    pupils: int | None = answer.rows[0].pupils
    return pupils


EXTERNAL = Page(
    report="external",
    title="Tests",
    about="The results of a test: who met the standard, the mean score, and how far the country is away, in pupils.",
    sections=(
        PUPILS,
        Section(
            title="What to show",
            fields=(
                Field(kind="test", name="test", label="Test"),
                YEAR,
                BREAKDOWN,
                Field(
                    kind="select",
                    name="compare",
                    label="Compare",
                    options=(("", "With nothing"), ("national", "With the national figures")),
                ),
            ),
        ),
        DATES,
    ),
    show=_show,
    count=_count,
    cell_words=_cell_words,
    columns=lambda _: [],
    button="Show the results",
)
