"""What a request is about, whatever the report: whom, which measures on which days, and as known when. Pure."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import msgspec

from services.domain.measures import Measure
from services.query.fact_requests import CurriculumRequest, MultiAbilityRequest
from services.query.requests import Clocks, MatrixRequest, OverviewRequest, Population, ScoreTrackingRequest


class Watched(NamedTuple):
    """A measure on a day."""

    measure: Measure
    on: date


def clocks_of(request: Any) -> Clocks:
    """Both clocks of a request."""
    clocks = getattr(request, "clocks", None)
    return clocks if clocks is not None else clocks_of(_inner(request))


def population_of(request: Any) -> Population:
    """Whom it is about."""
    population = getattr(request, "population", None)
    return population if population is not None else population_of(_inner(request))


def roster_on(request: Any) -> date:
    """The date of its roster."""
    return request.population_on if isinstance(request, MatrixRequest) else clocks_of(request).as_at


def known_at(request: Any, instant: int | None) -> Any:
    """The same request, as known at another instant."""
    if isinstance(request, Clocks):
        return msgspec.structs.replace(request, as_known_at=instant)
    parts = {name: getattr(request, name) for name in request.__struct_fields__ if name != "population"}
    inner = {name: part for name, part in parts.items() if isinstance(part, Clocks) or _holds_clocks(part)}
    return msgspec.structs.replace(request, **{name: known_at(part, instant) for name, part in inner.items()})


def watched(request: Any) -> tuple[Watched, ...]:
    """The measures that a report shows of each pupil; none where it shows another thing."""
    match request:
        case OverviewRequest():
            return tuple(Watched(each, each.day(request.clocks.as_at)) for each in request.measures)
        case MatrixRequest():
            return (Watched(request.first, request.first_on), Watched(request.second, request.second_on))
        case ScoreTrackingRequest():
            return tuple(Watched(request.measure, day) for day in _days_of(request))
        case CurriculumRequest():
            days = dict.fromkeys(column.on for column in request.columns)
            return tuple(Watched(request.measure, day) for day in days)
        case MultiAbilityRequest():
            return tuple(Watched(each, request.clocks.as_at) for each in request.measures)
    overview = getattr(request, "overview", None)
    if isinstance(overview, OverviewRequest):
        starts = getattr(request, "start_on", None)
        ends = watched(overview)
        return ends if starts is None else (*(Watched(each.measure, starts) for each in ends), *ends)
    return ()


def _days_of(request: ScoreTrackingRequest) -> list[date]:
    """The days on which months are valued; of months that are not named the day of the report alone."""
    as_at = request.clocks.as_at
    months = [end for end in request.months if end.replace(day=1) <= as_at]
    return list(dict.fromkeys(min(end, as_at) for end in months)) or [as_at]


def _inner(request: Any) -> Any:
    return next(part for name in request.__struct_fields__ if _holds_clocks(part := getattr(request, name)))


def _holds_clocks(part: Any) -> bool:
    if not isinstance(part, msgspec.Struct):
        return False
    return hasattr(part, "clocks") or any(_holds_clocks(getattr(part, name)) for name in part.__struct_fields__)
