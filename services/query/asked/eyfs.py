"""What the reports of early years are asked for: an area of a group, all areas of a pupil, profiles with the GLD."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from services.domain.measures import Measure
from services.query.asked.external import COMPARE, year_asked
from services.query.external_requests import EyfsGroupRequest, EyfsPupilRequest, GldMembersRequest, GldRequest
from services.query.fact_requests import markbook
from services.query.parameter_values import (
    bands_reader,
    read_by,
    read_identifier,
    read_row,
    read_settings_name,
    read_text,
)
from services.query.parameters import COMMON, SORTED, Asked, clocks_of, page_of, population_of, sort_of, wait_of
from services.query.query_string import Invalid, Parameters, choice, decode_query
from services.query.reports.gld import CELLS
from services.query.requests import By

GLD = (*COMMON, "year", "by", "compare", *SORTED)
GLD_MEMBERS = (*GLD, "row", "cell")
EYFS_GROUP = (
    *COMMON, "area", "subject", "framework", "ability", "percent", "by", "bands", "settings", *SORTED,
)  # fmt: skip
EYFS_PUPIL = (*COMMON, "pupil", "year")

_BY_PUPIL = "pupil"
_GOAL = Measure(kind="eyfs", text="eyfs:E01", subject="", item="E01")
_PERCENTS: dict[str, Literal["overall", "assessed"]] = {"overall": "overall", "assessed": "assessed"}
_CELLS: dict[str, str] = {cell: cell for cell in CELLS}


def read_gld(query: bytes, now: datetime) -> Asked[GldMembersRequest]:
    """The profiles that a query string asks for. Raises Problem 422, as all readers here."""
    parameters = Parameters(decode_query(query), GLD)
    asked = _gld(parameters, now)
    parameters.finish()
    return Asked(GldMembersRequest(asked.request), asked.wait)


def read_gld_members(query: bytes, now: datetime) -> Asked[GldMembersRequest]:
    """The pupils behind cells of a row of it."""
    parameters = Parameters(decode_query(query), GLD_MEMBERS)
    asked = _gld(parameters, now)
    request = GldMembersRequest(
        asked.request,
        row=parameters.one("row", read_row, "whole"),
        cells=parameters.distinct("cell", choice(_CELLS)),
    )
    parameters.finish()
    return Asked(request, asked.wait)


def read_eyfs_group(query: bytes, now: datetime) -> Asked[EyfsGroupRequest]:
    """One area of a group."""
    parameters = Parameters(decode_query(query), EYFS_GROUP)
    if parameters.has("area") == parameters.has("subject"):
        detail = "Name an area of the profile (area=literacy), or a subject of a markbook (subject=…), one of the two."
        parameters.fail("area", "missing_parameter" if not parameters.has("area") else "area_and_subject", detail)
    if parameters.has("bands") and parameters.has("settings"):
        parameters.fail("settings", "bands_and_settings", "Give the cut-offs themselves or the name of settings.")
    of_profile = parameters.has("area")
    limit, cursor = page_of(parameters)
    request = EyfsGroupRequest(
        population=population_of(parameters),
        clocks=clocks_of(parameters, now),
        area=parameters.one("area", read_text, ""),
        subject=parameters.one("subject", read_identifier, ""),
        framework=parameters.one("framework", read_identifier, ""),
        abilities=parameters.distinct("ability", read_identifier),
        percent=parameters.one("percent", choice(_PERCENTS), "overall"),
        by=parameters.one("by", _read_by, None),
        bands=parameters.one("bands", bands_reader(_GOAL if of_profile else markbook("", "")), None),
        settings=parameters.one("settings", read_settings_name, ""),
        limit=limit,
        cursor=cursor,
        sort=sort_of(parameters),
    )
    wait = wait_of(parameters)
    parameters.finish()
    return Asked(request, wait)


def read_eyfs_pupil(query: bytes, now: datetime) -> Asked[EyfsPupilRequest]:
    """All areas of one pupil."""
    parameters = Parameters(decode_query(query), EYFS_PUPIL)
    if not parameters.has("pupil"):
        parameters.fail("pupil", "missing_parameter", "Name a pupil: pupil=pup_… as the lists of reports give it.")
    clocks = clocks_of(parameters, now)
    request = EyfsPupilRequest(
        population=population_of(parameters),
        clocks=clocks,
        pupil=parameters.one("pupil", read_text, ""),
        year=year_asked(parameters, clocks),
    )
    wait = wait_of(parameters)
    parameters.finish()
    return Asked(request, wait)


def _gld(parameters: Parameters, now: datetime) -> Asked[GldRequest]:
    clocks = clocks_of(parameters, now)
    limit, cursor = page_of(parameters)
    request = GldRequest(
        population=population_of(parameters),
        clocks=clocks,
        year=year_asked(parameters, clocks),
        by=parameters.distinct("by", read_by),
        compared=parameters.one("compare", choice(COMPARE), False),
        limit=limit,
        cursor=cursor,
        sort=sort_of(parameters),
    )
    return Asked(request, wait_of(parameters))


def _read_by(text: str) -> By | None:
    if text == _BY_PUPIL:
        return None
    by = read_by(text)
    if by.kind == "school":
        raise Invalid("unknown_breakdown", "Use pupil, characteristic:NAME, year-group or group.")
    return by
