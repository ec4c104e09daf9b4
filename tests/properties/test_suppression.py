"""Hidden counts stay hidden: whoever adds up and subtracts what is shown finds more than one number for each.

The reader of the tests knows nothing of how counts are chosen: tables are small enough to try every number.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.domain.suppression import Counts, Mask, Sum, Table, choose_hidden, is_small

THRESHOLD = 3
"""The lowest that may be set, so that tables are small enough to try every number."""


def table_of(inside: list[list[int]]) -> Table:
    """The whole and its rows (a partition); all pupils and their cells."""
    cells = np.array(inside, np.int64)
    rows = np.concatenate([np.ones((1, len(cells)), np.bool_), np.eye(len(cells), dtype=np.bool_)])
    items = np.concatenate([np.ones((1, cells.shape[1]), np.bool_), np.eye(cells.shape[1], dtype=np.bool_)])
    counts = rows.astype(np.int64) @ cells @ items.T.astype(np.int64)
    return Table(counts, rows, items, (_whole(len(rows)),), (_whole(len(items)),))


def _whole(size: int) -> Sum:
    return Sum(0, tuple(range(1, size)))


def possible(table: Table, hidden: Mask) -> Iterator[Counts]:
    """Every table that agrees with all that is shown."""
    shown, inner = table.counts, ~hidden[1:, 1:]
    rows, cells = inner.shape
    largest = [int(shown[1:, 0][row]) if not hidden[row + 1, 0] else int(shown.max()) for row in range(rows)]
    choices = [_lines_of(table, hidden, row, largest[row]) for row in range(rows)]
    for lines in product(*choices):
        inside = np.array(lines, np.int64).reshape(rows, cells)
        counts = table.rows.astype(np.int64) @ inside @ table.items.T.astype(np.int64)
        if ((counts == shown) | hidden).all():
            yield counts


def _lines_of(table: Table, hidden: Mask, row: int, largest: int) -> list[tuple[int, ...]]:
    """What the cells of a row may hold, as the row itself tells."""
    counts, unknown = table.counts[row + 1], hidden[row + 1]
    spans = [range(largest + 1) if unknown[item] else (int(counts[item]),) for item in range(1, table.counts.shape[1])]
    return [line for line in product(*spans) if unknown[0] or sum(line) == counts[0]]


inside = st.integers(1, 3).flatmap(
    lambda cells: st.lists(
        st.lists(st.sampled_from((0, 0, 1, 2, 3, 4)), min_size=cells, max_size=cells), min_size=1, max_size=3
    )
)


@settings(max_examples=80, deadline=None)
@given(inside)
@example([[1, 4], [4, 4]])
@example([[2, 0, 4], [0, 4, 4], [4, 4, 0]])
@example([[1, 1], [4, 4]])
def test_each_hidden_count_may_be_several_numbers(inside: list[list[int]]) -> None:
    table = table_of(inside)
    hidden = choose_hidden(table, THRESHOLD)
    assert hidden[(table.counts > 0) & (table.counts < THRESHOLD)].all(), "small numbers are not shown"
    assert not hidden[table.counts == 0].any(), "nobody is no small number"
    found: dict[tuple[int, int], set[int]] = {(int(r), int(i)): set() for r, i in np.argwhere(hidden)}
    for counts in possible(table, hidden):
        for place, numbers in found.items():
            numbers.add(int(counts[place]))
        if all(len(numbers) > 1 for numbers in found.values()):
            break
    only_one = {place: numbers for place, numbers in found.items() if len(numbers) < 2}
    assert not only_one, (table.counts, hidden)


@given(st.lists(st.lists(st.integers(0, 40), min_size=7, max_size=7), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_what_is_hidden_of_a_row_is_no_small_number_together(inside: list[list[int]]) -> None:
    table = table_of(inside)
    hidden = choose_hidden(table, 5)
    for counts, unknown in zip(table.counts, hidden, strict=True):
        if not unknown[0]:
            assert not is_small(int(counts[1:][unknown[1:]].sum()), 5)
            assert unknown[1:].sum() != 1


def test_a_table_without_small_numbers_is_shown_whole() -> None:
    assert not choose_hidden(table_of([[10, 0, 7], [5, 9, 0]]), 5).any()


def test_the_smallest_other_count_goes_with_a_small_one() -> None:
    hidden = choose_hidden(table_of([[20, 3, 9, 30]]), 5)
    assert hidden[1].tolist() == [False, False, True, True, False]


def test_rows_that_overlap_give_nothing_back() -> None:
    """A class is all of a year but three pupils; the year and the class would tell of them, by the other class."""
    rows = np.array([[1, 1], [1, 0], [0, 1]], np.bool_)  # the year, its classes; not told that they make it up
    counts = np.array([[23], [20], [3]], np.int64)
    hidden = choose_hidden(Table(counts, rows, np.ones((1, 1), np.bool_)), 5)
    assert hidden.ravel().tolist() == [False, True, True]
