"""The scores of pupils in a subject as spans of days in which nothing changes, as known now.

A segment is a lane of the subject and the days on which it is in force. Inside it the changes of a pupil are dealt to
series: the ability of their objective, `any`, and `own-year` while the pupil's year group is the objective's. What a
series sums up to begins anew with each segment (and each stay in a year group), the assessed sum also with each
academic year. Sums are exact integers; percents come from `services.domain.scores`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.blocks import Entries
from schemas.documents import Lane
from services.domain.curriculum import LAST_DAY, LaneContent
from services.domain.measures import ANY, OWN_YEAR
from services.domain.scores import percents
from services.projector.projections.reporting.roster import Stays
from services.projector.projections.reporting.rows import PER_UNIT, Spans
from services.projector.projections.reporting.sums import taken, year_start_days
from services.projector.projections.timeline.emissions import Emitted, Ints
from services.projector.projections.timeline.lanes import LaneWorth
from services.projector.projections.timeline.school import SchoolState

Mask = npt.NDArray[np.bool_]

_NONE = np.zeros(0, np.int64)
_ANY, _OWN_YEAR = 0, 1


class Segment(msgspec.Struct, frozen=True):
    """A lane in force on the days starts..before `ends`."""

    starts: int
    ends: int
    content: LaneContent


class _Events(msgspec.Struct, frozen=True):
    """Changes dealt to series: those of one slot, series and window (from which day, before which) belong together.

    `overall`, `assessed`: numerator and covered weight of each change. `weights`: what the series weighs in the window.
    """

    slots: Ints
    series: Ints
    starts: Ints
    ends: Ints
    weights: Ints
    days: Ints
    overall: Ints
    assessed: Ints


class Scores:
    """Makes the spans of a school's pupils in a subject."""

    def __init__(self, state: SchoolState, segments: Sequence[Segment]) -> None:
        self._state = state
        self._segments = segments
        cells = [cell for segment in segments for cell in segment.content.lane.cells]
        self.abilities = (ANY, OWN_YEAR, *sorted({cell.ability for cell in cells} - {ANY, OWN_YEAR}))
        self._series = {ability: number for number, ability in enumerate(self.abilities)}

    def spans(self, changes: Emitted, years: Stays) -> Spans:
        """The spans of the pupils whose changes and stays in year groups these are."""
        found = [self._spans_in(segment, changes, years) for segment in self._segments]
        columns = [np.concatenate([_NONE, *(part[n] for part in found)]) for n in range(10)]
        order = np.lexsort((columns[2], columns[1], columns[0]))
        return Spans(self.abilities, *(column[order] for column in columns))

    def _spans_in(self, segment: Segment, changes: Emitted, years: Stays) -> tuple[Ints, ...]:
        lane = segment.content.lane
        before_end = changes.days < segment.ends
        # one number for both would be wide enough for a cell, not for an ability of several
        apart = msgspec.structs.replace(segment.content, lane=msgspec.structs.replace(lane, parts=2))
        worth = LaneWorth(apart, self._state.objectives, self._state.states)
        year_index = self._state.year_months.index(lane.year_starts)
        entries = worth.entries(taken(changes, before_end), year_index)
        if not entries.keys.size:
            return (_NONE,) * 10
        events = self._deal(segment, entries, years)
        events = _with_year_ends(_clipped(events, lane.year_starts), lane.year_starts)
        return _summed(_reduced(events), lane)

    def _deal(self, segment: Segment, entries: Entries, years: Stays) -> _Events:
        """The entries of a segment, each in every series in which it has a part."""
        lane = segment.content.lane
        slots, cells = np.divmod(entries.keys, len(lane.cells))
        weights = np.array([cell.weight_sum for cell in lane.cells], np.int64)
        series = np.array([self._series[cell.ability] for cell in lane.cells], np.int64)
        of_ability = np.zeros(len(self.abilities), np.int64)
        np.add.at(of_ability, series, weights)
        single = _window(segment, entries, slots, series[cells], of_ability[series[cells]])
        whole = _window(segment, entries, slots, np.full(slots.size, _ANY), np.full(slots.size, weights.sum()))
        reserved = single.series <= _OWN_YEAR  # an ability that is called so is not asked for by that name
        if reserved.any():
            single = _events_only(single, ~reserved)
        return _joined([single, whole, self._own_year(segment, entries, (slots, cells), years)])

    def _own_year(self, segment: Segment, entries: Entries, place: tuple[Ints, Ints], years: Stays) -> _Events:
        """The entries that count while a pupil is in the year group that their cell is tagged with."""
        slots, cells = place
        lane = segment.content.lane
        names = [value.name if value.kind == "year-group" else "" for value in self._state.values]
        tags = {name: number for number, name in enumerate(sorted({*names, ""}))}
        tag_of_value = np.array([tags[name] for name in names], np.int64)
        tag_of_cell = np.array([tags.get(cell.year_group, -1) if cell.year_group else -1 for cell in lane.cells])
        weight_of_tag = np.zeros(len(tags), np.int64)
        for cell in lane.cells:
            if tags.get(cell.year_group, 0):
                weight_of_tag[tags[cell.year_group]] += cell.weight_sum
        first = np.searchsorted(years.slots, slots, side="left")
        counts = np.searchsorted(years.slots, slots, side="right") - first
        entry = np.repeat(np.arange(slots.size), counts)
        stay = np.arange(entry.size) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
        starts, ends = np.maximum(years.starts[stay], segment.starts), np.minimum(years.ends[stay] + 1, segment.ends)
        tag = tag_of_value[years.values[stay]]
        mine = (tag == tag_of_cell[cells[entry]]) & (starts < ends) & (entries.days[entry] < ends)
        entry, starts, ends, tag = entry[mine], starts[mine], ends[mine], tag[mine]
        return _Events(
            slots[entry],
            np.full(entry.size, _OWN_YEAR),
            starts,
            ends,
            weight_of_tag[tag],
            entries.days[entry],
            entries.overall[:, entry],
            entries.assessed[:, entry],
        )


