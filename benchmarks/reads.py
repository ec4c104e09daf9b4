"""Overviews of one school in the service, without HTTP: any date against today, both clocks, against row stores.

Random schools and dates, the same for all in one round; before anything is timed, every cell must be equal.
"""

from __future__ import annotations

from benchmarks.asking import (
    Asked,
    Ours,
    cells_of,
    flatness,
    for_peers,
    interleaved_ms,
    median_figure,
    questions,
    times_better,
)
from benchmarks.figures import Figure, UnequalAnswers
from benchmarks.load import LAST_ON
from benchmarks.row_peers import Cells, DuckRows
from benchmarks.stage import Stage

CHECKED = 12
PEER_ROUNDS = 20


async def measure(stage: Stage) -> list[Figure]:
    """Every figure of one school."""
    await check(stage)
    asked = list(questions(stage.count, stage.rounds))
    ours, cold = Ours(stage.pool), Ours(stage.pool, cold=True)
    times = await interleaved_ms(
        {
            "cold": [lambda q=q: cold.overview(Asked(q.schools, q.day)) for q in asked],
            "today": [lambda q=q: cold.overview(Asked(q.schools, LAST_ON)) for q in asked],
            "known then": [lambda q=q: cold.overview(q) for q in asked],
            "in service": [lambda q=q: ours.overview(Asked(q.schools, q.day)) for q in asked],
            "asked again": [lambda q=q: ours.overview(Asked(q.schools, q.day)) for q in asked],
            "PostgreSQL": [lambda q=q: stage.rows.overview(*for_peers(q, stage.count)) for q in asked[:PEER_ROUNDS]],
            "DuckDB": [lambda q=q: at_once(stage.duck, q, stage.count) for q in asked[:PEER_ROUNDS]],
        }
    )
    what = f"random school and date, 3 subjects, all groups, Combined; {stage.note}"
    return [
        median_figure("overview of one school, cold", times["cold"], "≤ 1.5", f"a new reader each time; {what}"),
        median_figure("overview of one school, in service", times["in service"], "≤ 1.5", what),
        median_figure("  the same question again, cached", times["asked again"], "", what),
        flatness("  past ÷ today", times, "cold", "today", "≤ 1.25"),
        flatness("  known then ÷ today", times, "known then", "today", "≤ 1.25"),
        times_better("PostgreSQL", times, "cold", "≥ 35"),
        times_better("DuckDB", times, "cold", "≥ 20"),
        times_better("PostgreSQL", times, "in service", "≥ 35"),
        times_better("DuckDB", times, "in service", "≥ 20"),
    ]


async def check(stage: Stage) -> None:
    """Every cell of random questions, both clocks. Raises UnequalAnswers."""
    ours = Ours(stage.pool)
    for asked in questions(stage.count, CHECKED):
        mine = cells_of(await ours.overview(asked))
        peers = for_peers(asked, stage.count)
        compare("PostgreSQL", asked, mine, await stage.rows.overview(*peers))
        compare("DuckDB", asked, mine, stage.duck.overview(*peers))


def compare(peer: str, asked: object, mine: Cells, theirs: Cells) -> None:
    """Raise UnequalAnswers unless they are the same."""
    if mine != theirs or not mine:
        differing = sorted((mine - theirs) + (theirs - mine))[:5]
        raise UnequalAnswers(f"{peer} answers {asked} otherwise: {differing}")


async def at_once(duck: DuckRows, asked: Asked, count: int) -> Cells:
    """DuckDB answers without waiting."""
    return duck.overview(*for_peers(asked, count))
