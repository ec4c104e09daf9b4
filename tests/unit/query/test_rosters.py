"""Rosters of several days at once say what those of each day say by itself; tables of cells what sorting says."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from schemas.blocks import ASSESSED, DAY_MAX, OVERALL
from services.query import stored as stored_blocks
from services.query.rosters import Start, read_rosters
from services.query.stored import NOTHING, RosterCells, Segment, Stored

STARTS_ON = date(2025, 9, 1).toordinal()
KNOWN_AT = 5_000


def a_block(seed: int, cells: int = 6, entries: int = 60, starts_on: int = STARTS_ON) -> Stored:
    """A roster block of random entries, some as late as a day can be told and some that are not of the overall sums."""
    rng = np.random.default_rng(seed)
    days = rng.choice([0, 1, 2, 30, 200, DAY_MAX - 1, DAY_MAX], entries)
    flags = rng.choice([OVERALL, ASSESSED, OVERALL | ASSESSED], entries)
    recorded_at = np.sort(rng.integers(0, 2 * KNOWN_AT, entries)).astype(np.uint32)
    segment = Segment(
        starts_on=starts_on,
        base_keys=np.zeros(0, np.int64),
        base_overall=np.zeros((1, 0), np.int64),
        base_assessed=np.zeros((1, 0), np.int64),
        recorded_at=recorded_at,
        keys=rng.integers(0, cells, entries),
        day_flags=(days << 2 | flags).astype(np.uint16),
        changes=rng.integers(-9, 9, (1, entries)),
        last_recorded_at=int(recorded_at[-1]),
    )
    block = Stored(None, ())
    numbers = np.arange(cells)
    block.__dict__["roster_cells"] = RosterCells(numbers // 2, numbers % 2, rng.integers(0, 99, cells), segment)
    return block


@pytest.mark.parametrize("known_at", [KNOWN_AT, 2**40])
def test_several_days_at_once_say_what_each_says_alone(known_at: int) -> None:
    days = [
        date.fromordinal(STARTS_ON + n) for n in (-300, -1, 0, 1, 29, 30, 31, 199, 400, DAY_MAX - 1, DAY_MAX, 20_000)
    ]
    this, next_one = a_block(1), a_block(2, starts_on=STARTS_ON + 200)
    elsewhere = a_block(3, cells=3)
    starts = [Start(0, 0), Start(7, 40)]
    stored = [[this] * 9 + [next_one] * 3, [NOTHING, *[elsewhere] * 11]]
    together = read_rosters(days, stored, starts, known_at)
    for number, day in enumerate(days):
        (alone,) = read_rosters([day], [[of_school[number]] for of_school in stored], starts, known_at)
        for mine, other in zip(together[number], alone, strict=True):
            assert mine.tolist() == other.tolist(), day
    assert len({tuple(roster.bits.tolist()) for roster in together}) > 6


def test_cells_are_numbered_as_sorting_numbers_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    for size in (0, 1, 500):
        values, words = rng.integers(0, 90, size), rng.integers(0, 12, size)
        monkeypatch.setattr(stored_blocks, "_TABLE_MAX", 1 << 20)
        looked_up = stored_blocks._number_cells(values, words)
        monkeypatch.setattr(stored_blocks, "_TABLE_MAX", 0)
        in_order = stored_blocks._number_cells(values, words)
        assert looked_up[2] == in_order[2]
        assert looked_up[0].tolist() == in_order[0].tolist()
        assert looked_up[1].tolist() == in_order[1].tolist()
