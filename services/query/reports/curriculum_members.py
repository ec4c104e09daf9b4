"""The pupils behind cells of Curriculum Tracking, with what each has in every column. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np

from services.domain.bands import BAND_IDS, Bands
from services.domain.scores import decimal_text
from services.query.answers import Listing, Members, Provenance, PupilValues, Value
from services.query.axis import unpack_words
from services.query.fact_requests import NONE, OUTSIDE, CurriculumCellRef, CurriculumMembersRequest
from services.query.objective_sheets import Sheet
from services.query.population import Cohort
from services.query.questions import Reading
from services.query.reports.curriculum import Column, places_of
from services.query.reports.listing import Listed, Page
from services.query.school_index import Ints, Mask
from services.query.stored import WORD_BITS

REPORT = "curriculum/members"
_LAST = np.iinfo(np.int64).max


def cohort_of(reading: Reading, request: CurriculumMembersRequest, columns: Sequence[Column]) -> Cohort:
    """Everyone in a column of the report."""
    words = np.bitwise_or.reduce([column.words for column in columns])
    return Cohort(reading.schools, reading.axis, request.curriculum.clocks.as_at, words)


def positions_of(
    cohort: Cohort, request: CurriculumMembersRequest, columns: Sequence[Column], bands: Bands | None
) -> Ints:
    """The positions of the pupils in any of the cells; without cells those to whom the row applies."""
    if request.cells:
        chosen = np.zeros(cohort.axis.size, np.bool_)
        for cell in request.cells:
            chosen |= _in_cell(cohort, columns[cell.column], request.row, cell, bands)
    elif request.row:
        chosen = np.zeros(cohort.axis.size, np.bool_)
        for column in columns:
            for place, sheet, places in _sheets(cohort, column, request.row):
                chosen[place] |= _applies(sheet, places)
    else:
        chosen = unpack_words(cohort.words)
    return np.flatnonzero(chosen[cohort.places])


def sort_keys(cohort: Cohort, request: CurriculumMembersRequest, columns: Sequence[Column]) -> Ints | None:
    """The percent in the first column, by place on the axis, where that is the order."""
    if request.sort != "value":
        return None
    shown = np.full(cohort.axis.size, _LAST, np.int64)
    for place, sheet, places in _sheets(cohort, columns[0], request.row):
        percents = sheet.shown_percents(places)
        shown[place] = np.where(percents < 0, _LAST, percents)
    return shown


def list_page(
    provenance: Provenance,
    page: Page,
    request: CurriculumMembersRequest,
    columns: Sequence[Column],
    bands: Bands | None,
) -> Listing[Members]:
    """The pupils of a page with their values."""
    pupils = [
        PupilValues(
            pupil=one.pupil,
            school=one.school.index.school,
            year_group=one.year_group,
            values=[_value(column, one, request.row, bands) for column in columns],
        )
        for one in page.pupils
    ]
    members = Members(REPORT, provenance, page.total, pupils, page.next)
    return Listing(members, tuple(one.shown for one in page.pupils))


# --- Cells -------------------------------------------------------------------------------------------------------


def _in_cell(cohort: Cohort, column: Column, row: str, cell: CurriculumCellRef, bands: Bands | None) -> Mask:
    if cell.state == OUTSIDE:
        return unpack_words(column.outside)
    found = np.zeros(cohort.axis.size, np.bool_)
    for place, sheet, places in _sheets(cohort, column, row):
        found[place] = _in_state(sheet, places, cell.state, bands)
    return found


def _in_state(sheet: Sheet, places: list[int], state: str, bands: Bands | None) -> Mask:
    found: Mask
    if bands is not None and sheet.is_marked:
        in_bands = sheet.bands(places, bands)
        number = BAND_IDS.index(state) if state in BAND_IDS else len(BAND_IDS)
        found = _applies(sheet, places) & (in_bands < 0) if state == NONE else in_bands == number
    elif state == NONE:
        found = np.any(sheet.applies[:, places] & (sheet.worths[:, places] < 0), axis=1)
    else:
        found = np.any(sheet.having(state)[:, places], axis=1)
    return found


def _applies(sheet: Sheet, places: list[int]) -> Mask:
    found: Mask = np.any(sheet.applies[:, places], axis=1)
    return found


def _sheets(cohort: Cohort, column: Column, row: str) -> Iterator[tuple[slice, Sheet, list[int]]]:
    """The place on the axis, the sheet and the objectives of the row, of each school that has any."""
    for number, school in enumerate(cohort.schools):
        sheet = column.sheets.get(school.index.school)
        places = [] if sheet is None else places_of(sheet, row)
        if sheet is not None and places:
            starts = cohort.axis.word_starts
            yield slice(starts[number] * WORD_BITS, starts[number + 1] * WORD_BITS), sheet, places


def _value(column: Column, pupil: Listed, row: str, bands: Bands | None) -> Value:
    """What a pupil has in a row: of one objective its state too, and the day of it."""
    sheet = column.sheets.get(pupil.school.index.school)
    places = [] if sheet is None else places_of(sheet, row)
    if sheet is None or not places or not sheet.applies[pupil.slot, places].any():
        return Value("not_applicable")
    numerators, _, weights = sheet.sums(places)
    shown = int(sheet.shown_percents(places)[pupil.slot])
    if shown < 0:
        return Value("no_data")
    lane, single = sheet.taught.content.lane, len(places) == 1 and row.startswith("objective:")
    said = int(sheet.rows[pupil.slot, places[0]]) if single else -1
    held = sheet.known.held
    return Value(
        "value",
        shown,
        decimal_text(int(numerators[pupil.slot]), lane.weight_scale * lane.state_scale),
        decimal_text(int(weights[pupil.slot]) * lane.marks_max, lane.weight_scale),
        value=None if said < 0 else held.state_name(said),
        band=BAND_IDS[int(sheet.bands(places, bands)[pupil.slot])] if bands is not None and sheet.is_marked else None,
        on=None if said < 0 else date.fromordinal(int(held.days[said])),
    )
