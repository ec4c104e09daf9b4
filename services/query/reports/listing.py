"""Pages of pupils: which positions of a cohort come next, and how a pupil and a value are shown.

Pure. The order is (school, slot), so that a cursor stays right while facts come in. Names are added elsewhere, to keys
that may see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import groupby

import msgspec
import numpy as np

from services.domain.bands import BAND_IDS, NO_DATA, NOT_APPLICABLE, Bands, classify
from services.domain.measures import Measure
from services.domain.scores import decimal_text
from services.query.answers import Listing, Members, PupilValues, Value
from services.query.axis import Sittings, Sums
from services.query.population import Cohort
from services.query.questions import Reading
from services.query.requests import Cursor, format_cursor
from services.query.vectors import Ints, SchoolReading, Wanted

_STATUS_OF = {NO_DATA: "no_data", NOT_APPLICABLE: "not_applicable"}


class Listed(msgspec.Struct, frozen=True):
    """A pupil of a page: the school, the slot, the place on the axis of the report, and what every report says."""

    school: SchoolReading
    slot: int
    place: int
    pupil: str
    year_group: str | None
    shown: tuple[str, str]


class Page(msgspec.Struct, frozen=True):
    """The pupils of a page, of how many, and the cursor of the next one."""

    total: int
    pupils: tuple[Listed, ...]
    next: str | None


class Column(msgspec.Struct, frozen=True):
    """A measure on a day, with the bands to name, if any."""

    measure: Measure
    on: date
    bands: Bands | None = None


def cut_page(cohort: Cohort, positions: Ints, limit: int, cursor: Cursor | None) -> Page:
    """The pupils at `positions` (rising) that follow the cursor, at most `limit`."""
    start = int(np.searchsorted(positions, cohort.position_after(cursor)))
    taken = positions[start : start + limit]
    located = zip(cohort.locate(taken), cohort.places[taken].tolist(), strict=True)
    pupils = tuple(_list_pupil(cohort.schools[school], slot, place, cohort.on) for (school, slot), place in located)
    more = bool(pupils) and start + limit < positions.size
    following = Cursor(pupils[-1].school.index.school, pupils[-1].slot) if more else None
    return Page(int(positions.size), pupils, None if following is None else format_cursor(following))


def list_members(report: str, reading: Reading, page: Page, columns: Sequence[Column]) -> Listing[Members]:
    """A page of pupils with their values in some measures."""
    values = values_of(page.pupils, columns)
    pupils = [
        PupilValues(
            pupil=one.pupil,
            school=one.school.index.school,
            year_group=one.year_group,
            values=list(of_pupil),
        )
        for one, of_pupil in zip(page.pupils, values, strict=True)
    ]
    members = Members(report, reading.provenance, page.total, pupils, page.next)
    return Listing(members, tuple(one.shown for one in page.pupils))


def values_of(pupils: Sequence[Listed], columns: Sequence[Column]) -> list[tuple[Value, ...]]:
    """What each pupil has in each column; the measures of a school are read at once."""
    found: list[tuple[Value, ...]] = []
    for _, group in groupby(pupils, key=lambda pupil: pupil.school.index.school):
        mine = list(group)
        school, slots = mine[0].school, np.array([pupil.slot for pupil in mine])
        school.axis.load_values([Wanted(column.measure, column.on) for column in columns])
        by_column = [_values_in(school, slots, column) for column in columns]
        found += zip(*by_column, strict=True) if by_column else [()] * len(mine)
    return found


def value_of(pupil: Listed, column: Column) -> Value:
    """What a pupil has in a measure on a day."""
    return values_of((pupil,), (column,))[0][0]


def _values_in(school: SchoolReading, slots: Ints, column: Column) -> list[Value]:
    values = school.values(column.measure, column.on)
    amounts = values.amounts[slots].tolist()
    match values.source:
        case Sums() as sums:
            lane = sums.lane
            unit, parts = lane.weight_scale * lane.state_scale, lane.weight_scale
            exact = zip(sums.numerators[slots].tolist(), sums.denominators[slots].tolist(), strict=True)
            return [
                Value(_STATUS_OF[amount])
                if amount < 0
                else Value(
                    "value",
                    amount,
                    _decimal_text(top, unit),
                    _decimal_text(bottom * lane.marks_max, parts),
                    band=_band_of(amount, column.bands, 1),
                )
                for amount, (top, bottom) in zip(amounts, exact, strict=True)
            ]
        case Sittings() as sittings:
            return [
                _sitting_of(school, sittings, slot, amount, column)
                for slot, amount in zip(slots.tolist(), amounts, strict=True)
            ]
    return [Value(_STATUS_OF[amount]) for amount in amounts]


def _sitting_of(school: SchoolReading, sittings: Sittings, slot: int, amount: int, column: Column) -> Value:
    if not sittings.present[slot]:
        return Value(_STATUS_OF[amount])
    score = school.index.document.scores[int(sittings.scores[slot])]
    on = date.fromordinal(int(sittings.days[slot]))
    band = _band_of(amount, column.bands, column.measure.per_unit)
    if column.measure.kind == "test":
        return Value("value", score=score, band=band, on=on)
    return Value("value", value=score, band=band, on=on)


@lru_cache(maxsize=10_000)
def _band_of(amount: int, bands: Bands | None, per_unit: int) -> str | None:
    """None where no bands were asked, or nothing can be banded."""
    return None if bands is None or amount < 0 else BAND_IDS[classify(Fraction(amount, per_unit), bands)]


_decimal_text = lru_cache(maxsize=100_000)(decimal_text)
"""Exact sums, as decimals; the same few come again and again."""


def year_group_of(school: SchoolReading, slot: int, day: date) -> str | None:
    """The pupil's year group on a day; None = not known."""
    return school.year_group(slot, day)


def _list_pupil(school: SchoolReading, slot: int, place: int, on: date) -> Listed:
    index = school.index
    return Listed(
        school=school,
        slot=slot,
        place=place,
        pupil=index.document.pupils[slot],
        year_group=year_group_of(school, slot, on),
        shown=(index.school, index.shown_pupil(slot, school.known_at)),
    )
