"""Score tracking of a class over twelve months, and a year group's matrix of two dates, each against PostgreSQL."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import asyncpg

from benchmarks.asking import BANDS, Ours, interleaved_ms, median_figure, times_better
from benchmarks.figures import Figure, UnequalAnswers
from benchmarks.load import LAST_ON, OBJECTIVES, pupil_id
from benchmarks.stage import Stage
from services.query.answers import Matrix, ScoreTracking

CHECKED, PEER_ROUNDS = 5, 30
MEASURE = "markbook:maths:own-year:overall"
_CUTS = tuple(int(cut) for cut in BANDS.split(","))
_VALUES = """
WITH members AS (
    SELECT e.pupil FROM enrolment e JOIN membership m ON m.school = e.school AND m.pupil = e.pupil
    WHERE e.school = $1 AND e.starts_on <= $3 AND e.ends_on >= $3
      AND m.code = $2 AND m.starts_on <= $3 AND m.ends_on >= $3),
days AS (SELECT unnest($4::date[]) AS day),
own AS (
    SELECT m.pupil, d.day, split_part(y.code, ':', 2)::smallint AS year FROM members m CROSS JOIN days d
    JOIN membership y ON y.school = $1 AND y.pupil = m.pupil AND y.code LIKE 'year-group:%'
     AND y.starts_on <= d.day AND y.ends_on >= d.day),
scored AS (
    SELECT own.pupil, own.day, sum(latest.halves) AS total FROM own CROSS JOIN LATERAL (
        SELECT DISTINCT ON (j.objective) j.halves FROM judgement j
        WHERE j.school = $1 AND j.subject = 1 AND j.pupil = own.pupil AND j.year = own.year AND j.day <= own.day
        ORDER BY j.objective, j.day DESC, j.told_at DESC) AS latest
    GROUP BY own.pupil, own.day)
