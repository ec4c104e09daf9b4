"""The matrix: two measures against each other, each valued at its own date, and the pupils behind its cells.

Pure. Roster, groups and filters are those of one of the two dates; curriculum and own year those of each.
"""

from __future__ import annotations

import numpy as np

from services.domain.bands import BAND_IDS, BandArray, overlay
from services.query.answers import Listing, Matrix, MeasureOn, Members, Overlay, Share, Unplotted
from services.query.population import Cohort, gather_cohort
from services.query.questions import Question, Reading, moments_of
from services.query.reports.listing import Column, cut_page, list_members
from services.query.requests import MatrixMembersRequest, MatrixRequest
from services.query.vectors import Ints

_UNPLOTTED = len(BAND_IDS)
_SIDE = _UNPLOTTED + 1
_NAMES: tuple[str | None, ...] = (*BAND_IDS, None)


def question(request: MatrixRequest) -> Question:
    """What a matrix and its members need."""
    moments = [*moments_of(request.first, request.first_on), *moments_of(request.second, request.second_on)]
    return Question(request.population, request.clocks, request.population_on, lambda _: moments)


def answer(reading: Reading, request: MatrixRequest) -> Matrix:
    """The matrix of what was read."""
    cohort = gather_cohort(reading.schools, request.population, request.population_on, axis=reading.axis)
    table = np.bincount(_cells(cohort, request), minlength=_SIDE * _SIDE).reshape(_SIDE, _SIDE).tolist()
    counts = [row[:_UNPLOTTED] for row in table[:_UNPLOTTED]]
    found = overlay(counts)
    return Matrix(
        report="matrix",
        provenance=reading.provenance,
        first=MeasureOn(request.first.text, request.first_on, request.first_bands.shown()),
        second=MeasureOn(request.second.text, request.second_on, request.second_bands.shown()),
        counts=counts,
        unplotted=[
            Unplotted(_NAMES[first], _NAMES[second], table[first][second])
            for first in range(_SIDE)
            for second in range(_SIDE)
            if _UNPLOTTED in (first, second) and table[first][second]
        ],
        overlay=Overlay(
            *(Share(part.pupils, part.percent) for part in (found.on, found.above, found.below)),
        ),
    )


def answer_members(reading: Reading, request: MatrixMembersRequest) -> Listing[Members]:
    """A page of the pupils in any of the cells, or of everyone."""
    matrix = request.matrix
    cohort = gather_cohort(reading.schools, matrix.population, matrix.population_on, axis=reading.axis)
    positions = np.arange(cohort.size, dtype=np.int64)
    if request.cells:
        asked = [_NAMES.index(first) * _SIDE + _NAMES.index(second) for first, second in request.cells]
        positions = np.flatnonzero(np.isin(_cells(cohort, matrix), asked))
    page = cut_page(cohort, positions, request.limit, request.cursor)
    columns = (
        Column(matrix.first, matrix.first_on, matrix.first_bands),
        Column(matrix.second, matrix.second_on, matrix.second_bands),
    )
    return list_members("matrix/members", reading, page, columns)


def _cells(cohort: Cohort, request: MatrixRequest) -> Ints:
    """The cell of each pupil, as row × 6 + column; the sixth of either holds those without a band."""
    first = cohort.classify(request.first, request.first_on, request.first_bands)
    second = cohort.classify(request.second, request.second_on, request.second_bands)
    return _side(first) * _SIDE + _side(second)


def _side(bands: BandArray) -> Ints:
    return np.where(bands < 0, _UNPLOTTED, bands.astype(np.int64))
