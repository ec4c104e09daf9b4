"""Position tokens."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.positions import InvalidPosition, decode_position, encode_position

OFFSETS = st.dictionaries(st.integers(0, 95), st.integers(0, 2**63 - 1), max_size=96)


@given(st.text(max_size=80), OFFSETS)
def test_a_token_is_url_safe_and_comes_back(log_id: str, offsets: dict[int, int]) -> None:
    token = encode_position(log_id, offsets)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    position = decode_position(token)
    assert position.offsets == offsets
    assert position.belongs_to(log_id)
    assert not position.belongs_to(log_id + "x")


def test_equal_offsets_give_equal_tokens() -> None:
    assert encode_position("log", {1: 2, 3: 4}) == encode_position("log", {3: 4, 1: 2})


@given(st.text(max_size=60))
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidPosition):
        decode_position(text)


@pytest.mark.parametrize("text", ["", "!", "é", "A" * 9000, "kg", "\ud800", "ksQJ AAA"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InvalidPosition):
        decode_position(text)


def test_a_cut_token_is_refused() -> None:
    token = encode_position("log", {1: 2, 3: 2**40})
    for length in range(len(token)):
        with pytest.raises(InvalidPosition):
            decode_position(token[:length])
