"""How many pupils of each row have at least an amount, for every amount that there is: new cut-offs are then looked up.

Made of the rows and amounts of a reading that is asked for again, and good for any bands; `breakdown.Rows.count` says
the same of masks. No bands and no cut-offs here.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from services.query.axis import Words, pack_words, unpack_words
from services.query.breakdown import Rows
from services.query.school_index import Ints
from services.query.stored import WORD_BITS

AMOUNTS_MAX = 4_096
"""Of a measure with more amounts than that, or more than COUNTS_MAX of amounts and rows, there is no tally."""
COUNTS_MAX = 2_000_000


class Tally(msgspec.Struct, frozen=True):
    """`at_or_above[n]`: of each row the pupils whose amount is at least `amounts[n]`, and nobody for the last n;
    `ranks`: of each place on the axis the number of its amount."""

    amounts: Ints
    ranks: npt.NDArray[Any]
    at_or_above: npt.NDArray[np.int32]

    def count(self, levels: Ints) -> Ints:
        """The pupils of each row at or above each level: (levels, rows)."""
        return self.at_or_above[np.searchsorted(self.amounts, levels)].astype(np.int64)

    def mask(self, level: int) -> Words:
        """Who is at or above a level, as words over the axis."""
        return pack_words(self.ranks >= self.ranks.dtype.type(np.searchsorted(self.amounts, level)))


class RowPlaces(msgspec.Struct, frozen=True):
    """Every pupil of every row: the number of the row and the place on the axis."""

    rows: Ints
    places: Ints
    count: int


def places_of(rows: Rows) -> RowPlaces:
    """The pupils of some rows, one by one."""
    row_of_word = np.repeat(np.arange(len(rows.ids)), np.diff(rows.starts))
    which, bit = np.divmod(np.flatnonzero(unpack_words(rows.bits)), WORD_BITS)
    return RowPlaces(row_of_word[which], rows.words[which] * WORD_BITS + bit, len(rows.ids))


def tally(amounts: Ints, pupils: RowPlaces) -> Tally | None:
    """The tally of a measure's amounts along the axis; None if there are too many of them."""
    found, ranks = _ranked(amounts)
    if found.size > AMOUNTS_MAX or found.size * pupils.count > COUNTS_MAX:
        return None
    cells = pupils.rows * found.size + ranks[pupils.places]
    counts = np.bincount(cells, minlength=pupils.count * found.size).reshape(pupils.count, found.size)
    at_or_above = np.zeros((found.size + 1, pupils.count), np.int32)
    at_or_above[:-1] = counts[:, ::-1].cumsum(axis=1)[:, ::-1].T
    return Tally(found, ranks, at_or_above)


def _ranked(amounts: Ints) -> tuple[Ints, npt.NDArray[Any]]:
    """The amounts that there are, rising, and of each place the number of its own, as narrow as it can be."""
    if not amounts.size:
        return np.zeros(0, np.int64), np.zeros(0, np.uint8)
    lowest, highest = int(amounts.min()), int(amounts.max())
    if highest - lowest < AMOUNTS_MAX:
        found, ranks = np.arange(lowest, highest + 1), amounts - lowest
    else:
        found, ranks = np.unique(amounts, return_inverse=True)
    return found, ranks.astype(np.uint8 if found.size < 255 else np.uint16 if found.size < 65_535 else np.int64)