SELECT m.pupil, d.day, (200 * s.total + $5) / (2 * $5) AS percent
FROM members m CROSS JOIN days d LEFT JOIN scored s ON s.pupil = m.pupil AND s.day = d.day
"""


class Question(NamedTuple):
    """A school, one of its classes or year groups, and the days."""

    school: int
    code: str
    days: tuple[date, ...]


async def measure(stage: Stage) -> list[Figure]:
    """Both reports."""
    ours, kept, peer = Ours(stage.pool, cold=True), Ours(stage.pool), stage.rows.connection
    tracked, crossed = _tracked(stage.count, stage.rounds), _crossed(stage.count, stage.rounds)
    for number in range(min(CHECKED, len(tracked), len(crossed))):
        await _check_tracking(ours, peer, tracked[number])
        await _check_matrix(ours, peer, crossed[number])
    times = await interleaved_ms(
        {
            "score tracking": [lambda q=q: ours.score_tracking(_tracking(q)) for q in tracked],
            "matrix": [lambda q=q: ours.matrix(_matrix(q)) for q in crossed],
            "tracking in service": [lambda q=q: kept.score_tracking(_tracking(q)) for q in tracked],
            "matrix in service": [lambda q=q: kept.matrix(_matrix(q)) for q in crossed],
            "PostgreSQL tracking": [lambda q=q: _values(peer, q) for q in tracked[:PEER_ROUNDS]],
            "PostgreSQL matrix": [lambda q=q: _values(peer, q) for q in crossed[:PEER_ROUNDS]],
        }
    )
    return [
        median_figure("score tracking, 12 months of a class, cold", times["score tracking"], "", stage.note),
        times_better("PostgreSQL tracking", times, "score tracking", "≥ 6"),
        median_figure("  in service", times["tracking in service"], "", f"another question each time; {stage.note}"),
        times_better("PostgreSQL tracking", times, "tracking in service", "≥ 6"),
        median_figure("matrix of two dates of a year group, cold", times["matrix"], "", stage.note),
        times_better("PostgreSQL matrix", times, "matrix", "≥ 6"),
        median_figure("  in service", times["matrix in service"], "", f"another question each time; {stage.note}"),
        times_better("PostgreSQL matrix", times, "matrix in service", "≥ 6"),
    ]


def _tracked(schools: int, number: int) -> list[Question]:
    rng = random.Random(1)
    found = []
    for _ in range(number):
        last = LAST_ON.replace(day=1) - timedelta(days=1 + rng.randrange(300))
        ends = [date(last.year + (last.month + n) // 12, (last.month + n) % 12 + 1, 1) for n in range(-11, 1)]
        days = tuple(end - timedelta(days=1) for end in ends)
        found.append(Question(rng.randrange(schools), f"group:{rng.randrange(1, 7)}{rng.choice('AB')}", days))
    return [*dict.fromkeys(found)]


def _crossed(schools: int, number: int) -> list[Question]:
    rng = random.Random(2)
    found = []
    for _ in range(number):
        second = LAST_ON - timedelta(days=rng.randrange(250))
        days = (second - timedelta(days=rng.randrange(30, 300)), second)
        found.append(Question(rng.randrange(schools), f"year-group:{rng.randrange(1, 7)}", days))
    return [*dict.fromkeys(found)]


def _tracking(asked: Question) -> list[tuple[str, str]]:
    months = f"{asked.days[0]:%Y-%m}..{asked.days[-1]:%Y-%m}"
    group = asked.code.partition(":")[2]
    return [
        *(("school", f"school-{asked.school:03}"), ("group", group), ("measure", MEASURE)),
        *(("as_at", asked.days[-1].isoformat()), ("months", months), ("limit", "200")),
    ]


def _matrix(asked: Question) -> list[tuple[str, str]]:
    first, second = asked.days
    return [
        *(("school", f"school-{asked.school:03}"), ("year_group", asked.code.partition(":")[2])),
        *(("first", f"{MEASURE}@{first}"), ("second", f"{MEASURE}@{second}"), ("as_at", second.isoformat())),
        *(("first_bands", BANDS), ("second_bands", BANDS)),
    ]


async def _values(peer: asyncpg.Connection, asked: Question) -> list[asyncpg.Record]:
    """Pupil, day and percent, counted in the database."""
    arguments = (asked.school, asked.code, asked.days[-1], list(asked.days), 2 * OBJECTIVES)
    return list(await peer.fetch(_VALUES, *arguments))


async def _check_tracking(ours: Ours, peer: asyncpg.Connection, asked: Question) -> None:
    report: ScoreTracking = await ours.score_tracking(_tracking(asked))
    mine = {
        (row.pupil, day): None if value is None else value.percent
        for row in report.pupils
        for day, value in zip(asked.days, row.values, strict=True)
    }
    name = f"school-{asked.school:03}"
    theirs = {(pupil_id(name, pupil), day): percent for pupil, day, percent in await _values(peer, asked)}
    if mine != theirs:
        differing = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))[:3]
        told = [(key, mine.get(key), theirs.get(key)) for key in differing]
        raise UnequalAnswers(f"PostgreSQL tracks {asked} otherwise: {told}")


async def _check_matrix(ours: Ours, peer: asyncpg.Connection, asked: Question) -> None:
    report: Matrix = await ours.matrix(_matrix(asked))
    found: dict[int, list[int | None]] = {}
    for pupil, day, percent in await _values(peer, asked):
        found.setdefault(pupil, [None, None])[asked.days.index(day)] = _band(percent)
    theirs = Counter(tuple(bands) for bands in found.values() if None not in bands)
    mine = Counter({(a, b): count for a, row in enumerate(report.counts) for b, count in enumerate(row) if count})
    if mine != theirs:
        raise UnequalAnswers(f"PostgreSQL counts {asked} otherwise: {mine} {theirs}")


def _band(percent: int | None, cuts: Sequence[int] = _CUTS) -> int | None:
    return None if percent is None else sum(percent >= cut for cut in cuts)
