"""Attainment settings: which bands or progress rule a school or trust saved for a measure and year group, and when.

Pure choice among entries: how cut-offs are read stands in `bands`, how rules are in `progress`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec

EXAMPLE_BANDS = "21,36,51,66"
"""What a page starts from with nothing saved: an example, not the school's expectations."""
OUTSIDE_VALIDITY: Literal["outside_validity"] = "outside_validity"
_ANY_PART = "*"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Bands for the measures that a pattern names (`*` = any part), in one year group or (empty) in all."""

    measure: str
    bands: str
    year_group: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One version of named settings; without a day they are valid from, or to, ever."""

    settings: str
    version: int
    name: str
    valid_from: date | None = None
    valid_to: date | None = None
    entries: tuple[Entry, ...] = ()

    def warning(self, on: date) -> Literal["outside_validity"] | None:
        """The warning for a measure whose own date is `on`."""
        early = self.valid_from is not None and on < self.valid_from
        late = self.valid_to is not None and on > self.valid_to
        return OUTSIDE_VALIDITY if early or late else None


def matches(pattern: str, measure: str) -> bool:
    """Whether a pattern names a measure: part by part, where `*` is any one part."""
    wanted, given = pattern.split(":"), measure.split(":")
    return len(wanted) == len(given) and all(part in (_ANY_PART, own) for part, own in zip(wanted, given, strict=True))


def find_entry(entries: Sequence[Entry], measure: str, year_group: str | None) -> Entry | None:
    """The most specific entry for a measure and year group (None = not known), or None.

    More parts named win, then a year group, then the parts named further left.
    """
    fitting = [entry for entry in entries if matches(entry.measure, measure) and entry.year_group in ("", year_group)]
    return max(fitting, key=_specificity, default=None)


def _specificity(entry: Entry) -> tuple[int, bool, tuple[bool, ...]]:
    named = tuple(part != _ANY_PART for part in entry.measure.split(":"))
    return sum(named), bool(entry.year_group), named
