"""Flatness: overviews over 8 years of history against 2, at 2.5 times the density, and after a back-fill in one day.

The same schools in each variant, one product; the back-fill must answer as what was told day by day.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from benchmarks.asking import Asked, Ours, cells_of, flatness, interleaved_ms, median_figure, questions
from benchmarks.claims import Scale
from benchmarks.figures import Figure
from benchmarks.filled import fill, opened
from benchmarks.load import LAST_ON, Recipe
from benchmarks.reads import compare

SEED, DAYS_BACK = 11, 300
TOLD_ON = LAST_ON + timedelta(days=1)


def measure(scale: Scale) -> Iterable[Figure]:
    """All variants beside each other."""
    return asyncio.run(_measure(4 if scale.full else 1, scale.rounds))


def _variants(count: int) -> list[Recipe]:
    return [
        variant._replace(number=number)
        for variant in (
            Recipe(0, SEED, "two-"),
            Recipe(0, SEED, "eight-", years=8),
            Recipe(0, SEED, "backfill-", years=8, told_on=TOLD_ON),
            Recipe(0, SEED, "dense-", density=2.5),
        )
        for number in range(count)
    ]


async def _measure(count: int, rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as name:
        directory = Path(name)
        async with opened(directory) as (url, pool):
            recipes = _variants(count)
            filled = await fill(url, pool, recipes, directory / "projector")
            asked = [Asked(q.schools, q.day) for q in questions(count, rounds, DAYS_BACK)]
            ours = {
                prefix: Ours(pool, cold=True, prefix=prefix)
                for prefix in dict.fromkeys(recipe.prefix for recipe in recipes)
            }
            for one in asked[:8]:
                mine = cells_of(await ours["eight-"].overview(one))
                compare("the back-fill", one, mine, cells_of(await ours["backfill-"].overview(one)))
            works = {p: [lambda q=q, o=o: o.overview(q) for q in asked] for p, o in ours.items()}  # type: ignore[misc]
            times = await interleaved_ms(works)
    note = f"{filled.facts:,} facts of {4 * count} schools, cold, random dates of the last year"
    return [
        flatness("overview, 8 years ÷ 2 years of history", times, "eight-", "two-", "≤ 1.1"),
        flatness("overview, back-fill of 8 years in one day ÷ day by day", times, "backfill-", "eight-", "≤ 1.5"),
        flatness("overview, 2.5 × the density ÷ the density", times, "dense-", "two-", ""),
        median_figure("  over 2 years of history", times["two-"], "", note),
    ]
