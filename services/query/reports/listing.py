"""Pages of pupils: which positions of a cohort come next, and how a pupil and a value are shown.

Pure. The order is (school, slot), so that a cursor stays right while facts come in. Names are added elsewhere, to keys
that may see them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import groupby

import msgspec
import numpy as np

from services.domain.bands import BAND_IDS, NO_DATA, NOT_APPLICABLE, Bands, classify
from services.domain.measures import Measure
from services.domain.scores import decimal_text
from services.query.answers import Listing, Members, Provenance, PupilValues, Value
from services.query.axis import Sittings, Sums, Verdicts
from services.query.banding import Banding
from services.query.numbers import NO_CODE
from services.query.population import Cohort
from services.query.requests import Cursor, Sort, format_cursor
from services.query.stored import WORD_BITS
from services.query.vectors import Ints, SchoolReading, Wanted

_LAST = np.iinfo(np.int64).max
"""Sorts behind everything: no value, no name."""
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
    bands: Bands | Banding | None = None


class Chosen(msgspec.Struct, frozen=True):
    """The pupils of a list before it is cut into pages, and what is said of each. `positions` rise; `lead`: the column
    by whose values they are sorted, if they are."""

    report: str
    cohort: Cohort
    positions: Ints
    columns: tuple[Column, ...]
    lead: int = 0


class Paging(msgspec.Struct, frozen=True):
    """Which part of a list is asked for, and in which order."""

    limit: int
    cursor: Cursor | None = None
    sort: Sort = ""


Pupils = Mapping[tuple[str, str], str]
"""Names by school and the pupil id whose name is shown."""


def cut_page(cohort: Cohort, positions: Ints, limit: int, cursor: Cursor | None, keys: Ints | None = None) -> Page:
    """The pupils at `positions` (rising) that follow the cursor, at most `limit`. `keys`: what they are sorted by, for
    each place of the axis, be the pupil in the list or not."""
    if keys is None:
        start = int(np.searchsorted(positions, cohort.position_after(cursor)))
    else:
        positions, start = _sort(cohort, positions, cursor, keys)
    taken = positions[start : start + limit]
    located = zip(cohort.locate(taken), cohort.places[taken].tolist(), strict=True)
    pupils = tuple(_list_pupil(cohort.schools[school], slot, place, cohort.on) for (school, slot), place in located)
    more = bool(pupils) and start + limit < positions.size
    following = Cursor(pupils[-1].school.index.school, pupils[-1].slot) if more else None
    return Page(int(positions.size), pupils, None if following is None else format_cursor(following))


def list_chosen(
    provenance: Provenance, chosen: Chosen, paging: Paging, names: Pupils | None = None
) -> Listing[Members]:
    """A page of the pupils chosen, with their values. `names`: those of `names_to_sort`, to sort by."""
    page = page_of(chosen, paging, names)
    values = values_of(page.pupils, chosen.columns)
    pupils = [
        PupilValues(
            pupil=one.pupil,
            school=one.school.index.school,
            year_group=one.year_group,
            values=list(of_pupil),
        )
        for one, of_pupil in zip(page.pupils, values, strict=True)
    ]
    members = Members(chosen.report, provenance, page.total, pupils, page.next)
    return Listing(members, tuple(one.shown for one in page.pupils))


def page_of(chosen: Chosen, paging: Paging, names: Pupils | None = None) -> Page:
    """The page that is asked for, in the order that is asked for."""
    keys = None
    if paging.sort == "value" and chosen.columns:
        lead = chosen.columns[chosen.lead]
        keys = chosen.cohort.axis.values(lead.measure, lead.on).amounts
        keys = np.where(keys < 0, _LAST, keys)
    elif paging.sort == "name" and names is not None:
        keys = _keys_of_names(chosen, paging, names)
    return cut_page(chosen.cohort, chosen.positions, paging.limit, paging.cursor, keys)


def names_to_sort(chosen: Chosen, cursor: Cursor | None) -> list[tuple[str, str]]:
    """Whose names are needed to put the list in their order: of all of it, and where the page before ended."""
    return [shown for _, shown in _pupils_to_sort(chosen, cursor)]


def _pupils_to_sort(chosen: Chosen, cursor: Cursor | None) -> Iterator[tuple[int, tuple[str, str]]]:
    """(place on the axis, whose name is shown)."""
    cohort = chosen.cohort
    located = list(zip(cohort.places[chosen.positions].tolist(), cohort.locate(chosen.positions), strict=True))
    before = None if cursor is None else place_of_cursor(cohort, cursor)
    if before is not None and cursor is not None:
        number = next(n for n, school in enumerate(cohort.schools) if school.index.school == cursor.school)
        located.append((before, (number, cursor.slot)))
    for place, (number, slot) in located:
        school = cohort.schools[number]
        yield place, (school.index.school, school.index.shown_pupil(slot, school.known_at))


def _keys_of_names(chosen: Chosen, paging: Paging, names: Pupils) -> Ints:
    """Of each place the rank of the pupil's name; who has none comes last."""
    asked = list(_pupils_to_sort(chosen, paging.cursor))
    told = {place: names[shown].casefold() for place, shown in asked if names.get(shown)}
    ranks = {name: rank for rank, name in enumerate(sorted(set(told.values())))}
    keys = np.full(chosen.cohort.axis.size, _LAST)
    for place, name in told.items():
        keys[place] = ranks[name]
    return keys


