"""Workers that are killed, stopped beyond their lease, stopped in order, and that fail: every fact is counted once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

import asyncpg

from schemas.events import AnyFact, ObjectiveAssessed
from schemas.topics import FACTS
from services.projector.status import read_status
from services.projector.verify import verify
from services.runtime.log.interface import Log
from tests.counting import CountingFolded, CountingProjection, CountingState
from tests.projector_bench import (
    SCHOOLS,
    Worker,
    append,
    assessed,
    caught_up,
    expected,
    home,
    open_feed,
    some_facts,
    until,
    viewed,
)
from tests.servers.backend import Backend

ROUNDS = int(os.environ.get("MARKLEDGER_CHAOS_ROUNDS", "5"))
SEED = int(os.environ.get("MARKLEDGER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)


class Slow(CountingProjection):
    """Waits inside the fold of a batch that holds facts of `pupil`, as long as `gate` is closed."""

    def __init__(self, pupil: str) -> None:
        super().__init__()
        self.pupil = pupil
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def fold(self, state: CountingState, records: Sequence[tuple[int, AnyFact]]) -> CountingFolded:
        if any(isinstance(fact, ObjectiveAssessed) and fact.pupil == self.pupil for _, fact in records):
            self.waiting.set()
            assert self.gate.wait(30)
        return super().fold(state, records)


async def test_a_worker_that_was_taken_over_in_the_middle_of_a_batch_writes_nothing(
    projector_pool: asyncpg.Pool, projector_log: Log
) -> None:
    pool, log = projector_pool, projector_log
    slow = Slow("amy")
    feed = await open_feed(pool, log, slow)
    school = SCHOOLS[0]
    facts = [assessed(school, "amy", number) for number in range(5)]
    async with Worker(pool, log, feed, slow, "zombie") as zombie:
        await append(log, facts[:3])

        async def waits() -> bool:
            return slow.waiting.is_set()

        await until(waits, zombie)
        # as if its lease had run out: another takes the partition, and applies more than the zombie has read
        await pool.execute("UPDATE projection.partition SET owner = NULL WHERE partition = $1", home(school))
        await append(log, facts[3:])
        async with Worker(pool, log, feed, CountingProjection(), "successor") as successor:
            await until(lambda: caught_up(pool, log), successor)
            assert await viewed(pool) == expected(facts)
            slow.gate.set()
            more = [assessed(school, "ben", number) for number in range(5, 9)]
            await append(log, more)
            await until(lambda: caught_up(pool, log), successor)
        await append(log, [assessed(school, "amy", 9)])
        await until(lambda: caught_up(pool, log), zombie)  # alone again, it goes on where the successor ended
        assert all(status.stopped_reason is None for status in await read_status(pool))
    assert await viewed(pool) == expected([*facts, *more, assessed(school, "amy", 9)])
    assert (await verify(pool, log, projection=CountingProjection(), topic=FACTS.name)).equal


class Processes:
    """Workers in processes of their own."""

    def __init__(self, backend: Backend) -> None:
        self._environment = {**os.environ, **backend.environment}
        self._started = 0
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._started += 1
        command = [sys.executable, "-m", "tests.projector_process", f"{SEED}-{self._started}"]
        self.running.append(
            subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def replace_killed(self, chance: random.Random) -> None:
        victim = self.running.pop(chance.randrange(len(self.running)))
        victim.kill()
        victim.wait()
        self.start()

    def replace_stopped(self, chance: random.Random) -> None:
        victim = self.running.pop(chance.randrange(len(self.running)))
        assert victim.stdin is not None
        victim.stdin.close()
        assert victim.wait(30) == 0
        self.start()

    def close(self) -> None:
        for process in self.running:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


async def test_exact_under_kills_stalls_and_failures(
    backend: Backend, projector_pool: asyncpg.Pool, projector_log: Log
) -> None:
    pool, log = projector_pool, projector_log
    print(f"MARKLEDGER_SEED={SEED} MARKLEDGER_CHAOS_ROUNDS={ROUNDS}")
    chance = random.Random(SEED)
    await open_feed(pool, log, CountingProjection())
    facts: list[ObjectiveAssessed] = []
    processes = Processes(backend)

    async def feed_some() -> None:
        for _ in range(chance.randint(2, 6)):
            more = some_facts(chance.randint(1, 300), first=len(facts))
            facts.extend(more)
            await append(log, more + chance.sample(facts, min(20, len(facts))))

    async def live_workers(count: int) -> bool:
        return (
            await pool.fetchval("SELECT count(*) FROM projection.worker WHERE lease_until > clock_timestamp()") >= count
        )

    try:
        processes.start()
        processes.start()
        for _ in range(ROUNDS):
            await until(lambda: live_workers(1))
            await feed_some()
            action = chance.choice(["kill", "stop", "stall"])
            if action == "kill":
                await asyncio.to_thread(processes.replace_killed, chance)
            elif action == "stop":
                await asyncio.to_thread(processes.replace_stopped, chance)
            else:
                victim = chance.choice(processes.running)
                victim.send_signal(signal.SIGSTOP)
                await feed_some()

                async def others_own_all() -> bool:
                    rows = await read_status(pool)
                    return all(row.owned for row in rows) and len({row.owner for row in rows}) == 1

                await until(others_own_all)  # its lease has run out
                victim.send_signal(signal.SIGCONT)
                await feed_some()
        await until(lambda: caught_up(pool, log), seconds=120)
        assert all(process.poll() is None for process in processes.running)
    finally:
        await asyncio.to_thread(processes.close)
    assert await viewed(pool) == expected(facts)
    result = await verify(pool, log, projection=CountingProjection(), topic=FACTS.name)
    assert result.equal, result.differences
