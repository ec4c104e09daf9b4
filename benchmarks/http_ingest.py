"""POST /v1/events acknowledged by a real Kafka on the same cores: batches of 500, 8 connections, real processes.

Two `markledger ingest` processes, as a deployment has them, and one. Peers for appending take turns with them on an
embedded PostgreSQL: eventsourcing and message-db, one event and 1,000 at once, each on a sample.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from benchmarks.claims import Scale
from benchmarks.figures import Figure, not_measured, ratio, spread_of
from benchmarks.intake import _event, _send_rosters
from benchmarks.load import make_school
from benchmarks.projection import judged_of
from tests.end_to_end.product import COMMAND, Product, clean_environment
from tests.servers.embedded import EmbeddedServer
from tests.servers.kafka import KafkaBroker
from tests.servers.process import ServerMissing, answers, free_ports, wait_until

BATCH, CONNECTIONS, ROUNDS = 500, 8, 3
GOAL = "≥ 50,000"
ADMIN_KEY = "a" * 40
TWO, ONE = "two ingest processes", "one ingest process"
OURS = {TWO: 0, ONE: 1}
PEERS = {"eventsourcing, 1 a save": 1_500, "eventsourcing, 1,000 a save": 10_000}
PEERS |= {"message-db, 1 a transaction": 3_000, "message-db, 1,000 a transaction": 10_000}

S = TypeVar("S", KafkaBroker, EmbeddedServer)


def measure(scale: Scale) -> Iterator[Figure]:
    """Rounds of new events by two ingest processes, by one, and by each peer, in turns."""
    with tempfile.TemporaryDirectory(prefix="markledger-bench-kafka-") as name:
        directory = Path(name)
        try:
            broker = KafkaBroker(directory / "kafka")
        except ServerMissing as missing:
            yield not_measured("HTTP ingest acknowledged by Kafka", missing, GOAL)
            return
        rates: dict[str, list[float]] = {name: [] for name in (*OURS, *PEERS)}
        failures: dict[str, str] = {}
        with (
            _started(broker),
            _started(EmbeddedServer(directory / "database")) as database,
            _deployed(broker.bootstrap, database.url, directory) as urls,
        ):
            for number in range(ROUNDS):
                _round(number, urls, 2 * scale.facts, rates, failures)
    note = f"{2 * scale.facts:,} events a round, {BATCH} a request, {CONNECTIONS} connections, ingest processes: "
    beside = "broker, database, projector and client on the same cores"
    for processes, place in OURS.items():
        mine, claim = rates[processes], ("HTTP ingest acknowledged by Kafka", "  by one ingest process")[place]
        yield Figure(claim, statistics.median(mine), "facts/s", GOAL, f"{note}{2 - place}; {beside}", spread_of(mine))
    for peer in PEERS:
        if rates[peer]:
            ours = statistics.median(rates[TWO])
            yield ratio(f"{peer}, {PEERS[peer]:,} events", statistics.median(rates[peer]), ours, "≥ 20", unit="facts/s")
        else:
            yield not_measured(f"  against {peer}", failures[peer], "≥ 20")


def _round(
    number: int, urls: Sequence[str], events: int, rates: dict[str, list[float]], failures: dict[str, str]
) -> None:
    """Everything once, in turn."""
    for processes, place in OURS.items():
        bodies = _bodies(events, f"2026-0{1 + 2 * number + place}-")
        used = urls if processes == TWO else urls[:1]
        rates[processes].append(asyncio.run(_post(used, bodies)))
    judged = judged_of(make_school(0, 4))
    for peer, count in PEERS.items():
        try:
            rates[peer].append(_peer(peer, judged[:count]))
        except Exception as error:  # a peer that cannot be had
            failures[peer] = f"{type(error).__name__}: {error}"


@contextmanager
def _started(server: S) -> Iterator[S]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def _deployed(bootstrap: str, database_url: str, directory: Path) -> Iterator[list[str]]:
    """A product with rosters on these servers, and two ingest processes of their own; the addresses of those."""
    told = {
        "KAFKA_BOOTSTRAP": bootstrap,
        "DATABASE_URL": database_url,
        "ADMIN_KEY": ADMIN_KEY,
        "PUPIL_KEY": "x" * 32,
        "IDENTITY_KEY": "i" * 40,
    }
    environment = {f"MARKLEDGER_{name}": value for name, value in told.items()}
    with Product(directory / "product" / "data", environment) as product:
        with product.client() as client:
            _send_rosters(client)
        ports = free_ports(2)
        processes = []
        with (directory / "ingest.log").open("ab") as said:
            for port in ports:
                data = {"MARKLEDGER_DATA_DIR": str(directory / f"ingest-{port}")}
                command = [str(COMMAND), "ingest", "--port", str(port)]
                environment_of = clean_environment({**environment, **data})
                processes.append(subprocess.Popen(command, env=environment_of, stdout=said, stderr=said))
        try:
            wait_until(lambda: all(answers(port) for port in ports), "the ingest processes", 120)
            yield [f"http://127.0.0.1:{port}" for port in ports]
        finally:
            for process in processes:
                process.terminate()
                process.wait(timeout=60)


def _bodies(events: int, month: str) -> list[bytes]:
    encode = msgspec.json.encode
    return [
        encode({"events": [_event(place, month) for place in range(at, at + BATCH)]}) for at in range(0, events, BATCH)
    ]


async def _post(urls: Sequence[str], bodies: Sequence[bytes]) -> float:
    """Events a second that were accepted, the connections spread over some processes."""
    waiting = iter(bodies)
    accepted = 0

    async def connection(url: str) -> None:
        nonlocal accepted
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for body in waiting:
            head = f"POST /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            told = await reader.readuntil(b"\r\n\r\n")
            length = int(told.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            answer = msgspec.json.decode(await reader.readexactly(length))
            if answer.get("accepted") is None:
                raise RuntimeError(f"refused: {answer}")
            accepted += answer["accepted"]
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(connection(urls[number % len(urls)]) for number in range(CONNECTIONS)))
    return accepted / (time.perf_counter() - started)


def _peer(name: str, judged: Sequence[tuple[int, int, int, int, int]]) -> float:
    from benchmarks.event_peers import append_by_eventsourcing, append_by_message_db

    at_once = 1_000 if "1,000" in name else 1
    with tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory:
        server = EmbeddedServer(Path(directory))
        server.start()
        try:
            if name.startswith("eventsourcing"):
                return append_by_eventsourcing(server.url, judged, at_once)
            return asyncio.run(append_by_message_db(server.url, judged, at_once))
        finally:
            server.stop()
