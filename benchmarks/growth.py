"""How each cost grows: one school with one thing changed at a time, its reads against PostgreSQL, its fold, its bytes.

Among them a wide framework: 300 objectives a year group and subject, marks with decimals, eight years. Every answer of
ours is first found equal to PostgreSQL's.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg

from benchmarks.asking import BANDS, Asked, Ours, Times, cells_of, flatness, for_peers, interleaved_ms, questions
from benchmarks.breakdown import fold_parts
from benchmarks.claims import Scale
from benchmarks.figures import Figure, spread_of
from benchmarks.filled import fill, opened
from benchmarks.load import WIDE, Recipe, make
from benchmarks.reads import compare
from benchmarks.row_peers import USUAL, Marking, PostgresRows

SEED, DAYS_BACK, CHECKED, PEER_ROUNDS = 12, 300, 3, 6
BASE = Recipe(0, SEED, "base-")
MANY = BASE._replace(prefix="narrow-", on_roll=100, years=8, density=2.5)
VARIANTS = {
    "400 pupils, 2 years, 57,000 facts": BASE,
    "100 pupils": BASE._replace(prefix="few-", on_roll=100),
    "800 pupils": BASE._replace(prefix="large-", on_roll=800),
    "8 years": BASE._replace(prefix="eight-", years=8),
    "2.5 × the density": BASE._replace(prefix="dense-", density=2.5),
    "100 pupils, 8 years, 2.5 × the density": MANY,
    "the same with 300 objectives, decimal marks": MANY._replace(prefix="wide-", framework=WIDE),
}
WIDE_MARKING = Marking(WIDE.whole, (1, 3, 5, 7))
"""Of 300 objectives a twentieth is known on a usual day: cut-offs that part the pupils."""

_BYTES = "SELECT coalesce(sum(pg_column_size(t.*)), 0)::bigint FROM timeline_v1.{table} AS t WHERE school = $1"


class Variant(NamedTuple):
    """A school, its place among the peer's schools, and the cut-offs that part its pupils."""

    name: str
    recipe: Recipe
    rows: PostgresRows
    place: int
    bands: str


def measure(scale: Scale) -> Iterable[Figure]:
    """Reads of all variants in turns, then the fold and the bytes of each."""
    return asyncio.run(_measure(scale.rounds))


async def _measure(rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as name:
        directory = Path(name)
        async with opened(directory) as (url, pool):
            await fill(url, pool, list(VARIANTS.values()), directory / "projector")
            variants = await _peers(url, pool)
            asked = [Asked((0,), q.day) for q in questions(1, rounds, DAYS_BACK)]
            times = await _read(pool, variants, asked)
            figures = [figure for each in variants for figure in await _figures(pool, each, times)]
            claim = "overview, 300 objectives with decimal marks ÷ 30 with four states"
            return [*figures, flatness(claim, times, variants[-1].name, variants[-2].name, "")]


async def _peers(url: str, pool: asyncpg.Pool) -> list[Variant]:
    """The same schools as rows; the wide framework has a database of its own."""
    found: list[Variant] = []
    for database, marking in (("rows", USUAL), ("wide", WIDE_MARKING)):
        await pool.execute(f"CREATE DATABASE {database}")
        connection = await asyncpg.connect(url.replace("/markledger?", f"/{database}?"))
        rows = PostgresRows(connection, marking)
        mine = [(n, r) for n, r in VARIANTS.items() if (r.framework is WIDE) == (marking is WIDE_MARKING)]
        await rows.fill((place, make(recipe)) for place, (_, recipe) in enumerate(mine))
        bands = ",".join(map(str, marking.cuts))
        found += [Variant(name, recipe, rows, place, bands) for place, (name, recipe) in enumerate(mine)]
    assert any(each.bands == BANDS for each in found)
    return found


async def _read(pool: asyncpg.Pool, variants: Sequence[Variant], asked: Sequence[Asked]) -> Times:
    ours = {each.name: Ours(pool, cold=True, prefix=each.recipe.prefix) for each in variants}
    for each in variants:
        for one in asked[:CHECKED]:
            mine = cells_of(await ours[each.name].overview(one, each.bands))
            compare("PostgreSQL", (each.name, one), mine, await _by_rows(each, one))
    works = {v.name: [lambda q=q, v=v: ours[v.name].overview(q, v.bands) for q in asked] for v in variants}  # type: ignore[misc]
    peers = {_peer(v): [lambda q=q, v=v: _by_rows(v, q) for q in asked[:PEER_ROUNDS]] for v in variants}  # type: ignore[misc]
    return await interleaved_ms(works | peers)


async def _by_rows(variant: Variant, asked: Asked) -> object:
    return await variant.rows.overview(*for_peers(Asked((variant.place,), asked.day), 1))


def _peer(variant: Variant) -> str:
    return f"PostgreSQL, {variant.name}"


async def _figures(pool: asyncpg.Pool, variant: Variant, times: Times) -> Iterator[Figure]:
    spent, facts = await asyncio.to_thread(fold_parts, make(variant.recipe))
    school, size = variant.recipe.name, {}
    for table in ("block", "tail", "detail"):
        size[table] = int(await pool.fetchval(_BYTES.format(table=table), school)) / facts
    mine, theirs = times[variant.name], statistics.median(times[_peer(variant)])
    about = f"cold, one school, random dates of the last year; {facts:,} facts; PostgreSQL {theirs:,.1f} ms"
    parts = ", ".join(f"{part} {spent[part] / facts * 1e6:.1f}" for part in ("decode", "fold", "place"))
    folding = sum(spent[part] for part in ("decode", "fold", "place")) / facts * 1e6
    stored = f"values of blocks and tails without page overhead; detail {size['detail']:.1f} B/fact beside them"
    return iter(
        (
            Figure(f"growth: {variant.name}", statistics.median(mine), "ms", "", about, spread_of(mine)),
            Figure("  its fold", folding, "µs/fact", "", parts),
            Figure("  its bytes", size["block"] + size["tail"], "B/fact", "", stored),
        )
    )
