"""What a report page is made of: tables with links, charts, legends, lists. Frozen values that the templates draw.

A page of a report only says what stands in its tables; how they look is said once, in `templates/components.html` and
`templates/charts.html`. A block computes nothing but the lengths of bars.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from services.query.pages.wording import BANDS, Band

Tone: TypeAlias = Literal["", "quiet", "on", "above", "below", "short"]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What is seen; where it leads and what is read out; `note` beside it in grey; `pick`: its value as a tick box."""

    text: str
    href: str = ""
    label: str = ""
    note: str = ""
    band: Band | None = None
    tone: Tone = ""
    number: bool = False
    pick: str = ""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a column."""

    text: str
    number: bool = False
    band: Band | None = None
    note: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a table; `depth` 1 = a part of the row above it."""

    head: Cell
    cells: tuple[Cell, ...]
    strong: bool = False
    depth: int = 0


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a bar of length 100: its colour, the text in it if there is room, where it leads."""

    colour: str
    ink: str
    start: float
    length: float
    text: str
    label: str
    href: str = ""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar with its name."""

    name: str
    segments: tuple[Segment, ...]
    note: str = ""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a legend: a colour, its symbol and word, what it holds."""

    word: str
    symbol: str = ""
    band: str = ""
    colour: str = ""
    limits: str = ""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Stacked bars. `summary` says in words what they show."""

    id: str
    title: str
    summary: str
    bars: tuple[Bar, ...]
    keys: tuple[Key, ...]
    svg_href: str = ""


class Legend(msgspec.Struct, frozen=True, kw_only=True):
    """Which bands a table uses and where they come from; `parts`: where they differ, of whom they are which;
    `warning`: why they may be the wrong ones."""

    title: str
    keys: tuple[Key, ...]
    parts: tuple[tuple[str, tuple[Key, ...]], ...] = ()
    source: str = ""
    warning: str = ""


class Picking(msgspec.Struct, frozen=True, kw_only=True):
    """A form around a table whose cells can be ticked: where it leads, with which parameters, what its button says."""

    action: str
    pairs: tuple[tuple[str, str], ...]
    button: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table: caption, what it is of, a plain sentence, its head and rows, and what belongs to it."""

    title: str
    of: str
    head: tuple[Column, ...]
    rows: tuple[Row, ...]
    sentence: str = ""
    kind: str = ""
    chart: Chart | None = None
    legend: Legend | None = None
    picking: Picking | None = None
    notes: tuple[str, ...] = ()


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """A heading with sentences under it."""

    title: str
    sentences: tuple[str, ...]
    links: tuple[Cell, ...] = ()


Block: TypeAlias = Table | Legend | Words

BAND_COLOURS = {
    "sig_below": ("#6b2320", "#ffffff"),
    "below": ("#dd6b15", "#0b0c0c"),
    "at": ("#f0ebd8", "#0b0c0c"),
    "above": ("#89bdf3", "#0b0c0c"),
    "sig_above": ("#456194", "#ffffff"),
}
SHADES = (("#f0ebd8", "#0b0c0c"), ("#89bdf3", "#0b0c0c"), ("#456194", "#ffffff"), ("#22344d", "#ffffff"))
"""For the parts of a bar that are not bands, from little to much."""
NO_DATA_COLOUR = ("#ffffff", "#0b0c0c")


def band_keys(limits: tuple[str, ...] = ()) -> tuple[Key, ...]:
    """The five bands as entries of a legend."""
    return tuple(
        Key(word=band.word, symbol=band.symbol, band=band.id, limits=limits[index] if limits else "")
        for index, band in enumerate(BANDS)
    )


def stack(parts: list[tuple[tuple[str, str], int, str, str, str]]) -> tuple[Segment, ...]:
    """A bar of 100 from (colours, pupils, text, label, address), in order; parts without pupils are left out."""
    whole = sum(pupils for _, pupils, *_ in parts)
    segments, start = [], 0.0
    for (colour, ink), pupils, text, label, href in parts:
        if pupils:
            length = 100 * pupils / whole
            segments.append(
                Segment(
                    colour=colour,
                    ink=ink,
                    start=round(start, 2),
                    length=round(length, 2),
                    text=text,
                    label=f"{text}: {label}",  # what is read out begins with what is seen
                    href=href,
                )
            )
            start += length
    return tuple(segments)
