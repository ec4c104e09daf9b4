"""Curriculum Tracking as a page: objectives or strands by states, for one or two dates or groups. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.query.pages.addresses import Pairs, one
from services.query.pages.band_tables import legend
from services.query.pages.blocks import (
    BAND_COLOURS,
    NO_DATA_COLOUR,
    SHADES,
    Bar,
    Block,
    Cell,
    Chart,
    Column,
    Key,
    Row,
    Table,
    Words,
    band_keys,
    stack,
)
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.sections import DATES, PUPILS, SETTINGS
from services.query.pages.wording import (
    BAND_OF,
    BAND_WORDS,
    BANDS,
    count_and_percent,
    in_words,
    long_date,
    named_words,
    pupils_words,
    row_label,
)

NONE, OUTSIDE = "none", "outside"


def _show(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    if not answer.rows:
        return [
            Words(
                title="Nothing to show",
                sentences=("No objective of this subject and ability is in the curriculum of these pupils that day.",),
            )
        ]
    states = _states(answer)
    rows = _rows(answer)
    left_out = len(answer.rows) - len(rows)
    title = f"{in_words(answer.subject)}, {_ability(answer.ability)}"
    table = Table(
        title=title,
        of=f"{shown.of}, as at {long_date(answer.provenance.as_at)}",
        sentence=_sentence(answer),
        kind="curriculum",
        head=tuple(_head(shown, states)),
        rows=tuple(_row(shown, row, states) for row in rows),
        notes=(f"{left_out} objectives that none of these pupils has are left out.",) if left_out else (),
        chart=_chart(shown, title, states),
        legend=_legend(shown),
    )
    return [table, *_outside(shown)]


def _states(answer: Any) -> list[tuple[str, str]]:
    """The states (or bands) with their words, from little to much."""
    if answer.bands is not None or not answer.states:
        return [(band.id, band.word) for band in BANDS]
    return [(state.state, named_words(state.name, state.state)) for state in answer.states]


def _rows(answer: Any) -> list[Any]:
    """The rows that anybody in a column has: of each pupil's own year there may be few."""
    return [row for row in answer.rows if any(cell.none != 0 or any(cell.counts.values()) for cell in row.cells)]


def _head(shown: Shown, states: Sequence[tuple[str, str]]) -> Sequence[Column]:
    columns = shown.answer.columns
    head = [Column(text="Strand" if _is_strands(shown) else "Objective"), Column(text="Weight", number=True)]
    for column in columns:
        note = f"{_column_words(shown, column.column)}, {pupils_words(column.pupils)}" if len(columns) > 1 else ""
        head += [Column(text=word, band=BAND_OF.get(state), number=True, note=note) for state, word in states]
        head += [Column(text="Not assessed", number=True, note=note), Column(text="Mean", number=True, note=note)]
    return head


def _row(shown: Shown, row: Any, states: Sequence[tuple[str, str]]) -> Row:
    cells = [Cell(text=row.weight, number=True)]
    for index, cell in enumerate(row.cells):
        for state, word in (*states, (NONE, "Not assessed")):
            pupils = cell.none if state == NONE else cell.counts.get(state, 0)
            text = count_and_percent(pupils, None if state == NONE else cell.percents.get(state))
            cells.append(
                Cell(
                    text=text,
                    href="" if pupils is None else shown.members(("row", row.row), ("cell", f"{index}:{state}")),
                    label=f"{text} pupils, {word}, {_name(row)}: show pupils",
                    tone="quiet" if pupils == 0 else "",
                    number=True,
                )
            )
        mean = cell.mean.percent
        cells.append(Cell(text="" if mean is None else f"{mean}%", number=True))
    return Row(head=Cell(text=_name(row), note=_place(row)), cells=tuple(cells))


