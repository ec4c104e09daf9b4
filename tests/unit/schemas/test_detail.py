"""Rows of detail: what is compressed comes back, also of rows that were put one behind the other, and of old rows."""

from __future__ import annotations

from schemas.detail import compressed, decompressed


def test_rows_one_behind_the_other_are_their_contents_in_order() -> None:
    first, second = b"\x05\x00\x00\x00first" * 40, b"\x06\x00\x00\x00second"
    assert decompressed(compressed(first) + compressed(second)) == first + second
    assert len(compressed(first)) < len(first) / 4


def test_a_row_of_an_earlier_release_is_as_it_is() -> None:
    assert decompressed(b"\x05\x00\x00\x00first") == b"\x05\x00\x00\x00first"
