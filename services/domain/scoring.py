"""What a test or a scale declares of its values: which codes stand for a score, in which order values are, what is
expected, and for how long a value counts.

Pure. A scoring is bound to a measure, so it is small and hashable; numbers are exact thousandths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Literal

import msgspec

from schemas.definitions import ScaleDefined, TestDefined

PARTS = 1000
_PLACES = 3
_HIGHEST = 10**15
"""Above every cut-off, and within 64 bits."""
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_YEAR = re.compile(r"([0-9]{4})/([0-9]{2})")


class CodeRule(msgspec.Struct, frozen=True):
    """A code. `counts`: in the denominator, as not achieved, else outside it; `lowest`: in the lowest band; `earlier`:
    the result of an earlier year stands for it."""

    code: str
    counts: bool
    lowest: bool = False
    earlier: bool = False


class Threshold(msgspec.Struct, frozen=True):
    """From this day (ordinal) on, this amount is expected."""

    starts: int
    amount: int


class Scoring(msgspec.Struct, frozen=True):
    """The declared values of a measure (lowest first; empty = numbers), its codes, its thresholds (rising by day), the
    highest amount there is, and the window."""

    values: tuple[str, ...] = ()
    codes: tuple[CodeRule, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    highest: int | None = None
    window: Literal["year", "any"] = "year"

    def amount(self, text: str) -> int | None:
        """What a score or value is worth in thousandths: a number as it is, a value by its place from 1 up."""
        if self.values:
            place = _place_of(self.values).get(text.casefold())
            return None if place is None else (place + 1) * PARTS
        return number(text)

    def code_number(self, text: str) -> int | None:
        """The place of a code among `codes`."""
        return next((place for place, rule in enumerate(self.codes) if rule.code == text), None)

    def expected(self, day: int) -> int | None:
        """The amount expected of a sitting on a day (an ordinal); the threshold belongs to the year."""
        found = [each.amount for each in self.thresholds if each.starts <= day]
        return found[-1] if found else None


PLAIN = Scoring()
"""Numbers of the academic year, with no codes: what holds where nothing is declared."""


def scoring_of_test(test: TestDefined | None, score_type: str) -> Scoring:
    """What a test declares of a score type of its own."""
    if test is None:
        return PLAIN
    declared = test.scores.get(score_type)
    values = declared.values if declared is not None else ()
    values = () if all(number(value) is not None for value in values) else values
    plain = Scoring(values=values)
    found = [
        Threshold(0 if each.starts_on is None else each.starts_on.toordinal(), amount)
        for each in test.expected
        if each.score == score_type and (amount := plain.amount(each.at)) is not None
    ]
    return Scoring(
        values=values,
        codes=tuple(CodeRule(code, each.counts, each.lowest, each.earlier) for code, each in test.codes.items()),
        thresholds=tuple(sorted(found, key=lambda each: each.starts)),
        highest=number(declared.max) if declared is not None and declared.max else None,
        window=test.window,
    )


def scoring_of_scale(scale: ScaleDefined | None) -> Scoring:
    """What a scale of judgements declares. A value that it does not list is kept, and in no band."""
    if scale is None:
        return PLAIN
    values = tuple(each.value for each in scale.values)
    return Scoring(values=() if all(number(value) is not None for value in values) else values)


def number(text: str) -> int | None:
    """The number in `text`, in thousandths cut down; what lies below 0 is 0, under every cut-off. None: no number.

    Cut-offs have at most three decimals, so it lies on the same side of each as the number itself.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    minus, whole, decimals = match.groups()
    return 0 if minus else min(int(whole + (decimals or "")[:_PLACES].ljust(_PLACES, "0")), _HIGHEST)


def year_of(label: str) -> int | None:
    """The calendar year in which the academic year `2025/26` begins; None for what is no year."""
    match = _YEAR.fullmatch(label)
    return int(match[1]) if match is not None and (int(match[1]) + 1) % 100 == int(match[2]) else None


def year_label(starts_on: date) -> str:
    """`2025/26` for the academic year that begins on a day."""
    return f"{starts_on.year}/{(starts_on.year + 1) % 100:02}"


@lru_cache(maxsize=1_000)
def _place_of(values: tuple[str, ...]) -> Mapping[str, int]:
    return {value.casefold(): place for place, value in enumerate(values)}
