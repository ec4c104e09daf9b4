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
    read_points,
    read_position,
    read_row,
    read_settings_name,
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
    Sort,
)
from services.runtime.positions import Position

MEASURES_MAX = 3
LIMIT_DEFAULT = 50
WAIT_SECONDS_DEFAULT = 2.0

COMMON = (
    "school", "trust", "year_group", "group", "filter", "as_at", "as_known_at", "min_position", "wait_seconds",
)  # fmt: skip
PAGED = ("limit", "cursor")
SORTED = (*PAGED, "sort")
OVERVIEW = (*COMMON, "measure", "bands", "settings", "by", "then", "denominator")
OVERVIEW_MEMBERS = (*OVERVIEW, "row", "in", "cell", *SORTED)
SCORE_TRACKING = (*COMMON, "measure", "months", "members", "target", *PAGED)
SCORE_TRACKING_MEMBERS = (*SCORE_TRACKING, "sort")
MATRIX = (*COMMON, "first", "second", "first_bands", "second_bands", "settings", "on", "type")
MATRIX_MEMBERS = (*MATRIX, "cell", *SORTED)

_DENOMINATORS: dict[str, Literal["row", "with_data"]] = {"row": "row", "with_data": "with_data"}
_MEMBERS: dict[str, Literal["now", "then"]] = {"now": "now", "then": "then"}
_SIDES: dict[str, Literal["first", "second"]] = {"first": "first", "second": "second"}
_TYPES: dict[str, Literal["", "group", "ability"]] = {"": "", "group": "group", "ability": "ability"}
_SORTS: dict[str, Sort] = {"name": "name", "value": "value"}
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
    asked = overview_of(parameters, now)
    parameters.finish()
    return asked


def read_overview_members(query: bytes, now: datetime) -> Asked[MembersRequest]:
    """The pupils behind cells of an overview that a query string asks for."""
    parameters = Parameters(decode_query(query), OVERVIEW_MEMBERS)
    asked = overview_of(parameters, now)
    limit, cursor = page_of(parameters)
    measures = len(asked.request.measures)
    request = MembersRequest(
        overview=asked.request,
        row=parameters.one("row", read_row, "whole"),
        cells=parameters.distinct("cell", lambda text: read_overview_cell(text, measures)),
        limit=limit,
        cursor=cursor,
        inside=parameters.one("in", read_row, "whole"),
        sort=sort_of(parameters),
    )
    parameters.finish()
    return Asked(request, asked.wait)


def read_score_tracking(query: bytes, now: datetime) -> Asked[ScoreTrackingRequest]:
    """The score tracking that a query string asks for."""
    return _score_tracking(Parameters(decode_query(query), SCORE_TRACKING), now)


def read_score_tracking_members(query: bytes, now: datetime) -> Asked[ScoreTrackingRequest]:
    """The pupils of a score tracking, in an order."""
    return _score_tracking(Parameters(decode_query(query), SCORE_TRACKING_MEMBERS), now)


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
    limit, cursor = page_of(parameters)
    cells = parameters.distinct("cell", read_matrix_cell)
    sort = sort_of(parameters)
    parameters.finish()
    return Asked(MatrixMembersRequest(asked.request, cells, limit, cursor, sort), asked.wait)


# --- Parts of a request ------------------------------------------------------------------------------------------


def _score_tracking(parameters: Parameters, now: datetime) -> Asked[ScoreTrackingRequest]:
    measure = parameters.one("measure", read_measure, _NO_MEASURE)
    if not parameters.has("measure"):
        parameters.fail("measure", "missing_parameter", "Name one markbook measure: markbook:SUBJECT:ABILITY:overall.")
    elif measure.kind != "markbook":
        parameters.fail("measure", "not_a_markbook_measure", "Score tracking follows one markbook measure.")
    limit, cursor = page_of(parameters)
    request = ScoreTrackingRequest(
        population=population_of(parameters),
        clocks=clocks_of(parameters, now),
        measure=measure,
        months=parameters.one("months", read_months, ()),
        members=parameters.one("members", choice(_MEMBERS), "now"),
        limit=limit,
        cursor=cursor,
        target=parameters.one("target", read_points, None),
        sort=sort_of(parameters),
    )
    wait = wait_of(parameters)
    parameters.finish()
    return Asked(request, wait)


def overview_of(parameters: Parameters, now: datetime) -> Asked[OverviewRequest]:
    """The parameters that an overview has."""
    measures = parameters.many("measure", read_measure)
    if not parameters.has("measure"):
        parameters.fail("measure", "missing_parameter", "Name 1 to 3 measures, such as markbook:maths:Y3:overall.")
    elif len(measures) > MEASURES_MAX:
        parameters.fail("measure", "too_many_measures", f"An overview shows at most {MEASURES_MAX} measures.")
    request = OverviewRequest(
        population=population_of(parameters),
        clocks=clocks_of(parameters, now),
        measures=measures,
        bands=bands_of(parameters, measures),
        by=parameters.distinct("by", read_by),
        denominator=parameters.one("denominator", choice(_DENOMINATORS), "row"),
        settings=parameters.one("settings", read_settings_name, ""),
        then=parameters.distinct("then", read_by),
    )
    if request.then and not request.by:
        parameters.fail("then", "nothing_to_split", "`then` splits the rows of `by` again: say by what first.")
    return Asked(request, wait_of(parameters))


