"""Progress: the overview of what a rule makes of each pupil's band at a start and at the report's own date.

Pure. Roster and rows are those of the end; each end of a measure has the bands, curriculum and own year of its own day.
Who lacks a start or an end has no data; who is not applicable at either is outside every denominator.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from services.domain.bands import AT, BAND_IDS, NO_DATA, NOT_APPLICABLE, BandArray, combine, combine_masks
from services.domain.measures import Measure
from services.domain.progress import ProgressRule, describe_ceiling, measure_progress, warn_of_rule
from services.query.answers import CombinedCounts, Listing, Members, OverviewCell, Provenance, PupilValues, Value
from services.query.axis import Words, pack_words
from services.query.banding import Banding, Wish, as_typed
from services.query.nesting import break_down_twice
from services.query.notes import Applies, with_notes
from services.query.population import Cohort, gather_cohort
from services.query.questions import Moment, Question, Reading, moments_of
from services.query.reports.cells import cells_of, combined_of
from services.query.reports.listing import Chosen, Column, Paging, Pupils, list_chosen
from services.query.reports.members import BAND_OF_CELL, in_row
from services.query.requests import (
    NO_START,
    OverviewCellRef,
    ProgressCell,
    ProgressMembersRequest,
    ProgressRequest,
)
from services.query.vectors import Ints, Mask, Wanted

_BANDS = len(BAND_IDS)
_PAIRS = _BANDS * _BANDS


class MeasureProgress(msgspec.Struct, frozen=True):
    """A measure with the bands of its end and of its start; None = they differ, as the settings say."""

    id: str
    bands: list[int | str] | None
    start_bands: list[int | str] | None


class ProgressCounts(OverviewCell, frozen=True, kw_only=True):
    """A cell of an overview, counts being of progress; `table`: pupils by start band (row) and end band. Who lacks both
    ends is in `no_start` and in `no_end`."""

    table: list[list[int]]
    no_start: int
    no_end: int


class ProgressRow(msgspec.Struct, frozen=True):
    """A row of an overview of progress."""

    row: str
    pupils: int
    cells: list[ProgressCounts]
    combined: CombinedCounts
    inside: str | UnsetType = msgspec.field(default=UNSET, name="in")


class Progress(msgspec.Struct, frozen=True):
    """GET /v1/reports/progress. `rule`: by start (row) and end, 1 Sig Below to 5 Sig Above; `ceiling`: how far who
    starts in the highest band can come; `warning`: what is odd about the rule, if anything."""

    report: str
    provenance: Provenance
    start: date
    rule: str
    ceiling: str
    warning: str | None
    measures: list[MeasureProgress]
    rows: list[ProgressRow]


class PupilProgress(PupilValues, frozen=True, kw_only=True):
    """A member. `values`: of each measure its start, then its end; `progress`: the band of each, None without one."""

    progress: list[str | None]


class ProgressMembers(msgspec.Struct, frozen=True):
    """GET /v1/reports/progress/members."""

    report: str
    provenance: Provenance
    total: int
    pupils: list[PupilProgress]
    next: str | None


class SettledProgress(msgspec.Struct, frozen=True):
    """What is settled of a report of progress: the bandings of the starts, those of the ends, and the rule."""

    starts: tuple[Banding, ...]
    ends: tuple[Banding, ...]
    rule: ProgressRule
    provenance: Provenance


def question(request: ProgressRequest) -> Question:
    """What progress and its members need."""
    overview, end = request.overview, request.overview.clocks.as_at
    days = (request.start_on, end)
    moments = [moment for measure in overview.measures for day in days for moment in moments_of(measure, day)]
    if not request.start_bands:  # settings may differ by year group
        moments.append(Moment(request.start_on))
    return Question(overview.population, overview.clocks, end, lambda _: moments)


def wishes(request: ProgressRequest) -> list[Wish]:
    """How the start of each measure is to be banded, then how the end of each."""
    overview = request.overview
    nothing = (None,) * len(overview.measures)
    starts = zip(overview.measures, request.start_bands or nothing, strict=True)
    ends = zip(overview.measures, overview.bands or nothing, strict=True)
    named_by = "settings" if request.start_settings == overview.settings else "start_settings"
    return [
        *(
            Wish(measure, request.start_on, bands, request.start_settings, "start_bands", named_by)
            for measure, bands in starts
        ),
        *(Wish(measure, overview.clocks.as_at, bands, overview.settings) for measure, bands in ends),
    ]


def typed(reading: Reading, request: ProgressRequest) -> SettledProgress:
    """What is settled where bands and rule come with the request."""
    start = as_typed(request.start_bands, reading.provenance).bandings
    end = as_typed(request.overview.bands, reading.provenance).bandings
    return SettledProgress(start, end, request.rule, reading.provenance)


def answer(reading: Reading, request: ProgressRequest, settled: SettledProgress | None = None) -> Progress:
    """The report of what was read. Raises NoCutOffs."""
    settled = typed(reading, request) if settled is None else settled
    overview = request.overview
    cohort = _gather(reading, request)
    nested = break_down_twice(cohort, overview.by, overview.then)
    ways = [_Ways.of(cohort, request, settled, number) for number in range(len(overview.measures))]
    combined = combine_masks([w.applies for w in ways], [w.with_data for w in ways], [w.met for w in ways])
    masks = [combined.working_at_or_above, combined.not_working_at, combined.incomplete]
    counts = nested.rows.count(np.stack([*(mask for each in ways for mask in each.masks()), *masks]))
    met_or_not = combined_of(counts[-len(masks) :])
    by_measure = counts[: -len(masks)].reshape(len(ways), _PAIRS + _FURTHER, -1)
    pupils = nested.rows.sizes()
    cells = _cells(by_measure, pupils, settled.rule, with_data=overview.denominator == "with_data")
    applies = [
        Applies(measure, overview.clocks.as_at, int(of[_PAIRS, 0]))
        for measure, of in zip(overview.measures, by_measure, strict=True)
    ]
    return Progress(
        report="progress",
        provenance=with_notes(settled.provenance, reading, cohort, overview.population, applies),
        start=request.start_on,
        rule=settled.rule.shown(),
        ceiling=describe_ceiling(settled.rule),
        warning=warn_of_rule(settled.rule),
        measures=[
            MeasureProgress(measure.text, end.shown(), start.shown())
            for measure, start, end in zip(overview.measures, settled.starts, settled.ends, strict=True)
        ],
        rows=[
            ProgressRow(row, size, list(of_row), both, UNSET if inside is None else inside)
            for row, inside, size, of_row, both in zip(
                nested.rows.ids, nested.inside, pupils.tolist(), zip(*cells, strict=True), met_or_not, strict=True
            )
        ],
    )


def choose(reading: Reading, request: ProgressMembersRequest, settled: SettledProgress | None = None) -> Chosen:
    """The pupils in the row who are in any of the cells."""
    progress = request.progress
    settled = typed(reading, progress) if settled is None else settled
    cohort, end_on = _gather(reading, progress), progress.overview.clocks.as_at
    measures = progress.overview.measures
    chosen = in_row(cohort, request.row) & in_row(cohort, request.inside)
    if request.cells:
        starts = [
            banding.classify(cohort, measure, progress.start_on)
            for measure, banding in zip(measures, settled.starts, strict=True)
        ]
        ends = [
            banding.classify(cohort, measure, end_on) for measure, banding in zip(measures, settled.ends, strict=True)
        ]
        chosen = chosen & _in_any_cell(starts, ends, settled.rule, request.cells)
    columns = [
        column
        for measure, start, end in zip(measures, settled.starts, settled.ends, strict=True)
        for column in (Column(measure, progress.start_on, start), Column(measure, end_on, end))
    ]
    lead = next((cell.measure for cell in request.cells if cell.measure is not None), 0)
    return Chosen("progress/members", cohort, np.flatnonzero(chosen), tuple(columns), lead * 2 + 1)


def answer_members(
    reading: Reading,
    request: ProgressMembersRequest,
    settled: SettledProgress | None = None,
    names: Pupils | None = None,
) -> Listing[ProgressMembers]:
    """A page of them; `names` of `names_to_sort`, to sort by."""
    settled = typed(reading, request.progress) if settled is None else settled
    paging = Paging(request.limit, request.cursor, request.sort)
    listing = list_chosen(settled.provenance, choose(reading, request, settled), paging, names)
    return Listing(_with_progress(listing.answer, settled.rule), listing.shown)


def _gather(reading: Reading, request: ProgressRequest) -> Cohort:
    """The pupils of the end, the measures of both days loaded at once."""
    overview, end = request.overview, request.overview.clocks.as_at
    reading.axis.load_values(Wanted(measure, day) for measure in overview.measures for day in (request.start_on, end))
    return gather_cohort(reading.schools, overview.population, end, axis=reading.axis)


_FURTHER = 3
"""Masks beside the pairs: to whom the measure applies, who lacks a start, who lacks an end."""


class _Ways(msgspec.Struct, frozen=True):
    """Masks over the axis of one measure: from each start band to each end band, and of the rest."""

    pairs: Words
    applies: Words
    no_start: Words
    no_end: Words
    with_data: Words
    met: Words

    @staticmethod
    def of(cohort: Cohort, request: ProgressRequest, settled: SettledProgress, number: int) -> _Ways:
        """Those of the measure with this number."""
        measure, end_on = request.overview.measures[number], request.overview.clocks.as_at
        start = _levels_of(cohort, measure, request.start_on, settled.starts[number])
        end = _levels_of(cohort, measure, end_on, settled.ends[number])
        pairs = (_in_bands(start)[:, None] & _in_bands(end)[None, :]).reshape(_PAIRS, -1)
        applies = start[0] & end[0]
        met = np.bitwise_or.reduce(pairs[np.array(settled.rule.rows).ravel() >= AT], initial=np.uint64(0))
        return _Ways(pairs, applies, applies & ~start[1], applies & ~end[1], start[1] & end[1], met)

    def masks(self) -> list[Words]:
        """What is counted."""
        return [*self.pairs, self.applies, self.no_start, self.no_end]


def _levels_of(cohort: Cohort, measure: Measure, day: date, banding: Banding) -> Words:
    """Masks of those who have come so far: applicable, with data, at or above each cut-off in turn."""
    amounts = cohort.axis.values(measure, day).amounts
    return pack_words(amounts >= banding.levels(cohort, measure, day))


def _in_bands(reached: Words) -> Words:
    """Masks of each band."""
    return np.concatenate([reached[1:-1] & ~reached[2:], reached[-1:]])


def _cells(counts: Ints, pupils: Ints, rule: ProgressRule, *, with_data: bool) -> list[list[ProgressCounts]]:
    """The cells of each measure, row by row. `counts`: by measure, mask and row."""
    pairs, applies = counts[:, :_PAIRS], counts[:, _PAIRS]
    bands = np.array(rule.rows).ravel()
    in_bands = np.stack([pairs[:, bands == band].sum(axis=1) for band in range(_BANDS)], axis=2)
    tables = pairs.swapaxes(1, 2).reshape(len(counts), -1, _BANDS, _BANDS)
    plain = cells_of(in_bands, applies, pupils, with_data=with_data)
    return [
        [
            ProgressCounts(**msgspec.structs.asdict(cell), table=table, no_start=no_start, no_end=no_end)
            for cell, table, no_start, no_end in zip(of_measure, *further, strict=True)
        ]
        for of_measure, *further in zip(
            plain, tables.tolist(), counts[:, _PAIRS + 1].tolist(), counts[:, _PAIRS + 2].tolist(), strict=True
        )
    ]


def _in_any_cell(
    starts: Sequence[BandArray], ends: Sequence[BandArray], rule: ProgressRule, cells: Sequence[ProgressCell]
) -> Mask:
    reached = [measure_progress(start, end, rule) for start, end in zip(starts, ends, strict=True)]
    combined = combine(reached)
    masks = []
    for cell in cells:
        if not isinstance(cell, OverviewCellRef):
            masks.append(_in_pair(starts[cell.measure], ends[cell.measure], cell.start, cell.end))
        elif cell.measure is None:
            masks.append(getattr(combined, cell.band))
        else:
            masks.append(reached[cell.measure] == BAND_OF_CELL[cell.band])
    chosen: Mask = np.logical_or.reduce(masks)
    return chosen


def _in_pair(start: BandArray, end: BandArray, start_band: str, end_band: str) -> Mask:
    """Who went from the one band to the other, or lacks the end that is named so."""
    applies = (start != NOT_APPLICABLE) & (end != NOT_APPLICABLE)
    if not start_band or not end_band:
        found: Mask = applies & ((start if start_band == NO_START else end) == NO_DATA)
        return found
    both: Mask = (start == BAND_OF_CELL[start_band]) & (end == BAND_OF_CELL[end_band])
    return both


def _with_progress(members: Members, rule: ProgressRule) -> ProgressMembers:
    pupils = [
        PupilProgress(
            pupil=each.pupil,
            school=each.school,
            year_group=each.year_group,
            values=each.values,
            progress=[_progress_of(*ends, rule) for ends in zip(each.values[::2], each.values[1::2], strict=True)],
        )
        for each in members.pupils
    ]
    return ProgressMembers(members.report, members.provenance, members.total, pupils, members.next)


def _progress_of(start: Value, end: Value, rule: ProgressRule) -> str | None:
    if start.band is None or end.band is None:
        return None
    return BAND_IDS[rule.rows[BAND_IDS.index(start.band)][BAND_IDS.index(end.band)]]
