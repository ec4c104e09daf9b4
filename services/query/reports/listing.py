"""Pages of pupils: which positions of a cohort come next, and how a pupil and a value are shown.

Pure. The order is (school, slot), so that a cursor stays right while facts come in. Names are added elsewhere, to keys
that may see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import msgspec
import numpy as np

from services.domain.bands import BAND_IDS, NO_DATA, NOT_APPLICABLE, Bands, classify
from services.domain.measures import Measure
from services.domain.scores import decimal_text
from services.query.answers import Listing, Members, PupilValues, Value
from services.query.population import Cohort
from services.query.questions import Reading
from services.query.requests import Cursor, format_cursor
from services.query.vectors import Ints, SchoolReading, Sittings, Sums

_STATUS_OF = {NO_DATA: "no_data", NOT_APPLICABLE: "not_applicable"}


class Listed(msgspec.Struct, frozen=True):
    """A pupil of a page: the school, the slot, and what every report says of a pupil."""

    school: SchoolReading
    slot: int
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
    pupils = tuple(_list_pupil(cohort.schools[school], slot, cohort.on) for school, slot in cohort.locate(taken))
    more = bool(pupils) and start + limit < positions.size
    following = Cursor(pupils[-1].school.index.school, pupils[-1].slot) if more else None
    return Page(int(positions.size), pupils, None if following is None else format_cursor(following))


def list_members(report: str, reading: Reading, page: Page, columns: Sequence[Column]) -> Listing[Members]:
    """A page of pupils with their values in some measures."""
    pupils = [
        PupilValues(
            pupil=one.pupil,
            school=one.school.index.school,
            year_group=one.year_group,
            values=[value_of(one, column) for column in columns],
        )
        for one in page.pupils
    ]
    members = Members(report, reading.provenance, page.total, pupils, page.next)
    return Listing(members, tuple(one.shown for one in page.pupils))


def value_of(pupil: Listed, column: Column) -> Value:
    """What a pupil has in a measure on a day."""
    values = pupil.school.values(column.measure, column.on)
    amount = int(values.amounts[pupil.slot])
    band = _band_of(amount, column)
    match values.source:
        case Sittings() as sittings if sittings.present[pupil.slot]:
            score = pupil.school.index.document.scores[int(sittings.scores[pupil.slot])]
            on = date.fromordinal(int(sittings.days[pupil.slot]))
            if column.measure.kind == "test":
                return Value("value", score=score, band=band, on=on)
            return Value("value", value=score, band=band, on=on)
        case Sums() as sums if amount not in _STATUS_OF:
            numerator, denominator = _exact(sums, pupil.slot)
            return Value("value", percent=amount, numerator=numerator, denominator=denominator, band=band)
    return Value(_STATUS_OF[amount])


def _band_of(amount: int, column: Column) -> str | None:
    """None where no bands were asked, or nothing can be banded."""
    if column.bands is None or amount in _STATUS_OF:
        return None
    return BAND_IDS[classify(Fraction(amount, column.measure.per_unit), column.bands)]


def _exact(sums: Sums, slot: int) -> tuple[str, str]:
    """Σ weight × state weight (or marks) over Σ weight (× the highest mark), as decimals."""
    lane = sums.lane
    numerator, denominator = int(sums.numerators[slot]), int(sums.denominators[slot])
    return (
        decimal_text(numerator, lane.weight_scale * lane.state_scale),
        decimal_text(denominator * lane.marks_max, lane.weight_scale),
    )


def year_group_of(school: SchoolReading, slot: int, day: date) -> str | None:
    """The pupil's year group on a day; None = not known."""
    year_group = int(school.presence(day).year_groups[slot])
    return None if year_group < 0 else school.index.values[year_group].name


def _list_pupil(school: SchoolReading, slot: int, on: date) -> Listed:
    index = school.index
    return Listed(
        school=school,
        slot=slot,
        pupil=index.document.pupils[slot],
        year_group=year_group_of(school, slot, on),
        shown=(index.school, index.shown_pupil(slot, school.known_at)),
    )
