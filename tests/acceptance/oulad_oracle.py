"""What the reports must say about OULAD, computed by DuckDB from the original files; no product code, no import file.

The mapping (regions as schools, presentations as abilities, first days, when a mark became known) is the one that the
head of `oulad_to_markledger.py` describes, written here a second time, in SQL. All weights are 1, a mark is out of 100.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

BANDS = ("sig_below", "below", "at", "above", "sig_above")
NOT_APPLICABLE = "not_applicable"
ALWAYS_KNOWN = datetime(9999, 1, 1)
CURRICULUM_FROM = date(2013, 1, 1)
"""In force and known from here; before it no objective is in scope."""

Schools = tuple[str, ...]

TABLES = """
CREATE MACRO school_of(region) AS regexp_replace(lower(replace(region, ' Region', '')), '[^a-z]+', '-', 'g');
CREATE MACRO first_day(presentation) AS
    make_date(presentation[1:4]::INT, CASE presentation[5] WHEN 'B' THEN 2 ELSE 10 END, 1);

CREATE TABLE registration AS
SELECT school_of(region) AS school, id_student AS student, code_module AS module, code_presentation AS presentation,
       first_day(code_presentation) - 30 AS starts_on, gender AS sex,
       CASE disability WHEN 'Y' THEN 'yes' ELSE 'no' END AS send,
       CASE WHEN imd_band IN ('0-10%', '10-20', '10-20%') THEN 'yes' ELSE 'no' END AS disadvantaged,
       age_band, row_number() OVER () AS line
FROM read_csv('{directory}/studentInfo.csv.gz', all_varchar = true);

CREATE TABLE school AS
SELECT DISTINCT school,
       CASE WHEN school IN ('london', 'south-east', 'south', 'south-west', 'east-anglian') THEN 'T1'
            WHEN school IN ('scotland', 'wales', 'ireland') THEN 'T3' ELSE 'T2' END AS trust,
       CASE school WHEN 'scotland' THEN 8 ELSE 9 END AS year_starts
FROM registration;

CREATE TABLE enrolment AS
SELECT school, student, min(starts_on) AS starts_on FROM registration GROUP BY ALL;

-- Of the registrations of one presentation the oldest age band counts, of equal ones the last line.
CREATE TABLE trait AS
SELECT student, starts_on, sex, send, disadvantaged, age_band FROM registration
QUALIFY row_number() OVER (PARTITION BY student, presentation ORDER BY age_band DESC, line DESC) = 1;

CREATE TABLE objective AS
SELECT code_module AS module, code_presentation AS presentation, id_assessment AS objective
FROM read_csv('{directory}/assessments.csv', all_varchar = true) WHERE assessment_type <> 'Exam';

CREATE TABLE mark AS
SELECT student, module, presentation, objective, score::INT AS score, assessed_on,
       assessed_on + 7 + (student::INT % 14)::INT AS known_on
FROM (SELECT id_student AS student, module, presentation, objective, score,
             first_day(presentation) + date_submitted::INT AS assessed_on
      FROM read_csv('{directory}/studentAssessment.csv.gz', all_varchar = true)
      JOIN objective ON objective = id_assessment
      WHERE coalesce(score, '') <> '');

CREATE TABLE sitting AS
SELECT student, module, presentation, score::INT AS score, sat_on, sat_on + 7 + (student::INT % 14)::INT AS known_on
FROM (SELECT id_student AS student, code_module AS module, code_presentation AS presentation, score,
             first_day(code_presentation) + date_submitted::INT AS sat_on
      FROM read_csv('{directory}/studentAssessment.csv.gz', all_varchar = true)
      JOIN read_csv('{directory}/assessments.csv', all_varchar = true) USING (id_assessment)
      WHERE assessment_type = 'Exam' AND coalesce(score, '') <> '');
"""

_POPULATION = """
SELECT e.school, e.student, s.trust, s.year_starts, t.sex, t.send, t.disadvantaged, t.age_band
FROM enrolment e JOIN school s USING (school)
JOIN (SELECT * FROM trait WHERE starts_on <= $day AND starts_on <= $known
      QUALIFY row_number() OVER (PARTITION BY student ORDER BY starts_on DESC) = 1) t USING (student)
WHERE e.starts_on <= $day AND e.starts_on <= $known AND list_contains($schools, e.school)
"""

_VALUES = """
SELECT s.school, m.student, sum(score) AS numerator, count(*) AS counted,
       (SELECT count(*) FROM objective o WHERE o.module = $module AND (o.presentation = $ability OR $ability = 'any'))
       AS in_scope
FROM mark m JOIN enrolment USING (student) JOIN school s USING (school)
WHERE m.module = $module AND (m.presentation = $ability OR $ability = 'any')
  AND assessed_on <= $day AND known_on <= $known AND list_contains($schools, s.school)
  AND (NOT $assessed OR assessed_on >= make_date(
        year($day) - CASE WHEN month($day) < s.year_starts THEN 1 ELSE 0 END, s.year_starts, 1))
GROUP BY ALL
"""

_SITTINGS = """
SELECT s.school, t.student, t.score, t.sat_on
FROM sitting t JOIN enrolment USING (student) JOIN school s USING (school)
WHERE t.module = $module AND t.presentation = $presentation
  AND sat_on <= $day AND known_on <= $known AND list_contains($schools, s.school)
QUALIFY row_number() OVER (PARTITION BY t.student ORDER BY sat_on DESC) = 1
  AND sat_on >= make_date(year($day) - CASE WHEN month($day) < s.year_starts THEN 1 ELSE 0 END, s.year_starts, 1)
"""

_SCHOOLS_WITH = """
SELECT DISTINCT school FROM sitting JOIN enrolment USING (student)
WHERE module = $module AND presentation = $presentation AND known_on <= $known
"""


@dataclass(frozen=True)
class Measure:
    """`markbook:MODULE:ABILITY:assessed|overall`."""

    module: str
    ability: str
    basis: str

    @property
    def id(self) -> str:
        """As the product writes it."""
        return f"markbook:{self.module}:{self.ability}:{self.basis}"


@dataclass(frozen=True)
class Result:
    """A pupil's value: sums of marks, of their maxima, and the displayed percent."""

    numerator: int
    denominator: int

    @property
    def percent(self) -> int:
        """Half up."""
        return (200 * self.numerator + self.denominator) // (2 * self.denominator)


@dataclass(frozen=True)
class Exam:
    """`test:exam:MODULE:PRESENTATION:percent`: the latest sitting of the academic year."""

    module: str
    presentation: str

    @property
    def id(self) -> str:
        """As the product writes it."""
        return f"test:exam:{self.module}:{self.presentation}:percent"


@dataclass(frozen=True)
class Sitting:
    """A pupil's score in an exam, and its day."""

    score: int
    sat_on: date


Measured = Measure | Exam


@dataclass(frozen=True)
class Clocks:
    """The date, and the last day whose midnight was known (None = everything is known)."""

    as_at: date
    as_known_at: datetime | None = None

    @property
    def in_scope(self) -> bool:
        """Whether a curriculum was in force, and known to be."""
        return min(self.as_at, self.known_on) >= CURRICULUM_FROM

    @property
    def known_on(self) -> date:
        """Facts became known at midnight UTC of a day; the last such day."""
        return (self.as_known_at or ALWAYS_KNOWN).date()


class Oracle:
    """Answers about the original files. `schools` are ids, never trusts (`schools_of` gives those of a trust).

    Answers are remembered, since every case of the acceptance run asks the same.
    """

    def __init__(self, directory: Path) -> None:
        self._connection = duckdb.connect()
        self._connection.execute(TABLES.replace("{directory}", str(directory)))

    @property
    def schools(self) -> Schools:
        """All 13."""
        return tuple(row[0] for row in self._rows("SELECT school FROM school"))

    def schools_of(self, trust: str) -> Schools:
        """The schools of a trust."""
        return tuple(row[0] for row in self._rows("SELECT school FROM school WHERE trust = $trust", trust=trust))

    @cache  # noqa: B019 - one oracle lives as long as the tests
    def pupils(self, schools: Schools, clocks: Clocks) -> list[dict[str, Any]]:
        """The population with its characteristics and groups."""
        arguments = {"schools": list(schools), "day": clocks.as_at, "known": clocks.known_on}
        found = self._records(_POPULATION, **arguments)
        groups: dict[tuple[str, str], set[str]] = {}
        for school, student, group in self._rows(
            "SELECT school, student, module || '-' || presentation FROM registration"
            " WHERE starts_on <= $day AND starts_on <= $known AND list_contains($schools, school)",
            **arguments,
        ):
            groups.setdefault((school, student), set()).add(group)
        return [{**pupil, "groups": groups[pupil["school"], pupil["student"]]} for pupil in found]

    @cache  # noqa: B019
    def values(self, schools: Schools, measure: Measure, clocks: Clocks) -> dict[tuple[str, str], Result]:
        """The value of each (school, student) that has one."""
        rows = self._rows(
            _VALUES,
            schools=list(schools),
            day=clocks.as_at,
            known=clocks.known_on,
            module=measure.module,
            ability=measure.ability,
            assessed=measure.basis == "assessed",
        )
        assessed = measure.basis == "assessed"
        return {
            (school, student): Result(int(numerator), 100 * (counted if assessed else in_scope))
            for school, student, numerator, counted, in_scope in rows
        }

    @cache  # noqa: B019
    def overview(
        self,
        schools: Schools,
        measures: tuple[Measured, ...],
        cuts: tuple[int, ...],
        by: tuple[str, ...],
        clocks: Clocks,
    ) -> list[dict[str, Any]]:
        """The rows of the overview: row, pupils, one cell per measure, combined."""
        pupils = self.pupils(schools, clocks)
        bands = [self.bands(schools, measure, cuts, clocks) for measure in measures]
        rows = [("whole", pupils)]
        for breakdown in by:
            members: dict[str, list[dict[str, Any]]] = {}
            for pupil in pupils:
                for name in _names(pupil, breakdown):
                    members.setdefault(f"{breakdown}:{name}", []).append(pupil)
            rows += sorted(members.items())
        return [self._row(name, members, bands) for name, members in rows]

    def _row(
        self, name: str, pupils: Sequence[dict[str, Any]], bands: Sequence[dict[tuple[str, str], str]]
    ) -> dict[str, Any]:
        keys = [(pupil["school"], pupil["student"]) for pupil in pupils]
        held = [[measure.get(key) for measure in bands] for key in keys]
        cells = []
        for index in range(len(bands)):
            column = [bands_of_pupil[index] for bands_of_pupil in held]
            counts = {band: column.count(band) for band in BANDS}
            missing, outside = column.count(None), column.count(NOT_APPLICABLE)
            of = len(keys) - outside
            cells.append(
                {
                    "counts": counts,
                    "percents": {band: percent_of(count, of) for band, count in counts.items()},
                    "of": of,
                    "no_data": missing,
                    "no_data_percent": percent_of(missing, of),
                    "not_applicable": outside,
                }
            )
        held = [pupil for pupil in held if NOT_APPLICABLE not in pupil]
        at_or_above = sum(all(band in ("at", "above", "sig_above") for band in pupil) for pupil in held)
        below = ("sig_below", "below")
        incomplete = sum(None in pupil and not any(band in below for band in pupil) for pupil in held)
        combined = {
            "working_at_or_above": at_or_above,
            "not_working_at": len(held) - at_or_above,
            "incomplete": incomplete,
            "percents": {
                "working_at_or_above": percent_of(at_or_above, len(held)),
                "not_working_at": percent_of(len(held) - at_or_above, len(held)),
            },
        }
        return {"row": name, "pupils": len(keys), "cells": cells, "combined": combined}

    @cache  # noqa: B019
    def matrix(
        self, schools: Schools, first: tuple[Measured, Clocks], second: tuple[Measured, Clocks], cuts: tuple[int, ...]
    ) -> dict[str, Any]:
        """Counts, unplotted and overlay; the roster is that of the second date."""
        keys = [(pupil["school"], pupil["student"]) for pupil in self.pupils(schools, second[1])]
        sides = [self.bands(schools, measure, cuts, clocks) for measure, clocks in (first, second)]
        pairs = [tuple(band if (band := side.get(key)) in BANDS else None for side in sides) for key in keys]
        counts = [[pairs.count((row, column)) for column in BANDS] for row in BANDS]
        unplotted = {pair: pairs.count(pair) for pair in set(pairs) if None in pair}
        plotted = sum(map(sum, counts))
        ranks = [(BANDS.index(a), BANDS.index(b)) for a, b in pairs if a is not None and b is not None]
        parts = {
            "on": sum(a == b for a, b in ranks),
            "above": sum(a < b for a, b in ranks),
            "below": sum(a > b for a, b in ranks),
        }
        overlay = {name: {"pupils": n, "percent": percent_of(n, plotted)} for name, n in parts.items()}
        return {"counts": counts, "unplotted": unplotted, "overlay": overlay}

    def bands(
        self, schools: Sequence[str], measure: Measured, cuts: Sequence[int], clocks: Clocks
    ) -> dict[tuple[str, str], str]:
        """The band of each (school, student) that has one, and NOT_APPLICABLE where the measure is none of theirs."""
        if isinstance(measure, Measure):
            values = self.values(schools, measure, clocks)
            return {key: band_of(result.percent, cuts) for key, result in values.items()}
        bands = {key: band_of(sitting.score, cuts) for key, sitting in self.sittings(schools, measure, clocks).items()}
        known = {"module": measure.module, "presentation": measure.presentation, "known": clocks.known_on}
        without = set(schools) - {school for (school,) in self._rows(_SCHOOLS_WITH, **known)}
        keys = [(pupil["school"], pupil["student"]) for pupil in self.pupils(schools, clocks)]
        return bands | {key: NOT_APPLICABLE for key in keys if key[0] in without}

    def sittings(self, schools: Sequence[str], exam: Exam, clocks: Clocks) -> dict[tuple[str, str], Sitting]:
        """The sitting of each (school, student) that counts."""
        rows = self._rows(
            _SITTINGS,
            schools=list(schools),
            day=clocks.as_at,
            known=clocks.known_on,
            module=exam.module,
            presentation=exam.presentation,
        )
        return {(school, student): Sitting(score, sat_on) for school, student, score, sat_on in rows}

    def year_start(self, school: str, day: date) -> date:
        """The first day of the school's academic year that holds `day`."""
        month = self._rows("SELECT year_starts FROM school WHERE school = $school", school=school)[0][0]
        return date(day.year - (day.month < month), month, 1)

    def _rows(self, statement: str, **arguments: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, arguments).fetchall()

    def _records(self, statement: str, **arguments: Any) -> list[dict[str, Any]]:
        result = self._connection.execute(statement, arguments)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def band_of(percent: int, cuts: Sequence[int]) -> str:
    """The band of a displayed percent."""
    return BANDS[sum(percent >= cut for cut in cuts)]


def percent_of(part: int, whole: int) -> int | None:
    """Half up; None of nothing."""
    return None if whole == 0 else (200 * part + whole) // (2 * whole)


def average_variance(variances: Iterable[int | None]) -> str | None:
    """The mean of those there, one decimal, half away from zero."""
    there = [variance for variance in variances if variance is not None]
    if not there:
        return None
    mean = Decimal(sum(there)) / len(there)
    return str(mean.quantize(Decimal("0.1"), ROUND_HALF_UP))


def _names(pupil: dict[str, Any], breakdown: str) -> Iterable[str]:
    if breakdown == "group":
        return sorted(pupil["groups"])
    return [pupil[breakdown.removeprefix("characteristic:")]]
