"""Where the time of an overview goes on its way out, without HTTP: the question, fetching, counting, encoding."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from benchmarks.asking import Asked, Ours, questions
from benchmarks.figures import Figure, spread_of
from benchmarks.stage import Stage
from schemas.topics import EMBEDDED_PARTITIONS
from services.access.keys import ADMINISTRATOR
from services.query.parameters import read_overview
from services.query.questions import Reading
from services.query.reader import Reader
from services.query.reporting import Reporting

STEPS = ("question", "fetch", "count", "encode")
TRUST_ROUNDS = 5


class TimedReader(Reader):
    """A reader that says how long it took."""

    seconds = 0.0

    async def read(self, *arguments: Any, **named: Any) -> Reading:
        """What the reader reads."""
        started = time.perf_counter()
        try:
            return await super().read(*arguments, **named)
        finally:
            self.seconds = time.perf_counter() - started


async def measure(stage: Stage) -> list[Figure]:
    """One school with nothing kept, one school in service, the whole trust in service; other dates each time."""
    asked = [Asked(q.schools, q.day) for q in questions(stage.count, stage.rounds)]
    trust = [Asked(None, q.day) for q in asked[: TRUST_ROUNDS + 1]]
    kept = TimedReader(stage.pool, EMBEDDED_PARTITIONS)
    figures: list[Figure] = []
    for name, each, reader in (("one school, cold", asked, None), ("one school", asked, kept), ("trust", trust, kept)):
        spent: dict[str, list[float]] = {step: [] for step in STEPS}
        size = 0
        for one in each:
            size = await _one(stage, one, reader or TimedReader(stage.pool, EMBEDDED_PARTITIONS), spent)
        note = f"{name}: {size:,} bytes of JSON; {stage.note}"
        figures += [
            Figure(f"request, {name}: {step}", statistics.median(times), "ms", "", note, spread_of(times))
            for step, times in spent.items()
        ]
    return figures


async def _one(stage: Stage, asked: Asked, reader: TimedReader, spent: dict[str, list[float]]) -> int:
    """Answer one question, add the milliseconds of each step; the bytes of the answer."""
    query = Ours(stage.pool).overview_query(asked).encode()
    reporting, now = Reporting(reader, None), datetime.now(UTC)
    started = time.perf_counter()
    read = read_overview(query, now)
    understood = time.perf_counter()
    answer = await reporting.overview(ADMINISTRATOR, read)
    answered = time.perf_counter()
    encoded = msgspec.json.encode(answer)
    seconds = (
        understood - started,
        reader.seconds,
        answered - understood - reader.seconds,
        time.perf_counter() - answered,
    )
    for step, each in zip(STEPS, seconds, strict=True):
        spent[step].append(1000 * each)
    return len(encoded)
