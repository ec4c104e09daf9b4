"""Query strings become report requests, strictly: what is not understood is refused by name, with its fix.

The readers return an `Asked`: the request, and how long to wait for which position. No database, no HTTP, no clock:
the present moment comes in. What a school has (subjects, groups, values) is not asked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Generic, Literal, TypeVar

import msgspec

from services.domain.bands import Bands
from services.domain.measures import Measure
from services.query.parameter_values import (
    ANY_BANDS,
    bands_reader,
    read_by,
    read_cursor,
    read_date,
    read_dated_measure,
    read_filter,
    read_identifier,
    read_instant,
    read_limit,
    read_matrix_cell,
    read_measure,
    read_months,
    read_overview_cell,
    read_position,
    read_row,
    read_text,
    read_wait_seconds,
    today_of,
)
from services.query.query_string import Invalid, Parameters, choice, decode_query
from services.query.requests import (
    Clocks,
    Cursor,
    MatrixMembersRequest,
    MatrixRequest,
    MembersRequest,
    Occasion,
    OverviewRequest,
    Population,
    ScoreTrackingRequest,
)
from services.runtime.positions import Position

MEASURES_MAX = 3
LIMIT_DEFAULT = 50
WAIT_SECONDS_DEFAULT = 2.0

_COMMON = (
    "school", "trust", "year_group", "group", "filter", "as_at", "as_known_at", "min_position", "wait_seconds",
)  # fmt: skip
_PAGED = ("limit", "cursor")
OVERVIEW = (*_COMMON, "measure", "bands", "settings", "by", "denominator")
OVERVIEW_MEMBERS = (*OVERVIEW, "row", "cell", *_PAGED)
SCORE_TRACKING = (*_COMMON, "measure", "months", "members", *_PAGED)
MATRIX = (*_COMMON, "first", "second", "first_bands", "second_bands", "settings", "on")
MATRIX_MEMBERS = (*MATRIX, "cell", *_PAGED)

_DENOMINATORS: dict[str, Literal["row", "with_data"]] = {"row": "row", "with_data": "with_data"}
_MEMBERS: dict[str, Literal["now", "then"]] = {"now": "now", "then": "then"}
_SIDES: dict[str, Literal["first", "second"]] = {"first": "first", "second": "second"}
_NO_MEASURE = Measure(kind="markbook", text="", subject="")

R = TypeVar("R")


class Wait(msgspec.Struct, frozen=True):
    """The position that the views must have reached, and for how many seconds to wait for it."""

    position: Position | None = None
    seconds: float = WAIT_SECONDS_DEFAULT


class Asked(msgspec.Struct, Generic[R], frozen=True):
    """A request for a report and what it waits for. `occasion`: for the audit; without it an answer has no names."""

    request: R
    wait: Wait
    occasion: Occasion | None = None


def read_overview(query: bytes, now: datetime) -> Asked[OverviewRequest]:
    """The overview that a query string asks for. Raises Problem 422, as all readers here."""
    parameters = Parameters(decode_query(query), OVERVIEW)
    asked = _overview(parameters, now)
    parameters.finish()
    return asked


def read_overview_members(query: bytes, now: datetime) -> Asked[MembersRequest]:
    """The pupils behind cells of an overview that a query string asks for."""
    parameters = Parameters(decode_query(query), OVERVIEW_MEMBERS)
    asked = _overview(parameters, now)
    limit, cursor = _page(parameters)
    measures = len(asked.request.measures)
    request = MembersRequest(
        overview=asked.request,
        row=parameters.one("row", read_row, "whole"),
        cells=parameters.distinct("cell", lambda text: read_overview_cell(text, measures)),
        limit=limit,
        cursor=cursor,
    )
    parameters.finish()
    return Asked(request, asked.wait)


def read_score_tracking(query: bytes, now: datetime) -> Asked[ScoreTrackingRequest]:
    """The score tracking that a query string asks for."""
    parameters = Parameters(decode_query(query), SCORE_TRACKING)
    measure = parameters.one("measure", read_measure, _NO_MEASURE)
    if not parameters.has("measure"):
        parameters.fail("measure", "missing_parameter", "Name one markbook measure: markbook:SUBJECT:ABILITY:overall.")
    elif measure.kind != "markbook":
        parameters.fail("measure", "not_a_markbook_measure", "Score tracking follows one markbook measure.")
    limit, cursor = _page(parameters)
    request = ScoreTrackingRequest(
        population=_population(parameters),
        clocks=_clocks(parameters, now),
        measure=measure,
        months=parameters.one("months", read_months, ()),
        members=parameters.one("members", choice(_MEMBERS), "now"),
        limit=limit,
        cursor=cursor,
    )
    wait = _wait(parameters)
    parameters.finish()
    return Asked(request, wait)


def read_matrix(query: bytes, now: datetime) -> Asked[MatrixRequest]:
    """The matrix that a query string asks for."""
    parameters = Parameters(decode_query(query), MATRIX)
    asked = _matrix(parameters, now)
    parameters.finish()
    return asked


def read_matrix_members(query: bytes, now: datetime) -> Asked[MatrixMembersRequest]:
    """The pupils behind cells of a matrix that a query string asks for."""
    parameters = Parameters(decode_query(query), MATRIX_MEMBERS)
    asked = _matrix(parameters, now)
    limit, cursor = _page(parameters)
    cells = parameters.distinct("cell", read_matrix_cell)
    parameters.finish()
    return Asked(MatrixMembersRequest(asked.request, cells, limit, cursor), asked.wait)


# --- Parts of a request ------------------------------------------------------------------------------------------


def _overview(parameters: Parameters, now: datetime) -> Asked[OverviewRequest]:
    measures = parameters.many("measure", read_measure)
    if not parameters.has("measure"):
        parameters.fail("measure", "missing_parameter", "Name 1 to 3 measures, such as markbook:maths:Y3:overall.")
    elif len(measures) > MEASURES_MAX:
        parameters.fail("measure", "too_many_measures", f"An overview shows at most {MEASURES_MAX} measures.")
    request = OverviewRequest(
        population=_population(parameters),
        clocks=_clocks(parameters, now),
        measures=measures,
        bands=_bands_of(parameters, measures),
        by=parameters.distinct("by", read_by),
        denominator=parameters.one("denominator", choice(_DENOMINATORS), "row"),
    )
    return Asked(request, _wait(parameters))


def _matrix(parameters: Parameters, now: datetime) -> Asked[MatrixRequest]:
    clocks = _clocks(parameters, now)
    _refuse_settings(parameters)

    def read(text: str) -> tuple[Measure, date]:
        return read_dated_measure(text, clocks.as_at, now)

    sides: list[tuple[Measure, date]] = []
    bands: list[Bands] = []
    for side in _SIDES:
        if not parameters.has(side):
            parameters.fail(side, "missing_parameter", "Name a measure: markbook:SUBJECT:ABILITY:overall@2026-03-31.")
        measure, on = parameters.one(side, read, (_NO_MEASURE, clocks.as_at))
        name = f"{side}_bands"
        if not parameters.has(name) and not parameters.has("settings"):
            _fail_without_bands(parameters, name)
        sides.append((measure, on))
        bands.append(parameters.one(name, bands_reader(measure), ANY_BANDS))
    request = MatrixRequest(
        population=_population(parameters),
        clocks=clocks,
        first=sides[0][0],
        first_on=sides[0][1],
        first_bands=bands[0],
        second=sides[1][0],
        second_on=sides[1][1],
        second_bands=bands[1],
        on=parameters.one("on", choice(_SIDES), "second"),
    )
    return Asked(request, _wait(parameters))


def _population(parameters: Parameters) -> Population:
    schools = parameters.distinct("school", read_identifier)
    trust = parameters.one("trust", read_identifier, "")
    if parameters.has("school") and parameters.has("trust"):
        parameters.fail("trust", "school_and_trust", "Name schools or a trust, not both.")
    elif not parameters.has("school") and not parameters.has("trust"):
        parameters.fail("school", "no_school", "Name one or more schools (school=…), or a trust (trust=…).")
    return Population(
        schools=schools or None,
        trust=trust or None,
        year_groups=parameters.distinct("year_group", read_text),
        groups=parameters.distinct("group", read_text),
        filters=_grouped(parameters.distinct("filter", read_filter)),
    )


def _clocks(parameters: Parameters, now: datetime) -> Clocks:
    return Clocks(
        as_at=parameters.one("as_at", lambda text: read_date(text, now), today_of(now)),
        as_known_at=parameters.one("as_known_at", lambda text: read_instant(text, now), None),
    )


def _wait(parameters: Parameters) -> Wait:
    return Wait(
        position=parameters.one("min_position", read_position, None),
        seconds=parameters.one("wait_seconds", read_wait_seconds, WAIT_SECONDS_DEFAULT),
    )


def _page(parameters: Parameters) -> tuple[int, Cursor | None]:
    return parameters.one("limit", read_limit, LIMIT_DEFAULT), parameters.one("cursor", read_cursor, None)


def _bands_of(parameters: Parameters, measures: Sequence[Measure]) -> tuple[Bands, ...]:
    """One for each measure: those given one each, or the one given for all of them."""
    _refuse_settings(parameters)
    texts = parameters.many("bands", str)
    if not texts:
        if not parameters.has("settings") and not parameters.has("bands"):
            _fail_without_bands(parameters, "bands")
        return ()
    if len(texts) not in (1, len(measures)):
        parameters.fail(
            "bands", "wrong_count", f"Give bands once for all measures or once for each of the {len(measures)}."
        )
        return ()
    found = []
    for index, measure in enumerate(measures):
        try:
            found.append(bands_reader(measure)(texts[index if len(texts) > 1 else 0]))
        except Invalid as invalid:
            parameters.fail("bands", invalid.code, invalid.detail)
            if len(texts) == 1:
                break
    return tuple(found)


def _refuse_settings(parameters: Parameters) -> None:
    if parameters.has("settings"):
        parameters.fail("settings", "unknown_settings", "There are no such settings; give the cut-offs as bands.")


def _fail_without_bands(parameters: Parameters, name: str) -> None:
    parameters.fail(name, "no_settings", f"The schools have no settings; give four cut-offs: {name}=35,50,70,85.")


def _grouped(filters: Sequence[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    names = dict.fromkeys(name for name, _ in filters)
    return tuple((name, tuple(value for other, value in filters if other == name)) for name in names)
