"""Worked example 4.5 (`domain.md`), the progress tab: the rule on two bands."""

from __future__ import annotations

import numpy as np
import pytest

from services.domain.bands import AT, NO_DATA, NOT_APPLICABLE
from services.domain.progress import (
    DEFAULT_RULE,
    DEFAULT_RULE_TEXT,
    InvalidRule,
    count_progress,
    describe_ceiling,
    is_monotone,
    measure_progress,
    parse_rule,
    warn_of_rule,
)

STARTS = np.array([1, 1, 4, 4, NO_DATA, AT, NOT_APPLICABLE, NO_DATA], np.int8)
ENDS = np.array([3, 4, AT, 4, AT, NO_DATA, NO_DATA, NO_DATA], np.int8)


def test_4_5_below_to_above_is_above_and_sig_above_to_at_is_below() -> None:
    assert measure_progress(STARTS, ENDS).tolist() == [3, 4, 1, AT, NO_DATA, NO_DATA, NOT_APPLICABLE, NO_DATA]


def test_4_5_the_default_rule_follows_the_difference_of_bands() -> None:
    by_difference = {0: 2, 1: 3, 2: 3, 3: 4, 4: 4, -1: 1, -2: 1, -3: 0, -4: 0}
    assert DEFAULT_RULE.rows == tuple(tuple(by_difference[end - start] for end in range(5)) for start in range(5))
    assert DEFAULT_RULE.shown() == DEFAULT_RULE_TEXT


def test_the_table_counts_who_is_placed_and_who_lacks_an_end() -> None:
    counts = count_progress(STARTS, ENDS)
    assert (counts.table[1][3], counts.table[1][4], counts.table[4][AT], counts.table[4][4]) == (1, 1, 1, 1)
    assert (sum(map(sum, counts.table)), counts.no_start, counts.no_end) == (4, 2, 2)


@pytest.mark.parametrize(
    "text",
    ["43455,23445,22344,12234,11223", "34455,23445,22344,12234,11225", "14455,23445,22344,12234,11223"],
)
def test_a_rule_that_is_not_monotone_gets_a_warning(text: str) -> None:
    rule = parse_rule(text)
    expected = all(list(row) == sorted(row) for row in rule.rows) and all(
        list(column) == sorted(column, reverse=True) for column in zip(*rule.rows, strict=True)
    )
    assert not expected
    assert not is_monotone(rule)
    assert warn_of_rule(rule)


def test_the_default_rule_has_no_warning_and_says_its_ceiling() -> None:
    assert warn_of_rule(DEFAULT_RULE) is None
    assert describe_ceiling(DEFAULT_RULE) == "A pupil who starts in Sig Above can reach At at most."
    assert describe_ceiling(parse_rule("34455,23445,22344,12234,11224")).endswith("can reach Above at most.")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("34455,23445,22344,12234", "wrong_count"),
        ("", "wrong_count"),
        ("34455,23445,22344,12234,1122", "invalid_row"),
        ("34456,23445,22344,12234,11223", "invalid_row"),
        ("34455,23445,22344,12234,1122٣", "invalid_row"),
    ],
)
def test_a_text_that_is_no_rule_is_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_rule(text)
    assert refused.value.code == code
