"""One product filled once with the load, and the peers with the same rows: what the claims about reading share."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks.filled import append_schools, opened, project_in_process
from benchmarks.load import School, make_school
from benchmarks.row_peers import DuckRows, PostgresRows

SEED = 20260717


@dataclass
class Stage:
    """What stands there: `made` are the schools by number, `seconds` what the projection of all facts took."""

    directory: Path
    url: str
    pool: asyncpg.Pool
    made: list[tuple[int, School]]
    rows: PostgresRows
    duck: DuckRows
    facts: int
    seconds: float
    projector_mb: float
    rounds: int

    @property
    def count(self) -> int:
        """How many schools there are."""
        return len(self.made)

    @property
    def note(self) -> str:
        """The size, for what was measured."""
        return f"{self.count} schools, {sum(school.judgements() for _, school in self.made):,} judgements"


@asynccontextmanager
async def staged(schools: int, rounds: int) -> AsyncIterator[Stage]:
    """Fill a product and both peers with the same schools."""
    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as name:
        directory = Path(name)
        async with opened(directory) as (url, pool):
            made = [(number, make_school(number, SEED)) for number in range(schools)]
            started = time.perf_counter()
            facts = await append_schools(pool, (school for _, school in made))
            _tell(f"{facts:,} facts appended in {time.perf_counter() - started:,.0f} s")
            seconds, largest = await project_in_process(url, pool, facts, directory / "projector")
            _tell(f"projected in {seconds:,.0f} s")
            await pool.execute("CREATE DATABASE peer")
            connection = await asyncpg.connect(url.replace("/markledger?", "/peer?"))
            rows, duck = PostgresRows(connection), DuckRows()
            await rows.fill(made)
            duck.fill(made)
            _tell(f"peers filled after {time.perf_counter() - started:,.0f} s")
            try:
                yield Stage(directory, url, pool, made, rows, duck, facts, seconds, largest, rounds)
            finally:
                await connection.close()


def _tell(line: str) -> None:
    print(f"stage: {line}", file=sys.stderr, flush=True)
