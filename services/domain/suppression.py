"""Small numbers: which counts of a table are not shown, so that none of them is given back by those that are.

A table has rows (sets of pupils) and items (sets of cells that pupils lie in, such as a band, or all of them); it shows
how many pupils of each row lie in each item. Counts from 1 to below the threshold are hidden, then as many others as it
takes. Pure: what rows and items there are, and how an answer looks without a number, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

THRESHOLD_DEFAULT = 5
THRESHOLD_MIN = 3
THRESHOLD_MAX = 10

WORK_MAX = 4_000_000
"""Known counts times unknowns of one look at the whole table; a larger one is looked at by rows and by items apart."""
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
    `item_sums`: what a reader adds up. An item without any cell stands for itself alone.
    """

    counts: Counts
    rows: Mask
    items: Mask
    row_sums: tuple[Sum, ...] = ()
    item_sums: tuple[Sum, ...] = ()


def is_small(count: int, threshold: int) -> bool:
    """Whether a count is not shown for its own sake. Nobody is no small number."""
    return 0 < count < threshold


def choose_hidden(table: Table, threshold: int, hidden: Mask | None = None) -> Mask:
    """The counts that are not shown: the small ones, those `hidden` already, and what would give them back.

    Nothing is chosen by chance: equal tables hide the same.
    """
    counts = table.counts
    chosen: Mask = (counts > 0) & (counts < threshold)
    if hidden is not None:
        chosen |= hidden & (counts > 0)
    while True:
        _close_sums(table, threshold, chosen)
        companions = _companions(table, chosen)
        if not companions:
            return chosen
        for companion in companions:
            chosen[companion] = True


def _close_sums(table: Table, threshold: int, hidden: Mask) -> None:
    """Hide more until no sum that a reader adds up has one unknown, or unknowns that make a small number together."""
    changed = True
    while changed:
        changed = False
        for line in _lines(table, hidden):
            for each in line.sums:
                one_more = _one_more(line, each, threshold)
                if one_more is not None:
                    line.hidden[one_more] = True
                    changed = True


class _Line(NamedTuple):
    """A row or an item of a table; `torn`: which of its places lie across lines that hide something already."""

    counts: Counts
    hidden: Mask
    across: Mask
    sums: tuple[Sum, ...]

    def torn(self, place: int) -> bool:
        """Whether something is hidden already where this place lies, so that one more tears no new hole."""
        return bool(self.across[place].any())


def _lines(table: Table, hidden: Mask) -> Iterator[_Line]:
    """Each row with the sums over its items, then each item with the sums over its rows (views, to be written to)."""
    for row in range(table.counts.shape[0]):
        yield _Line(table.counts[row], hidden[row], hidden.T, table.item_sums)
    for item in range(table.counts.shape[1]):
        yield _Line(table.counts[:, item], hidden[:, item], hidden, table.row_sums)


def _one_more(line: _Line, summed: Sum, threshold: int) -> int | None:
    """What must be hidden too, if anything: the smallest part that is not nobody, or else the total."""
    counts, hidden = line.counts, line.hidden
    unknown = [part for part in summed.parts if hidden[part]]
    if hidden[summed.total]:
        if unknown or not counts[summed.total]:
            return None
    elif not unknown or (len(unknown) > 1 and sum(int(counts[part]) for part in unknown) >= threshold):
        return None
    shown = [part for part in summed.parts if not hidden[part] and counts[part]]
    if shown:
        return min(shown, key=lambda part: (not line.torn(part), counts[part], part))
    return None if hidden[summed.total] else summed.total


def _companions(table: Table, hidden: Mask) -> set[tuple[int, int]]:
    """Shown counts to hide because, with others, they give hidden ones back; none if nothing is given back."""
    rows, items = table.counts.shape
    if not hidden.any():
        return set()
    if rows * items * table.rows.shape[1] * max(table.items.shape[1], 1) <= WORK_MAX:
        return _given_back(table, hidden)
    found: set[tuple[int, int]] = set()
    for item in range(items):
        found |= {(row, item) for row, _ in _given_back(_part(table, slice(None), [item]), hidden[:, [item]])}
    for row in range(rows):
        found |= {(row, item) for _, item in _given_back(_part(table, [row], slice(None)), hidden[[row]])}
    return found


def _part(table: Table, rows: Sequence[int] | slice, items: Sequence[int] | slice) -> Table:
    return Table(table.counts[rows][:, items], table.rows[rows], table.items[items])


def _given_back(table: Table, hidden: Mask) -> set[tuple[int, int]]:
    """For each hidden count that is a combination of shown ones, the smallest of those in its own row or item."""
    vectors = np.kron(table.rows, table.items)
    unknown = hidden.ravel()
    nobody = (table.counts.ravel() == 0) & ~unknown
    vectors = _distinct(vectors[:, ~vectors[nobody].any(axis=0)])  # without those of whom it is known that nobody is
    told = vectors[~unknown]
    told, asked = told[told.any(axis=1)], vectors[unknown]
    determined = asked.any(axis=1) & (_beyond(asked.astype(np.float64), told.astype(np.float64)) < _NEARLY_ZERO)
    places = np.flatnonzero(unknown)[determined].tolist()
    found = (_smallest_beside(table.counts, hidden, *divmod(place, table.counts.shape[1])) for place in places)
    return {each for each in found if each is not None}


def _smallest_beside(counts: Counts, hidden: Mask, row: int, item: int) -> tuple[int, int] | None:
    candidates = [(row, other) for other in range(counts.shape[1])]
    candidates += [(other, item) for other in range(counts.shape[0])]
    shown = [each for each in candidates if not hidden[each] and counts[each]]
    if not shown:
        shown = [(int(r), int(i)) for r, i in np.argwhere(~hidden & (counts > 0))]
    return min(shown, key=lambda each: (counts[each], each), default=None)


def _distinct(vectors: Mask) -> Mask:
    """The vectors without coordinates in which all of them are as in another one."""
    if not vectors.size:
        return vectors
    packed = np.ascontiguousarray(np.packbits(vectors, axis=0).T)
    _, first = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_index=True)
    return vectors[:, first]


def _beyond(vectors: Vectors, told: Vectors) -> Vectors:
    """How far each vector lies from all combinations of `told` (the square of its distance)."""
    lengths: Vectors = (vectors * vectors).sum(axis=1)
    if not told.size:
        return lengths
    sizes, directions = np.linalg.eigh(told @ told.T)
    known = sizes > _NO_DIRECTION * max(float(sizes[-1]), 1.0)
    along = (vectors @ told.T) @ directions[:, known]
    nearest: Vectors = lengths - (along * along / sizes[known]).sum(axis=1)
    return nearest
