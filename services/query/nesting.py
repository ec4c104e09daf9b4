"""Rows inside rows: what is broken down again, as the bits that an outer and an inner row have in common.

As everywhere rows are bitmaps over the axis (decision 0019); nothing is counted here.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from services.query.breakdown import Rows, break_down
from services.query.population import Cohort
from services.query.requests import By
from services.query.school_index import Ints

_WHOLE = 0
"""The number of the first row of every breakdown."""


class NestedRows(msgspec.Struct, frozen=True):
    """Rows, and of each the row that it is a part of (None: of none)."""

    rows: Rows
    inside: tuple[str | None, ...]


def break_down_twice(cohort: Cohort, by: Sequence[By], then: Sequence[By]) -> NestedRows:
    """The rows of `by`, each but the whole followed by its own rows of `then`."""
    outer = break_down(cohort, by)
    if not then:
        return NestedRows(outer, (None,) * len(outer.ids))
    return nest(outer, break_down(cohort, then), cohort.axis.words)


def nest(outer: Rows, inner: Rows, words: int) -> NestedRows:
    """Each outer row followed by what it has in common with each inner one, where there is anybody. The wholes of both
    are not split. `words`: how many the axis has."""
    outer_row, inner_row = _row_of_entry(outer), _row_of_entry(inner)
    split, parts = np.flatnonzero(outer_row != _WHOLE), np.flatnonzero(inner_row != _WHOLE)
    # every outer entry meets the inner entries of its word: those lie side by side, in the order of words
    parts = parts[np.argsort(inner.words[parts], kind="stable")]
    in_word = np.bincount(inner.words[parts], minlength=words)
    first = np.cumsum(in_word) - in_word
    meets = in_word[outer.words[split]]
    left = np.repeat(split, meets)
    step = np.arange(left.size) - np.repeat(np.cumsum(meets) - meets, meets)
    right = parts[first[outer.words[left]] + step]
    bits = outer.bits[left] & inner.bits[right]
    there = np.flatnonzero(bits)
    left, right, bits = left[there], right[there], bits[there]
    # a key for each row, in the order of the answer: an outer row itself comes before what is inside it
    width = len(inner.ids)
    keys = np.concatenate([outer_row * width, outer_row[left] * width + inner_row[right]])
    ids = np.union1d(np.arange(len(outer.ids)) * width, keys)
    row = np.searchsorted(ids, keys)
    order = np.argsort(row, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=ids.size))])
    outer_of, inner_of = np.divmod(ids, width)
    rows = Rows(
        tuple(inner.ids[i] if i else outer.ids[o] for o, i in zip(outer_of.tolist(), inner_of.tolist(), strict=True)),
        starts,
        np.concatenate([outer.words, outer.words[left]])[order],
        np.concatenate([outer.bits, bits])[order],
    )
    inside = tuple(outer.ids[o] if i else None for o, i in zip(outer_of.tolist(), inner_of.tolist(), strict=True))
    return NestedRows(rows, inside)


def _row_of_entry(rows: Rows) -> Ints:
    return np.repeat(np.arange(len(rows.ids)), np.diff(rows.starts))
