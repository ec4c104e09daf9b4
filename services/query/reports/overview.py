"""The overview: pupils of each row in each band of one to three measures, and Combined over them.

Pure. A row over several schools is the sum of its schools, because a cohort lists a pupil once at each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np

from services.domain.bands import AT_LEVEL, LEVELS, BandArray, Bands, combine_masks, levels
from services.domain.measures import Measure
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
from services.query.axis import Words, pack_words
from services.query.breakdown import break_down
from services.query.population import Cohort, gather_cohort
from services.query.questions import Question, Reading, moments_of
from services.query.requests import OverviewRequest
from services.query.vectors import Ints, Wanted

_NO_PERCENTS = BandPercents(None, None, None, None, None)


def question(request: OverviewRequest) -> Question:
    """What an overview needs."""
    on = request.clocks.as_at
    moments = [moment for measure in request.measures for moment in moments_of(measure, on)]
    return Question(request.population, request.clocks, on, lambda _: moments)


def answer(reading: Reading, request: OverviewRequest) -> Overview:
    """The overview of what was read."""
    on = request.clocks.as_at
    reading.axis.load_values(Wanted(measure, on) for measure in request.measures)
    cohort = gather_cohort(reading.schools, request.population, on, axis=reading.axis)
    rows = break_down(cohort, request.by)
    reached = [_levels_of(cohort, measure, on, bands) for measure, bands in _banded(request)]
    combined = _combine(reached)
    counts = rows.count(np.concatenate([*reached, combined]))
    pupils = rows.sizes()
    cells = _cells_of(counts[: -len(combined)], pupils, with_data=request.denominator == "with_data")
    met_or_not = _combined_of(counts[-len(combined) :])
    return Overview(
        report="overview",
        provenance=reading.provenance,
        measures=[MeasureUsed(measure.text, cut_offs.shown()) for measure, cut_offs in _banded(request)],
        rows=[
            OverviewRow(row, size, list(cells_of_row), both)
            for row, size, cells_of_row, both in zip(
                rows.ids, pupils.tolist(), zip(*cells, strict=True), met_or_not, strict=True
            )
        ],
    )


def measure_bands(cohort: Cohort, request: OverviewRequest) -> list[BandArray]:
    """The band index of each pupil in each measure."""
    return [
        cohort.classify(measure, request.clocks.as_at, cut_offs)
        for measure, cut_offs in zip(request.measures, request.bands, strict=True)
    ]


def _banded(request: OverviewRequest) -> Iterator[tuple[Measure, Bands]]:
    return zip(request.measures, request.bands, strict=True)


def _levels_of(cohort: Cohort, measure: Measure, on: date, bands: Bands) -> Words:
    """Masks over the axis of those who have come so far: applicable, with data, at or above each cut-off in turn."""
    amounts = cohort.axis.values(measure, on).amounts
    return pack_words(amounts >= levels(bands, per_unit=measure.per_unit)[:, None])


def _combine(reached: Sequence[Words]) -> Words:
    """Masks of Combined, in the order of its fields."""
    found = combine_masks([of[0] for of in reached], [of[1] for of in reached], [of[AT_LEVEL] for of in reached])
    return np.stack([found.working_at_or_above, found.not_working_at, found.incomplete])


def _cells_of(counts: Ints, pupils: Ints, *, with_data: bool) -> list[list[OverviewCell]]:
    """The cells of each measure, row by row. `counts`: how many have come to each level of each measure, by row."""
    reached = counts.reshape(-1, LEVELS, len(pupils))
    applicable, plotted = reached[:, 0], reached[:, 1]
    in_bands = (reached[:, 1:] - np.concatenate([reached[:, 2:], np.zeros_like(reached[:, :1])], axis=1)).swapaxes(1, 2)
    not_applicable, no_data = pupils - applicable, applicable - plotted
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


def _combined_of(counts: Ints) -> list[CombinedCounts]:
    return [
        CombinedCounts(met, missed, incomplete, CombinedPercents(percent(met, of), percent(missed, of)))
        for met, missed, incomplete in counts.T.tolist()
        for of in (met + missed,)
    ]


def _shown(share: int) -> int | None:
    return None if share == NO_PERCENT else share
