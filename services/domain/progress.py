"""Progress between two dates: an editable 5×5 rule gives one of the five words for each start and end band.

Pure, on band indexes as `services.domain.bands` makes them; both ends are banded before they come here.
"""

from __future__ import annotations

import re
from itertools import pairwise

import msgspec
import numpy as np

from services.domain.bands import BAND_IDS, NO_DATA, NOT_APPLICABLE, BandArray

DEFAULT_RULE_TEXT = "34455,23445,22344,12234,11223"
_ROW = re.compile(r"[1-5]{5}")
_WORDS = ("Sig Below", "Below", "At", "Above", "Sig Above")
_BANDS = len(BAND_IDS)


class InvalidRule(ValueError):
    """A text that is no progress rule. `code` is for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class ProgressRule(msgspec.Struct, frozen=True):
    """The band of progress for each start band (row) and end band (place in it)."""

    rows: tuple[tuple[int, ...], ...]

    def shown(self) -> str:
        """The rule as requests and answers write it."""
        return ",".join("".join(str(band + 1) for band in row) for row in self.rows)


class ProgressCounts(msgspec.Struct, frozen=True):
    """Pupils by start band and end band, and those who lack the one or the other, where the measure applies.

    Who lacks both is in both `no_start` and `no_end`.
    """

    table: tuple[tuple[int, ...], ...]
    no_start: int
    no_end: int


def parse_rule(text: str) -> ProgressRule:
    """The rule in five rows (start, from Sig Below) of five digits (end), 1 Sig Below to 5 Sig Above."""
    rows = [row.strip() for row in text.split(",")]
    if len(rows) != _BANDS:
        raise InvalidRule("wrong_count", f"a rule has five rows, one for each start; there are {len(rows)}")
    for number, row in enumerate(rows):
        if _ROW.fullmatch(row) is None:
            raise InvalidRule("invalid_row", f"row {number + 1}, {row[:40]!r}, is not five digits from 1 to 5")
    return ProgressRule(tuple(tuple(int(digit) - 1 for digit in row) for row in rows))


DEFAULT_RULE = parse_rule(DEFAULT_RULE_TEXT)


def is_monotone(rule: ProgressRule) -> bool:
    """Whether a better end never makes worse progress, and a better start to the same end never better progress."""
    better_ends = all(left <= right for row in rule.rows for left, right in pairwise(row))
    better_starts = all(
        lower >= higher for row, next_row in pairwise(rule.rows) for lower, higher in zip(row, next_row, strict=True)
    )
    return better_ends and better_starts


def warn_of_rule(rule: ProgressRule) -> str | None:
    """The warning for a rule that is not monotone; None if there is nothing to say."""
    if is_monotone(rule):
        return None
    return "This rule is not monotone: somewhere a better end makes worse progress, or a better start better progress."


def describe_ceiling(rule: ProgressRule) -> str:
    """How far a pupil who starts in the highest band can come, in a sentence for the legend."""
    return f"A pupil who starts in {_WORDS[-1]} can reach {_WORDS[max(rule.rows[-1])]} at most."


def measure_progress(start: BandArray, end: BandArray, rule: ProgressRule = DEFAULT_RULE) -> BandArray:
    """The band of progress of each pupil; no start or no end is no data, not applicable at either is neither."""
    bands = np.array(rule.rows, np.int8)[np.maximum(start, 0), np.maximum(end, 0)]
    bands[(start < 0) | (end < 0)] = NO_DATA
    bands[(start == NOT_APPLICABLE) | (end == NOT_APPLICABLE)] = NOT_APPLICABLE
    return bands


def count_progress(start: BandArray, end: BandArray) -> ProgressCounts:
    """The table of starts and ends, and who could not be placed in it."""
    placed = (start >= 0) & (end >= 0)
    pairs = start[placed].astype(np.int64) * _BANDS + end[placed]
    table = np.bincount(pairs, minlength=_BANDS * _BANDS).reshape(_BANDS, _BANDS)
    applies = (start != NOT_APPLICABLE) & (end != NOT_APPLICABLE)
    return ProgressCounts(
        table=tuple(tuple(row) for row in table.tolist()),
        no_start=int((applies & (start == NO_DATA)).sum()),
        no_end=int((applies & (end == NO_DATA)).sum()),
    )
