"""External data as flat tables: a line for each row, measure and figure, or for each pupil and column."""

from __future__ import annotations

from collections.abc import Iterator

from services.query.answers import Members, Value
from services.query.exports import PUPIL_HEADER, VALUE_HEADER, Cell, Table, pupil_cells, value_cells
from services.query.reports.external import External, ExternalMeasure
from services.query.reports.judgements import Judgements

_HEADER = ("row", "row_pupils", "measure", "figure", "value")


def external_table(answer: External) -> Table:
    """`row,row_pupils,measure,figure,value`."""
    lines = (
        (row.row, row.pupils, measure.id, figure, value)
        for row in answer.rows
        for measure in row.measures
        for figure, value in _figures(measure)
    )
    return Table(_HEADER, tuple(lines))


def external_members_table(answer: Members) -> Table:
    """One line for each pupil and measure, by its place."""
    lines = (
        (*pupil_cells(pupil), number, *value_cells(value))
        for pupil in answer.pupils
        for number, value in enumerate(pupil.values)
    )
    return Table((*PUPIL_HEADER, "measure", *VALUE_HEADER), tuple(lines))


def judgements_table(answer: Judgements) -> Table:
    """One line for each pupil and column, then one for the judgement."""
    return Table((*PUPIL_HEADER, "measure", *VALUE_HEADER), tuple(_lines_of(answer)))


def _lines_of(answer: Judgements) -> Iterator[tuple[Cell, ...]]:
    for pupil in answer.pupils:
        for column, value in zip(answer.columns, pupil.values, strict=True):
            yield (*pupil_cells(pupil), column, *value_cells(value))
        if pupil.judgement is not None:
            told = Value("value", value=pupil.judgement.value, on=pupil.judgement.judged_on)
            yield (*pupil_cells(pupil), answer.judgement, *value_cells(told))


def _figures(measure: ExternalMeasure) -> Iterator[tuple[str, int | str | None]]:
    yield from (("of", measure.of), ("met", measure.met), ("percent", measure.percent), ("mean", measure.mean))
    yield from (("scores", measure.scores), ("no_data", measure.no_data), ("not_applicable", measure.not_applicable))
    yield from ((f"score {score}", pupils) for score, pupils in measure.distribution.items())
    yield from ((f"coded {code}", pupils) for code, pupils in measure.coded.items())
    yield from ((f"excluded {code}", pupils) for code, pupils in measure.excluded.items())
    if measure.national is not None:
        yield f"national percent {measure.national.year}", measure.national.value
        yield "pupils above national", measure.national.pupils_above
    if measure.national_mean is not None:
        yield f"national mean {measure.national_mean.year}", measure.national_mean.value
