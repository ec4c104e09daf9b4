"""The packed form of a block: every width round-trips, bytes are canonical, the reads count what they should."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from schemas import blocks
from schemas.blocks import Base, Entries

SEPTEMBER = 2025 * 12 + 8
FIRST = date(2025, 9, 1).toordinal()
TOLD = int(np.datetime64("2025-09-10T09:00:00").astype(np.int64))


def entries(*rows: tuple[int, int, int, int, int]) -> Entries:
    """Entries of (recorded_at, key, day, overall, assessed)."""
    table = np.array(rows, np.int64).reshape(-1, 5).T
    return blocks.reduce_entries([Entries(table[0], table[1], table[2], table[3:4], table[4:5])])


def base(*rows: tuple[int, int, int]) -> Base:
    """A base of (key, overall, assessed)."""
    table = np.array(rows, np.int64).reshape(-1, 3).T
    return blocks.reduce_base([Base(table[0], table[1:2], table[2:3])])


def overall(block: bytes | None, tails: list[bytes], *, day: int, known_at: int = 2**31) -> list[int]:
    totals = blocks.totals_at(
        block, tails, keys=3, parts=1, day=day, known_at=known_at, year_start=FIRST, assessed=False
    )
    return [int(total) for total in totals[0]]


@pytest.mark.parametrize("key", [1, 70_000, 2**40])
@pytest.mark.parametrize("change", [1, -1, 127, -128, 128, 40_000, -(2**31), 2**40, -(2**62)])
def test_every_width_round_trips(key: int, change: int) -> None:
    packed = blocks.unpack(blocks.pack(SEPTEMBER, base((key, change, 1)), entries((TOLD, key, 3, change, change))))
    found_base, found = blocks.widen(packed)
    assert (found_base.keys.tolist(), found_base.overall.tolist()) == ([key], [[change]])
    assert (found.keys.tolist(), found.days.tolist(), found.overall.tolist()) == ([key], [3], [[change]])
    assert packed.flags.tolist() == [blocks.OVERALL | blocks.ASSESSED]


def test_changes_that_differ_stand_in_two_entries() -> None:
    packed = blocks.unpack(blocks.pack(SEPTEMBER, base(), entries((TOLD, 1, 3, 5, 2))))
    assert packed.flags.tolist() == [blocks.OVERALL, blocks.ASSESSED]
    assert packed.changes.tolist() == [[5, 2]]


def test_bytes_do_not_depend_on_the_order_or_on_what_cancels_out() -> None:
    one = entries((TOLD, 1, 3, 5, 5), (TOLD, 2, 3, 1, 0), (TOLD + 1, 1, 3, 4, 4), (TOLD + 1, 1, 3, -4, -4))
    other = entries((TOLD, 2, 3, 1, 0), (TOLD, 1, 3, 2, 5), (TOLD, 1, 3, 3, 0))
    assert blocks.pack(SEPTEMBER, base(), one) == blocks.pack(SEPTEMBER, base(), other)


def test_a_day_counts_from_that_day_on_and_an_instant_from_that_second_on() -> None:
    block = blocks.pack(SEPTEMBER, base((0, 7, 7)), entries((TOLD, 1, 3, 5, 5)))
    assert overall(block, [], day=FIRST + 2) == [7, 0, 0]
    assert overall(block, [], day=FIRST + 3) == [7, 5, 0]
    assert overall(block, [], day=FIRST + 3, known_at=TOLD - 1) == [7, 0, 0]
    assert overall(block, [], day=FIRST + 3, known_at=TOLD) == [7, 5, 0]


def test_a_new_academic_year_forgets_what_was_assessed_before_it() -> None:
    block = blocks.pack(SEPTEMBER - 1, base((0, 7, 7)), entries((TOLD, 1, 3, 5, 5), (TOLD, 2, 31, 4, 4)))
    totals = blocks.totals_at(
        block, [], keys=3, parts=1, day=FIRST + 5, known_at=2**31, year_start=FIRST, assessed=True
    )
    assert totals.tolist() == [[0, 0, 4]]


def test_compaction_keeps_every_answer_and_moves_patches_into_the_base() -> None:
    block = blocks.pack(SEPTEMBER, base((0, 7, 7)), entries((TOLD, 1, 3, 5, 5)))
    tails = [
        blocks.pack(SEPTEMBER, base(), entries((0, 0, 0, 2, 2), (TOLD + 9, 2, 8, 1, 1))),
        blocks.pack(SEPTEMBER, base(), entries((TOLD, 1, 3, -5, -5))),
    ]
    compacted = blocks.compact(block, tails, None)
    for day in (FIRST, FIRST + 3, FIRST + 8):
        for known_at in (TOLD - 1, TOLD, TOLD + 9):
            assert overall(block, tails, day=day, known_at=known_at) == overall(
                compacted, [], day=day, known_at=known_at
            )
    assert blocks.widen(blocks.unpack(compacted))[0].overall.tolist() == [[9]]
    assert blocks.compact(compacted, [], None) == compacted


def test_compaction_drops_what_only_the_next_block_needs() -> None:
    october = int(np.datetime64("2025-10-02T09:00:00").astype(np.int64))
    block = blocks.pack(SEPTEMBER, base(), entries((TOLD, 1, 3, 5, 5), (october, 2, 31, 4, 4)))
    assert blocks.unpack(blocks.compact(block, [], SEPTEMBER + 1)).keys.tolist() == [1]
    assert blocks.unpack(blocks.compact(block, [], None)).keys.tolist() == [1, 2]


def test_numerator_and_covered_weight_come_apart() -> None:
    totals = np.array([[5 + (3 << 8), 0]], np.int64)
    numerators, covered = blocks.split_totals(totals, 8)
    assert (numerators.tolist(), covered.tolist()) == ([5, 0], [3, 0])
    numerators, covered = blocks.split_totals(np.array([[2**54], [7]], np.int64), 60)
    assert (numerators.tolist(), covered.tolist()) == ([2**54], [7])


def test_the_roster_reads_the_same_as_keys_and_as_a_matrix() -> None:
    slot_one = 1 << 16
    block = blocks.pack(SEPTEMBER, base((slot_one, 1, 0)), entries((TOLD, slot_one, 5, -1, 0), (TOLD, 2, 2, 1, 0)))
    for day, held in ((FIRST, [slot_one]), (FIRST + 2, [2, slot_one]), (FIRST + 5, [2])):
        assert blocks.present_at(block, [], day=day, known_at=TOLD).tolist() == held
        matrix = blocks.matrix_at(block, [], values=3, slots=2, day=day, known_at=TOLD)
        assert sorted(int(slot) << 16 | int(value) for value, slot in np.argwhere(matrix)) == held


@pytest.mark.parametrize("data", [b"", b"\x02" * 16, blocks.pack(SEPTEMBER, base(), entries()) + b"x"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(blocks.InvalidBlock):
        blocks.unpack(data)


def test_a_roster_too_wide_for_a_table_is_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = np.array([5 << 16 | 7, 1 << 16 | 9, 5 << 16 | 7, 2 << 16 | 1])
    changes = np.array([1, 1, -1, 1])
    in_a_table = blocks._keys_above_zero(keys, changes).tolist()
    monkeypatch.setattr(blocks, "_TABLE_CELLS_MAX", 1)
    assert blocks._keys_above_zero(keys, changes).tolist() == in_a_table == [1 << 16 | 9, 2 << 16 | 1]
