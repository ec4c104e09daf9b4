"""The counts of an answer, whatever report it is of: by row and cell as people name them, or by JSON pointer.

An answer is read as the tree that its JSON is. What is about single pupils, or what it was made from, is no count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from services.domain.bands import BAND_IDS

Tree = Mapping[str, Any]
Count = int | None

_NO_COUNTS = frozenset({
    "provenance", "pupils", "pupil", "next", "bands", "start_bands", "states", "scale", "settings", "suppressed",
    "month", "months", "year", "minimum", "version", "lines", "sum", "value", "worked", "marks_max", "later",
})  # fmt: skip
_OF_A_CELL = ("none", "no_data", "not_applicable", "no_start", "no_end", "of", "met")
_OF_A_ROW = ("pupils", "of", "gld", "incomplete", "exempt", "assessed")
_PARTS = ("working_at_or_above", "not_working_at", "incomplete")


class Place(NamedTuple):
    """A count of an answer: its row, the row that this one is in (empty: none), and the cell."""

    inside: str
    row: str
    cell: str


def counts_of(tree: Tree) -> dict[Place, Count]:
    """The counts by row and cell, cells as members take them; `pupils` = all of the row."""
    if "unplotted" in tree:
        return dict(_of_matrix(tree))
    return {place: count for row in tree.get("rows", ()) for place, count in _of_row(row)}


def counts_by_pointer(tree: Tree) -> dict[str, Count]:
    """The same numbers, and all others that are counted, by JSON pointer."""
    return {"".join(f"/{_escaped(step)}" for step in path): count for path, count in _leaves(tree, ())}


def _of_row(row: Tree) -> Iterator[tuple[Place, Count]]:
    inside, name = row.get("in") or "", row.get("row", "")
    for field in _OF_A_ROW:
        if field in row and not isinstance(row[field], list):
            yield Place(inside, name, field), row[field]
    for number, cell in enumerate(row.get("cells") or row.get("measures") or ()):
        for field in ("counts", "coded", "excluded", "distribution"):
            for part, count in (cell.get(field) or {}).items():
                yield Place(inside, name, f"{number}:{part}"), count
        for field in _OF_A_CELL:
            if field in cell:
                yield Place(inside, name, f"{number}:{field}"), cell[field]
    for part in _PARTS:
        if part in (row.get("combined") or {}):
            yield Place(inside, name, f"combined:{part}"), row["combined"][part]


def _of_matrix(tree: Tree) -> Iterator[tuple[Place, Count]]:
    for first, row in zip(BAND_IDS, tree["counts"], strict=True):
        for second, count in zip(BAND_IDS, row, strict=True):
            yield Place("", "whole", f"{first}:{second}"), count
    for each in tree["unplotted"]:
        yield Place("", "whole", f"{each['first'] or 'none'}:{each['second'] or 'none'}"), each["pupils"]


def _leaves(tree: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Count]]:
    if isinstance(tree, Mapping):
        for name, part in tree.items():
            # `pupils` is a list of them, or how many there are in a row
            if name not in _NO_COUNTS or (name == "pupils" and isinstance(part, int)):
                yield from _leaves(part, (*path, name))
    elif isinstance(tree, list):
        for number, part in enumerate(tree):
            yield from _leaves(part, (*path, number))
    elif isinstance(tree, int) and not isinstance(tree, bool):
        yield path, tree


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
