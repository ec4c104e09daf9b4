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
    tops, bottoms = np.asarray(numerators), np.asarray(denominators)
    if not tops.size or not bottoms.size:
        return np.zeros(np.broadcast_shapes(tops.shape, bottoms.shape), np.int64)
    if 200 * int(tops.max()) + 2 * int(bottoms.max()) > _INT64_MAX:
        return _percents_of_large(*np.broadcast_arrays(tops, bottoms))
    bottoms = bottoms.astype(np.int64, copy=False)
    nothing = bottoms == 0
    some = nothing.any()
    if some:
        bottoms = bottoms + nothing
    whole: IntArray = (200 * tops.astype(np.int64, copy=False) + bottoms) // (2 * bottoms)
    if some:
        whole[np.broadcast_to(nothing, whole.shape)] = NO_PERCENT
    return whole


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


def _percents_of_large(tops: npt.NDArray[Any], bottoms: npt.NDArray[Any]) -> IntArray:
    pairs = zip(tops.ravel().tolist(), bottoms.ravel().tolist(), strict=True)
    found = [NO_PERCENT if bottom == 0 else (200 * top + bottom) // (2 * bottom) for top, bottom in pairs]
    return np.array(found, np.int64).reshape(tops.shape)
