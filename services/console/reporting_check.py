"""`markledger verify --reporting`: today's reporting rows of every school beside what reports answer.

It composes what neither room may: the views that people read with SQL, and the vectors of the query service. A school
is compared when both projections stand at the same offset before and after it was read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import asyncpg
import msgspec

from schemas.topics import partition_for
from services.access.keys import ADMINISTRATOR
from services.console.operations import EXIT_NOT_EQUAL, EXIT_OK, run_with_pool
from services.console.printing import clean
from services.domain.bands import NO_DATA
from services.domain.measures import ANY, OWN_YEAR, Measure, parse_measure
from services.projector.stored_views import NothingToVerify
from services.query.questions import Moment, Question
from services.query.reader import Reader, UnknownSchools
from services.query.requests import Clocks, Population
from services.query.vectors import NOW, SchoolIndex, SchoolReading, Sums
from services.runtime.settings import Settings

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.1
DIFFERENCES_MAX = 20

_THERE = "SELECT to_regclass('reporting.current_percentage') IS NOT NULL"
_OFFSETS = """
SELECT p.partition, p.projection, p.next_offset
  FROM projection.partition p JOIN projection.active a USING (projection, version)
 WHERE p.projection IN ('timeline', 'reporting')"""
_VERSION = "SELECT version FROM projection.active WHERE projection = 'timeline'"
_SCHOOLS = """
SELECT d.school, s.today FROM timeline_v{version}.school_document d
  LEFT JOIN reporting.school s ON s.school = d.school ORDER BY d.school"""
_TODAY = """
SELECT pupil, subject, ability, overall_status, overall_percent, overall_numerator, overall_denominator,
       assessed_status, assessed_percent, assessed_numerator, assessed_denominator
  FROM reporting.current_percentage WHERE school = $1"""
_COUNTS = """
SELECT subject, ability, score, percent, pupils FROM reporting.band_count
 WHERE school = $1 AND month = date_trunc('month', $2::date)::date AND group_kind = 'whole'"""

Key = tuple[str, str, str, str]
"""Pupil, subject, ability, and overall or assessed."""
Value = tuple[int, Fraction, Fraction] | None
"""Percent, numerator and denominator; None = no data."""


class ReportingVerified(msgspec.Struct, frozen=True):
    """What was found. `behind`: schools that could not be compared because one projection was behind the other."""

    equal: bool
    schools: int
    rows: int
    behind: int
    differences: tuple[str, ...]


def print_reporting_verification(settings: Settings, as_json: bool) -> int:
    """Compare; 0 if everything is equal, else 1."""
    result = run_with_pool(settings, verify_reporting)
    if as_json:
        print(msgspec.json.encode(result).decode())
    else:
        print("equal" if result.equal else "NOT EQUAL")
        print(f"{result.schools:,} schools, {result.rows:,} rows of today")
        if result.behind:
            print(f"{result.behind:,} schools were not compared: one projection is behind the other")
        for difference in result.differences:
            print(clean(f"differs: {difference}").plain)
    return EXIT_OK if result.equal else EXIT_NOT_EQUAL


async def verify_reporting(pool: asyncpg.Pool, *, wait_seconds: float = WAIT_SECONDS) -> ReportingVerified:
    """Compare every school. Raises NothingToVerify."""
    if not await pool.fetchval(_THERE):
        raise NothingToVerify("no projector has kept the reporting rows on this database")
    partitions = len(await _offsets(pool))
    reader = Reader(pool, partitions)
    schools = await pool.fetch(_SCHOOLS.format(version=await pool.fetchval(_VERSION)))
    deadline = asyncio.get_running_loop().time() + wait_seconds
    differences: list[str] = []
    rows = behind = 0
    for school, today in schools:
        found = await _compare_when_level(pool, reader, (school, today), partitions, deadline)
        if found is None:
            behind += 1
            continue
        rows += found[0]
        differences += [f"school {school}: {difference}" for difference in found[1]]
    return ReportingVerified(
        equal=not differences and not behind,
        schools=len(schools),
        rows=rows,
        behind=behind,
        differences=tuple(differences[:DIFFERENCES_MAX]),
    )


async def _offsets(pool: asyncpg.Pool) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    for row in await pool.fetch(_OFFSETS):
        found.setdefault(row["partition"], {})[row["projection"]] = row["next_offset"]
    return found


async def _compare_when_level(
    pool: asyncpg.Pool, reader: Reader, school: tuple[str, date | None], partitions: int, deadline: float
) -> tuple[int, list[str]] | None:
    """How many rows there are and what differs; None if the two were never level for long enough."""
    partition = partition_for(school[0].encode(), partitions)
    while True:
        before = (await _offsets(pool))[partition]
        found = await _compare(pool, reader, *school)
        if len(set(before.values())) == 1 and (await _offsets(pool))[partition] == before:
            return found
        if asyncio.get_running_loop().time() > deadline:
            return None
        await asyncio.sleep(POLL_SECONDS)


async def _compare(pool: asyncpg.Pool, reader: Reader, school: str, today: date | None) -> tuple[int, list[str]]:
    on = today or datetime.now(UTC).date()
    question = Question(Population((school,)), Clocks(on), on, lambda indexes: _moments(indexes[0], on))
    try:
        reading = await reader.read(ADMINISTRATOR, question)
    except UnknownSchools:
        return 0, [] if today is None else ["reports do not know it"]
    if today is None:
        return 0, ["the reporting rows do not know it"]
    rows = await pool.fetch(_TODAY, school)
    written = {(*tuple(row)[:3], score): _value(row, score) for row in rows for score in ("overall", "assessed")}
    answered = dict(_answers(reading.schools[0], on))
    differences = [
        f"{' '.join(key)}: rows say {written.get(key, 'nothing')}, reports say {answered.get(key, 'nothing')}"
        for key in sorted(written.keys() | answered.keys())
        if (key in written, written.get(key)) != (key in answered, answered.get(key))
    ]
    counted = {tuple(row)[:4]: row["pupils"] for row in await pool.fetch(_COUNTS, school, on)}
    counts = Counter((*key[1:], None if value is None else value[0]) for key, value in answered.items())
    differences += [
        f"band count of {key}: rows say {counted.get(key, 0)}, reports say {counts.get(key, 0)}"
        for key in sorted(counted.keys() | counts.keys(), key=str)
        if counted.get(key) != counts.get(key)
    ]
    return len(rows), differences


def _value(row: Any, score: str) -> Value:
    if row[f"{score}_status"] == "no_data":
        return None
    return (
        row[f"{score}_percent"],
        Fraction(row[f"{score}_numerator"]),
        Fraction(row[f"{score}_denominator"]),
    )


def _moments(index: SchoolIndex, day: date) -> list[Moment]:
    subjects = {lane.subject for lane in index.document.lanes}
    return [Moment(day), *(Moment(day, subject) for subject in sorted(subjects))]


def _measures(index: SchoolIndex, day: date) -> Iterator[Measure]:
    for subject in sorted({lane.subject for lane in index.document.lanes}):
        lane = index.lane_at(subject, day.toordinal(), NOW)
        for ability in sorted({ANY, OWN_YEAR, *(cell.ability for cell in lane.cells)} if lane else ()):
            for score in ("overall", "assessed"):
                yield parse_measure(f"markbook:{subject}:{ability}:{score}")


def _answers(reading: SchoolReading, day: date) -> Iterator[tuple[Key, Value]]:
    """What a report of everybody on roll would say, measure by measure."""
    index = reading.index
    slots = reading.presence(day).on_roll.nonzero()[0].tolist()
    for measure in _measures(index, day):
        values = reading.values(measure, day)
        for slot in slots:
            key = (index.document.pupils[slot], measure.subject, measure.ability, measure.percent)
            percent = int(values.amounts[slot])
            if percent >= 0 and isinstance(values.source, Sums):
                lane = values.source.lane
                numerator = Fraction(int(values.source.numerators[slot]), lane.weight_scale * lane.state_scale)
                denominator = Fraction(int(values.source.denominators[slot]) * lane.marks_max, lane.weight_scale)
                yield key, (percent, numerator, denominator)
            elif percent == NO_DATA:
                yield key, None
