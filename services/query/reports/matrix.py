"""The matrix: two measures against each other, each valued at its own date, and the pupils behind its cells.

Pure. Roster, groups and filters are those of one of the two dates; curriculum and own year those of each.
"""

from __future__ import annotations

import numpy as np

from services.domain.bands import AT, BAND_IDS, NOT_APPLICABLE, BandArray, overlay
from services.domain.scores import percent
from services.query.answers import Listing, Matrix, MeasureOn, Members, NotMeeting, Overlay, Share, Unplotted
from services.query.banding import Settled, Wish, as_typed
from services.query.notes import Applies, with_notes
from services.query.population import Cohort, gather_cohort
from services.query.questions import Moment, Question, Reading, moments_of
from services.query.reports.listing import Chosen, Column, Paging, list_chosen
from services.query.requests import MatrixMembersRequest, MatrixRequest
from services.query.vectors import Ints, Wanted

_UNPLOTTED = len(BAND_IDS)
_SIDE = _UNPLOTTED + 1
_NAMES: tuple[str | None, ...] = (*BAND_IDS, None)


class NotYearTagged(Exception):
    """A group matrix compares by year groups, and the subject has no objective tagged with one."""

    def __init__(self, side: str, subject: str) -> None:
        super().__init__(subject)
        self.side = side
        self.subject = subject


def question(request: MatrixRequest) -> Question:
    """What a matrix and its members need."""
    moments = [*moments_of(request.first, request.first_on), *moments_of(request.second, request.second_on)]
    if request.first_bands is None or request.second_bands is None:  # settings may differ by year group
        moments += [Moment(request.first_on), Moment(request.second_on)]
    return Question(request.population, request.clocks, request.population_on, lambda _: moments)


def wishes(request: MatrixRequest) -> list[Wish]:
    """How each side is to be banded."""
    return [
        Wish(request.first, request.first_on, request.first_bands, request.settings, "first_bands"),
        Wish(request.second, request.second_on, request.second_bands, request.settings, "second_bands"),
    ]


def answer(reading: Reading, request: MatrixRequest, settled: Settled | None = None) -> Matrix:
    """The matrix of what was read. Raises NotYearTagged, NoCutOffs."""
    settled = _typed(reading, request) if settled is None else settled
    _check_tags(reading, request)
    cohort = gather_cohort(reading.schools, request.population, request.population_on, axis=reading.axis)
    first, second = _classify(cohort, request, settled)
    table = np.bincount(_cells(first, second), minlength=_SIDE * _SIDE).reshape(_SIDE, _SIDE).tolist()
    counts = [row[:_UNPLOTTED] for row in table[:_UNPLOTTED]]
    found, (first_banding, second_banding) = overlay(counts), settled.bandings
    applies = [
        Applies(request.first, request.first_on, int((first != NOT_APPLICABLE).sum())),
        Applies(request.second, request.second_on, int((second != NOT_APPLICABLE).sum())),
    ]
    return Matrix(
        report="matrix",
        provenance=with_notes(settled.provenance, reading, cohort, request.population, applies),
        first=MeasureOn(request.first.text, request.first_on, first_banding.shown()),
        second=MeasureOn(request.second.text, request.second_on, second_banding.shown()),
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
        not_meeting=_not_meeting(np.array(counts)),
    )


def choose(reading: Reading, request: MatrixMembersRequest, settled: Settled | None = None) -> Chosen:
    """The pupils in any of the cells, or everyone."""
    matrix = request.matrix
    settled = _typed(reading, matrix) if settled is None else settled
    cohort = gather_cohort(reading.schools, matrix.population, matrix.population_on, axis=reading.axis)
    positions = np.arange(cohort.size, dtype=np.int64)
    if request.cells:
        asked = [_NAMES.index(first) * _SIDE + _NAMES.index(second) for first, second in request.cells]
        positions = np.flatnonzero(np.isin(_cells(*_classify(cohort, matrix, settled)), asked))
    first, second = settled.bandings
    columns = (Column(matrix.first, matrix.first_on, first), Column(matrix.second, matrix.second_on, second))
    return Chosen("matrix/members", cohort, positions, columns)


def answer_members(reading: Reading, request: MatrixMembersRequest, settled: Settled | None = None) -> Listing[Members]:
    """A page of them, not by name."""
    chosen = choose(reading, request, settled)
    provenance = reading.provenance if settled is None else settled.provenance
    return list_chosen(provenance, chosen, Paging(request.limit, request.cursor, request.sort))


def _typed(reading: Reading, request: MatrixRequest) -> Settled:
    return as_typed((request.first_bands, request.second_bands), reading.provenance)


def _check_tags(reading: Reading, request: MatrixRequest) -> None:
    """Raise NotYearTagged for a group matrix of a subject that is taught without year groups (domain 4.5)."""
    if request.type != "group":
        return
    for side, measure, day in (
        ("first", request.first, request.first_on),
        ("second", request.second, request.second_on),
    ):
        found = [s.index.lane_at(measure.subject, day.toordinal(), s.known_at) for s in reading.schools]
        lanes = [lane for lane in found if lane is not None]
        tagged = any(cell.year_group for lane in lanes for cell in lane.cells)
        if measure.kind == "markbook" and lanes and not tagged:
            raise NotYearTagged(side, measure.subject)


def _not_meeting(counts: Ints) -> NotMeeting:
    """Those below At, by row and by column, of those plotted."""
    plotted = int(counts.sum())
    first, second = int(counts[:AT].sum()), int(counts[:, :AT].sum())
    return NotMeeting(Share(first, percent(first, plotted)), Share(second, percent(second, plotted)))


def _classify(cohort: Cohort, request: MatrixRequest, settled: Settled) -> tuple[BandArray, BandArray]:
    """The band of each pupil on either side."""
    cohort.axis.load_values([Wanted(request.first, request.first_on), Wanted(request.second, request.second_on)])
    first, second = settled.bandings
    return (
        first.classify(cohort, request.first, request.first_on),
        second.classify(cohort, request.second, request.second_on),
    )


def _cells(first: BandArray, second: BandArray) -> Ints:
    """The cell of each pupil, as row × 6 + column; the sixth of either holds those without a band."""
    return _side(first) * _SIDE + _side(second)


def _side(bands: BandArray) -> Ints:
    return np.where(bands < 0, _UNPLOTTED, bands.astype(np.int64))
