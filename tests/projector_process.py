"""One projector worker as a process of its own, to be killed and stopped: `python -m tests.projector_process NAME`.

It folds with the counting projection, which now and then raises as a rule with a passing defect would. It ends in
order when its standard input ends.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence

from schemas.events import AnyFact
from services.projector.loop import Loop
from services.runtime.log.opening import open_log
from services.runtime.postgres import open_pool
from services.runtime.settings import read_settings
from tests.counting import CountingFolded, CountingProjection, CountingState
from tests.projector_bench import QUICK, open_feed

FAILING = 0.03


class Moody(CountingProjection):
    """Raises sometimes, after it has changed the state."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def fold(self, state: CountingState, records: Sequence[tuple[int, AnyFact]]) -> CountingFolded:
        folded = super().fold(state, records)
        if self._chance.random() < FAILING:
            raise RuntimeError("in a mood")
        return folded


async def main(name: str) -> None:
    settings = read_settings()
    assert settings.database_dsn is not None
    pool = await open_pool(settings.database_dsn)
    log = await open_log(settings, pool)
    projection = Moody(random.Random(name))
    feed = await open_feed(pool, log, projection)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    try:
        await Loop(pool, log, feed, projection, name, QUICK).run(stop)
    finally:
        await log.close()
        await pool.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
