"""From log bytes to durable views by one worker, against eventsourcing's projection and upserts by asyncpg.

The peers keep only the latest judgement of each pupil and objective; ours keeps every day and both clocks. The upserts
read the same bytes as ours, from memory, judgements alone; ours reads the log, rosters too. Peers are sampled on empty
tables, which favours them.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.claims import Scale
from benchmarks.figures import Figure, UnequalAnswers, not_measured, ratio, spread_of
from benchmarks.filled import append_schools, opened
from benchmarks.load import OBJECTIVES, School, make_school
from benchmarks.rebuild import fold_live
from schemas.codec import encode_fact
from schemas.events import ObjectiveAssessed
from schemas.topics import FACTS
from services.projector.projections import timeline
from services.projector.verify import verify
from services.runtime.log.embedded import EmbeddedLog
from tests.servers.embedded import EmbeddedServer

SEED, ROUNDS = 4, 3
VERIFIED_SCHOOLS_MAX = 4
SAMPLES = {"eventsourcing": 3_000, "upsert per event": 5_000, "upsert per batch of 1,000": 20_000}


def measure(scale: Scale) -> Iterator[Figure]:
    """Three rounds of everything in turn."""
    schools = 12 if scale.full else 2
    ours: list[float] = []
    peers: dict[str, list[float]] = {name: [] for name in SAMPLES}
    failures: dict[str, str] = {}
    made = [make_school(number, SEED) for number in range(schools)]
    facts = 0
    for number in range(ROUNDS):
        rate, facts = asyncio.run(_ours(made, check=number == 0 and schools <= VERIFIED_SCHOOLS_MAX))
        ours.append(rate)
        with tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory:
            server = EmbeddedServer(Path(directory))
            server.start()
            try:
                for name in SAMPLES:
                    if name in failures:
                        continue
                    try:
                        peers[name].append(_PEERS[name](server.url, made[0], SAMPLES[name]))
                    except UnequalAnswers:
                        raise
                    except Exception as error:  # a peer that cannot be had
                        failures[name] = f"{type(error).__name__}: {error}"
            finally:
                server.stop()
    checked = "verify finds the views equal" if schools <= VERIFIED_SCHOOLS_MAX else "verified in the small run only"
    note = f"{facts:,} facts of {schools} schools, embedded log and database, one worker; {checked}"
    mine = statistics.median(ours)
    yield Figure("projection from log bytes to durable views", mine, "facts/s", "≥ 120,000", note, spread_of(ours))
    for name, goal in (("eventsourcing", "≥ 200"), ("upsert per event", ""), ("upsert per batch of 1,000", "≥ 10")):
        if peers[name]:
            yield ratio(f"{name}, {SAMPLES[name]:,} events", statistics.median(peers[name]), mine, goal, unit="facts/s")
        else:
            yield not_measured(f"  against {name}", failures.get(name), goal)


def judged_of(school: School) -> list[tuple[int, int, int, int, int]]:
    """The judgements of a school as the peers take them, in the order in which they were told."""
    by = school.assessments
    objective = by["year"] * OBJECTIVES + by["objective"]
    columns = (by["pupil"], by["subject"], objective, by["state"], by["day"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


async def _ours(made: Sequence[School], *, check: bool) -> tuple[float, int]:
    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory:
        async with opened(Path(directory)) as (_, pool):
            facts = await append_schools(pool, made)
            log = EmbeddedLog(pool)
            try:
                await pool.execute("CHECKPOINT")
                seconds = await fold_live(pool, log, facts)
                if check:
                    found = await verify(pool, log, projection=timeline, topic=FACTS.name)
                    if not found.equal:
                        raise UnequalAnswers(f"the views are not what the log says: {found}")
            finally:
                await log.close()
    return facts / seconds, facts


def _by_eventsourcing(url: str, school: School, count: int) -> float:
    from benchmarks.event_peers import append_by_eventsourcing, latest, project_by_eventsourcing

    judged = judged_of(school)[:count]
    append_by_eventsourcing(url, judged, 1_000)
    rate = project_by_eventsourcing(url, len(judged))
    _compare(asyncio.run(latest(url, "es_latest")), judged)
    return rate


def _by_upserts(batch: int) -> Callable[[str, School, int], float]:
    def run(url: str, school: School, count: int) -> float:
        from benchmarks.event_peers import latest, upsert

        judgements = (fact for fact in school.facts() if isinstance(fact, ObjectiveAssessed))
        assessed = list(islice(judgements, count))
        rate = asyncio.run(upsert(url, [encode_fact(fact) for fact in assessed], batch))
        told = [(fact.pupil, fact.subject, fact.objective, fact.state, fact.assessed_on) for fact in assessed]
        _compare(asyncio.run(latest(url, f"facts_{batch}")), told)
        return rate

    return run


_PEERS: dict[str, Callable[[str, School, int], float]] = {
    "eventsourcing": _by_eventsourcing,
    "upsert per event": _by_upserts(1),
    "upsert per batch of 1,000": _by_upserts(1_000),
}


def _compare(found: set[tuple[Any, ...]], judged: Sequence[tuple[Any, ...]]) -> None:
    """Raise UnequalAnswers unless the peer holds the latest of each key."""
    expected: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for one in judged:
        if one[:3] not in expected or one[4] >= expected[one[:3]][4]:
            expected[one[:3]] = one
    if found != set(expected.values()):
        raise UnequalAnswers(f"a peer's view has {len(found)} rows, {len(expected)} expected")
