"""What a school of a report teaches on a day, as known when the report is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from services.domain.schools import DEFAULT_YEAR_STARTS
from services.query.facts_known import KnownFacts, Taught
from services.query.vectors import SchoolReading


def year_starts_of(school: SchoolReading) -> int:
    """The first month of the school's academic year."""
    details = school.index.details_at(school.known_at)
    return DEFAULT_YEAR_STARTS if details is None else details.year_starts


def taught_all(known: KnownFacts, school: SchoolReading, on: date) -> Mapping[str, Taught]:
    """What the school teaches on a day, by subject."""
    return known.taught(on, year_starts_of(school))


def taught_at(known: KnownFacts, school: SchoolReading, subject: str, on: date) -> Taught | None:
    """The same of one subject."""
    return taught_all(known, school, on).get(subject)