def _chart(shown: Shown, title: str, states: Sequence[tuple[str, str]]) -> Chart:
    answer = shown.answer
    colours = {
        state: BAND_COLOURS.get(state) or SHADES[min(index, len(SHADES) - 1)] for index, (state, _) in enumerate(states)
    }
    bars = []
    for row in _rows(answer):
        for index, cell in enumerate(row.cells):
            parts = [
                (
                    colours[state],
                    cell.counts.get(state) or 0,
                    str(cell.counts.get(state)),
                    f"{cell.counts.get(state)} pupils, {word}, {_name(row)}: show pupils",
                    shown.members(("row", row.row), ("cell", f"{index}:{state}")),
                )
                for state, word in states
            ]
            none = shown.members(("row", row.row), ("cell", f"{index}:{NONE}"))
            parts.append((NO_DATA_COLOUR, cell.none or 0, f"x {cell.none}", f"{cell.none} pupils not assessed", none))
            name = _name(row) if index == 0 else f"… {_column_words(shown, answer.columns[index].column)}"
            bars.append(Bar(name=name, segments=stack(parts)))
    keys = (
        band_keys()
        if answer.bands is not None
        else tuple(Key(word=word, colour=colours[state][0]) for state, word in states)
    )
    return Chart(
        id="states",
        title=title,
        summary=f"Bars of the pupils in each state, {len(bars)} of them: one for each row and column of the table.",
        bars=tuple(bars),
        keys=(*keys, Key(word="Not assessed", symbol="x", colour=NO_DATA_COLOUR[0])),
        svg_href=shown.picture("states"),
    )


def _sentence(answer: Any) -> str:
    """Which row is the weakest, for who looks for it."""
    means = [(row.cells[0].mean.percent, _name(row)) for row in answer.rows if row.cells[0].mean.percent is not None]
    if len(means) < 2:
        return ""
    (low, weak), (high, strong) = min(means), max(means)
    return f"The lowest mean is {low}%, in {weak}; the highest is {high}%, in {strong}."


def _legend(shown: Shown) -> Any:
    answer = shown.answer
    if answer.bands is None:
        return None
    return legend(shown, "marks", f"markbook:{answer.subject}:{answer.ability}:overall", answer.bands)


def _outside(shown: Shown) -> Sequence[Block]:
    if not shown.answer.outside:
        return []
    outside = pupils_words(shown.answer.outside)
    link = Cell(text=f"Show the {outside}", href=shown.members(("cell", f"0:{OUTSIDE}")))
    sentence = f"{outside} of other abilities or years are not counted above, so that a mixed class does not mislead."
    return [Words(title="Outside the ability", sentences=(sentence,), links=(link,))]


def _is_strands(shown: Shown) -> bool:
    return one(shown.pairs, "rows") == "strand"


def _name(row: Any) -> str:
    return str(row.text or row.row.partition(":")[2])


def _place(row: Any) -> str:
    code = row.row.partition(":")[2]
    return " · ".join(dict.fromkeys(part for part in (row.strand, code) if part and part != _name(row)))


def _ability(ability: str) -> str:
    return {"own-year": "each pupil's own year", "any": "all objectives"}.get(ability, ability)


def _column_words(shown: Shown, column: str) -> str:
    return long_date(date.fromisoformat(column[1:])) if column.startswith("@") else row_label(column, shown.schools)


def _cell_words(cell: str, pairs: Pairs) -> str:
    _, _, state = cell.partition(":")
    row = one(pairs, "row").partition(":")[2]
    words = {NONE: "Not assessed", OUTSIDE: "Outside the ability", **BAND_WORDS}.get(state, in_words(state))
    return f"{row}: {words}" if row else words


CURRICULUM = Page(
    report="curriculum",
    title="Curriculum tracking",
    about="Which objectives or strands of a subject a group has achieved, and where it is weak.",
    sections=(
        PUPILS,
        Section(
            title="What to show",
            fields=(
                Field(kind="subject", name="subject", label="Subject"),
                Field(kind="ability", name="ability", label="Ability or year of the objectives"),
                Field(
                    kind="select",
                    name="rows",
                    label="Rows",
                    options=(("objective", "Objectives"), ("strand", "Strands")),
                ),
                Field(
                    kind="side_by_side",
                    name="column",
                    label="Side by side",
                    hint="Up to two dates, or two groups. Empty: all the pupils on the date of the report.",
                ),
                SETTINGS,
                Field(kind="cut_offs", name="bands", label="Bands, where the framework has marks"),
            ),
        ),
        DATES,
    ),
    show=_show,
    cell_words=_cell_words,
    columns=lambda _: ["Value"],
    button="Show curriculum tracking",
)
