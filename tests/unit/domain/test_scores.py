"""Exact arithmetic: half up, once, at the end; the vector forms say what the scalar ones say."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.scores import NO_PERCENT, average_variance, decimal_text, percent, percents

NUMBERS = st.integers(0, 2**63 - 1) | st.integers(0, 1000)


@given(NUMBERS, NUMBERS.filter(bool))
def test_percent_is_half_up_of_the_exact_ratio(numerator: int, denominator: int) -> None:
    exact = Fraction(100 * numerator, denominator)
    shown = percent(numerator, denominator)
    assert shown is not None
    assert shown - Fraction(1, 2) <= exact < shown + Fraction(1, 2)


def test_percent_of_nothing_is_none() -> None:
    assert percent(0, 0) is None


@given(st.lists(st.tuples(NUMBERS, NUMBERS).map(sorted)))
def test_percents_of_many_are_those_of_each(pairs: list[list[int]]) -> None:
    numerators = np.array([top for top, _ in pairs], dtype=np.int64)
    denominators = np.array([bottom for _, bottom in pairs], dtype=np.int64)
    alone = [percent(top, bottom) for top, bottom in pairs]
    assert percents(numerators, denominators).tolist() == [NO_PERCENT if p is None else p for p in alone]


def test_percents_that_overflow_64_bits_are_still_exact() -> None:
    large = 2**62
    assert percents(np.array([large, large // 2]), np.array([large, large])).tolist() == [100, 50]
    above_64_bits = np.array([7 * 10**24, 0], dtype=object)
    assert percents(above_64_bits, np.array([8 * 10**24, 0], dtype=object)).tolist() == [88, NO_PERCENT]


def test_percents_of_one_denominator_for_all() -> None:
    assert percents(np.array([0, 1, 2, 3]), 8).tolist() == [0, 13, 25, 38]


@pytest.mark.parametrize(
    ("numerator", "denominator", "text"),
    [(5, 2, "2.5"), (10, 2, "5"), (0, 7, "0"), (1, 1000, "0.001"), (-1, 8, "-0.125"), (3, 12, "0.25"), (100, 1, "100")],
)
def test_decimal_text_is_exact_and_short(numerator: int, denominator: int, text: str) -> None:
    assert decimal_text(numerator, denominator) == text


@given(st.integers(-(10**30), 10**30), st.integers(0, 60), st.integers(0, 30))
def test_decimal_text_is_the_number(numerator: int, twos: int, fives: int) -> None:
    denominator = 2**twos * 5**fives
    text = decimal_text(numerator, denominator)
    assert Fraction(text) == Fraction(numerator, denominator)
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize("denominator", [3, 7, 6, 2**200 * 3])
def test_a_number_without_a_finite_decimal_is_refused(denominator: int) -> None:
    with pytest.raises(ValueError, match="no finite decimal"):
        decimal_text(1, denominator)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([30, 10, 0], "13.3"),
        ([], None),
        ([-1, 0], "-0.5"),
        ([1, 0, 0, 0], "0.3"),
        ([-1, 0, 0, 0], "-0.3"),
        ([10], "10.0"),
    ],
)
def test_average_variance(values: list[int], text: str | None) -> None:
    assert average_variance(values) == text


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=12))
def test_average_variance_rounds_half_away_from_zero(values: list[int]) -> None:
    tenths = Fraction(10 * sum(values), len(values))
    exact = Decimal(tenths.numerator) / Decimal(tenths.denominator)
    rounded = exact.quantize(Decimal(1), ROUND_HALF_UP) / 10  # half up of the magnitude: away from zero
    assert Decimal(average_variance(values) or "") == rounded
    assert average_variance(values) != "-0.0"
