"""External data: the results of a test in an academic year, row by row: who met what is expected, means, codes, and how
far that lies from the national figure.

Pure. Whom a test is for by its year groups, and whoever has a result of it, is in the denominator; a code that does not
count is outside it; means are of scores alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from schemas.definitions import TestDefined
from services.domain.combinations import COMBINATIONS, YES_AMOUNT, combination_of
from services.domain.measures import Measure, parse_measure
from services.domain.national import Figure
from services.domain.schools import DEFAULT_YEAR_STARTS
from services.domain.scores import decimal_text, percent
from services.domain.scoring import PARTS, Scoring
from services.query.answers import Note, Provenance
from services.query.axis import Axis, Wanted, pack_words
from services.query.breakdown import Rows, break_down
from services.query.external_requests import ExternalCellRef, ExternalMembersRequest, ExternalRequest
from services.query.external_values import Sittings, columns_on, day_before_year, meets_expected, numbers_of
from services.query.notes import with_notes
from services.query.numbers import NO_CODE
from services.query.population import Cohort, gather_cohort, natural_key
from services.query.questions import Moment, Question, Reading, knowledge_time, moments_of
from services.query.reports.listing import Chosen, Column
from services.query.reports.members import in_row
from services.query.reports.nation import Beside, beside_nation
from services.query.school_index import SchoolIndex
from services.query.vectors import Ints, Mask

REPORT = "external"
MEMBERS = "external/members"


class ExternalMeasure(msgspec.Struct, frozen=True):
    """One measure in one row. `of`: what `percent` divides by; `scores`: how many scores `mean` is of."""

    id: str
    of: int
    met: int | None
    percent: int | None
    mean: str | None
    scores: int
    distribution: dict[str, int]
    coded: dict[str, int]
    excluded: dict[str, int]
    no_data: int
    not_applicable: int
    national: Beside | None
    national_mean: Beside | None = None


class ExternalRow(msgspec.Struct, frozen=True):
    """One row."""

    row: str
    pupils: int
    measures: list[ExternalMeasure]


class External(msgspec.Struct, frozen=True):
    """GET /v1/reports/external. `on`: the date of the roster; `expected`: by measure, what met means."""

    report: str
    provenance: Provenance
    test: str
    name: str
    year: str
    on: date
    expected: dict[str, str | None]
    rows: list[ExternalRow]


class _Counted(NamedTuple):
    """Masks over the axis of one measure, and what the scores of those with one are."""

    measure: Measure
    parts: Mapping[str, Mask]
    codes: Ints
    amounts: Ints
    has_threshold: bool


def question(request: ExternalRequest) -> Question:
    """What the report needs of the views."""

    def moments(indexes: Sequence[SchoolIndex]) -> list[Moment]:
        on = _valued_on(request, [_year_starts(index, request) for index in indexes])
        column = Moment(on, column=f"test:{request.test}:*:*:*")
        earlier = Moment(day_before_year(on), column=column.column)
        return [Moment(on), column, earlier, *(m for each in _combined(request.test) for m in moments_of(each, on))]

    key = (REPORT, request.test, request.year)
    return Question(request.population, request.clocks, request.year.roster_on, moments, key=key)


def measures_of(reading: Reading, request: ExternalRequest) -> list[Measure]:
    """The columns of the test that the schools have, and what combines them."""
    columns = columns_on(reading.axis, f"test:{request.test}:*:*:*")
    since = request.year.first(min(_years_start(reading), default=DEFAULT_YEAR_STARTS))
    tests = [parse_measure(column) for column in sorted(columns, key=natural_key)]
    return [*(msgspec.structs.replace(each, since=since) for each in tests), *_combined(request.test)]


def answer(reading: Reading, request: ExternalRequest, test: TestDefined, measures: Sequence[Measure]) -> External:
    """The report of what was read. `measures`: those of `measures_of`, with what the test declares."""
    cohort, counted = _count(reading, request, test, measures)
    rows = break_down(cohort, request.by)
    by_measure = [_rows_of(each, rows, reading, request) for each in counted]
    return External(
        report=REPORT,
        provenance=_provenance(reading, cohort, request, counted),
        test=request.test,
        name=test.name,
        year=request.year.label,
        on=request.year.roster_on,
        expected={each.text: _expected(each.scoring, _on(reading, request)) for each in measures},
        rows=[
            ExternalRow(row, size, [cells[number] for cells in by_measure])
            for number, (row, size) in enumerate(zip(rows.ids, rows.sizes().tolist(), strict=True))
        ],
    )


def _provenance(reading: Reading, cohort: Cohort, request: ExternalRequest, counted: Sequence[_Counted]) -> Provenance:
    """With a note where nobody took the test."""
    provenance = with_notes(reading.provenance, reading, cohort, request.population)
    if not cohort.size or any(each.parts["of"].any() or each.parts["excluded"].any() for each in counted):
        return provenance
    detail = f"No result of the test {request.test} of {request.year.label} was told at these schools, as known then."
    notes = [] if provenance.notes is UNSET else provenance.notes
    return msgspec.structs.replace(provenance, notes=[*notes, Note("no_results", detail, "year", request.year.label)])


def choose(reading: Reading, request: ExternalMembersRequest, test: TestDefined, measures: Sequence[Measure]) -> Chosen:
    """The pupils of the row who are in any of the cells."""
    cohort, counted = _count(reading, request.external, test, measures)
    chosen = in_row(cohort, request.row)
    if request.cells:
        masks = [_in_cell(counted, cell)[cohort.places] for cell in request.cells if cell.measure < len(counted)]
        chosen = chosen & np.logical_or.reduce([np.zeros(cohort.size, np.bool_), *masks])
    on = _on(reading, request.external)
    columns = tuple(Column(each, on) for each in measures)
    lead = request.cells[0].measure if request.cells and request.cells[0].measure < len(columns) else 0
    return Chosen(MEMBERS, cohort, np.flatnonzero(chosen), columns, lead)


# --- Counting ----------------------------------------------------------------------------------------------------


def _count(
    reading: Reading, request: ExternalRequest, test: TestDefined, measures: Sequence[Measure]
) -> tuple[Cohort, list[_Counted]]:
    on, axis = _on(reading, request), reading.axis
    axis.load_values([Wanted(measure, on) for measure in measures])
    cohort = gather_cohort(reading.schools, request.population, request.year.roster_on, axis=axis)
    meant_for = _meant_for(axis, test, request.year.roster_on)
    return cohort, [
        _masks_of(axis, measure, on, meant_for, _in_its_year(axis, measure, request.year.roster_on))
        for measure in measures
    ]


def _meant_for(axis: Axis, test: TestDefined, on: date) -> Mask:
    """The pupils in the year groups of the test; one whose year group is not known may be."""
    if not test.year_groups:
        return np.ones(axis.size, np.bool_)
    return np.isin(axis.year_groups(on), [*numbers_of(axis.year_group_names, test.year_groups), -1])


def _in_its_year(axis: Axis, measure: Measure, on: date) -> Mask | None:
    """Of a combination by years the pupils whom it is of this year: those in the last of its years."""
    years = combination_of(measure).years if measure.kind == "combined" else ()
    if not years:
        return None
    return np.isin(axis.year_groups(on), numbers_of(axis.year_group_names, [str(max(years))]))


def _masks_of(axis: Axis, measure: Measure, on: date, meant_for: Mask, its_year: Mask | None) -> _Counted:
    """`its_year`: whom alone the measure is of."""
    values = axis.values(measure, on)
    codes = np.full(axis.size, NO_CODE, np.int64) if values.codes is None else values.codes
    counting = np.isin(codes, [n for n, rule in enumerate(measure.scoring.codes) if rule.counts])
    coded, excluded = counting, (codes != NO_CODE) & ~counting
    scored = (values.amounts >= 0) & (codes == NO_CODE)
    if measure.kind == "combined":
        met, has_threshold = scored & (values.amounts == YES_AMOUNT), True
    else:
        met = scored & meets_expected(measure.scoring, values.amounts, _days_of(axis, values.sources))
        has_threshold = bool(measure.scoring.thresholds)
    told = _told(axis, values.sources, scored | coded | excluded)
    in_scope = (meant_for & _applies(axis, values.sources, values.amounts)) | told
    if not told.any():  # nobody sat it: it is not that everybody fell short
        in_scope = told
    if its_year is not None:
        in_scope = told | (_applies(axis, values.sources, values.amounts) & (told & its_year).any())
        scored, coded, excluded, met, told, in_scope = (
            each & its_year for each in (scored, coded, excluded, met, told, in_scope)
        )
    parts = {
        "value": scored,
        "met": met,
        "not_met": (told & ~excluded & ~met),
        "coded": coded,
        "excluded": excluded,
        "no_data": in_scope & ~told,
        "not_applicable": ~in_scope,
        "of": in_scope & ~excluded,
    }
    codes = np.where(coded | excluded, codes, NO_CODE)
    return _Counted(measure, parts, codes, np.where(scored, values.amounts, -1), has_threshold)


def _told(axis: Axis, sources: Sequence[object], otherwise: Mask) -> Mask:
    """Who has a result, whether or not it is worth anything."""
    found = otherwise.copy()
    for number, source in enumerate(sources):
        if isinstance(source, Sittings):
            found[axis.place_of(number)] |= source.present
    return found


def _applies(axis: Axis, sources: Sequence[object], amounts: Ints) -> Mask:
    """Where the schools have the test at all, and a combination asks for the pupil's year."""
    found = np.zeros(axis.size, np.bool_)
    for number, source in enumerate(sources):
        place = axis.place_of(number)
        found[place] = isinstance(source, Sittings) | (amounts[place] >= -1)
    return found


