"""Overviews a second over HTTP: the query service in a process of its own, 8 connections, random school and date.

The client runs on the same cores, so it is kept thin: requests of bytes over plain connections, answers not decoded.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import psutil

from benchmarks.asking import Asked, Ours, questions
from benchmarks.figures import Figure, spread_of
from benchmarks.stage import Stage
from tests.end_to_end.product import COMMAND, clean_environment
from tests.servers.process import answers, free_ports

CONNECTIONS = 8
ADMIN_KEY = "a" * 40
SECONDS_EACH = 3.0
ROUNDS = 5
QUESTIONS_MAX = 30_000
"""More than can be asked in the time; none comes twice, for both clocks are in it."""


async def measure(stage: Stage) -> list[Figure]:
    """Rounds of a few seconds, each of new questions; then one connection, for what HTTP adds; memory at the end."""
    cores = os.cpu_count() or 1
    (port,) = free_ports(1)
    asked = questions(stage.count, QUESTIONS_MAX)
    ours = Ours(stage.pool)
    queries = iter([ours.overview_query(Asked(q.schools, q.day, q.known_at)) for q in asked])
    async with _serving(stage, port, cores) as process:
        await _round(port, queries, CONNECTIONS, SECONDS_EACH / 4)  # each process has met its first questions
        rounds = [await _round(port, queries, CONNECTIONS, SECONDS_EACH) for _ in range(ROUNDS)]
        alone = await _round(port, queries, 1, SECONDS_EACH / 2)
        family = [process, *process.children(recursive=True)]
        memory = sum(each.memory_info().rss for each in family) / 1e6
    rates = sorted(len(times) / SECONDS_EACH for times in rounds)
    p50 = 1000 * statistics.median(seconds for times in rounds for seconds in times)
    note = f"{CONNECTIONS} connections, no question twice, {cores} query processes, database and client on"
    note += f" the same {cores} cores; {stage.note}"
    return [
        Figure("overviews over HTTP", rates[ROUNDS // 2], "/s", "≥ 1,000", note, spread_of(rates)),
        Figure("  p50 of them", p50, "ms", "", note),
        Figure("  p50 with one connection", 1000 * statistics.median(alone), "ms", "", f"no queue; {stage.note}"),
        Figure("memory of the query service after them", memory, "MB", "≤ 1500", f"all processes; {stage.note}"),
    ]


@asynccontextmanager
async def _serving(stage: Stage, port: int, processes: int) -> AsyncIterator[psutil.Process]:
    """`markledger query` on a port, from its first answer on."""
    command = [str(COMMAND), "query", "--port", str(port), "--processes", str(processes)]
    environment = clean_environment(
        {
            "MARKLEDGER_DATABASE_URL": stage.url,
            "MARKLEDGER_DATA_DIR": str(stage.directory / "query"),
            "MARKLEDGER_ADMIN_KEY": ADMIN_KEY,
            "MARKLEDGER_PUPIL_KEY": "x" * 32,
            "MARKLEDGER_IDENTITY_KEY": "i" * 40,
        }
    )
    said = stage.directory / "query.log"
    with said.open("ab") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)  # noqa: ASYNC220
    try:
        for _ in range(600):
            if answers(port) or process.poll() is not None:
                break
            await asyncio.sleep(0.1)
        if process.poll() is not None:
            raise RuntimeError(f"the query service ended: {said.read_text()[-500:]}")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 30)


async def _round(port: int, queries: Iterator[str], connections: int, seconds: float) -> list[float]:
    """The seconds of each request."""
    until = time.perf_counter() + seconds
    times: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f" HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {ADMIN_KEY}\r\n\r\n"
        while time.perf_counter() < until:
            started = time.perf_counter()
            writer.write(f"GET /v1/reports/overview?{next(queries)}{head}".encode())
            told = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in told[:20]:
                raise RuntimeError(f"not answered: {told[:300]!r}")
            length = int(told.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return times
