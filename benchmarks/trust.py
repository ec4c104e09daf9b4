"""Overviews of the whole trust at random past dates, against row stores; and new cut-offs on a report that is open."""

from __future__ import annotations

from benchmarks.asking import (
    Asked,
    Ours,
    cells_of,
    for_peers,
    interleaved_ms,
    median_figure,
    questions,
    times_better,
)
from benchmarks.figures import Figure
from benchmarks.reads import at_once, compare
from benchmarks.stage import Stage

PEER_ROUNDS = 3
SHARES = (8, 4, 2)
"""Of the schools, for how the cost grows with them."""


async def measure(stage: Stage) -> list[Figure]:
    """All schools at once."""
    rounds = max(stage.rounds // 20, 5)
    asked = [Asked(None, q.day, q.known_at) for q in questions(stage.count, rounds)]
    ours, cold = Ours(stage.pool), Ours(stage.pool, cold=True)
    for one in asked[:2]:
        mine = cells_of(await cold.overview(one))
        peers = for_peers(one, stage.count)
        compare("PostgreSQL", one, mine, await stage.rows.overview(*peers))
        compare("DuckDB", one, mine, stage.duck.overview(*peers))
    await ours.overview(asked[0])
    times = await interleaved_ms(
        {
            "cold": [lambda q=q: cold.overview(q) for q in asked],
            "in service": [lambda q=q: ours.overview(q) for q in asked[1:]],
            "PostgreSQL": [lambda q=q: stage.rows.overview(*for_peers(q, stage.count)) for q in asked[:PEER_ROUNDS]],
            "DuckDB": [lambda q=q: at_once(stage.duck, q, stage.count) for q in asked[:PEER_ROUNDS]],
        }
    )
    parts = [*dict.fromkeys(max(stage.count // share, 1) for share in SHARES)]
    grown = await interleaved_ms(
        {
            str(count): [lambda q=q, n=count: cold.overview(Asked(tuple(range(n)), q.day)) for q in asked]
            for count in parts
        }
    )
    cut_offs = [f"{20 + n},{35 + n},{50 + n},{65 + n}" for n in range(1, rounds + 1)]
    await ours.overview(asked[0])
    again = await interleaved_ms({"again": [lambda b=b: ours.overview(asked[0], b) for b in cut_offs]})
    what = f"random past date, both clocks; {stage.note}"
    return [
        median_figure(f"overview of a trust of {stage.count} schools, cold", times["cold"], "≤ 60", what),
        median_figure("  in service", times["in service"], "≤ 60", f"another date each time; {what}"),
        times_better("PostgreSQL", times, "cold", "≥ 100"),
        times_better("DuckDB", times, "cold", "≥ 10"),
        times_better("PostgreSQL", times, "in service", "≥ 100"),
        times_better("DuckDB", times, "in service", "≥ 10"),
        *(
            median_figure(f"  {count} of the schools, cold", grown[str(count)], "", f"named one by one; {what}")
            for count in parts
        ),
        median_figure("new cut-offs on an open trust report, cached", again["again"], "≤ 3", stage.note),
    ]
