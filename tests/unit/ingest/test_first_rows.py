"""Which row had a key first, in memory and beyond it."""

from __future__ import annotations

import pytest

from services.ingest.first_rows import FirstRows


@pytest.mark.parametrize("in_memory_max", [1, 3, 1000])
def test_a_key_is_told_by_its_first_row_however_much_is_remembered(in_memory_max: int) -> None:
    with FirstRows(in_memory_max) as first_rows:
        for row in range(1, 101):
            assert first_rows.first_row(f"key {row}", row) is None
        assert [first_rows.first_row(f"key {row}", 200 + row) for row in (1, 50, 100)] == [1, 50, 100]
        assert first_rows.first_row("key 1", 300) == 1, "asking changes nothing"


def test_two_files_know_nothing_of_each_other() -> None:
    with FirstRows(1) as one, FirstRows(1) as other:
        one.first_row("key", 1)
        one.first_row("another", 2)
        assert other.first_row("key", 5) is None
