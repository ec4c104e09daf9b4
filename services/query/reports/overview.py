"""The overview: pupils of each row in each band of one to three measures, and Combined over them.

Pure. A row over several schools is the sum of its schools, because a cohort lists a pupil once at each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property

import msgspec
import numpy as np

from services.domain.bands import AT_LEVEL, LEVELS, NO_DATA, BandArray, Bands, Combined, combine_masks, levels
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
from services.query.breakdown import Rows, break_down
from services.query.population import Cohort, gather_cohort
from services.query.questions import Question, Reading, moments_of
from services.query.requests import OverviewRequest
from services.query.tally import Tally, places_of, tally
from services.query.vectors import Ints, Wanted

_NO_PERCENTS = BandPercents(None, None, None, None, None)


def question(request: OverviewRequest) -> Question:
    """What an overview needs."""
    on = request.clocks.as_at
    moments = [moment for measure in request.measures for moment in moments_of(measure, on)]
    return Question(request.population, request.clocks, on, lambda _: moments, key=("overview", request.measures))


class _Ground(msgspec.Struct, frozen=True, dict=True):
    """What an overview stands on before any bands: its pupils and rows, and once it is asked again, the tallies."""

    cohort: Cohort
    rows: Rows
    measures: tuple[Measure, ...]

    @cached_property
    def tallies(self) -> list[Tally] | None:
        """The tally of each measure; None if one has too many amounts."""
        pupils, found = places_of(self.rows), []
        for measure in self.measures:
            made = tally(self.cohort.axis.values(measure, self.cohort.on).amounts, pupils)
            if made is None:
                return None
            found.append(made)
        return found

    @cached_property
    def there(self) -> list[tuple[Words, Words]]:
        """Of each measure the pupils to whom it applies, and those of them with data."""
        return [(each.mask(NO_DATA), each.mask(0)) for each in self.tallies or ()]


def answer(reading: Reading, request: OverviewRequest) -> Overview:
    """The overview of what was read."""
    ground, asked_before = _ground_of(reading, request)
    reached, combined = _count(ground, request, look_up=asked_before)
    pupils = ground.rows.sizes()
    cells = _cells_of(reached, pupils, with_data=request.denominator == "with_data")
    met_or_not = _combined_of(combined)
    return Overview(
        report="overview",
        provenance=reading.provenance,
        measures=[MeasureUsed(measure.text, cut_offs.shown()) for measure, cut_offs in _banded(request)],
        rows=[
            OverviewRow(row, size, list(cells_of_row), both)
            for row, size, cells_of_row, both in zip(
                ground.rows.ids, pupils.tolist(), zip(*cells, strict=True), met_or_not, strict=True
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


def _ground_of(reading: Reading, request: OverviewRequest) -> tuple[_Ground, bool]:
    """The ground of an overview, and whether it was there already."""
    on = request.clocks.as_at
    key = ("overview", request.population, on, request.by, request.measures)
    kept = reading.derived.get(key)
    if kept is not None:
        return kept, True
    reading.axis.load_values(Wanted(measure, on) for measure in request.measures)
    cohort = gather_cohort(reading.schools, request.population, on, axis=reading.axis)
    made = reading.derived[key] = _Ground(cohort, break_down(cohort, request.by), request.measures)
    return made, False


def _count(ground: _Ground, request: OverviewRequest, *, look_up: bool) -> tuple[Ints, Ints]:
    """By row, how many have come to each level of each measure, and how many are in each field of Combined."""
    tallies = ground.tallies if look_up else None
    if tallies is None:
        reached = [_levels_of(ground.cohort, measure, ground.cohort.on, bands) for measure, bands in _banded(request)]
        combined = _words_of(_combine([(of[0], of[1], of[AT_LEVEL]) for of in reached]))
        counts = ground.rows.count(np.concatenate([*reached, combined]))
        return counts[: -len(combined)], counts[-len(combined) :]
    cut = [levels(bands, per_unit=measure.per_unit) for measure, bands in _banded(request)]
    counted = np.concatenate([each.count(at) for each, at in zip(tallies, cut, strict=True)])
    masks = [(*there, each.mask(at[AT_LEVEL])) for each, there, at in zip(tallies, ground.there, cut, strict=True)]
    return counted, ground.rows.count(_words_of(_combine(masks)))


def _levels_of(cohort: Cohort, measure: Measure, on: date, bands: Bands) -> Words:
    """Masks over the axis of those who have come so far: applicable, with data, at or above each cut-off in turn."""
    amounts = cohort.axis.values(measure, on).amounts
    return pack_words(amounts >= levels(bands, per_unit=measure.per_unit)[:, None])


def _combine(measures: Sequence[tuple[Words, Words, Words]]) -> Combined:
    """Combined of who is applicable, has data and is at or above, in each measure."""
    return combine_masks(*zip(*measures, strict=True))


def _words_of(combined: Combined) -> Words:
    """Its masks, in the order of its fields."""
    return np.stack([combined.working_at_or_above, combined.not_working_at, combined.incomplete])


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
