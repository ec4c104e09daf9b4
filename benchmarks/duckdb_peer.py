"""The peer: the same overview by one DuckDB query over tables in memory, as somebody without Markledger would write it.

It reads OULAD's original files and computes three measures, five bands, whole and three characteristics; Combined left
out. Tables and mapping are those of the acceptance oracle, so that both sides answer the same question.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from tests.acceptance.oulad_oracle import TABLES

_OVERVIEW = """
WITH roll AS (
    SELECT e.school, e.student, s.year_starts, t.sex, t.send, t.disadvantaged
    FROM enrolment e JOIN school s USING (school)
    JOIN (SELECT student, arg_max(sex, starts_on) AS sex, arg_max(send, starts_on) AS send,
                 arg_max(disadvantaged, starts_on) AS disadvantaged
          FROM trait WHERE starts_on <= $day GROUP BY student) t USING (student)
    WHERE e.starts_on <= $day AND list_contains($schools, e.school)),
score AS (
    SELECT student, module, sum(score) AS total, count(*) AS counted
    FROM mark JOIN roll USING (student)
    WHERE assessed_on <= $day AND module IN ('BBB', 'CCC', 'FFF')
    GROUP BY student, module),
banded AS (
    SELECT roll.*, m.module,
           CASE WHEN total IS NULL THEN 'no_data' ELSE
             CASE WHEN (2 * total + counted) // (2 * counted) >= 80 THEN 'sig_above'
                  WHEN (2 * total + counted) // (2 * counted) >= 60 THEN 'above'
                  WHEN (2 * total + counted) // (2 * counted) >= 40 THEN 'at'
                  WHEN (2 * total + counted) // (2 * counted) >= 20 THEN 'below' ELSE 'sig_below' END END AS band
    FROM roll CROSS JOIN (VALUES ('BBB'), ('CCC'), ('FFF')) m(module)
    LEFT JOIN score ON score.student = roll.student AND score.module = m.module)
SELECT module, sex, send, disadvantaged, band, count(*)
FROM banded GROUP BY GROUPING SETS ((module, band), (module, sex, band), (module, send, band),
                                    (module, disadvantaged, band))
"""


class Peer:
    """DuckDB with OULAD in native tables."""

    def __init__(self, directory: Path) -> None:
        self._connection = duckdb.connect()
        self._connection.execute(TABLES.replace("{directory}", str(directory)))

    @property
    def schools(self) -> list[str]:
        """All 13."""
        return [row[0] for row in self._connection.execute("SELECT school FROM school ORDER BY school").fetchall()]

    def overview(self, schools: list[str], as_at: date) -> list[tuple[Any, ...]]:
        """The counts of the overview."""
        return self._connection.execute(_OVERVIEW, {"schools": schools, "day": as_at}).fetchall()
