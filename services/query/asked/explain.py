"""What `explain` is asked for: one pupil's value in one measure."""

from __future__ import annotations

from datetime import datetime

from services.domain.measures import Measure
from services.query.fact_requests import ExplainRequest
from services.query.parameter_values import read_dated_measure, read_text
from services.query.parameters import COMMON, Asked, clocks_of, population_of, wait_of
from services.query.query_string import Parameters, decode_query

EXPLAIN = (*COMMON, "pupil", "measure")

_NO_MEASURE = Measure(kind="markbook", text="", subject="")


def read_explain(query: bytes, now: datetime) -> Asked[ExplainRequest]:
    """The value that a query string asks to explain. Raises Problem 422."""
    parameters = Parameters(decode_query(query), EXPLAIN)
    clocks = clocks_of(parameters, now)
    for name, how in (("pupil", "the id of a pupil, pup_…"), ("measure", "a measure: markbook:maths:Y3:overall")):
        if not parameters.has(name):
            parameters.fail(name, "missing_parameter", f"Name {how}.")
    measure, on = parameters.one(
        "measure", lambda text: read_dated_measure(text, clocks.as_at, now), (_NO_MEASURE, clocks.as_at)
    )
    request = ExplainRequest(
        population=population_of(parameters),
        clocks=clocks,
        pupil=parameters.one("pupil", read_text, ""),
        measure=measure,
        on=on,
    )
    wait = wait_of(parameters)
    parameters.finish()
    return Asked(request, wait)
