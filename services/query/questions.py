"""What passes between the reader and the reports: what a report needs, and what was read for it.

Pure: reports import this, never the reader. A `Moment` is a day of one stream; which block serves it is the reader's
business.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from services.domain.combinations import combination_of
from services.domain.measures import OWN_YEAR, Measure
from services.query.answers import Provenance
from services.query.axis import Axis
from services.query.external_values import combined_days, day_before_year
from services.query.requests import Clocks, Population
from services.query.vectors import NOW, SchoolIndex, SchoolReading, axis_of

SINGLE_FACTS = ""
"""The column that stands for the facts of the school, which are read apart from the blocks."""


class Moment(NamedTuple):
    """A day for which a report needs a subject's sums, a column of a test or judgement (`*` = any part), single facts,
    or (both None) the roster."""

    day: date
    subject: str | None = None
    column: str | None = None


class Question(msgspec.Struct, frozen=True):
    """What a report needs. `on`: the date of the roster, at which a trust's members are taken too.

    `moments` may look at the documents of the schools to say which days it needs. `key` tells apart what `moments`
    say, beside population, clocks and `on`; with it the reading may be kept and taken again (None: it may not).
    """

    population: Population
    clocks: Clocks
    on: date
    moments: Callable[[Sequence[SchoolIndex]], Iterable[Moment]]
    key: Hashable | None = None


class Reading(msgspec.Struct, frozen=True, dict=True):
    """What was read: the schools of the population in natural order, and where from."""

    schools: tuple[SchoolReading, ...]
    provenance: Provenance

    @cached_property
    def axis(self) -> Axis:
        """The pupils of all schools on one axis."""
        return axis_of(self.schools)

    @cached_property
    def derived(self) -> dict[Any, Any]:
        """What reports made of it before any bands, by what it is; it lasts as long as the reading."""
        return {}


def knowledge_time(clocks: Clocks) -> int:
    """The instant as known at which a report is made."""
    return NOW if clocks.as_known_at is None else clocks.as_known_at


def moments_of(measure: Measure, day: date) -> list[Moment]:
    """What the values of a measure on a day, or on the date of its own, are made of."""
    day = measure.day(day)
    if measure.kind != "markbook":
        return _external_moments(measure, day)
    moments = [Moment(day, measure.subject)]
    return [*moments, Moment(day)] if measure.ability == OWN_YEAR else moments


def _external_moments(measure: Measure, day: date) -> list[Moment]:
    """A code may stand in any score type of a sitting, and ask for an earlier year."""
    if measure.kind == "combined":
        combination = combination_of(measure)
        patterns = [pattern for part in combination.parts for pattern in part.siblings(combination.test)]
        days = combined_days(combination, day)
        return [Moment(day), *(Moment(each, column=pattern) for pattern in patterns for each in days)]
    if measure.needs_facts:
        return [Moment(day, column=SINGLE_FACTS)]
    moments = [Moment(day, column=measure.siblings if measure.scoring.codes else measure.column)]
    if any(rule.earlier for rule in measure.scoring.codes):
        moments.append(Moment(day_before_year(day), column=measure.siblings))
    return moments
