"""A school beside a national figure: the gap in pupils (`domain.md` 4.9). Exact, rounded once and towards zero."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction


def gap_in_pupils(school: int | Decimal | Fraction, national: int | Decimal | Fraction, cohort: int) -> int:
    """How many pupils of `cohort` the school's percent lies above (or, negative, below) the national percent.

    A part of a pupil is cut off: 0 is in line.
    """
    return int((Fraction(school) - Fraction(national)) * cohort / 100)