def _days_of(axis: Axis, sources: Sequence[object]) -> Ints:
    days = np.zeros(axis.size, np.int64)
    for number, source in enumerate(sources):
        if isinstance(source, Sittings):
            days[axis.place_of(number)] = source.days
    return days


def _in_cell(counted: Sequence[_Counted], cell: ExternalCellRef) -> Mask:
    one = counted[cell.measure]
    mask = one.parts[cell.part]
    if cell.code:
        number = one.measure.scoring.code_number(cell.code)
        return mask & (one.codes == number) if number is not None else np.zeros_like(mask)
    return mask


# --- The cells ---------------------------------------------------------------------------------------------------


def _rows_of(counted: _Counted, rows: Rows, reading: Reading, request: ExternalRequest) -> list[ExternalMeasure]:
    """The cells of a measure, row by row."""
    measure, scoring = counted.measure, counted.measure.scoring
    scores = np.unique(counted.amounts[counted.amounts >= 0]).tolist()
    codes = np.unique(counted.codes[counted.codes != NO_CODE]).tolist()
    names = ("of", "met", "no_data", "not_applicable", "value")
    masks = [
        *(counted.parts[name] for name in names),
        *(counted.amounts == score for score in scores),
        *(counted.codes == code for code in codes),
    ]
    counts = rows.count(pack_words(np.stack(masks))).T.tolist()
    texts = [_text_of(scoring, score) for score in scores]
    has_mean = measure.kind == "test" and not scoring.values
    found = []
    for of, met, no_data, not_applicable, scored, *rest in counts:
        by_score, by_code = rest[: len(scores)], dict(zip(codes, rest[len(scores) :], strict=True))
        mean = _mean(scores, by_score) if has_mean else None
        counting = {scoring.codes[code].code: n for code, n in by_code.items() if n and scoring.codes[code].counts}
        outside = {scoring.codes[code].code: n for code, n in by_code.items() if n and not scoring.codes[code].counts}
        share = met if counted.has_threshold else None
        found.append(
            ExternalMeasure(
                id=measure.undated,
                of=of,
                met=share,
                percent=None if share is None else percent(share, of),
                mean=None if mean is None else one_decimal(mean),
                scores=scored,
                distribution={text: n for text, n in zip(texts, by_score, strict=True) if n},
                coded=counting,
                excluded=outside,
                no_data=no_data,
                not_applicable=not_applicable,
                national=_beside(reading, request, measure, "percent", share, of),
                national_mean=_beside(reading, request, measure, "mean", None, of),
            )
        )
    return found