def _sort(cohort: Cohort, positions: Ints, cursor: Cursor | None, keys: Ints) -> tuple[Ints, int]:
    """The positions in the order of their keys, and the first of them that follows the cursor."""
    places = cohort.places[positions]
    ordered = positions[np.lexsort((places, keys[places]))]
    place = None if cursor is None else place_of_cursor(cohort, cursor)
    if place is None:
        return ordered, 0
    before = (keys[places] < keys[place]) | ((keys[places] == keys[place]) & (places <= place))
    return ordered, int(before.sum())


def place_of_cursor(cohort: Cohort, cursor: Cursor) -> int | None:
    """The place on the axis of the last pupil of the page before; None if the school is not there any more."""
    for school, start in zip(cohort.schools, cohort.axis.word_starts, strict=False):
        if school.index.school == cursor.school and 0 <= cursor.slot < school.index.slots:
            return start * WORD_BITS + cursor.slot
    return None


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
    cut_offs = _cut_offs_of(school, slots, column)
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
                    band=_band_of(amount, bands, 1),
                )
                for amount, (top, bottom), bands in zip(amounts, exact, cut_offs, strict=True)
            ]
        case Sittings() as sittings:
            codes = [NO_CODE] * len(amounts) if values.codes is None else values.codes[slots].tolist()
            return [
                _sitting_of(school, sittings, slot, amount, column, bands)
                if code == NO_CODE
                else _coded(sittings, slot, code, column)
                for slot, amount, code, bands in zip(slots.tolist(), amounts, codes, cut_offs, strict=True)
            ]
        case Verdicts() as verdicts:
            codes = [NO_CODE] * len(amounts) if values.codes is None else values.codes[slots].tolist()
            return [
                _verdict_of(verdicts, amount, code, column, bands)
                for amount, code, bands in zip(amounts, codes, cut_offs, strict=True)
            ]
    return [Value(_STATUS_OF[amount]) for amount in amounts]


def _cut_offs_of(school: SchoolReading, slots: Ints, column: Column) -> list[Bands | None]:
    """The cut-offs of each pupil."""
    bands = column.bands
    if not isinstance(bands, Banding):
        return [bands] * len(slots)
    if bands.everybody is not None:
        return [bands.everybody] * len(slots)
    day = column.measure.day(column.on)
    return [bands.of(school.index.school, school.year_group(slot, day)) for slot in slots.tolist()]


def _sitting_of(
    school: SchoolReading, sittings: Sittings, slot: int, amount: int, column: Column, bands: Bands | None
) -> Value:
    if not sittings.present[slot]:
        return Value(_STATUS_OF[amount])
    score = school.index.document.scores[int(sittings.scores[slot])]
    on = date.fromordinal(int(sittings.days[slot]))
    band = _band_of(amount, bands, column.measure.per_unit)
    if column.measure.kind == "test":
        return Value("value", score=score, band=band, on=on)
    return Value("value", value=score, band=band, on=on)


def _coded(sittings: Sittings, slot: int, code: int, column: Column) -> Value:
    """A code instead of a score: it counts, and is in no band unless the lowest, or it does not."""
    rule = column.measure.scoring.codes[code]
    on = date.fromordinal(int(sittings.days[slot]))
    band = BAND_IDS[0] if rule.lowest and rule.counts and column.bands is not None else None
    return Value("coded" if rule.counts else "excluded", code=rule.code, band=band, on=on)


def _verdict_of(verdicts: Verdicts, amount: int, code: int, column: Column, bands: Bands | None) -> Value:
    """What was worked out of several values: a word, or a whole number."""
    if code != NO_CODE:
        return Value("excluded", code=column.measure.scoring.codes[code].code)
    if amount < 0:
        return Value(_STATUS_OF[amount])
    place = amount // column.measure.per_unit
    text = verdicts.values[place - 1] if verdicts.values else str(place)
    return Value("value", value=text, band=_band_of(amount, bands, column.measure.per_unit))


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
