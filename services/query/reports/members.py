"""The pupils behind cells of an overview. The question to the reader is the overview's own.

Pure. A row may be opened whether or not the overview was broken down that way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from services.domain.bands import BAND_IDS, NO_DATA, NOT_APPLICABLE, BandArray, combine
from services.domain.measures import Measure
from services.domain.scoring import CodeRule
from services.query.answers import Listing, Members
from services.query.axis import unpack_words
from services.query.banding import Banding, Settled, as_typed
from services.query.breakdown import WHOLE, break_down, parse_row_id, row_id
from services.query.numbers import NO_CODE
from services.query.population import Cohort, gather_cohort
from services.query.questions import Reading
from services.query.reports.listing import Chosen, Column, Paging, list_chosen
from services.query.requests import MembersRequest, OverviewCellRef
from services.query.vectors import Ints, Mask, Wanted

BAND_OF_CELL = {
    "no_data": NO_DATA,
    "not_applicable": NOT_APPLICABLE,
    **{name: n for n, name in enumerate(BAND_IDS)},
}


def choose(reading: Reading, request: MembersRequest, settled: Settled | None = None) -> Chosen:
    """The pupils in the row who are in any of the cells."""
    overview = request.overview
    settled = as_typed(overview.bands, reading.provenance) if settled is None else settled
    on, bandings = overview.clocks.as_at, settled.bandings
    reading.axis.load_values(Wanted(measure, on) for measure in overview.measures)
    cohort = gather_cohort(reading.schools, overview.population, on, axis=reading.axis)
    chosen = in_row(cohort, request.row) & in_row(cohort, request.inside)
    if request.cells:
        placed = [_place(cohort, each, b, on) for each, b in zip(overview.measures, bandings, strict=True)]
        chosen = chosen & _in_any_cell(placed, request.cells)
    columns = tuple(Column(measure, on, banding) for measure, banding in zip(overview.measures, bandings, strict=True))
    lead = next((cell.measure for cell in request.cells if cell.measure is not None), 0)
    return Chosen("overview/members", cohort, np.flatnonzero(chosen), columns, lead)


def answer(reading: Reading, request: MembersRequest, settled: Settled | None = None) -> Listing[Members]:
    """A page of them, not by name."""
    chosen = choose(reading, request, settled)
    provenance = reading.provenance if settled is None else settled.provenance
    return list_chosen(provenance, chosen, Paging(request.limit, request.cursor, request.sort))


def in_row(cohort: Cohort, row: str) -> Mask:
    """Which positions belong to the row."""
    named = parse_row_id(row)
    if named is None:
        return np.full(cohort.size, row == WHOLE)
    by, name = named
    words = break_down(cohort, (by,)).mask_of(row_id(by, name), cohort.axis.words)
    return unpack_words(words)[cohort.places]


class _Placed(NamedTuple):
    """Of each pupil of a cohort the band in a measure, and the number of the code instead of a value (or NO_CODE)."""

    bands: BandArray
    codes: Ints
    rules: Sequence[CodeRule]

    def holds(self, band: str, code: str) -> Mask:
        """Who is in a cell of the measure."""
        if band in ("coded", "excluded"):
            return self._having(lambda rule: rule.counts == (band == "coded") and code in ("", rule.code))
        found: Mask = (self.bands == BAND_OF_CELL[band]) & ~self._having(
            lambda rule: (band == "not_applicable" and not rule.counts) or (band == "no_data" and rule.counts)
        )
        return found

    def to_combine(self) -> BandArray:
        """The bands as Combined takes them: a code that counts is below At."""
        return np.where(self._having(lambda rule: rule.counts), np.int8(0), self.bands)

    def _having(self, which: Callable[[CodeRule], bool]) -> Mask:
        """Who has any of some codes."""
        return np.isin(self.codes, [number for number, rule in enumerate(self.rules) if which(rule)])


def _place(cohort: Cohort, measure: Measure, banding: Banding, on: date) -> _Placed:
    bands, codes = banding.classify(cohort, measure, on), cohort.axis.values(measure, on).codes
    nobody = np.full(cohort.size, NO_CODE, np.int64)
    return _Placed(bands, nobody if codes is None else codes[cohort.places], measure.scoring.codes)


def _in_any_cell(placed: Sequence[_Placed], cells: Sequence[OverviewCellRef]) -> Mask:
    combined = combine([each.to_combine() for each in placed])
    masks = [
        getattr(combined, cell.band) if cell.measure is None else placed[cell.measure].holds(cell.band, cell.code)
        for cell in cells
    ]
    chosen: Mask = np.logical_or.reduce(masks)
    return chosen
