"""The way from a query string to encoded bytes, in this process; random questions; turns for all sides."""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

import asyncpg
import msgspec

from benchmarks.figures import Figure, ratio, spread_of
from benchmarks.load import CHARACTERISTICS, CORE, LAST_ON, TRUST
from benchmarks.row_peers import Cells
from schemas.topics import EMBEDDED_PARTITIONS
from services.access.keys import ADMINISTRATOR
from services.query.answers import Matrix, Overview, ScoreTracking
from services.query.parameters import read_matrix, read_overview, read_score_tracking
from services.query.reader import Reader
from services.query.reporting import Reporting

SEED = 20260717
DAYS_BACK = 600
BANDS = "21,36,51,66"
_BY = ("year-group", "group", *(f"characteristic:{name}" for name in CHARACTERISTICS))

Call = Callable[[], Awaitable[object]]
Times = dict[str, list[float]]


class Asked(NamedTuple):
    """One question: schools by number (None = the trust), and the two clocks."""

    schools: tuple[int, ...] | None
    day: date
    known_at: datetime | None = None


class Ours:
    """The reports of one process. `cold`: each question comes to a reader that keeps nothing yet."""

    def __init__(self, pool: asyncpg.Pool, *, cold: bool = False, prefix: str = "school-") -> None:
        self._pool = pool
        self._cold = cold
        self._prefix = prefix
        self._kept = Reporting(Reader(pool, EMBEDDED_PARTITIONS), None)
        self._encoder = msgspec.json.Encoder()

    async def overview(self, asked: Asked, bands: str = BANDS) -> Overview:
        """The answer; its bytes are made, too."""
        read = read_overview(self.overview_query(asked, bands).encode(), datetime.now(UTC))
        answer = await self._reporting().overview(ADMINISTRATOR, read)
        self._encoder.encode(answer)
        return answer

    async def score_tracking(self, parameters: list[tuple[str, str]]) -> ScoreTracking:
        """The answer; its bytes are made, too."""
        read = read_score_tracking(urlencode(parameters).encode(), datetime.now(UTC))
        answer = await self._reporting().score_tracking(ADMINISTRATOR, read)
        self._encoder.encode(answer)
        return answer

    async def matrix(self, parameters: list[tuple[str, str]]) -> Matrix:
        """The answer; its bytes are made, too."""
        read = read_matrix(urlencode(parameters).encode(), datetime.now(UTC))
        answer = await self._reporting().matrix(ADMINISTRATOR, read)
        self._encoder.encode(answer)
        return answer

    def overview_query(self, asked: Asked, bands: str = BANDS) -> str:
        """The query string of an overview: three subjects, all groups, Combined."""
        names = [(f"{self._prefix}{number:03}") for number in asked.schools or ()]
        parameters = [("trust", TRUST)] if asked.schools is None else [("school", name) for name in names]
        parameters += [("measure", f"markbook:{subject}:own-year:overall") for subject in CORE]
        parameters += [("bands", bands), *(("by", by) for by in _BY), ("as_at", asked.day.isoformat())]
        if asked.known_at is not None:
            parameters.append(("as_known_at", asked.known_at.isoformat()))
        return urlencode(parameters)

    def _reporting(self) -> Reporting:
        return Reporting(Reader(self._pool, EMBEDDED_PARTITIONS), None) if self._cold else self._kept


def questions(count: int, number: int, days_back: int = DAYS_BACK) -> Iterator[Asked]:
    """Random schools and dates, and what was known late that day; no school twice on a day while there are others,
    and never twice at the same second."""
    rng = random.Random(SEED)
    met: Counter[tuple[int, int]] = Counter()
    for asked in range(number):
        school, back = rng.randrange(count), rng.randrange(days_back)
        while met[school, back] > asked // (count * days_back):
            school, back = rng.randrange(count), rng.randrange(days_back)
        day, seconds = LAST_ON - timedelta(days=back), met[school, back] + 1
        met[school, back] += 1
        yield Asked((school,), day, datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(1, -seconds))


async def interleaved_ms(works: dict[str, list[Call]]) -> Times:
    """The times of all calls; all works take turns, so that a noisy moment hits each of them."""
    times: Times = {name: [] for name in works}
    for turn in range(max(map(len, works.values()))):
        for name, calls in works.items():
            if turn < len(calls):
                started = time.perf_counter()
                await calls[turn]()
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def median_figure(claim: str, times: list[float], goal: str, note: str) -> Figure:
    """Median and spread of some milliseconds."""
    return Figure(claim, statistics.median(times), "ms", goal, note, spread_of(times))


def times_better(peer: str, times: Times, ours: str, goal: str) -> Figure:
    """The peer's median divided by that of ours."""
    return ratio(f"{peer}, {ours}", statistics.median(times[peer]), statistics.median(times[ours]), goal, unit="ms")


def flatness(claim: str, times: Times, one: str, other: str, goal: str) -> Figure:
    """How the medians of two works of ours go together."""
    upper, lower = statistics.median(times[one]), statistics.median(times[other])
    return Figure(claim, upper / lower, "", goal, f"{one} {upper:,.2f} ms, {other} {lower:,.2f} ms")


def for_peers(asked: Asked, count: int) -> tuple[list[int], list[int], date, int]:
    """Schools, subjects, day and seconds of knowledge, as the row stores take them."""
    known = 2**40 if asked.known_at is None else int(asked.known_at.timestamp())
    return list(range(count) if asked.schools is None else asked.schools), [0, 1, 2], asked.day, known


def cells_of(answer: Overview) -> Cells:
    """The answer in the peers' form; what is 0 is not there."""
    cells: Cells = Counter()
    for row in answer.rows:
        for subject, cell in zip(CORE, row.cells, strict=True):
            counted = {**msgspec.to_builtins(cell.counts), "no_data": cell.no_data}
            cells.update({(row.row, subject, band): pupils for band, pupils in counted.items() if pupils})
        if row.combined.working_at_or_above:
            cells[row.row, "combined", "working_at_or_above"] = row.combined.working_at_or_above
    return cells
