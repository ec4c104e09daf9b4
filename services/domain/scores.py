"""Exact arithmetic of scores: percents, decimal texts and averages, rounded once and at the end.

Everything is integers; a float would turn 62.5 into 62 on some machines and 63 on others. The vector forms
give the same numbers as the scalar ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

NO_PERCENT = -1
"""What `percents` holds where the denominator is 0."""

_INT64_MAX = 2**63 - 1


def percent(numerator: int, denominator: int) -> int | None:
    """100 × numerator ÷ denominator as a whole number, half up; None for a denominator of 0."""
    if denominator == 0:
        return None
    return (200 * numerator + denominator) // (2 * denominator)


def percents(numerators: npt.ArrayLike, denominators: npt.ArrayLike) -> IntArray:
    """`percent` of each pair of numbers that are not negative; NO_PERCENT where the denominator is 0."""
    tops, bottoms = np.broadcast_arrays(np.asarray(numerators), np.asarray(denominators))
    if tops.size and bottoms.all() and 200 * int(tops.max()) + 2 * int(bottoms.max()) <= _INT64_MAX:
        whole: IntArray = (200 * tops.astype(np.int64) + bottoms) // (2 * bottoms.astype(np.int64))
        return whole
    result = np.full(tops.shape, NO_PERCENT, dtype=np.int64)
    there = bottoms != 0
    top, bottom = tops[there], bottoms[there]
    if not top.size:
        return result
    if 200 * int(top.max()) + 2 * int(bottom.max()) <= _INT64_MAX:
        top, bottom = top.astype(np.int64), bottom.astype(np.int64)
        result[there] = (200 * top + bottom) // (2 * bottom)
    else:
        result[there] = _percents_of_large(top, bottom)
    return result


def decimal_text(numerator: int, denominator: int) -> str:
    """The exact decimal of numerator ÷ denominator ("2.5", "5"). Raises ValueError if it has no end."""
    common = gcd(numerator, denominator)
    top, bottom = numerator // common, denominator // common
    places = 0
    while 10**places % bottom:
        places += 1
        if places > bottom.bit_length():
            raise ValueError(f"{numerator}/{denominator} has no finite decimal")
    digits = str(abs(top) * (10**places // bottom)).rjust(places + 1, "0")
    sign = "-" if top < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits


def average_variance(values: Sequence[int]) -> str | None:
    """The mean with one decimal, half away from zero ("13.3", "-0.5"); None if there are no values."""
    if not values:
        return None
    total, count = sum(values), len(values)
    tenths = (20 * abs(total) + count) // (2 * count)
    sign = "-" if total < 0 and tenths else ""
    return f"{sign}{tenths // 10}.{tenths % 10}"


def _percents_of_large(tops: npt.NDArray[Any], bottoms: npt.NDArray[Any]) -> list[int]:
    pairs = zip(tops.tolist(), bottoms.tolist(), strict=True)
    return [(200 * top + bottom) // (2 * bottom) for top, bottom in pairs]
