"""The memory of the projector, a process of its own without the rows for SQL, over the whole load of the stage."""

from __future__ import annotations

from benchmarks.figures import Figure
from benchmarks.stage import Stage


async def measure(stage: Stage) -> list[Figure]:
    """What was seen when the stage was filled."""
    note = f"largest resident size of `markledger projector` over {stage.facts:,} facts, {stage.note}"
    rate = stage.facts / stage.seconds
    return [
        Figure("memory of the projector at the whole load", stage.projector_mb, "MB", "≤ 1500", note),
        Figure("  projection of the whole load, live path", rate, "facts/s", "", f"with its start; {stage.note}"),
    ]
