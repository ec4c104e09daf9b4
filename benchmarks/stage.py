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

from benchmarks.filled import Filled, fill, opened
from benchmarks.load import Recipe, School, make
from benchmarks.row_peers import DuckRows, PostgresRows

SEED = 20260717


@dataclass
class Stage:
    """What stands there: `made` are the schools by number, `filled` how their facts became views."""

    directory: Path
    url: str
    pool: asyncpg.Pool
    made: list[tuple[int, School]]
    rows: PostgresRows
    duck: DuckRows
    filled: Filled
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
            recipes = [Recipe(number, SEED) for number in range(schools)]
            started = time.perf_counter()
            filled = await fill(url, pool, recipes, directory / "projector")
            _tell(f"{filled.facts:,} facts appended and folded in {time.perf_counter() - started:,.0f} s: {filled}")
            started = time.perf_counter()
            await pool.execute("CREATE DATABASE peer")
            connection = await asyncpg.connect(url.replace("/markledger?", "/peer?"))
            made = [(recipe.number, make(recipe)) for recipe in recipes]
            rows, duck = PostgresRows(connection), DuckRows()
            await rows.fill(made)
            duck.fill(made)
            _tell(f"peers filled in {time.perf_counter() - started:,.0f} s")
            try:
                yield Stage(directory, url, pool, made, rows, duck, filled, rounds)
            finally:
                await connection.close()


def _tell(line: str) -> None:
    print(f"stage: {line}", file=sys.stderr, flush=True)
