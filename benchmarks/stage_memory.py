"""The memory of what folds at the whole load: the projector, without the rows for SQL, and the builders of a rebuild.

The projector comes to a ledger of that size and folds the next facts of every school, so it has to load each of them.
"""

from __future__ import annotations

import os

from benchmarks.figures import Figure
from benchmarks.stage import Stage


async def measure(stage: Stage) -> list[Figure]:
    """What was seen when the stage was filled."""
    filled = stage.filled
    note = f"`markledger projector` folding the last {filled.live:,} of {filled.facts:,} facts; {stage.note}"
    together = f"{os.cpu_count()} processes over {filled.rebuilt:,} facts, largest sum; {stage.note}"
    rate = filled.live / filled.live_seconds
    return [
        Figure("memory of the projector at the whole load", filled.projector_mb, "MB", "≤ 1500", note),
        Figure("  folding then, with its start and each school's load", rate, "facts/s", "", stage.note),
        Figure("  memory of the builders of a rebuild together", filled.builders_mb, "MB", "", together),
    ]
