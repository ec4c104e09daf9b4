"""Curriculum Tracking: objectives or strands of a subject by states, for one or two dates, groups or values.

The roster is that of `as_at` in every column; a column's own date is that of values, curriculum and own year. Pupils
outside the ability are counted apart (`outside`), so that a mixed class does not mislead; if nobody is inside, the
ability was chosen for these pupils, and all count. Pure; which facts count is said by `facts_known`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np

from schemas.events import Objective
from services.domain.bands import BAND_IDS, Bands
from services.domain.measures import ANY, OWN_YEAR
from services.domain.scores import decimal_text, percent
from services.query.answers import Provenance
from services.query.axis import Words, pack_words, unpack_words
from services.query.fact_requests import ColumnAsked, CurriculumRequest, RowKind
from services.query.facts_known import KnownFacts, Taught
from services.query.notes import Applies, with_notes
from services.query.objective_sheets import Mean, Pupils, Sheet, in_scope, lay_out, own_year
from services.query.population import Cohort, population_words
from services.query.questions import Moment, Question, Reading
from services.query.requests import Population
from services.query.school_index import Mask
from services.query.stored import WORD_BITS
from services.query.teaching import taught_at


class StateShown(msgspec.Struct, frozen=True):
    """A state that counts; a number 0 to 1 as a decimal string."""

    state: str
    name: str
    weight: str


class ColumnShown(msgspec.Struct, frozen=True):
    """A column, and how many pupils are in it, those outside the ability too."""

    column: str
    pupils: int


class MeanShown(msgspec.Struct, frozen=True):
    """The mean over the pupils with data; its percent is None without any."""

    percent: int | None
    numerator: str
    denominator: str
    pupils: int


class CurriculumCell(msgspec.Struct, frozen=True):
    """A row in a column: pupils by state (strands: assessments; marks: by band), and those in none of them."""

    counts: dict[str, int]
    percents: dict[str, int | None]
    none: int
    mean: MeanShown


class CurriculumRow(msgspec.Struct, frozen=True):
    """An objective or a strand. `text`, `ability` and `year_group` are those of an objective."""

    row: str
    strand: str
    weight: str
    text: str
    cells: list[CurriculumCell]
    ability: str | None = None
    year_group: str | None = None


class Curriculum(msgspec.Struct, frozen=True):
    """GET /v1/reports/curriculum. `bands`: the cut-offs where there are marks."""

    report: str
    provenance: Provenance
    subject: str
    ability: str
    states: list[StateShown]
    columns: list[ColumnShown]
    rows: list[CurriculumRow]
    outside: int
    bands: list[int | str] | None = None


class MarksWithoutBands(Exception):
    """A framework has marks, and no bands were given."""


Facts = Mapping[str, KnownFacts]


class Column(msgspec.Struct, frozen=True):
    """A column as laid out: who is in it, who of them is outside the ability (words over the axis), and the sheet of
    each school that teaches anything of it."""

    asked: ColumnAsked
    words: Words
    outside: Words
    sheets: Mapping[str, Sheet]


def question(request: CurriculumRequest) -> Question:
    """What the report needs of the views: rosters."""
    days = {column.on for column in request.columns}
    return Question(request.population, request.clocks, request.clocks.as_at, lambda _: map(Moment, sorted(days)))


def lay_columns(reading: Reading, facts: Facts, request: CurriculumRequest) -> list[Column]:
    """The columns of the report over all schools."""
    reading.axis.load_rosters([request.clocks.as_at, *(column.on for column in request.columns)])
    return [_lay_column(reading, facts, request, column) for column in request.columns]


def has_marks(columns: Sequence[Column]) -> bool:
    """Whether any framework of the report has marks, so that bands are needed."""
    return any(sheet.is_marked for column in columns for sheet in column.sheets.values())


def answer(
    reading: Reading,
    request: CurriculumRequest,
    columns: Sequence[Column],
    bands: Bands | None,
    provenance: Provenance,
) -> Curriculum:
    """The report. Raises MarksWithoutBands."""
    marked = has_marks(columns)
    if marked and bands is None:
        raise MarksWithoutBands(request.subject)
    sheets = [sheet for column in columns for sheet in column.sheets.values()]
    states = _states(sheets)
    names = [*(state.state for state in states), *(BAND_IDS if marked else ())]
    outside = [column.outside for column in columns]
    inside = [column.words & ~column.outside for column in columns]
    words = np.bitwise_or.reduce([column.words for column in columns])
    everyone = Cohort(reading.schools, reading.axis, request.clocks.as_at, words)
    counted = int(np.bitwise_count(np.bitwise_or.reduce(inside)).sum())
    applies = Applies(request.measure, request.clocks.as_at, counted)
    everywhere = np.bitwise_or.reduce(outside) & ~np.bitwise_or.reduce(inside)
    return Curriculum(
        report="curriculum",
        provenance=with_notes(provenance, reading, everyone, request.population, [applies]),
        subject=request.subject,
        ability=request.ability,
        states=states,
        columns=[ColumnShown(each.asked.text, int(np.bitwise_count(each.words).sum())) for each in columns],
        rows=[
            _row(row, sheets, [_cell(row, column, names, bands) for column in columns])
            for row in row_ids(sheets, request.rows)
        ],
        outside=int(np.bitwise_count(everywhere).sum()),
        bands=bands.shown() if bands is not None and marked else None,
    )


# --- Columns -----------------------------------------------------------------------------------------------------


class _Lain(NamedTuple):
    """A school in a column, before it is known who is outside."""

    place: slice
    pupils: Pupils
    taught: Taught | None
    objectives: tuple[Objective, ...]
    own: Mask


def _lay_column(reading: Reading, facts: Facts, request: CurriculumRequest, column: ColumnAsked) -> Column:
    axis, as_at = reading.axis, request.clocks.as_at
    words = population_words(axis, request.population, as_at)
    if column.group:
        words = words & population_words(axis, Population(groups=(column.group,)), as_at)
    if column.filter is not None:
        name, value = column.filter
        words = words & population_words(axis, Population(filters=((name, (value,)),)), as_at)
    lain = {
        school.index.school: _lay_school(reading, number, facts, request, column.on, unpack_words(words))
        for number, school in enumerate(reading.schools)
    }
    outside = np.zeros(axis.size, np.bool_)
    for one in lain.values():
        outside[one.place] = one.pupils.there & _is_outside(request.ability, one)
    if request.ability != OWN_YEAR and not (unpack_words(words) & ~outside).any():
        for one in lain.values():  # nobody is of that year: the ability was chosen for these pupils
            outside[one.place] = one.pupils.there & (not one.objectives)
    sheets = {}
    for school, one in lain.items():
        if one.taught is not None and one.objectives:
            inside = (one.pupils.there & ~outside[one.place])[:, None]
            applies = inside & (one.own if request.ability == OWN_YEAR else np.True_)
            shape = (len(one.pupils.there), len(one.objectives))
            sheets[school] = lay_out(
                facts[school], one.taught, column.on, one.objectives, np.broadcast_to(applies, shape)
            )
    return Column(column, words, pack_words(outside), sheets)


def _lay_school(
    reading: Reading, number: int, facts: Facts, request: CurriculumRequest, on: date, there: Mask
) -> _Lain:
    axis, school = reading.axis, reading.schools[number]
    place = slice(axis.word_starts[number] * WORD_BITS, axis.word_starts[number + 1] * WORD_BITS)
    pupils = Pupils(there[place], axis.year_groups(on)[place], axis.year_group_names)
    taught = taught_at(facts[school.index.school], school, request.subject, on)
    objectives = () if taught is None else in_scope(taught, request.ability)
    return _Lain(place, pupils, taught, objectives, own_year(objectives, pupils))


def _is_outside(ability: str, one: _Lain) -> Mask:
    """Who of a school has no objective of the ability, or is in another year than all of its objectives."""
    if not one.objectives:
        return np.full(len(one.pupils.there), True)
    if ability == ANY or (ability != OWN_YEAR and not all(each.year_group for each in one.objectives)):
        return np.zeros(len(one.pupils.there), np.bool_)
    others: Mask = ~np.any(one.own, axis=1)
    return others


# --- Rows --------------------------------------------------------------------------------------------------------


def row_ids(sheets: Sequence[Sheet], kind: RowKind) -> list[str]:
    """The rows of the report, in the order of the source."""
    return list(dict.fromkeys(row for sheet in sheets for row in sheet.rows_by_kind[kind]))


def places_of(sheet: Sheet, row: str) -> list[int]:
    """The objectives of a row, by place; of no row (empty) all."""
    kind: RowKind = "strand" if row.startswith("strand:") else "objective"
    return sheet.rows_by_kind[kind].get(row, []) if row else list(range(len(sheet.objectives)))


def _row(row: str, sheets: Sequence[Sheet], cells: list[CurriculumCell]) -> CurriculumRow:
    """A row as the last column that has it says it."""
    sheet = next(sheet for sheet in reversed(sheets) if places_of(sheet, row))
    objectives = [sheet.objectives[place] for place in places_of(sheet, row)]
    weight = sum((Fraction(each.weight) for each in objectives), Fraction(0))
    single = objectives[0] if row.startswith("objective:") else None
    return CurriculumRow(
        row=row,
        strand=objectives[0].strand,
        weight=decimal_text(weight.numerator, weight.denominator),
        text="" if single is None else single.text,
        cells=cells,
        ability=None if single is None else single.ability,
        year_group=None if single is None else single.year_group or None,
    )


def _cell(row: str, column: Column, names: Sequence[str], bands: Bands | None) -> CurriculumCell:
    tallies = [
        sheet.tally(places, bands) for sheet in column.sheets.values() for places in (places_of(sheet, row),) if places
    ]
    counts = {name: sum(each.counts.get(name, 0) for each in tallies) for name in names}
    none = sum(each.none for each in tallies)
    mean = sum((each.mean for each in tallies), Mean())
    of = none + sum(counts.values())
    return CurriculumCell(counts, {name: percent(count, of) for name, count in counts.items()}, none, _shown(mean))


def _shown(mean: Mean) -> MeanShown:
    top, bottom = mean.numerator, mean.denominator
    return MeanShown(
        percent(top.numerator * bottom.denominator, bottom.numerator * top.denominator),
        decimal_text(top.numerator, top.denominator),
        decimal_text(bottom.numerator, bottom.denominator),
        mean.pupils,
    )


def _states(sheets: Sequence[Sheet]) -> list[StateShown]:
    """The named states that count, of all versions, in their order."""
    found: dict[str, StateShown] = {}
    for sheet in sheets:
        for each in sheet.taught.version.states:
            if each.weight is not None:
                weight = Fraction(each.weight)
                text = decimal_text(weight.numerator, weight.denominator)
                found.setdefault(each.state, StateShown(each.state, each.name or each.state, text))
    return list(found.values())
