"""Columns of tests and judgements: their names, and the packed value that their blocks sum.

The value of a pupil in a column is the latest sitting or judgement: presence, its day and the index of its score in one
integer, so that the same additive blocks serve it. Names and numbers only; which sitting counts is the domain's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_SCORE_BITS, _PRESENT_BIT = 24, 50
PRESENT = 1 << _PRESENT_BIT
SCORES_MAX = 1 << _SCORE_BITS


def column_of_test(test: str, subject: str, component: str, score_type: str) -> str:
    """The column of a test measure: `test:TEST:SUBJECT:COMPONENT:SCORE_TYPE`, `-` for no component."""
    return f"test:{test}:{subject}:{component or '-'}:{score_type}"


def column_of_judgement(subject: str, scale: str) -> str:
    """The column of a judgement measure: `judgement:SUBJECT:SCALE`, `-` for no subject."""
    return f"judgement:{subject or '-'}:{scale}"


def column_stream(column: str) -> str:
    """The stream of a column's blocks (key = slot)."""
    return f"c:{column}"


def pack_value(day: int, score: int) -> int:
    """The day (ordinal) of a sitting and the index of its score, as one number."""
    return day << _SCORE_BITS | score


def unpack_values(totals: Ints) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """From sums of a column: whether there is a value, its day and the index of its score."""
    values = totals & (PRESENT - 1)
    return (totals >> _PRESENT_BIT) > 0, values >> _SCORE_BITS, values & (SCORES_MAX - 1)
