"""What a report of progress is asked for: an overview's parameters, a start with its own bands, and a rule."""

from __future__ import annotations

from datetime import datetime

from services.domain.bands import BAND_IDS
from services.domain.progress import DEFAULT_RULE, InvalidRule, ProgressRule, parse_rule
from services.query.parameter_values import (
    read_date,
    read_overview_cell,
    read_row,
    read_settings_name,
)
from services.query.parameters import OVERVIEW, SORTED, Asked, bands_of, overview_of, page_of, sort_of
from services.query.query_string import Invalid, Parameters, decode_query
from services.query.requests import (
    NO_END,
    NO_START,
    ProgressCell,
    ProgressCellRef,
    ProgressMembersRequest,
    ProgressRequest,
)

PROGRESS = (*OVERVIEW, "start", "start_bands", "start_settings", "rule")
PROGRESS_MEMBERS = (*PROGRESS, "row", "in", "cell", *SORTED)

_SETTINGS = "set_"


def read_progress(query: bytes, now: datetime) -> Asked[ProgressRequest]:
    """The report of progress that a query string asks for. Raises Problem 422."""
    parameters = Parameters(decode_query(query), PROGRESS)
    asked = _progress(parameters, now)
    parameters.finish()
    return asked


def read_progress_members(query: bytes, now: datetime) -> Asked[ProgressMembersRequest]:
    """The pupils behind cells of it."""
    parameters = Parameters(decode_query(query), PROGRESS_MEMBERS)
    asked = _progress(parameters, now)
    measures = len(asked.request.overview.measures)
    limit, cursor = page_of(parameters)
    request = ProgressMembersRequest(
        progress=asked.request,
        row=parameters.one("row", read_row, "whole"),
        cells=parameters.distinct("cell", lambda text: read_progress_cell(text, measures)),
        limit=limit,
        cursor=cursor,
        inside=parameters.one("in", read_row, "whole"),
        sort=sort_of(parameters),
    )
    parameters.finish()
    return Asked(request, asked.wait)


def read_progress_cell(text: str, measures: int) -> ProgressCell:
    """`INDEX:BAND`, `combined:PART`, `INDEX:START:END`, or `INDEX:no_start` and `INDEX:no_end`."""
    index, *parts = text.split(":")
    if len(parts) == 1 and parts[0] not in (NO_START, NO_END):
        return read_overview_cell(text, measures)
    if not index.isdecimal() or not index.isascii() or len(index) > 3 or int(index) >= measures:
        raise Invalid("unknown_cell", f"Measures are counted from 0; there are {measures}.")
    if parts == [NO_START]:
        return ProgressCellRef(int(index), NO_START, "")
    if parts == [NO_END]:
        return ProgressCellRef(int(index), "", NO_END)
    if len(parts) != 2 or not all(band in BAND_IDS for band in parts):
        raise Invalid("unknown_cell", f"Use INDEX:BAND or INDEX:START:END, each band one of {', '.join(BAND_IDS)}.")
    return ProgressCellRef(int(index), parts[0], parts[1])


def _progress(parameters: Parameters, now: datetime) -> Asked[ProgressRequest]:
    asked = overview_of(parameters, now)
    overview = asked.request
    start_on = parameters.one("start", lambda text: read_date(text, now), overview.clocks.as_at)
    if not parameters.has("start"):
        parameters.fail("start", "missing_parameter", "Say from when progress is looked at: start=2025-09-01.")
    elif start_on > overview.clocks.as_at:
        parameters.fail("start", "start_after_end", "The start lies after the report's own date (as_at).")
    start_bands = bands_of(parameters, overview.measures, "start_bands", "start_settings")
    start_settings = parameters.one("start_settings", read_settings_name, "")
    if not start_bands and not start_settings:  # what was said of the end holds for the start as well
        start_bands, start_settings = overview.bands, overview.settings
    rule, rule_settings = parameters.one("rule", _read_rule, (DEFAULT_RULE, ""))
    request = ProgressRequest(overview, start_on, start_bands, start_settings, rule, rule_settings)
    return Asked(request, asked.wait)


def _read_rule(text: str) -> tuple[ProgressRule, str]:
    """A rule, or the id of settings whose rule it is."""
    if text.startswith(_SETTINGS):
        return DEFAULT_RULE, read_settings_name(text)
    try:
        return parse_rule(text), ""
    except InvalidRule as invalid:
        detail = f"{invalid.detail[:1].upper()}{invalid.detail[1:]}; or name settings of the kind progress."
        raise Invalid("invalid_rule", detail) from None
