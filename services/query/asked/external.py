"""What the reports of external data are asked for: a test and its year; columns beside the teacher's judgement."""

from __future__ import annotations

from datetime import datetime

from services.domain.measures import Measure
from services.domain.scoring import year_of
from services.query.external_requests import (
    PARTS,
    ExternalCellRef,
    ExternalMembersRequest,
    ExternalRequest,
    JudgementsRequest,
    Part,
    Year,
    year_of_day,
)
from services.query.parameter_values import read_by, read_identifier, read_measure, read_row
from services.query.parameters import COMMON, SORTED, Asked, clocks_of, page_of, population_of, sort_of, wait_of
from services.query.query_string import Invalid, Parameters, choice, decode_query
from services.query.requests import Clocks

COLUMNS_MAX = 3
EXTERNAL = (*COMMON, "test", "year", "by", "compare")
EXTERNAL_MEMBERS = (*EXTERNAL, "row", "cell", *SORTED)
JUDGEMENTS = (*COMMON, "column", "judgement", *SORTED)

COMPARE = {"national": True}
_PARTS: dict[str, Part] = {part: part for part in PARTS}
_FIRST_YEAR, _LAST_YEAR = 1990, 2199
_OF_JUDGEMENTS = "judgement:"


def read_external(query: bytes, now: datetime) -> Asked[ExternalRequest]:
    """The results of a test that a query string asks for. Raises Problem 422, as all readers here."""
    parameters = Parameters(decode_query(query), EXTERNAL)
    asked = _external(parameters, now)
    parameters.finish()
    return asked


def read_external_members(query: bytes, now: datetime) -> Asked[ExternalMembersRequest]:
    """The pupils behind cells of them."""
    parameters = Parameters(decode_query(query), EXTERNAL_MEMBERS)
    asked = _external(parameters, now)
    limit, cursor = page_of(parameters)
    request = ExternalMembersRequest(
        asked.request,
        row=parameters.one("row", read_row, "whole"),
        cells=parameters.distinct("cell", _read_cell),
        limit=limit,
        cursor=cursor,
        sort=sort_of(parameters),
    )
    parameters.finish()
    return Asked(request, asked.wait)


def read_judgements(query: bytes, now: datetime) -> Asked[JudgementsRequest]:
    """Columns of pupils beside a judgement."""
    parameters = Parameters(decode_query(query), JUDGEMENTS)
    columns = parameters.many("column", read_measure)
    if len(columns) > COLUMNS_MAX:
        parameters.fail("column", "too_many_columns", f"At most {COLUMNS_MAX} columns stand beside the judgement.")
    judgement = parameters.one("judgement", _read_judgement, None)
    if not parameters.has("column") and not parameters.has("judgement"):
        detail = "Name up to 3 columns (column=test:ks2:reading:-:scaled), or judgement=SUBJECT:SCALE, or both."
        parameters.fail("judgement", "missing_parameter", detail)
    limit, cursor = page_of(parameters)
    request = JudgementsRequest(
        population=population_of(parameters),
        clocks=clocks_of(parameters, now),
        columns=columns,
        judgement=judgement,
        limit=limit,
        cursor=cursor,
        sort=sort_of(parameters),
    )
    wait = wait_of(parameters)
    parameters.finish()
    return Asked(request, wait)


def year_asked(parameters: Parameters, clocks: Clocks) -> Year:
    """The academic year, that of `as_at` if none is named."""
    starts = parameters.one("year", _read_year, None)
    return year_of_day(clocks.as_at) if starts is None else Year(starts, clocks.as_at)


def _external(parameters: Parameters, now: datetime) -> Asked[ExternalRequest]:
    if not parameters.has("test"):
        parameters.fail("test", "missing_parameter", "Name a test, such as test=ks2: GET /v1/tests lists them.")
    clocks = clocks_of(parameters, now)
    request = ExternalRequest(
        population=population_of(parameters),
        clocks=clocks,
        test=parameters.one("test", read_identifier, ""),
        year=year_asked(parameters, clocks),
        by=parameters.distinct("by", read_by),
        compared=parameters.one("compare", choice(COMPARE), False),
    )
    return Asked(request, wait_of(parameters))


def _read_year(text: str) -> int | None:
    starts = year_of(text)
    if starts is None or not _FIRST_YEAR <= starts <= _LAST_YEAR:
        raise Invalid("invalid_year", "Write an academic year as 2025/26.")
    return starts


def _read_cell(text: str) -> ExternalCellRef:
    number, _, rest = text.partition(":")
    part, _, code = rest.partition(":")
    if not number.isdecimal() or len(number) > 3 or part not in _PARTS or (code and part not in ("coded", "excluded")):
        raise Invalid("unknown_cell", f"Use INDEX:PART, where PART is one of {', '.join(PARTS)}, or coded:CODE.")
    return ExternalCellRef(int(number), _PARTS[part], code)


def _read_judgement(text: str) -> Measure | None:
    measure = read_measure(f"{_OF_JUDGEMENTS}{text.removeprefix(_OF_JUDGEMENTS)}")
    if measure.on is not None:
        raise Invalid("malformed_measure", "Name the judgement without a date: SUBJECT:SCALE or SUBJECT:SCALE:NAME.")
    return measure
