"""What changed: a report as it was known at one instant and at a later one, count by count and pupil by pupil.

Pure. The counts are those of the two answers themselves; of the pupils those are listed whose value in a measure of the
report, or whose place in it, is another, with the facts told in between that concern them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from services.query.answers import Provenance, Pupil, Value
from services.query.axis import Sittings, Sums, unpack_words
from services.query.counts import Count, Place
from services.query.population import natural_key, population_words
from services.query.questions import Reading
from services.query.reports.listing import Column, Listed, values_of
from services.query.requests import Cursor, Population
from services.query.school_index import Mask
from services.query.vectors import SchoolReading
from services.query.watched import Watched

REPORT = "changes"


class CountChange(msgspec.Struct, frozen=True):
    """A count that is another: null where the row was not there, or may not be seen."""

    row: str
    cell: str
    before: Count = msgspec.field(name="from")
    after: Count = msgspec.field(name="to")
    inside: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="in")


class FactTold(msgspec.Struct, frozen=True):
    """A fact told between the two instants. `withdraws`: the event that it takes back."""

    event_id: str
    type: str
    recorded_at: datetime
    actor: str | None
    source: str
    import_id: str | None
    on: date | None
    objective: str | None = None
    state: str | None = None
    withdraws: str | None = None


class PupilChange(Pupil, frozen=True, kw_only=True):
    """A pupil's value in a measure, before and after; null where the pupil was not in the report."""

    measure: str
    on: date
    before: Value | None = msgspec.field(name="from")
    after: Value | None = msgspec.field(name="to")
    facts: list[FactTold]


class Changes(msgspec.Struct, frozen=True):
    """GET /v1/reports/changes. `of`: the report that is compared with itself."""

    report: str
    of: str
    before: Provenance = msgspec.field(name="from")
    after: Provenance = msgspec.field(name="to")
    rows: list[CountChange]
    total: int
    pupils: list[PupilChange]
    next: str | None

    @property
    def provenance(self) -> Provenance:
        """That of the later answer."""
        return self.after


class Sides(msgspec.Struct, frozen=True):
    """The two readings of a report's schools, before and after, and who is in it on the day of its roster."""

    before: Reading
    after: Reading
    population: Population
    on: date


class Changed(msgspec.Struct, frozen=True):
    """A pupil with anything changed: the school, by number in the later reading, and the slot."""

    school: int
    slot: int


def compare_counts(before: Mapping[Place, Count], after: Mapping[Place, Count]) -> list[CountChange]:
    """The counts that differ, in the order of the later answer, then those that are gone."""
    found = []
    for place in dict.fromkeys((*after, *before)):
        if before.get(place) != after.get(place):
            inside = place.inside or msgspec.UNSET
            found.append(CountChange(place.row, place.cell, before.get(place), after.get(place), inside))
    return found


def find_changed(sides: Sides, measures: Sequence[Watched]) -> list[Changed]:
    """The pupils to whom anything changed, by (school, slot)."""
    before_of = {school.index.school: school for school in sides.before.schools}
    found = []
    for number, after in enumerate(sides.after.schools):
        before = before_of.get(after.index.school)
        there = presence(after, sides)
        mask = there.copy()
        if before is not None:
            was_there = _stretched(presence(before, sides), len(there))
            mask = there ^ was_there
            for measure, day in measures:
                mask |= (there | was_there) & _differs(before, after, Watched(measure, day), len(there))
        found += [Changed(number, slot) for slot in np.flatnonzero(mask).tolist()]
    return found


def presence(school: SchoolReading, sides: Sides) -> Mask:
    """Who of a school is in the report, by slot."""
    return unpack_words(population_words(school.axis, sides.population, sides.on))


def after_cursor(sides: Sides, changed: Sequence[Changed], cursor: Cursor | None) -> list[Changed]:
    """Those that follow the last pupil of the page before."""
    if cursor is None:
        return list(changed)
    key = (natural_key(cursor.school), cursor.slot)
    names = [natural_key(school.index.school) for school in sides.after.schools]
    return [each for each in changed if (names[each.school], each.slot) > key]


def values_on(school: SchoolReading | None, slots: Sequence[int], measures: Sequence[Watched]) -> list[list[Value]]:
    """What pupils of a school have in each measure."""
    if school is None:
        return [[] for _ in slots]
    listed = [Listed(school, slot, slot, "", None, ("", "")) for slot in slots]
    return [list(each) for each in values_of(listed, [Column(measure, on) for measure, on in measures])]


def _differs(before: SchoolReading, after: SchoolReading, each: Watched, slots: int) -> Mask:
    """Whose value is another, by what it is made of."""
    one, other = before.axis.values(*each), after.axis.values(*each)
    mask: Mask = _stretched(one.amounts, slots) != other.amounts
    first, second = one.sources[0], other.sources[0]
    if isinstance(first, Sums) and isinstance(second, Sums):
        if first.lane.lane != second.lane.lane:
            return mask | (other.amounts >= 0)
        for part in ("numerators", "denominators"):
            other_part = _stretched(getattr(first, part), slots) != _stretched(getattr(second, part), slots)
            mask |= (other.amounts >= 0) & other_part
    if isinstance(first, Sittings) and isinstance(second, Sittings):
        for part in ("present", "days", "scores"):
            mask |= _stretched(getattr(first, part), slots) != _stretched(getattr(second, part), slots)
    return mask


def _stretched(values: npt.NDArray[Any], slots: int) -> npt.NDArray[Any]:
    """Values by slot, for as many slots as the later reading has."""
    if len(values) >= slots:
        return values[:slots]
    return np.concatenate([values, np.zeros(slots - len(values), values.dtype)])
