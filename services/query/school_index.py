"""A school's document with what is looked up in it: lanes, roster values, who is known when. No blocks, no sums.

Made once for each revision of the document and kept between reports, so everything derived from it may be kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.documents import FOREVER, Cell, Lane, RosterValue, SchoolDetails, SchoolDocument
from services.domain.calendar import month_number
from services.query.numbers import amounts_of

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ROSTER = "r"
NO_YEAR_GROUP = -1
NOW = FOREVER - 1
"""The knowledge time of someone who has been told everything."""
LAST_DAY = date.max
"""By then everything that is known has happened."""
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class BlockAt(NamedTuple):
    """The block of a stream that serves a month (`year * 12 + month - 1`)."""

    stream: str
    month: int


class Profile(msgspec.Struct, frozen=True, eq=False):
    """What the sums of a lane are made of. Lanes with the same content share one: they are added up together."""

    cells: tuple[Cell, ...]
    bits: int
    parts: int
    scale: int
    """By this a numerator is larger than a covered weight."""

    def weights(self) -> Ints:
        """Of each cell the sum of its objectives' weights."""
        return np.array([cell.weight_sum for cell in self.cells], np.int64)


class LaneSpan(NamedTuple):
    """A lane is in force on the days starts..before ends, as known from `known_from` to before `known_to`."""

    known_from: int
    known_to: int
    starts: int
    ends: int
    lane: Lane


class SchoolIndex:
    """A decoded school document with what is looked up in it."""

    def __init__(self, document: SchoolDocument) -> None:
        self.document = document
        self.school = document.school
        self.slots = len(document.pupils)
        self.values = document.values
        self.value_of: Mapping[RosterValue, int] = {value: n for n, value in enumerate(document.values)}
        self.roll = self.value_of.get(RosterValue("roll"), -1)
        self.is_year_group: Mask = np.array([value.kind == "year-group" for value in document.values], np.bool_)
        self.derived: dict[Any, Any] = {}
        """What breakdowns made of the roster values; it lasts as long as the index."""
        self._spans: dict[str, list[LaneSpan]] = {}
        lanes = {lane.lane: lane for lane in document.lanes}
        for r in document.rectangles:
            for lane in map(lanes.__getitem__, r.lanes):
                span = LaneSpan(r.known_from, r.known_to, r.starts, r.ends, lane)
                self._spans.setdefault(lane.subject, []).append(span)
        self._profiles: dict[str, Profile] = {}
        self._columns_like: dict[str, tuple[str, ...]] = {}

    def columns_like(self, pattern: str) -> tuple[str, ...]:
        """The columns of tests and judgements that a pattern names, part by part (`*` = any part)."""
        if "*" not in pattern:
            return (pattern,) if pattern in self.document.columns else ()
        found = self._columns_like.get(pattern)
        if found is None:
            found = tuple(column for column in self.document.columns if _matches(pattern, column))
            self._columns_like[pattern] = found
        return found

    def values_of(self, kind: str, name: str = "") -> list[RosterValue]:
        """The roster values of a kind; of characteristics those of one name."""
        return [v for v in self.values if v.kind == kind and (kind != "characteristic" or v.name == name)]

    @cached_property
    def year_groups(self) -> list[tuple[int, str]]:
        """The roster values that are year groups, with their names."""
        return [(place, value.name) for place, value in enumerate(self.values) if value.kind == "year-group"]

    @cached_property
    def year_group_names(self) -> Mapping[str, int]:
        """The year groups, numbered."""
        return {name: number for number, name in enumerate(dict.fromkeys(name for _, name in self.year_groups))}

    @cached_property
    def year_numbers(self) -> Ints:
        """Of each roster value the number of the year group that it is, or NO_YEAR_GROUP."""
        found = np.full(len(self.values), NO_YEAR_GROUP, np.int64)
        for place, name in self.year_groups:
            found[place] = self.year_group_names[name]
        return found

    @cached_property
    def is_roll(self) -> Mask:
        """Of each roster value whether it is the roll."""
        found = np.zeros(len(self.values), np.bool_)
        found[[self.roll] if self.roll >= 0 else []] = True
        return found

    @cached_property
    def score_amounts(self) -> Ints:
        """What each score of the document is worth, in thousandths; NO_DATA for what is no number."""
        return amounts_of(self.document.scores)

    def is_unknown(self, known_at: int) -> bool:
        """Whether its registration was withdrawn, by all that was known then and is known now: it was never there."""
        details = self.document.details
        return bool(details) and details[-1].known_to != FOREVER and self.details_at(known_at) is None

    def details_at(self, known_at: int) -> SchoolDetails | None:
        """Name and calendar as known then; None: the school was not known yet."""
        for details in self.document.details:
            if details.known_from <= known_at < details.known_to:
                return details
        return None

    def is_member(self, trusts: frozenset[str], day: int, known_at: int) -> bool:
        """Whether the school belongs to one of `trusts` on a day (an ordinal), as known then."""
        for m in self.document.memberships:
            if m.trust in trusts and m.known_from <= known_at < m.known_to and m.starts <= day <= m.ends:
                return True
        return False

    def lane_at(self, subject: str, day: int, known_at: int) -> Lane | None:
        """The lane in force for a subject: that of the first rectangle that holds the day and has one."""
        for known_from, known_to, starts, ends, lane in self._spans.get(subject, ()):
            if known_from <= known_at < known_to and starts <= day < ends:
                return lane
        return None

    def profile_of(self, lane: Lane) -> Profile:
        """What the sums of a lane of this school are made of."""
        profile = self._profiles.get(lane.lane)
        if profile is None:
            scale = lane.state_scale * lane.marks_max
            profile = self._profiles[lane.lane] = _profile(lane.cells, lane.bits, lane.parts, scale)
        return profile

    def shown_pupil(self, slot: int, known_at: int) -> str:
        """The pupil id whose reference and name the pupil in `slot` shows."""
        for alias in self.document.aliases:
            if alias.slot == slot and alias.known_from <= known_at < alias.known_to:
                return self.document.pupils[alias.shown_slot]
        return self.document.pupils[slot]


def _matches(pattern: str, column: str) -> bool:
    wanted, given = pattern.split(":"), column.split(":")
    return len(wanted) == len(given) and all(part in ("*", own) for part, own in zip(wanted, given, strict=True))


@lru_cache(maxsize=10_000)
def _profile(cells: tuple[Cell, ...], bits: int, parts: int, scale: int) -> Profile:
    return Profile(cells, bits, parts, scale)


def score_stream(lane: Lane) -> str:
    """The stream of a lane's sums."""
    return f"s:{lane.subject}:{lane.lane}"


def block_at(stream: str, day: date, known_at: int) -> BlockAt:
    """Which block serves a day as known at an instant: that of the earlier month (months of instants in UTC)."""
    known_on = date.fromordinal(_EPOCH_DAY + known_at // 86_400)
    return BlockAt(stream, min(month_number(day), month_number(known_on)))
