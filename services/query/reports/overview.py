"""The overview: pupils of each row in each band of one to three measures, and Combined over them.

Pure. A row over several schools is the sum of its schools, because a cohort lists a pupil once at each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from services.domain.bands import BAND_IDS, BandArray, combine
from services.domain.scores import NO_PERCENT, percent, percents
from services.query.answers import (
    BandCounts,
    BandPercents,
    CombinedCounts,
    CombinedPercents,
    MeasureUsed,
    Overview,
    OverviewCell,
    OverviewRow,
)
from services.query.breakdown import Rows, break_down
from services.query.population import Cohort, gather_cohort
from services.query.questions import Question, Reading, moments_of
from services.query.requests import OverviewRequest
from services.query.vectors import Ints

_KINDS = len(BAND_IDS) + 2
_NO_PERCENTS = BandPercents(None, None, None, None, None)
_TO_KIND = 2
"""Added to a band index it makes a kind: 0 not applicable, 1 no data, then the bands."""


def question(request: OverviewRequest) -> Question:
    """What an overview needs."""
    on = request.clocks.as_at
    moments = [moment for measure in request.measures for moment in moments_of(measure, on)]
    return Question(request.population, request.clocks, on, lambda _: moments)


def answer(reading: Reading, request: OverviewRequest) -> Overview:
    """The overview of what was read."""
    cohort = gather_cohort(reading.schools, request.population, request.clocks.as_at)
    rows = break_down(cohort, request.by)
    table = _tabulate(rows, measure_bands(cohort, request))
    cells = _count_cells(table, with_data=request.denominator == "with_data")
    combined = _count_combined(table)
    pupils = np.bincount(rows.rows, minlength=len(rows.ids)).tolist()
    return Overview(
        report="overview",
        provenance=reading.provenance,
        measures=[
            MeasureUsed(measure.text, cut_offs.shown())
            for measure, cut_offs in zip(request.measures, request.bands, strict=True)
        ],
        rows=[
            OverviewRow(row, pupils[n], [column[n] for column in cells], combined[n]) for n, row in enumerate(rows.ids)
        ],
    )


def measure_bands(cohort: Cohort, request: OverviewRequest) -> list[BandArray]:
    """The band index of each pupil in each measure."""
    return [
        cohort.classify(measure, request.clocks.as_at, cut_offs)
        for measure, cut_offs in zip(request.measures, request.bands, strict=True)
    ]


def _tabulate(rows: Rows, bands: Sequence[BandArray]) -> Ints:
    """How many pupils of each row are of each kind in all measures: (rows, kind in the first measure, …)."""
    kinds = np.zeros(bands[0].size, np.int64)
    for one in bands:
        kinds = kinds * _KINDS + one + _TO_KIND
    size = _KINDS ** len(bands)
    table = np.bincount(rows.rows * size + kinds[rows.positions], minlength=len(rows.ids) * size)
    return table.reshape(len(rows.ids), *(_KINDS,) * len(bands))


def _count_cells(table: Ints, *, with_data: bool) -> list[list[OverviewCell]]:
    """The cells of each measure, row by row."""
    measures = range(1, table.ndim)
    counts = np.stack([table.sum(axis=tuple(axis for axis in measures if axis != measure)) for measure in measures])
    not_applicable, no_data, in_bands = counts[..., 0], counts[..., 1], counts[..., _TO_KIND:]
    plotted = in_bands.sum(axis=2)
    applicable = plotted + no_data
    of = plotted if with_data else applicable
    shares, no_data_shares = percents(in_bands, of[..., None]), percents(no_data, applicable)
    columns = (in_bands, shares, of, no_data, no_data_shares, not_applicable)
    return [
        [
            OverviewCell(BandCounts(*c), BandPercents(*p) if o else _NO_PERCENTS, o, n, _shown(n_percent), na)
            for c, p, o, n, n_percent, na in zip(*of_measure, strict=True)
        ]
        for of_measure in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _count_combined(table: Ints) -> list[CombinedCounts]:
    counted = table.reshape(len(table), -1) @ _combined_kinds(table.ndim - 1)
    return [
        CombinedCounts(met, missed, incomplete, CombinedPercents(percent(met, of), percent(missed, of)))
        for met, missed, incomplete in counted.tolist()
        for of in (met + missed,)
    ]


@cache
def _combined_kinds(measures: int) -> Ints:
    """Of each kind in all measures whether it is met, missed, incomplete: (kinds, 3)."""
    kinds = np.indices((_KINDS,) * measures, dtype=np.int8).reshape(measures, -1) - np.int8(_TO_KIND)
    combined = combine(list(kinds))
    masks: Ints = np.stack(
        [combined.working_at_or_above, combined.not_working_at, combined.incomplete], axis=1, dtype=np.int64
    )
    return masks


def _shown(share: int) -> int | None:
    return None if share == NO_PERCENT else share
