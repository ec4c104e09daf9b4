"""The overview: pupils of each row in each band of one to three measures, and Combined over them.

Pure. A row over several schools is the sum of its schools, because a cohort lists a pupil once at each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from services.domain.bands import AT_LEVEL, LEVELS, NO_DATA, Combined, combine_masks, levels
from services.domain.measures import Measure
from services.domain.scoring import CodeRule
from services.query.answers import CombinedCounts, MeasureUsed, Overview, OverviewRow
from services.query.axis import Words, pack_words
from services.query.banding import Banding, Settled, Wish, as_typed
from services.query.nesting import NestedRows, break_down_twice
from services.query.notes import Applies, with_notes
from services.query.numbers import NO_CODE
from services.query.population import Cohort, gather_cohort
from services.query.questions import Moment, Question, Reading, moments_of
from services.query.reports.cells import CodeCounts, bands_of_levels, cells_of, combined_of, with_codes
from services.query.requests import OverviewRequest
from services.query.tally import Tally, places_of, tally
from services.query.vectors import Ints, Wanted


def question(request: OverviewRequest) -> Question:
    """What an overview needs."""
    on = request.clocks.as_at
    moments = [moment for measure in request.measures for moment in moments_of(measure, on)]
    if not request.bands:  # settings may differ by year group
        moments += [Moment(measure.day(on)) for measure in request.measures]
    key = ("overview", request.measures, bool(request.bands))
    return Question(request.population, request.clocks, on, lambda _: moments, key=key)


class _Ground(msgspec.Struct, frozen=True, dict=True):
    """What an overview stands on before any bands: its pupils and rows, and once it is asked again, the tallies."""

    cohort: Cohort
    nested: NestedRows
    measures: tuple[Measure, ...]

    @cached_property
    def tallies(self) -> list[Tally] | None:
        """The tally of each measure; None if one has too many amounts."""
        pupils, found = places_of(self.nested.rows), []
        for measure in self.measures:
            made = tally(self.cohort.axis.values(measure, self.cohort.on).amounts, pupils)
            if made is None:
                return None
            found.append(made)
        return found

    @cached_property
    def codes(self) -> list[list[tuple[CodeRule, Words]]]:
        """Of each measure the codes that stand for values, and who has them."""
        found = []
        for measure in self.measures:
            codes = self.cohort.axis.values(measure, self.cohort.on).codes
            numbers = [] if codes is None else np.unique(codes[codes != NO_CODE]).tolist()
            found.append([(measure.scoring.codes[number], pack_words(codes == number)) for number in numbers])
        return found

    @cached_property
    def there(self) -> list[tuple[Words, Words]]:
        """Of each measure the pupils to whom it applies, and those of them with data."""
        return [(each.mask(NO_DATA), each.mask(0)) for each in self.tallies or ()]


def answer(reading: Reading, request: OverviewRequest, settled: Settled | None = None) -> Overview:
    """The overview of what was read. `settled`: of settings, where the request has no bands. Raises NoCutOffs."""
    settled = as_typed(request.bands, reading.provenance) if settled is None else settled
    ground, asked_before = _ground_of(reading, request)
    reached, combined = _count(ground, settled.bandings, look_up=asked_before)
    pupils = ground.nested.rows.sizes()
    in_bands, applicable = bands_of_levels(reached)
    codes = _count_codes(ground)
    cells = cells_of(in_bands, applicable, pupils, with_data=request.denominator == "with_data", codes=codes)
    cells = [
        with_codes(of_measure, of_codes) if measure.scoring.codes else of_measure
        for measure, of_measure, of_codes in zip(request.measures, cells, codes, strict=True)
    ]
    on = request.clocks.as_at
    applies = [
        Applies(measure, measure.day(on), int(of[0])) for measure, of in zip(request.measures, applicable, strict=True)
    ]
    return Overview(
        report="overview",
        provenance=with_notes(settled.provenance, reading, ground.cohort, request.population, applies),
        measures=[
            MeasureUsed(measure.text, banding.shown())
            for measure, banding in zip(request.measures, settled.bandings, strict=True)
        ],
        rows=overview_rows(ground.nested, pupils, cells, combined_of(combined)),
    )


def overview_rows(
    nested: NestedRows, pupils: Ints, cells: Sequence[Sequence[Any]], combined: Sequence[CombinedCounts]
) -> list[OverviewRow]:
    """The rows of an answer; `cells`: of each measure, row by row."""
    return [
        OverviewRow(row, size, list(cells_of_row), both, UNSET if inside is None else inside)
        for row, inside, size, cells_of_row, both in zip(
            nested.rows.ids, nested.inside, pupils.tolist(), zip(*cells, strict=True), combined, strict=True
        )
    ]


def wishes(request: OverviewRequest) -> list[Wish]:
    """How each measure is to be banded."""
    on, typed = request.clocks.as_at, request.bands or (None,) * len(request.measures)
    return [
        Wish(measure, measure.day(on), bands, request.settings)
        for measure, bands in zip(request.measures, typed, strict=True)
    ]


def _ground_of(reading: Reading, request: OverviewRequest) -> tuple[_Ground, bool]:
    """The ground of an overview, and whether it was there already."""
    on = request.clocks.as_at
    key = ("overview", request.population, on, request.by, request.then, request.measures)
    kept = reading.derived.get(key)
    if kept is not None:
        return kept, True
    reading.axis.load_values(Wanted(measure, on) for measure in request.measures)
    cohort = gather_cohort(reading.schools, request.population, on, axis=reading.axis)
    made = reading.derived[key] = _Ground(cohort, break_down_twice(cohort, request.by, request.then), request.measures)
    return made, False


def _count(ground: _Ground, bandings: Sequence[Banding], *, look_up: bool) -> tuple[Ints, Ints]:
    """By measure, level and row, how many have come so far, and by row how many are in each field of Combined."""
    alike = [banding.everybody for banding in bandings if banding.everybody is not None]
    tallies = ground.tallies if look_up and len(alike) == len(bandings) else None
    rows, measures = ground.nested.rows, ground.measures
    if tallies is None:
        reached = [_levels_of(ground.cohort, *each) for each in zip(measures, bandings, strict=True)]
        combined = _words_of(_combine(ground, [(of[0], of[1], of[AT_LEVEL]) for of in reached]))
        counts = rows.count(np.concatenate([*reached, combined]))
        return counts[: -len(combined)].reshape(-1, LEVELS, len(rows.ids)), counts[-len(combined) :]
    cut = [levels(bands, per_unit=measure.per_unit) for measure, bands in zip(measures, alike, strict=True)]
    counted = np.stack([each.count(at) for each, at in zip(tallies, cut, strict=True)])
    masks = [(*there, each.mask(at[AT_LEVEL])) for each, there, at in zip(tallies, ground.there, cut, strict=True)]
    return counted, rows.count(_words_of(_combine(ground, masks)))


def _count_codes(ground: _Ground) -> list[list[CodeCounts]]:
    """Of each measure the pupils of each row by code."""
    rows = ground.nested.rows
    return [
        [CodeCounts(rule, rows.count(words[None, :])[0]) for rule, words in of_measure] for of_measure in ground.codes
    ]


def _levels_of(cohort: Cohort, measure: Measure, banding: Banding) -> Words:
    """Masks over the axis of those who have come so far: applicable, with data, at or above each cut-off in turn."""
    amounts = cohort.axis.values(measure, cohort.on).amounts
    return pack_words(amounts >= banding.levels(cohort, measure, cohort.on))


def _combine(ground: _Ground, measures: Sequence[tuple[Words, Words, Words]]) -> Combined:
    """Combined of who is applicable, has data and is at or above, in each measure. A code that counts is data: it
    achieved nothing."""
    applies, with_data, met = (list(masks) for masks in zip(*measures, strict=True))
    for number, of_measure in enumerate(ground.codes):
        for rule, words in of_measure:
            if rule.counts:
                with_data[number] = with_data[number] | words
    return combine_masks(applies, with_data, met)


def _words_of(combined: Combined) -> Words:
    """Its masks, in the order of its fields."""
    return np.stack([combined.working_at_or_above, combined.not_working_at, combined.incomplete])
