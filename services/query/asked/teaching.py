"""What the framework's page and the page of what is recorded are asked for."""

from __future__ import annotations

import re
from datetime import datetime

from services.query.fact_requests import FrameworkRequest, RecordingRequest
from services.query.parameter_values import read_date, read_identifier
from services.query.parameters import COMMON, Asked, clocks_of, population_of, wait_of
from services.query.query_string import Invalid, Parameters, decode_query

FRAMEWORK = (*COMMON, "subject")
RECORDING = (*COMMON, "subject", "since", "minimum")

_PERCENT = re.compile(r"[0-9]{1,3}")


def read_framework(query: bytes, now: datetime) -> Asked[FrameworkRequest]:
    """The curriculum that a query string asks for. Raises Problem 422."""
    parameters = Parameters(decode_query(query), FRAMEWORK)
    request = FrameworkRequest(
        population_of(parameters), clocks_of(parameters, now), parameters.one("subject", read_identifier, "")
    )
    wait = wait_of(parameters)
    parameters.finish()
    return Asked(request, wait)


def read_recording(query: bytes, now: datetime) -> Asked[RecordingRequest]:
    """What was recorded, as a query string asks for it. Raises Problem 422."""
    parameters = Parameters(decode_query(query), RECORDING)
    clocks = clocks_of(parameters, now)
    since = parameters.one("since", lambda text: read_date(text, now), None)
    if since is not None and since > clocks.as_at:
        parameters.fail("since", "ends_before_starts", f"{since} lies after the day of the report, {clocks.as_at}.")
    request = RecordingRequest(
        population=population_of(parameters),
        clocks=clocks,
        subjects=parameters.distinct("subject", read_identifier),
        since=since,
        minimum=parameters.one("minimum", _read_percent, None),
    )
    wait = wait_of(parameters)
    parameters.finish()
    return Asked(request, wait)


def _read_percent(text: str) -> int:
    if _PERCENT.fullmatch(text) is None or int(text) > 100:
        raise Invalid("out_of_range", "Use a whole percent from 0 to 100.")
    return int(text)
