"""POST /v1/events acknowledged by a real Kafka on the same cores: batches of 500, 8 connections, real processes.

Peers for appending, in the same minutes on an embedded PostgreSQL: eventsourcing and message-db, one and 1,000 at once.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks.claims import Scale
from benchmarks.figures import Figure, not_measured, ratio, spread_of
from benchmarks.intake import _event, _send_rosters
from benchmarks.load import make_school
from benchmarks.projection import judged_of
from tests.end_to_end.product import Product
from tests.servers.embedded import EmbeddedServer
from tests.servers.kafka import KafkaBroker
from tests.servers.process import ServerMissing

BATCH, CONNECTIONS, ROUNDS = 500, 8, 3
GOAL = "≥ 50,000"
PEERS = {"eventsourcing, 1 a save": 1_500, "eventsourcing, 1,000 a save": 10_000}
PEERS |= {"message-db, 1 a transaction": 3_000, "message-db, 1,000 a transaction": 10_000}


def measure(scale: Scale) -> Iterator[Figure]:
    """Ours in rounds of new events, then each peer."""
    with tempfile.TemporaryDirectory(prefix="markledger-bench-kafka-") as name:
        try:
            broker = KafkaBroker(Path(name) / "kafka")
        except ServerMissing as missing:
            yield not_measured("HTTP ingest acknowledged by Kafka", missing, GOAL)
            return
        broker.start()
        try:
            rates = _ours(broker.bootstrap, Path(name) / "product" / "data", 2 * scale.facts)
        finally:
            broker.stop()
    note = (
        f"{2 * scale.facts:,} events a round, {BATCH} a request, {CONNECTIONS} connections; broker, database, projector"
    )
    mine = statistics.median(rates)
    yield Figure(
        "HTTP ingest acknowledged by Kafka", mine, "facts/s", GOAL, f"{note}, client on them", spread_of(rates)
    )
    judged = judged_of(make_school(0, 4))
    for peer, count in PEERS.items():
        try:
            yield ratio(peer, _peer(peer, judged[:count]), mine, "≥ 20", unit="facts/s")
        except Exception as error:  # a peer that cannot be had
            yield not_measured(f"  against {peer}", f"{type(error).__name__}: {error}", "≥ 20")


def _ours(bootstrap: str, data: Path, events: int) -> list[float]:
    with Product(data, {"MARKLEDGER_KAFKA_BOOTSTRAP": bootstrap}) as product:
        with product.client() as client:
            _send_rosters(client)
        return [
            asyncio.run(_post(product.url, product.admin_key, _bodies(events, f"2026-0{1 + number}-")))
            for number in range(ROUNDS)
        ]


def _bodies(events: int, month: str) -> list[bytes]:
    encode = msgspec.json.encode
    return [
        encode({"events": [_event(place, month) for place in range(at, at + BATCH)]}) for at in range(0, events, BATCH)
    ]


async def _post(url: str, key: str, bodies: Sequence[bytes]) -> float:
    """Events a second that were accepted."""
    address, waiting = urlsplit(url), iter(bodies)
    accepted = 0

    async def connection() -> None:
        nonlocal accepted
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for body in waiting:
            head = f"POST /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
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
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
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
