"""Small numbers: which counts of a table are not shown, so that none of them is given back by those that are.

A table has rows (sets of pupils) and items (sets of cells that pupils lie in, such as a band, or all of them); it shows
how many pupils of each row lie in each item. Counts from 1 to below the threshold are hidden, then as many others as it
takes. Pure: what rows and items there are, and how an answer looks without a number, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

THRESHOLD_DEFAULT = 5
THRESHOLD_MIN = 3
THRESHOLD_MAX = 10

TOGETHER_MAX = 400
"""Counts of a table that is looked at as a whole; in a larger one, rows and items are looked at apart."""
_NEARLY_ZERO, _NO_DIRECTION = 1e-6, 1e-10

Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float64]


class Sum(NamedTuple):
    """`total` is the sum of `parts`: numbers of rows, or of items."""

    total: int
    parts: tuple[int, ...]


class Table(msgspec.Struct, frozen=True):
    """What would be shown: `counts[row, item]`.

    `rows[row, atom]`, `items[item, cell]`: which pupils of one kind, and which cells, each is made of. `row_sums`,
    `item_sums`: what a reader adds up. `implied`: what is shown nowhere, but a reader may work out.
    """

    counts: Counts
    rows: Mask
    items: Mask
    row_sums: tuple[Sum, ...] = ()
    item_sums: tuple[Sum, ...] = ()
    implied: Mask | None = None

    @property
    def told(self) -> Mask:
        """Where there is a number to show or to hide."""
        return np.ones(self.counts.shape, np.bool_) if self.implied is None else ~self.implied


def is_small(count: int, threshold: int) -> bool:
    """Whether a count is not shown for its own sake. Nobody is no small number."""
    return 0 < count < threshold


def choose_hidden(table: Table, threshold: int, hidden: Mask | None = None) -> Mask:
    """The counts that are secret: small ones (implied or not), those `hidden` already, and what would give them back.

    Nothing is chosen by chance: equal tables hide the same.
    """
    counts, told = table.counts, table.told
    chosen: Mask = (counts > 0) & (counts < threshold)
    if hidden is not None:
        chosen |= hidden & (counts > 0)
    while True:
        _close_sums(table, threshold, chosen, told)
        companions = _companions(table, chosen, told)
        if not companions:
            return chosen
        for companion in companions:
            chosen[companion] = True


class _Line(NamedTuple):
    """A row or an item of a table. `across`: what is secret in the lines that cross it."""

    counts: Counts
    secret: Mask
    told: Mask
    across: Mask
    sums: tuple[Sum, ...]


def _close_sums(table: Table, threshold: int, secret: Mask, told: Mask) -> None:
    """Hide more until no sum that a reader adds up has one unknown, or unknowns that make a small number together."""
    changed = True
    while changed:
        changed = False
        for line in _lines(table, secret, told):
            for each in line.sums:
                one_more = _one_more(line, each, threshold)
                if one_more is not None:
                    line.secret[one_more] = True
                    changed = True


def _lines(table: Table, secret: Mask, told: Mask) -> Iterator[_Line]:
    """Each row with the sums over its items, then each item with the sums over its rows (views, to be written to)."""
    for row in range(table.counts.shape[0]):
        yield _Line(table.counts[row], secret[row], told[row], secret.T, table.item_sums)
    for item in range(table.counts.shape[1]):
        yield _Line(table.counts[:, item], secret[:, item], told[:, item], secret, table.row_sums)


def _one_more(line: _Line, summed: Sum, threshold: int) -> int | None:
    """What must be hidden too, if anything: the smallest part that is not nobody, or else the total. Where something is
    hidden already in the line that crosses there, it tears no new hole."""
    counts, secret, told = line.counts, line.secret, line.told
    secrets = [part for part in summed.parts if secret[part]]
    unknown = [part for part in summed.parts if secret[part] or not told[part]]
    if secret[summed.total]:
        safe = bool(unknown)
    elif secrets and told[summed.total]:
        safe = len(unknown) > 1 and sum(int(counts[part]) for part in unknown) >= threshold
    else:
        safe = True
    if safe:
        return None
    shown = [part for part in summed.parts if part not in unknown and counts[part]]
    if shown:
        return min(shown, key=lambda part: (not line.across[part].any(), counts[part], part))
    return None if secret[summed.total] or not counts[summed.total] else summed.total


def _companions(table: Table, secret: Mask, told: Mask) -> set[tuple[int, int]]:
    """Shown counts to hide because, with others, they give secret ones back; none if nothing is given back."""
    rows, items = table.counts.shape
    if rows * items <= TOGETHER_MAX:
        return _given_back(table, secret, told)
    found: set[tuple[int, int]] = set()
    for item in range(items):
        part = Table(table.counts[:, [item]], table.rows, table.items[[item]])
        found |= {(row, item) for row, _ in _given_back(part, secret[:, [item]], told[:, [item]])}
    for row in range(rows):
        part = Table(table.counts[[row]], table.rows[[row]], table.items)
        found |= {(row, item) for _, item in _given_back(part, secret[[row]], told[[row]])}
    return found


def _given_back(table: Table, secret: Mask, told: Mask) -> set[tuple[int, int]]:
    """Of secret counts that are combinations of shown ones, the one that weighs most in each; at most one in a row or
    an item at a time, because it may serve the others there too."""
    if not secret.any():
        return set()
    counts, wide = table.counts, table.counts.shape[1]
    vectors = np.kron(table.rows, table.items)
    shown = (told & ~secret).ravel()
    nobody = (counts.ravel() == 0) & shown
    vectors = _distinct(vectors[:, ~vectors[nobody].any(axis=0)])  # without those of whom it is known that nobody is
    shown &= vectors.any(axis=1)
    asked = np.flatnonzero(secret.ravel() & vectors.any(axis=1))
    known = _unlike(vectors, np.flatnonzero(shown))
    beyond, weights = _combined(vectors[asked].astype(np.float64), vectors[known].astype(np.float64))
    found: set[tuple[int, int]] = set()
    for number in np.flatnonzero(beyond < _NEARLY_ZERO).tolist():
        heavy = np.flatnonzero(np.abs(weights[number]) > np.abs(weights[number]).max() - _NEARLY_ZERO)
        row, item = min((divmod(int(known[one]), wide) for one in heavy), key=lambda each: (counts[each], each))
        if not any(row == other_row or item == other_item for other_row, other_item in found):
            found.add((row, item))
    return found


def _distinct(vectors: Mask) -> Mask:
    """The vectors without coordinates in which all of them are as in another one."""
    return vectors[:, _unlike(vectors.T, np.arange(vectors.shape[1]))]


def _unlike(vectors: Mask, numbers: Counts) -> Counts:
    """Of some vectors those that are not as an earlier one."""
    if not vectors.size or not numbers.size:
        return numbers
    packed = np.ascontiguousarray(np.packbits(vectors[numbers], axis=1))
    _, first = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_index=True)
    return numbers[np.sort(first)]


def _combined(vectors: Vectors, told: Vectors) -> tuple[Vectors, Vectors]:
    """How far each vector lies from all combinations of `told` (the square of its distance), and the weights of the
    nearest one."""
    lengths: Vectors = (vectors * vectors).sum(axis=1)
    if not told.size:
        return lengths, np.zeros((len(vectors), len(told)))
    sizes, directions = np.linalg.eigh(told @ told.T)
    known = sizes > _NO_DIRECTION * max(float(sizes[-1]), 1.0)
    directions, sizes = directions[:, known], sizes[known]
    along = (vectors @ told.T) @ directions
    nearest: Vectors = lengths - (along * along / sizes).sum(axis=1)
    return nearest, (along / sizes) @ directions.T