def _matrix(parameters: Parameters, now: datetime) -> Asked[MatrixRequest]:
    clocks = clocks_of(parameters, now)

    def read(text: str) -> tuple[Measure, date]:
        return read_dated_measure(text, clocks.as_at, now)

    sides: list[tuple[Measure, date]] = []
    bands: list[Bands | None] = []
    for side in _SIDES:
        if not parameters.has(side):
            parameters.fail(side, "missing_parameter", "Name a measure: markbook:SUBJECT:ABILITY:overall@2026-03-31.")
        measure, on = parameters.one(side, read, (_NO_MEASURE, clocks.as_at))
        sides.append((measure, on))
        bands.append(parameters.one(f"{side}_bands", bands_reader(measure), None))
    if parameters.has("settings") and all(parameters.has(f"{side}_bands") for side in _SIDES):
        _fail_both(parameters)
    kind = parameters.one("type", choice(_TYPES), _TYPES[""])
    if kind == "ability":
        _check_one_source(parameters, sides)
    request = MatrixRequest(
        population=population_of(parameters),
        clocks=clocks,
        first=sides[0][0],
        first_on=sides[0][1],
        first_bands=bands[0],
        second=sides[1][0],
        second_on=sides[1][1],
        second_bands=bands[1],
        on=parameters.one("on", choice(_SIDES), "second"),
        settings=parameters.one("settings", read_settings_name, ""),
        type=kind,
    )
    return Asked(request, wait_of(parameters))


def _check_one_source(parameters: Parameters, sides: Sequence[tuple[Measure, date]]) -> None:
    """An ability matrix compares one source with itself on two dates (domain 4.5)."""
    (first, first_on), (second, second_on) = sides
    if not parameters.has("first") or not parameters.has("second"):
        return
    if (first.kind, first.subject) != (second.kind, second.subject):
        detail = "An ability matrix compares one source on two dates; these are two. A group matrix takes any two."
        parameters.fail("second", "two_sources", detail)
    elif first.undated != second.undated:
        detail = "An ability matrix has the same ability and measure on both sides; only the dates differ."
        parameters.fail("second", "two_abilities", detail)
    elif first_on == second_on:
        detail = "An ability matrix compares two dates: first=MEASURE@2025-08-31&second=MEASURE@2025-11-30."
        parameters.fail("second", "one_date", detail)


def population_of(parameters: Parameters) -> Population:
    """Whom a report counts."""
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


def clocks_of(parameters: Parameters, now: datetime) -> Clocks:
    """Both clocks."""
    return Clocks(
        as_at=parameters.one("as_at", lambda text: read_date(text, now), today_of(now)),
        as_known_at=parameters.one("as_known_at", lambda text: read_instant(text, now), None),
    )


def wait_of(parameters: Parameters) -> Wait:
    """What a report waits for."""
    return Wait(
        position=parameters.one("min_position", read_position, None),
        seconds=parameters.one("wait_seconds", read_wait_seconds, WAIT_SECONDS_DEFAULT),
    )


def page_of(parameters: Parameters) -> tuple[int, Cursor | None]:
    """How many pupils a page has, and after whom it begins."""
    return parameters.one("limit", read_limit, LIMIT_DEFAULT), parameters.one("cursor", read_cursor, None)


def sort_of(parameters: Parameters) -> Sort:
    """The order of a list of pupils."""
    return parameters.one("sort", choice(_SORTS), "")


def bands_of(
    parameters: Parameters, measures: Sequence[Measure], bands: str = "bands", settings: str = "settings"
) -> tuple[Bands, ...]:
    """One for each measure: those given one each, or the one given for all of them. None are given: empty."""
    texts = parameters.many(bands, str)
    if not texts:
        return ()
    if parameters.has(settings):
        _fail_both(parameters, settings)
    if len(texts) not in (1, len(measures)):
        parameters.fail(
            bands, "wrong_count", f"Give bands once for all measures or once for each of the {len(measures)}."
        )
        return ()
    found = []
    for index, measure in enumerate(measures):
        try:
            found.append(bands_reader(measure)(texts[index if len(texts) > 1 else 0]))
        except Invalid as invalid:
            parameters.fail(bands, invalid.code, invalid.detail)
            if len(texts) == 1:
                break
    return tuple(found)


def _fail_both(parameters: Parameters, settings: str = "settings") -> None:
    parameters.fail(settings, "bands_and_settings", "Give the cut-offs themselves or the name of settings, not both.")


def _grouped(filters: Sequence[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    names = dict.fromkeys(name for name, _ in filters)
    return tuple((name, tuple(value for other, value in filters if other == name)) for name in names)
