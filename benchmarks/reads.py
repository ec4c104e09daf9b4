"""Overviews of the load in the service, without HTTP: any date against today, against both clocks, against row stores.

Random schools and dates, the same for all in one round; before anything is timed, every cell must be equal.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import asyncpg
import msgspec

from benchmarks.figures import Figure
from benchmarks.filled import append_schools, opened, project
from benchmarks.load import CHARACTERISTICS, CORE, LAST_ON, TRUST, make_school
from benchmarks.row_peers import Cells, DuckRows, PostgresRows
from schemas.topics import EMBEDDED_PARTITIONS
from services.access.keys import ADMINISTRATOR
from services.query.answers import Overview
from services.query.parameters import read_overview
from services.query.reader import Reader
from services.query.reporting import Reporting

SEED = 20260717
SUBJECTS = [0, 1, 2]
DAYS_BACK = 600
CHECKED = 12
_BY = ("year-group", "group", *(f"characteristic:{name}" for name in CHARACTERISTICS))


class Asked(NamedTuple):
    """One question: schools by number (None = the trust), and the two clocks."""

    schools: tuple[int, ...] | None
    day: date
    known_at: datetime | None = None


class Ours:
    """The product's own way from a query string to encoded bytes, in this process."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._reporting = Reporting(Reader(pool, EMBEDDED_PARTITIONS), None)
        self._encoder = msgspec.json.Encoder()

    async def overview(self, asked: Asked) -> Overview:
        """The answer; its bytes are made, too."""
        parameters = [("trust", TRUST)] if asked.schools is None else [("school", _name(n)) for n in asked.schools]
        parameters += [("measure", f"markbook:{subject}:own-year:overall") for subject in CORE]
        parameters += [("bands", "21,36,51,66"), *(("by", by) for by in _BY), ("as_at", asked.day.isoformat())]
        if asked.known_at is not None:
            parameters.append(("as_known_at", asked.known_at.isoformat()))
        read = read_overview(urlencode(parameters).encode(), datetime.now(UTC))
        answer = await self._reporting.overview(ADMINISTRATOR, read)
        self._encoder.encode(answer)
        return answer


def measure_reads(schools: int, rounds: int) -> Iterator[Figure]:
    """Fill a product and both peers with the same schools, compare, measure."""
    yield from asyncio.run(_measure(schools, rounds))


