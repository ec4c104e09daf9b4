"""Where the time of a fact goes on its way in: microseconds of one core for each step, and of PostgreSQL beside it.

Encode to place are the projector's own functions over one school; read and store are its loop over the same facts.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from benchmarks.claims import Scale
from benchmarks.figures import Figure
from benchmarks.filled import append_schools, opened
from benchmarks.load import School, make_school
from benchmarks.rebuild import fold_live
from schemas.codec import encode_fact
from schemas.topics import EMBEDDED_PARTITIONS, FACTS, partition_for
from services.projector.decoding import decode_records
from services.projector.keeping import BLOCKS, Keeping
from services.projector.loop import Pace
from services.projector.projections import timeline
from services.projector.replay import SchoolViews
from services.projector.store import Store
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.log.interface import Record

BATCH, SEED = 10_000, 3
PARTS = ("encode", "decode", "fold", "place")

T = TypeVar("T")


def measure(scale: Scale) -> Iterator[Figure]:
    """All steps of one school's facts, in batches of 10,000."""
    school = make_school(0, SEED)
    spent, facts = fold_parts(school)
    spent |= asyncio.run(_through_the_loop(school))
    note = f"{facts:,} facts of one school, batches of {BATCH:,}"
    what = {
        "read": "wall time of reading the embedded log, PostgreSQL's included",
        "store": "wall time of the transactions, durable on disk; the loop folds the next batch meanwhile",
        "postgresql": "processor time of PostgreSQL for reading the log and storing",
    }
    for part in ("encode", "read", "decode", "fold", "place", "store", "postgresql"):
        told = what.get(part, "processor time of this process")
        yield Figure(f"breakdown: {part}", spent[part] / facts * 1e6, "µs/fact", "", f"{note}; {told}")


def fold_parts(school: School) -> tuple[dict[str, float], int]:
    """The seconds of processor time of each of PARTS over all facts of a school, and how many facts there are."""
    key = school.name.encode()
    spent = dict.fromkeys(PARTS, 0.0)

    def timed(part: str, work: Callable[[], T]) -> T:
        started = time.process_time()
        made = work()
        spent[part] += time.process_time() - started
        return made

    facts = list(school.facts())
    values = timed("encode", lambda: [encode_fact(fact) for fact in facts])
    partition = partition_for(key, EMBEDDED_PARTITIONS)
    views = SchoolViews(timeline.load_school(school.name, []))

    def fold(batch: Sequence[Record]) -> None:
        told = timed("decode", lambda: decode_records(batch, partition, EMBEDDED_PARTITIONS)).schools[school.name]
        folded = timed("fold", lambda: timeline.fold(views.state, told))
        found = {need: views.blocks[need] for need in folded.needs if need in views.blocks}
        views.apply(timed("place", lambda: timeline.place(views.state, folded, found)))

    for at in range(0, len(values), BATCH):
        fold([Record(at + place, 0, key, value) for place, value in enumerate(values[at : at + BATCH])])
    return spent, len(facts)


async def _through_the_loop(school: School) -> dict[str, float]:
    """The seconds of reading the log alone, of storing in the loop, and of PostgreSQL's processor for both."""
    stored = 0.0

    class TimedStore(Store):
        async def commit(self, *arguments: Any) -> None:
            nonlocal stored
            started = time.perf_counter()
            await super().commit(*arguments)
            stored += time.perf_counter() - started

    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory:
        async with opened(Path(directory)) as (_, pool):
            facts = await append_schools(pool, [school])
            log = EmbeddedLog(pool)
            try:
                read = await _read(log, school)
                await pool.execute("CHECKPOINT")
                before = _postgres_seconds()
                keeping = Keeping(TimedStore, BLOCKS.upkeep)
                await fold_live(pool, log, facts, Pace(records_max=BATCH), keeping)
                return {"read": read, "store": stored, "postgresql": _postgres_seconds() - before}
            finally:
                await log.close()


async def _read(log: EmbeddedLog, school: School) -> float:
    partition = partition_for(school.name.encode(), EMBEDDED_PARTITIONS)
    _, end = await log.bounds(FACTS.name, partition)
    reader = log.reader(FACTS.name)
    try:
        await reader.assign({partition: 0})
        started, offset = time.perf_counter(), 0
        while offset < end:
            offset = (await reader.poll(BATCH, 100))[partition].next_offset
        return time.perf_counter() - started
    finally:
        await reader.close()


def _postgres_seconds() -> float:
    seconds = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds
