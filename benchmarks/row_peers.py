"""The peers for reading: the load as plain rows in PostgreSQL and in DuckDB, and the overview as one query on each.

Both are tuned as somebody who knows them would: a covering index and DISTINCT ON; a native table sorted by school with
the order of truth packed into one integer. Both clocks on judgements, memberships by date. Answers are `Cells`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import asyncpg
import duckdb
import numpy as np

from benchmarks.load import COLUMNS, EPOCH, FOREVER, PRIMARY, SUBJECTS, School

Cells = Counter[tuple[str, str, str]]
"""Pupils by row id, subject (or `combined`) and band (or `working_at_or_above`)."""

_CUT_BANDS = ("below", "at", "above", "sig_above")
_TUNED = """
SET work_mem = '256MB';
SET jit = off;
SET plan_cache_mode = force_custom_plan;
"""
_TABLES = """
CREATE TABLE enrolment (school int, pupil int, starts_on date, ends_on date);
CREATE TABLE membership (school int, pupil int, code text, starts_on date, ends_on date);
CREATE TABLE judgement (school int, subject smallint, pupil int, year smallint, objective smallint, day date,
                        told_at bigint, halves smallint);
"""
_INDEXES = """
CREATE INDEX ON enrolment (school, pupil);
CREATE INDEX ON membership (school, pupil) INCLUDE (code, starts_on, ends_on);
CREATE INDEX ON judgement (school, subject, pupil, objective, day DESC, told_at DESC) INCLUDE (year, halves);
ANALYZE;
"""
_ANSWER = """
, scored AS (SELECT roll.school, roll.pupil, s.subject, sum(l.halves) AS total FROM roll
             CROSS JOIN (SELECT unnest({subjects}) AS subject) AS s
             LEFT JOIN latest l ON l.school = roll.school AND l.pupil = roll.pupil AND l.subject = s.subject
             GROUP BY roll.school, roll.pupil, s.subject)
, banded AS (SELECT school, pupil, subject, CASE WHEN total IS NULL THEN 'no_data' ELSE
                (CASE WHEN ((200 * total + {whole}) {div} (2 * {whole})) >= {cut_sig_above} THEN 'sig_above'
                      WHEN ((200 * total + {whole}) {div} (2 * {whole})) >= {cut_above} THEN 'above'
                      WHEN ((200 * total + {whole}) {div} (2 * {whole})) >= {cut_at} THEN 'at'
                      WHEN ((200 * total + {whole}) {div} (2 * {whole})) >= {cut_below} THEN 'below'
                      ELSE 'sig_below' END) END AS band FROM scored)
, coded AS (SELECT roll.school, roll.pupil, m.code FROM roll
            JOIN membership m ON m.school = roll.school AND m.pupil = roll.pupil
             AND m.starts_on <= {day} AND m.ends_on >= {day}
            UNION ALL SELECT school, pupil, 'whole' FROM roll)
, fine AS (SELECT school, pupil FROM banded GROUP BY school, pupil
           HAVING count(*) FILTER (WHERE band IN ('at', 'above', 'sig_above')) = {count})
SELECT code, subject, band, count(*) FROM coded JOIN banded USING (school, pupil) GROUP BY code, subject, band
UNION ALL
SELECT code, -1, 'working_at_or_above', count(*) FROM coded JOIN fine USING (school, pupil) GROUP BY code
"""
_ROLL = """
WITH roll AS (SELECT school, pupil FROM enrolment
              WHERE school = ANY({schools}) AND starts_on <= {day} AND ends_on >= {day})
, own AS (SELECT school, pupil, split_part(code, ':', 2)::smallint AS year FROM membership
          WHERE school = ANY({schools}) AND code LIKE 'year-group:%' AND starts_on <= {day} AND ends_on >= {day})
"""
_LATEST_DISTINCT = """
, latest AS (SELECT DISTINCT ON (j.school, j.subject, j.pupil, j.objective) j.school, j.pupil, j.subject, j.halves
             FROM judgement j JOIN own ON own.school = j.school AND own.pupil = j.pupil AND own.year = j.year
             WHERE j.school = ANY({schools}) AND j.subject = ANY({subjects}) AND j.day <= {day} AND j.told_at <= {known}
             ORDER BY j.school, j.subject, j.pupil, j.objective, j.day DESC, j.told_at DESC)
"""
_LATEST_PACKED = """
, latest AS (SELECT j.school, j.pupil, j.subject, max(j.truth) & 3 AS halves
             FROM judgement j JOIN own ON own.school = j.school AND own.pupil = j.pupil AND own.year = j.year
             WHERE j.school = ANY({schools}) AND j.subject = ANY({subjects}) AND j.day <= {day} AND j.told_at <= {known}
             GROUP BY j.school, j.pupil, j.subject, j.objective)
"""


class Marking(NamedTuple):
    """What all objectives are worth together, and the cut-offs of four bands."""

    whole: int = PRIMARY.whole
    cuts: tuple[int, int, int, int] = (21, 36, 51, 66)


USUAL = Marking()


def _query(latest: str, placeholders: Sequence[str], divide: str, count: int, marking: Marking) -> str:
    schools, day, known, subjects = placeholders
    parts: dict[str, object] = {"schools": schools, "day": day, "known": known, "subjects": subjects}
    parts |= {f"cut_{band}": cut for band, cut in zip(_CUT_BANDS, marking.cuts, strict=True)}
    return (_ROLL + latest + _ANSWER).format(**parts, whole=marking.whole, div=divide, count=count)


def _cells(rows: Iterable[Sequence[Any]]) -> Cells:
    cells: Cells = Counter()
    for code, subject, band, pupils in rows:
        cells[code, "combined" if subject < 0 else SUBJECTS[subject], band] += pupils
    return cells


def _judgement_rows(number: int, school: School) -> Iterable[tuple[Any, ...]]:
    columns = {name: school.assessments[name].tolist() for name in COLUMNS}
    columns["worth"] = school.framework.worth(school.assessments["state"]).tolist()
    days = {day: EPOCH + timedelta(days=day) for day in set(columns["day"])}
    for subject, pupil, year, objective, day, told_at, worth in zip(
        *(columns[name] for name in ("subject", "pupil", "year", "objective", "day", "told_at", "worth")), strict=True
    ):
        yield number, subject, pupil, year, objective, days[day], told_at, worth


class PostgresRows:
    """PostgreSQL on rows, in a database of its own."""

    def __init__(self, connection: asyncpg.Connection, marking: Marking = USUAL) -> None:
        self.connection = connection
        self._marking = marking

    async def fill(self, schools: Iterable[tuple[int, School]]) -> None:
        """Make the tables and the indexes."""
        await self.connection.execute(_TUNED + _TABLES)
        for number, school in schools:
            enrolments = [(number, each.pupil, each.starts_on, each.ends_on) for each in school.enrolments]
            members = [(number, *each) for each in school.memberships]
            await self.connection.copy_records_to_table("enrolment", records=enrolments)
            await self.connection.copy_records_to_table("membership", records=members)
            await self.connection.copy_records_to_table("judgement", records=_judgement_rows(number, school))
        await self.connection.execute(_INDEXES)
        await self.connection.execute("VACUUM ANALYZE")  # index-only scans, and plans that know the data

    async def overview(self, schools: list[int], subjects: list[int], day: date, known: int) -> Cells:
        """The overview of these schools."""
        places = ("$1::int[]", "$2::date", "$3::bigint", "$4::int[]")
        query = _query(_LATEST_DISTINCT, places, "/", len(subjects), self._marking)
        return _cells(await self.connection.fetch(query, schools, day, known, subjects))


class DuckRows:
    """DuckDB on a native table in memory, sorted by school and subject."""

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        self._connection.execute(_TABLES + "ALTER TABLE judgement ADD COLUMN truth bigint;")

    def fill(self, schools: Iterable[tuple[int, School]]) -> None:
        """Make the tables."""
        for number, school in schools:
            by = school.assessments
            halves = PRIMARY.worth(by["state"])
            judged = {
                "school": np.full(school.judgements(), number),
                **{name: by[name] for name in ("subject", "pupil", "year", "objective", "day", "told_at")},
                "halves": halves,
                "truth": (by["day"] << 34) | ((by["told_at"] - 1_600_000_000) << 2) | halves,
            }
            self._connection.execute(
                "INSERT INTO judgement SELECT school, subject, pupil, year, objective, DATE '1970-01-01' + day::int,"
                " told_at, halves, truth FROM judged ORDER BY school, subject, pupil"
            )
            del judged
            enrolments = [(number, each.pupil, each.starts_on, each.ends_on) for each in school.enrolments]
            members = [(number, *each) for each in school.memberships]
            for table, rows in (("enrolment", enrolments), ("membership", members)):
                columns = {f"c{place}": list(values) for place, values in enumerate(zip(*rows, strict=True))}
                self._insert(table, columns)

    def overview(self, schools: list[int], subjects: list[int], day: date, known: int) -> Cells:
        """The overview of these schools."""
        places = ("$schools", "$day::date", "$known", "$subjects")
        query = _query(_LATEST_PACKED, places, "//", len(subjects), USUAL)
        asked = {"schools": schools, "day": day, "known": known, "subjects": subjects}
        return _cells(self._connection.execute(query, asked).fetchall())

    def _insert(self, table: str, columns: dict[str, list[Any]]) -> None:
        days = {FOREVER: (FOREVER - EPOCH).days}
        rows = {
            name: np.array([days.setdefault(v, (v - EPOCH).days) for v in values])
            if isinstance(values[0], date)
            else np.array(values)
            for name, values in columns.items()
        }
        dated = [f"DATE '1970-01-01' + {name}::int" if isinstance(columns[name][0], date) else name for name in rows]
        self._connection.execute(f"INSERT INTO {table} SELECT {', '.join(dated)} FROM rows")