def _events_only(events: _Events, mask: Mask) -> _Events:
    return _Events(*(column[..., mask] for column in msgspec.structs.astuple(events)))


def _window(segment: Segment, entries: Entries, slots: Ints, series: Ints, weights: Ints) -> _Events:
    starts, ends = np.full(slots.size, segment.starts), np.full(slots.size, segment.ends)
    return _Events(slots, series, starts, ends, weights, entries.days, entries.overall, entries.assessed)


def _joined(parts: Sequence[_Events]) -> _Events:
    columns = zip(*(msgspec.structs.astuple(part) for part in parts), strict=True)
    return _Events(*(np.concatenate(column, axis=-1) for column in columns))


def _clipped(events: _Events, year_starts: int) -> _Events:
    """What came before a window counts from its first day; for the assessed sum only if that is of the same year."""
    days = np.maximum(events.days, events.starts)
    of_year = events.days >= year_start_days(days, year_starts)
    return msgspec.structs.replace(events, days=days, assessed=events.assessed * of_year)


def _with_year_ends(events: _Events, year_starts: int) -> _Events:
    """The events, and one that changes nothing at the start of the academic year after each."""
    next_year = year_start_days(year_start_days(events.days, year_starts) + 366, year_starts)
    inside = next_year < events.ends
    nothing = np.zeros((events.overall.shape[0], int(inside.sum())), np.int64)
    ended = _events_only(events, inside)
    return _joined([events, msgspec.structs.replace(ended, days=next_year[inside], overall=nothing, assessed=nothing)])


def _reduced(events: _Events) -> _Events:
    """One event a slot, series and day, in that order."""
    order = np.lexsort((events.days, events.series, events.slots))
    slots, series, days = events.slots[order], events.series[order], events.days[order]
    first = np.flatnonzero(_differs(slots) | _differs(series) | _differs(days))
    kept = order[first]
    return _Events(
        slots[first],
        series[first],
        events.starts[kept],
        events.ends[kept],
        events.weights[kept],
        days[first],
        np.add.reduceat(events.overall[:, order], first, axis=1),
        np.add.reduceat(events.assessed[:, order], first, axis=1),
    )


def _summed(events: _Events, lane: Lane) -> tuple[Ints, ...]:
    """The columns of `Spans` of reduced events."""
    window = _differs(events.slots) | _differs(events.series) | _differs(events.starts)
    year = window | _differs(year_start_days(events.days, lane.year_starts))
    numerators, covered = _cumulated(events.overall, window)
    assessed_numerators, assessed_covered = _cumulated(events.assessed, year)
    sums = np.stack([numerators, covered, assessed_numerators, assessed_covered])
    changed = window.copy()
    changed[1:] |= (sums[:, 1:] != sums[:, :-1]).any(axis=0)
    at = np.flatnonzero(changed)
    last = np.append(window[at][1:], True)
    ends = np.where(last, events.ends[at], np.append(events.days[at][1:], 0)) - 1
    ends[ends == LAST_DAY - 1] = LAST_DAY
    seen = covered[at] > 0
    at, ends = at[seen], ends[seen]
    unit = lane.state_scale * lane.marks_max
    amount = PER_UNIT // (lane.weight_scale * lane.state_scale)
    whole = PER_UNIT // lane.weight_scale * lane.marks_max
    weights, assessed = events.weights[at], assessed_covered[at]
    return (
        events.slots[at],
        events.series[at],
        events.days[at],
        ends,
        numerators[at] * amount,
        weights * whole,
        percents(numerators[at], weights * unit),
        assessed_numerators[at] * amount,
        assessed * whole,
        percents(assessed_numerators[at], assessed * unit),
    )


def _cumulated(changes: Ints, begins: Mask) -> Ints:
    """Running sums that start anew wherever something begins."""
    totals = np.cumsum(changes, axis=1)
    first = np.flatnonzero(begins)
    before = totals[:, first] - changes[:, first]
    return totals - np.repeat(before, np.diff(np.append(first, begins.size)), axis=1)


def _differs(column: Ints) -> Mask:
    """Where a column differs from its row before; the first row does."""
    differs = np.ones(column.size, np.bool_)
    differs[1:] = column[1:] != column[:-1]
    return differs
