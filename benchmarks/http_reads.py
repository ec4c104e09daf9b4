"""Overviews a second over HTTP: the query service in a process of its own, 8 connections, random school and date.

The client runs on the same cores, so it is kept thin: requests of bytes over plain connections, answers not decoded.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from contextlib import suppress

import psutil

from benchmarks.asking import Asked, Ours, questions
from benchmarks.figures import Figure, spread_of
from benchmarks.stage import Stage
from tests.end_to_end.product import COMMAND, clean_environment
from tests.servers.process import answers, free_ports

CONNECTIONS = 8
ADMIN_KEY = "a" * 40
SECONDS_EACH = 4.0
ROUNDS = 3


async def measure(stage: Stage) -> list[Figure]:
    """Three rounds of a few seconds; and the largest memory of the process."""
    (port,) = free_ports(1)
    command = [str(COMMAND), "query", "--port", str(port)]
    environment = clean_environment(
        {
            "MARKLEDGER_DATABASE_URL": stage.url,
            "MARKLEDGER_DATA_DIR": str(stage.directory / "query"),
            "MARKLEDGER_ADMIN_KEY": ADMIN_KEY,
            "MARKLEDGER_PUPIL_KEY": "x" * 32,
            "MARKLEDGER_IDENTITY_KEY": "i" * 40,
        }
    )
    with (stage.directory / "query.log").open("ab") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)  # noqa: ASYNC220
    try:
        for _ in range(600):
            if answers(port) or process.poll() is not None:
                break
            await asyncio.sleep(0.1)
        if process.poll() is not None:
            raise RuntimeError(f"the query service ended: {(stage.directory / 'query.log').read_text()[-500:]}")
        ours = Ours(stage.pool)
        asked = [ours.overview_query(Asked(q.schools, q.day)) for q in questions(stage.count, 2_000)]
        rates, latencies = [], []
        for number in range(ROUNDS):
            times = await _round(port, asked[number:] + asked[:number])
            rates.append(len(times) / SECONDS_EACH)
            latencies += times
        memory = psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
    p50 = sorted(latencies)[len(latencies) // 2] * 1000
    note = f"{CONNECTIONS} connections, one query process, database and client on the same {os.cpu_count()} cores"
    return [
        Figure(
            "overviews over HTTP",
            sorted(rates)[ROUNDS // 2],
            "/s",
            "≥ 1,000",
            f"{note}; {stage.note}",
            spread_of(rates),
        ),
        Figure("  p50 of them", p50, "ms", "", note),
        Figure("  memory of the query service after them", memory, "MB", "≤ 1500", stage.note),
    ]


async def _round(port: int, queries: list[str]) -> list[float]:
    """The seconds of each request."""
    until = time.perf_counter() + SECONDS_EACH
    waiting = iter(queries * 100)
    times: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f" HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {ADMIN_KEY}\r\n\r\n"
        while time.perf_counter() < until:
            started = time.perf_counter()
            writer.write(f"GET /v1/reports/overview?{next(waiting)}{head}".encode())
            told = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in told[:20]:
                raise RuntimeError(f"not answered: {told[:300]!r}")
            length = int(told.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return times
