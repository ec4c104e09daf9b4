"""The pupils behind cells of an overview. The question to the reader is the overview's own.

Pure. A row may be opened whether or not the overview was broken down that way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.domain.bands import BAND_IDS, NO_DATA, NOT_APPLICABLE, BandArray, combine
from services.query.answers import Listing, Members
from services.query.axis import unpack_words
from services.query.breakdown import WHOLE, break_down, parse_row_id, row_id
from services.query.population import Cohort, gather_cohort
from services.query.questions import Reading
from services.query.reports.listing import Column, cut_page, list_members
from services.query.reports.overview import measure_bands
from services.query.requests import MembersRequest, OverviewCellRef
from services.query.vectors import Mask

BAND_OF_CELL = {
    "no_data": NO_DATA,
    "not_applicable": NOT_APPLICABLE,
    **{name: n for n, name in enumerate(BAND_IDS)},
}


def answer(reading: Reading, request: MembersRequest) -> Listing[Members]:
    """A page of the pupils in the row who are in any of the cells."""
    overview = request.overview
    on = overview.clocks.as_at
    cohort = gather_cohort(reading.schools, overview.population, on, axis=reading.axis)
    chosen = _in_row(cohort, request.row)
    if request.cells:
        chosen = chosen & _in_any_cell(measure_bands(cohort, overview), request.cells)
    page = cut_page(cohort, np.flatnonzero(chosen), request.limit, request.cursor)
    columns = [Column(measure, on, bands) for measure, bands in zip(overview.measures, overview.bands, strict=True)]
    return list_members("overview/members", reading, page, columns)


def _in_row(cohort: Cohort, row: str) -> Mask:
    """Which positions belong to the row."""
    named = parse_row_id(row)
    if named is None:
        return np.full(cohort.size, row == WHOLE)
    by, name = named
    words = break_down(cohort, (by,)).mask_of(row_id(by, name), cohort.axis.words)
    return unpack_words(words)[cohort.places]


def _in_any_cell(bands: Sequence[BandArray], cells: Sequence[OverviewCellRef]) -> Mask:
    combined = combine(bands)
    masks = [
        getattr(combined, cell.band) if cell.measure is None else bands[cell.measure] == BAND_OF_CELL[cell.band]
        for cell in cells
    ]
    chosen: Mask = np.logical_or.reduce(masks)
    return chosen