def _beside(
    reading: Reading, request: ExternalRequest, measure: Measure, figure: Figure, met: int | None, of: int
) -> Beside | None:
    if not request.compared:
        return None
    return beside_nation(reading, measure.undated, figure, request.year.label, met, of)


def _mean(scores: Sequence[int], pupils: Sequence[int]) -> Fraction | None:
    count = sum(pupils)
    return Fraction(sum(score * n for score, n in zip(scores, pupils, strict=True)), PARTS * count) if count else None


def one_decimal(value: Fraction) -> str:
    """A number that is not negative with one decimal, half up."""
    tenths = int(value * 10 + Fraction(1, 2))
    return f"{tenths // 10}.{tenths % 10}"


def _text_of(scoring: Scoring, amount: int) -> str:
    return scoring.values[amount // PARTS - 1] if scoring.values else decimal_text(amount, PARTS)


# --- The year ----------------------------------------------------------------------------------------------------


def _combined(test: str) -> list[Measure]:
    return [
        Measure(kind="combined", text=f"combined:{item}", subject="", item=item)
        for item, combination in COMBINATIONS.items()
        if combination.test == test
    ]


def _expected(scoring: Scoring, on: date) -> str | None:
    amount = scoring.expected(on.toordinal())
    return None if amount is None else _text_of(scoring, amount)


def _on(reading: Reading, request: ExternalRequest) -> date:
    return _valued_on(request, _years_start(reading))


def _valued_on(request: ExternalRequest, years_start: Sequence[int]) -> date:
    return request.year.valued_on(min(years_start, default=DEFAULT_YEAR_STARTS))


def _years_start(reading: Reading) -> list[int]:
    return [school.views.year_starts() for school in reading.schools]


def _year_starts(index: SchoolIndex, request: ExternalRequest) -> int:
    details = index.details_at(knowledge_time(request.clocks))
    return DEFAULT_YEAR_STARTS if details is None else details.year_starts