async def _measure(count: int, rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory:
        async with opened(Path(directory)) as (url, pool):
            made = [(number, make_school(number, SEED)) for number in range(count)]
            facts = await append_schools(pool, (school for _, school in made))
            seconds = await project(url, pool, facts)
            judgements = sum(school.judgements() for _, school in made)
            note = f"{count} schools, {judgements:,} judgements"
            figures = [Figure("projection from the log to the views", facts / seconds, "facts/s", "≥ 120,000", note)]
            await pool.execute("CREATE DATABASE peer")
            connection = await asyncpg.connect(url.replace("/postgres", "/peer"))
            rows, duck = PostgresRows(connection), DuckRows()
            await rows.fill(made)
            duck.fill(made)
            ours = Ours(pool)
            await _check(ours, rows, duck, count)
            figures += await _one_school(ours, rows, duck, count, rounds, note)
            figures += await _whole_trust(ours, rows, duck, count, max(rounds // 20, 3), note)
            await connection.close()
    return figures


async def _check(ours: Ours, rows: PostgresRows, duck: DuckRows, count: int) -> None:
    """Every cell of random questions, both clocks. Raises RuntimeError."""
    for asked in _questions(count, CHECKED):
        schools, day, known = _for_peers(asked, count)
        mine = _cells_of(await ours.overview(asked))
        for name, theirs in (
            ("PostgreSQL", await rows.overview(schools, SUBJECTS, day, known)),
            ("DuckDB", duck.overview(schools, SUBJECTS, day, known)),
        ):
            if mine != theirs:
                differing = sorted((mine - theirs) + (theirs - mine))[:5]
                raise RuntimeError(f"{name} answers {asked} otherwise: {differing}")


async def _one_school(
    ours: Ours, rows: PostgresRows, duck: DuckRows, count: int, rounds: int, note: str
) -> list[Figure]:
    questions = list(_questions(count, rounds))
    medians = await _interleaved_ms(
        {
            "past": [lambda q=q: ours.overview(Asked(q.schools, q.day)) for q in questions],
            "today": [lambda q=q: ours.overview(Asked(q.schools, LAST_ON)) for q in questions],
            "known then": [lambda q=q: ours.overview(q) for q in questions],
            "PostgreSQL": [lambda q=q: rows.overview(*_peers(q, count)) for q in questions[:20]],
            "DuckDB": [lambda q=q: _at_once(duck, q, count) for q in questions[:20]],
        }
    )
    what = f"random school and date, 3 subjects, 48 rows, Combined; {note}"
    return [
        Figure("overview of one school, p50 in the service", medians["past"], "ms", "≤ 1.5", what),
        Figure("  past ÷ today", medians["past"] / medians["today"], "", "≤ 1.25"),
        Figure("  known then ÷ today", medians["known then"] / medians["today"], "", "≤ 1.25"),
        _ratio("PostgreSQL", medians, "past", "≥ 35"),
        _ratio("DuckDB", medians, "past", "≥ 20"),
    ]


async def _whole_trust(
    ours: Ours, rows: PostgresRows, duck: DuckRows, count: int, rounds: int, note: str
) -> list[Figure]:
    days = [q.day for q in _questions(count, rounds)]
    everything = [Asked(None, day) for day in days]
    medians = await _interleaved_ms(
        {
            "trust": [lambda q=q: ours.overview(q) for q in everything],
            "PostgreSQL": [lambda q=q: rows.overview(*_peers(q, count)) for q in everything[:3]],
            "DuckDB": [lambda q=q: _at_once(duck, q, count) for q in everything[:3]],
        }
    )
    return [
        Figure(f"overview of a trust of {count} schools, p50", medians["trust"], "ms", "≤ 60 at 200", note),
        _ratio("PostgreSQL", medians, "trust", "≥ 100"),
        _ratio("DuckDB", medians, "trust", "≥ 10"),
    ]


def _ratio(peer: str, medians: dict[str, float], ours: str, goal: str) -> Figure:
    return Figure(f"  {peer} ÷ ours", medians[peer] / medians[ours], "x", goal, f"{peer} {medians[peer]:,.1f} ms")


def _questions(count: int, number: int) -> Iterator[Asked]:
    """Random schools and dates; what was known at the end of that day."""
    rng = random.Random(SEED)
    for _ in range(number):
        day = LAST_ON - timedelta(days=rng.randrange(DAYS_BACK))
        known_at = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)
        yield Asked((rng.randrange(count),), day, known_at)


async def _interleaved_ms(works: dict[str, list[Callable[[], Awaitable[object]]]]) -> dict[str, float]:
    """Medians; all works take turns, so that a noisy moment hits each of them."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(max(map(len, works.values()))):
        for name, calls in works.items():
            if turn < len(calls):
                started = time.perf_counter()
                await calls[turn]()
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


async def _at_once(duck: DuckRows, asked: Asked, count: int) -> Cells:
    return duck.overview(*_peers(asked, count))


def _peers(asked: Asked, count: int) -> tuple[list[int], list[int], date, int]:
    schools, day, known = _for_peers(asked, count)
    return schools, SUBJECTS, day, known


def _for_peers(asked: Asked, count: int) -> tuple[list[int], date, int]:
    known = 2**40 if asked.known_at is None else int(asked.known_at.timestamp())
    return list(range(count) if asked.schools is None else asked.schools), asked.day, known


def _cells_of(answer: Overview) -> Cells:
    """The answer in the peers' form; what is 0 is not there."""
    cells: Cells = Counter()
    for row in answer.rows:
        for subject, cell in zip(CORE, row.cells, strict=True):
            counted = {**msgspec.to_builtins(cell.counts), "no_data": cell.no_data}
            cells.update({(row.row, subject, band): pupils for band, pupils in counted.items() if pupils})
        if row.combined.working_at_or_above:
            cells[row.row, "combined", "working_at_or_above"] = row.combined.working_at_or_above
    return cells


def _name(number: int) -> str:
    return f"school-{number:03}"
