"""One reporting worker as a process of its own, to be killed: `python -m tests.reporting_process DATABASE_URL NAME`."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from services.projector.keeping import ROWS
from services.projector.loop import Loop
from services.projector.projections import reporting
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.postgres import open_pool
from tests.projector_bench import QUICK
from tests.reporting_bench import open_reporting


async def main(url: str, name: str) -> None:
    pool = await open_pool(url)
    log = EmbeddedLog(pool)
    feed = await open_reporting(pool, log)
    pace = msgspec.structs.replace(QUICK, records_max=3)
    await Loop(pool, log, feed, reporting, name, pace, keeping=ROWS).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
