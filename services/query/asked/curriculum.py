"""What Curriculum Tracking is asked for: objectives or strands of a subject, for one or two dates or groups."""

from __future__ import annotations

from datetime import date, datetime

from services.domain.measures import OWN_YEAR
from services.query.fact_requests import (
    ColumnAsked,
    CurriculumCellRef,
    CurriculumMembersRequest,
    CurriculumRequest,
    RowKind,
    markbook,
)
from services.query.parameter_values import (
    bands_reader,
    read_date,
    read_filter,
    read_identifier,
    read_settings_name,
    read_text,
)
from services.query.parameters import COMMON, SORTED, Asked, clocks_of, page_of, population_of, sort_of, wait_of
from services.query.query_string import Invalid, Parameters, choice, decode_escapes, decode_query

COLUMNS_MAX = 2
CURRICULUM = (*COMMON, "subject", "ability", "rows", "column", "bands", "settings")
CURRICULUM_MEMBERS = (*CURRICULUM, "row", "cell", *SORTED)

_ROWS: dict[str, RowKind] = {"objective": "objective", "strand": "strand"}
_PERCENT = markbook("", "")


def read_curriculum(query: bytes, now: datetime) -> Asked[CurriculumRequest]:
    """The Curriculum Tracking that a query string asks for. Raises Problem 422."""
    parameters = Parameters(decode_query(query), CURRICULUM)
    asked = _curriculum(parameters, now)
    parameters.finish()
    return asked


def read_curriculum_members(query: bytes, now: datetime) -> Asked[CurriculumMembersRequest]:
    """The pupils behind cells of it. Raises Problem 422."""
    parameters = Parameters(decode_query(query), CURRICULUM_MEMBERS)
    asked = _curriculum(parameters, now)
    limit, cursor = page_of(parameters)
    columns = len(asked.request.columns)
    request = CurriculumMembersRequest(
        asked.request,
        row=parameters.one("row", _read_row, ""),
        cells=parameters.distinct("cell", lambda text: _read_cell(text, columns)),
        limit=limit,
        cursor=cursor,
        sort=sort_of(parameters),
    )
    parameters.finish()
    return Asked(request, asked.wait)


def _curriculum(parameters: Parameters, now: datetime) -> Asked[CurriculumRequest]:
    clocks, population = clocks_of(parameters, now), population_of(parameters)
    for name, how in (("subject", "a subject: subject=maths"), ("ability", "an ability: ability=Y3, or own-year")):
        if not parameters.has(name):
            parameters.fail(name, "missing_parameter", f"Name {how}.")
    subject = parameters.one("subject", read_identifier, "")
    ability = parameters.one("ability", read_identifier, "")
    columns = parameters.distinct("column", lambda text: _read_column(text, clocks.as_at, now))
    if len(columns) > COLUMNS_MAX:
        parameters.fail("column", "too_many_columns", f"At most {COLUMNS_MAX} columns stand side by side.")
    groups = {*population.groups, *(column.group for column in columns if column.group)}
    if len(groups) > 1 and ability not in ("", OWN_YEAR):
        detail = "Several groups are looked at by the objectives of each pupil's own year: ability=own-year."
        parameters.fail("ability", "own_year_needed", detail)
    if parameters.has("bands") and parameters.has("settings"):
        parameters.fail("settings", "bands_and_settings", "Give the cut-offs themselves or the name of settings.")
    request = CurriculumRequest(
        population=population,
        clocks=clocks,
        subject=subject,
        ability=ability,
        columns=columns or (ColumnAsked(f"@{clocks.as_at}", clocks.as_at),),
        rows=parameters.one("rows", choice(_ROWS), "objective"),
        bands=parameters.one("bands", bands_reader(_PERCENT), None),
        settings=parameters.one("settings", read_settings_name, ""),
    )
    return Asked(request, wait_of(parameters))


def _read_column(text: str, as_at: date, now: datetime) -> ColumnAsked:
    if text.startswith("@"):
        return ColumnAsked(text, read_date(text[1:], now))
    kind, _, name = text.partition(":")
    if kind == "group" and name.strip():
        return ColumnAsked(text, as_at, group=read_text(decode_escapes(name).strip()))
    if kind == "characteristic" and name.strip():
        return ColumnAsked(text, as_at, filter=read_filter(name))
    raise Invalid("unknown_column", "Use @YYYY-MM-DD, group:NAME or characteristic:NAME:VALUE.")


def _read_row(text: str) -> str:
    kind, _, name = text.partition(":")
    if kind not in _ROWS or not name:
        raise Invalid("invalid_row", "Use a row of the report: objective:ID or strand:NAME.")
    return text


def _read_cell(text: str, columns: int) -> CurriculumCellRef:
    column, _, state = text.partition(":")
    if not (column.isascii() and column.isdecimal()) or not state or int(column) >= columns:
        raise Invalid("unknown_cell", f"Use COLUMN:STATE, COLUMN:none; columns count from 0, and there are {columns}.")
    return CurriculumCellRef(int(column), state)
