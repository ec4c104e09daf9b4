"""Facts a second through the intake: Kafka, database, and the intake alone on this machine, messages of 200 events.

Peers in the same run: a consumer that only decodes the JSON of the same messages, and the same by POST /v1/events.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.figures import Figure
from schemas.topics import INTAKE
from tests.end_to_end.product import COMMAND, Product, import_bytes, wait_for_position
from tests.servers.kafka import KafkaBroker
from tests.servers.process import free_ports, wait_until

SCHOOLS = 40
PUPILS = 50
OBJECTIVES = 100
EVENTS_PER_MESSAGE = 200
POLL_SECONDS = 0.25
"""Telling its metrics takes the intake milliseconds, which it is not to be asked for all the time."""

CONTENT = [("content-type", b"application/json")]
ACCEPTED = 'markledger_intake_events_total{outcome="accepted"}'
GOAL = ">= 20,000"


def measure_intake(events: int, directory: Path, broker: KafkaBroker) -> Iterator[Figure]:
    """The intake and its two peers."""
    environment = {"MARKLEDGER_KAFKA_BOOTSTRAP": broker.bootstrap}
    messages = _messages(events, "2026-01-")
    with Product(directory / "data", environment) as product:
        with product.client() as client:
            _send_rosters(client)
            posted = _messages(20_000, "2025-11-")
            by_http = _post(client, posted)
        environment = dict(product.environment)
    with _intake(environment) as url:
        burnt, started = _value(url, "process_cpu_seconds_total"), time.perf_counter()
        asyncio.run(_send(broker.bootstrap, messages))
        while _value(url, ACCEPTED) < events:
            time.sleep(POLL_SECONDS)
        streamed = events / (time.perf_counter() - started)
        burnt = (_value(url, "process_cpu_seconds_total") - burnt) / events * 1e6
    decoded = asyncio.run(_decode(broker.bootstrap, len(messages))) * EVENTS_PER_MESSAGE
    note = (
        f"{events:,} events, {EVENTS_PER_MESSAGE} a message, {SCHOOLS} schools, broker and database on the same cores"
    )
    yield Figure("intake from Kafka", streamed, "facts/s", GOAL, note)
    yield Figure(
        "intake, its own processor time", burnt, "µs/fact", "", "the same run; 50 are 20,000 facts/s of one core"
    )
    yield Figure("peer: POST /v1/events", by_http, "facts/s", "", f"{EVENTS_PER_MESSAGE} a request, one client")
    yield Figure("peer: decoding alone", decoded, "events/s", "", "a consumer that reads the JSON and keeps nothing")


def _messages(events: int, month: str) -> list[bytes]:
    """Bodies whose events are all new; the schools take turns from message to message."""
    places = range(events)
    bodies = []
    for start in range(0, events, EVENTS_PER_MESSAGE):
        batch = [_event(place, month) for place in places[start : start + EVENTS_PER_MESSAGE]]
        bodies.append(json.dumps({"events": batch}).encode())
    return bodies


def _event(place: int, month: str) -> dict[str, str]:
    rest, school = divmod(place // EVENTS_PER_MESSAGE, SCHOOLS)
    number = rest * EVENTS_PER_MESSAGE + place % EVENTS_PER_MESSAGE
    number, pupil = divmod(number, PUPILS)
    day, objective = divmod(number, OBJECTIVES)
    return {
        "type": "ObjectiveAssessed",
        "school": f"school-{school}",
        "pupil": f"P{pupil}",
        "subject": "maths",
        "objective": f"o{objective}",
        "state": "achieved",
        "assessed_on": f"{month}{day + 1:02}",
    }


def _send_rosters(client: httpx.Client) -> None:
    names = [f"school-{number}" for number in range(SCHOOLS)]
    import_bytes(client, "schools", "\n".join(["school,name", *(f"{name},{name}" for name in names)]).encode())
    pupils = [f"{name},P{number},2025-09-01" for name in names for number in range(PUPILS)]
    import_bytes(client, "pupils", "\n".join(["school,pupil,enrolled_on", *pupils]).encode())
    objectives = [f"nc,1,maths,Y3,o{number}" for number in range(OBJECTIVES)]
    header = "framework,version,subject,ability,objective"
    counts = import_bytes(client, "curriculum", "\n".join([header, *objectives]).encode())
    wait_for_position(client, counts["position"], names, "markbook:maths:Y3:overall")


def _post(client: httpx.Client, bodies: list[bytes]) -> float:
    """Events a second of one client."""
    started = time.perf_counter()
    count = 0
    for content in bodies:
        answer = client.post("/v1/events", content=content, headers={"Content-Type": "application/json"})
        count += answer.json()["accepted"]
    return count / (time.perf_counter() - started)


@contextmanager
def _intake(environment: dict[str, str]) -> Iterator[str]:
    """`markledger intake` in a process of its own; its address once it takes messages."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([str(COMMAND), "intake", "--port", str(port)], env=environment)
    try:
        wait_until(lambda: _answers(f"{url}/readyz"), "the intake", 120)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _value(url: str, sample: str) -> float:
    """A sample of the intake's metrics; 0 as long as there is none."""
    found = re.search(rf"^{re.escape(sample)} (\S+)", httpx.get(f"{url}/metrics", timeout=60).text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def _send(bootstrap: str, bodies: list[bytes]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", compression_type="zstd", linger_ms=5, max_batch_size=262_144
    )
    async with producer:
        sent = [
            await producer.send(INTAKE.name, each, key=str(place % SCHOOLS).encode(), headers=CONTENT)
            for place, each in enumerate(bodies)
        ]
        await asyncio.gather(*sent)


async def _decode(bootstrap: str, messages: int) -> float:
    """Messages a second."""
    consumer = AIOKafkaConsumer(
        INTAKE.name, bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest", fetch_max_wait_ms=100
    )
    async with consumer:
        started, count = time.perf_counter(), 0
        while count < messages:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    json.loads(record.value)
                count += len(records)
        return count / (time.perf_counter() - started)
