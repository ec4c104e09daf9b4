"""A school's document and blocks as vectors over its slots: who is where, and what each pupil has in a measure.

A slot is a pupil's place in `SchoolDocument.pupils`. Everything is for one knowledge time; a day comes with each
question, and what was computed for it is kept while the report lasts. No SQL, no request, no answer here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.blocks import present_at, split_totals, totals_at
from schemas.columns import column_stream, unpack_values
from schemas.documents import FOREVER, Lane, RosterValue, SchoolDetails, SchoolDocument
from services.domain.bands import NO_DATA, NOT_APPLICABLE
from services.domain.calendar import month_number, year_start
from services.domain.measures import ANY, OWN_YEAR, Measure
from services.domain.schools import DEFAULT_YEAR_STARTS
from services.domain.scores import percents
from services.query.numbers import amounts_of

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ROSTER = "r"
NOW = FOREVER - 1
"""The knowledge time of someone who has been told everything."""
LAST_DAY = date.max
"""By then everything that is known has happened."""
_NO_YEAR_GROUP, _NO_TAG = -1, -2
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class BlockAt(NamedTuple):
    """The block of a stream that serves a month (`year * 12 + month - 1`)."""

    stream: str
    month: int


class Stored(msgspec.Struct, frozen=True):
    """A block and its tails, as they are stored."""

    block: bytes | None
    tails: tuple[bytes, ...]


NOTHING = Stored(None, ())


class SchoolIndex:
    """A decoded school document with what is looked up in it; made once for each revision."""

    def __init__(self, document: SchoolDocument) -> None:
        self.document = document
        self.school = document.school
        self.slots = len(document.pupils)
        self.values = document.values
        self.value_of: Mapping[RosterValue, int] = {value: n for n, value in enumerate(document.values)}
        self.value_kinds = np.array([value.kind for value in document.values] or [""])
        self.is_year_group: Mask = self.value_kinds == "year-group"
        self._lanes = {lane.lane: lane for lane in document.lanes}
        self.derived: dict[Any, Any] = {}
        """What breakdowns made of the roster values; it lasts as long as the index."""

    def values_of(self, kind: str, name: str = "") -> list[RosterValue]:
        """The roster values of a kind; of characteristics those of one name."""
        return [v for v in self.values if v.kind == kind and (kind != "characteristic" or v.name == name)]

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
        return next((d for d in self.document.details if d.known_from <= known_at < d.known_to), None)

    def is_member(self, trusts: frozenset[str], day: int, known_at: int) -> bool:
        """Whether the school belongs to one of `trusts` on a day (an ordinal), as known then."""
        return any(
            m.trust in trusts and m.known_from <= known_at < m.known_to and m.starts <= day <= m.ends
            for m in self.document.memberships
        )

    def lane_at(self, subject: str, day: int, known_at: int) -> Lane | None:
        """The lane in force for a subject."""
        for r in self.document.rectangles:
            if r.known_from <= known_at < r.known_to and r.starts <= day < r.ends:
                lanes = (self._lanes[name] for name in r.lanes)
                return next((lane for lane in lanes if lane.subject == subject), None)
        return None

    def shown_pupil(self, slot: int, known_at: int) -> str:
        """The pupil id whose reference and name the pupil in `slot` shows."""
        for alias in self.document.aliases:
            if alias.slot == slot and alias.known_from <= known_at < alias.known_to:
                return self.document.pupils[alias.shown_slot]
        return self.document.pupils[slot]


class Presence(msgspec.Struct, frozen=True):
    """Which roster values hold on a day: pairs (slot, value) in `slots` and `values`, and per slot the roll
    and the value index of the year group (-1 = not known)."""

    slots: Ints
    values: Ints
    on_roll: Mask
    year_groups: Ints


class Sums(msgspec.Struct, frozen=True):
    """The exact sums behind percents, per slot, scaled as `lane` says."""

    numerators: Ints
    denominators: Ints
    lane: Lane


class Sittings(msgspec.Struct, frozen=True):
    """The sittings or judgements that count, per slot: which there are, their days (ordinals) and their scores
    (indexes into those of the document)."""

    present: Mask
    days: Ints
    scores: Ints


class Values(msgspec.Struct, frozen=True):
    """A measure on a day, per slot. `amounts` holds what is banded, in 1/`Measure.per_unit`: the displayed percent or
    the score; or NO_DATA or NOT_APPLICABLE. `source`: what it was made of (None: not applicable to anyone)."""

    amounts: Ints
    source: Sums | Sittings | None


class SchoolReading:
    """One school as known at one instant, with the blocks that a report needs."""

    def __init__(self, index: SchoolIndex, known_at: int, stored: Mapping[BlockAt, Stored]) -> None:
        self.index = index
        self.known_at = known_at
        self._stored = stored
        self._presence: dict[date, Presence] = {}
        self._values: dict[tuple[Measure, date], Values] = {}
        self._sums: dict[tuple[str, date, bool], tuple[Ints, Ints]] = {}

    def presence(self, day: date) -> Presence:
        """The roster on a day."""
        if day not in self._presence:
            self._presence[day] = self._read_presence(day)
        return self._presence[day]

    def values(self, measure: Measure, day: date) -> Values:
        """A measure on a day, for every slot, on roll or not."""
        if (measure, day) not in self._values:
            self._values[measure, day] = self._read_values(measure, day)
        return self._values[measure, day]

    def _read_values(self, measure: Measure, day: date) -> Values:
        if measure.kind != "markbook":
            return self._read_sittings(measure.column, day)
        lane = self.index.lane_at(measure.subject, day.toordinal(), self.known_at)
        if lane is None:
            return self._not_applicable()
        numerators, covered = self._cell_sums(lane, day, assessed=measure.percent == "assessed")
        weights = np.array([cell.weight_sum for cell in lane.cells], np.int64)
        if measure.ability == OWN_YEAR:
            own = self._own_year_cells(lane, day)
            numerator, cover = np.einsum("ij,ij->i", numerators, own), np.einsum("ij,ij->i", covered, own)
            weight = own @ weights
        else:
            taken = np.array([measure.ability in (ANY, cell.ability) for cell in lane.cells], np.int64)
            numerator, cover = numerators @ taken, covered @ taken
            weight = np.full(self.index.slots, taken @ weights, np.int64)
        denominator = cover if measure.percent == "assessed" else weight
        shown = percents(numerator, denominator * (lane.state_scale * lane.marks_max))
        shown[cover == 0] = NO_DATA
        shown[weight == 0] = NOT_APPLICABLE
        return Values(shown, Sums(numerator, denominator, lane))

    def _read_sittings(self, column: str, day: date) -> Values:
        """The latest value of a column up to a day, if it lies in the academic year that holds the day."""
        present, days, scores = self._latest(column, day)
        if not present.any() and not self._latest(column, LAST_DAY)[0].any():
            return self._not_applicable()
        present &= days >= year_start(day, self._year_starts()).toordinal()
        amounts = np.full(self.index.slots, NO_DATA, np.int64)
        amounts[present] = self.index.score_amounts[scores[present]]
        return Values(amounts, Sittings(present, days, scores))

    def _latest(self, column: str, day: date) -> tuple[Mask, Ints, Ints]:
        """Of each slot: whether the column has a value up to a day, and its own day and score."""
        stored = self._stored_at(column_stream(column), day)
        totals = totals_at(
            stored.block,
            stored.tails,
            keys=self.index.slots,
            parts=1,
            day=day.toordinal(),
            known_at=self.known_at,
            year_start=0,
            assessed=False,
        )
        return unpack_values(totals[0])

    def _year_starts(self) -> int:
        details = self.index.details_at(self.known_at)
        return DEFAULT_YEAR_STARTS if details is None else details.year_starts

    def _stored_at(self, stream: str, day: date) -> Stored:
        return self._stored.get(block_at(stream, day, self.known_at), NOTHING)

    def _read_presence(self, day: date) -> Presence:
        index, stored = self.index, self._stored_at(ROSTER, day)
        keys = present_at(stored.block, stored.tails, day=day.toordinal(), known_at=self.known_at)
        slots, values = keys >> 16, keys & 0xFFFF
        on_roll = np.zeros(index.slots, np.bool_)
        roll = index.value_of.get(RosterValue("roll"))
        if roll is not None:
            on_roll[slots[values == roll]] = True
        year_groups = np.full(index.slots, _NO_YEAR_GROUP, np.int64)
        is_year_group = index.is_year_group[values]
        year_groups[slots[is_year_group]] = values[is_year_group]
        return Presence(slots, values, on_roll, year_groups)

    def _cell_sums(self, lane: Lane, day: date, *, assessed: bool) -> tuple[Ints, Ints]:
        """(numerator, covered) of each slot and cell of the lane."""
        asked = (lane.lane, day, assessed)
        if asked not in self._sums:
            stored = self._stored_at(score_stream(lane), day)
            totals = totals_at(
                stored.block,
                stored.tails,
                keys=self.index.slots * len(lane.cells),
                parts=lane.parts,
                day=day.toordinal(),
                known_at=self.known_at,
                year_start=year_start(day, lane.year_starts).toordinal(),
                assessed=assessed,
            )
            numerators, covered = split_totals(totals, lane.bits)
            shape = (self.index.slots, len(lane.cells))
            self._sums[asked] = numerators.reshape(shape), covered.reshape(shape)
        return self._sums[asked]

    def _own_year_cells(self, lane: Lane, day: date) -> Mask:
        """Which cells are of the pupil's own year group on that day: (slots, cells)."""
        tags = [
            self.index.value_of.get(RosterValue("year-group", cell.year_group), _NO_TAG) if cell.year_group else _NO_TAG
            for cell in lane.cells
        ]
        own: Mask = self.presence(day).year_groups[:, None] == np.array(tags, np.int64)[None, :]
        return own

    def _not_applicable(self) -> Values:
        return Values(np.full(self.index.slots, NOT_APPLICABLE, np.int64), None)


def score_stream(lane: Lane) -> str:
    """The stream of a lane's sums."""
    return f"s:{lane.subject}:{lane.lane}"


def block_at(stream: str, day: date, known_at: int) -> BlockAt:
    """Which block serves a day as known at an instant: that of the earlier month (months of instants in UTC)."""
    known_on = date.fromordinal(_EPOCH_DAY + known_at // 86_400)
    return BlockAt(stream, min(month_number(day), month_number(known_on)))
