"""Appending to Kafka: the product against confluent-kafka, the same records, all acknowledged by the broker."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.claims import Scale
from benchmarks.figures import Figure, not_measured, ratio, spread_of
from benchmarks.load import make_school
from schemas.codec import encode_fact
from schemas.topics import FACTS, KAFKA_PARTITIONS
from services.runtime.log.kafka import KafkaLog
from tests.servers.kafka import KafkaBroker
from tests.servers.process import ServerMissing

BATCH, ROUNDS = 500, 3
_Item = tuple[bytes, bytes]


def measure(scale: Scale) -> Iterator[Figure]:
    """Both in turn."""
    with tempfile.TemporaryDirectory(prefix="markledger-bench-kafka-") as name:
        try:
            broker = KafkaBroker(Path(name) / "kafka")
        except ServerMissing as missing:
            yield not_measured("append to Kafka", missing)
            return
        broker.start()
        try:
            yield from _measure(broker.bootstrap, scale.facts)
        finally:
            broker.stop()


def _measure(bootstrap: str, count: int) -> Iterator[Figure]:
    school = make_school(0, 5)
    items = [(b"school-000", encode_fact(fact)) for fact, _ in zip(school.facts(), range(count), strict=False)]
    ours, theirs, reason = [], [], ""
    for _ in range(ROUNDS):
        ours.append(len(items) / asyncio.run(_append(bootstrap, items)))
        try:
            theirs.append(len(items) / _produce(bootstrap, items))
        except ImportError as error:
            reason = str(error)
    note = f"{len(items):,} records, batches of {BATCH} over {KAFKA_PARTITIONS} partitions, zstd, acks=all, idempotent"
    yield Figure("append to Kafka", statistics.median(ours), "facts/s", "", note, spread_of(ours))
    if theirs:
        yield ratio("confluent-kafka", statistics.median(theirs), statistics.median(ours), "", unit="facts/s")
    else:
        yield not_measured("  against confluent-kafka", reason)


async def _append(bootstrap: str, items: Sequence[_Item]) -> float:
    log = KafkaLog([bootstrap])
    try:
        await log.create_topic(FACTS.name, KAFKA_PARTITIONS, retention_ms=-1, compacted=False)
        await log.append(FACTS.name, 0, list(items[:BATCH]))
        started = time.perf_counter()
        batches = [list(items[at : at + BATCH]) for at in range(0, len(items), BATCH)]
        await asyncio.gather(*(log.append(FACTS.name, n % KAFKA_PARTITIONS, each) for n, each in enumerate(batches)))
        return time.perf_counter() - started
    finally:
        await log.close()


def _produce(bootstrap: str, items: Sequence[_Item]) -> float:
    from confluent_kafka import Producer

    failed: list[object] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "compression.type": "zstd",
            "linger.ms": 5,
            "queue.buffering.max.messages": 2_000_000,
        }
    )

    def told(error: object, _: object) -> None:
        if error is not None:
            failed.append(error)

    producer.produce(FACTS.name, items[0][1], items[0][0], 0, on_delivery=told)
    producer.flush()  # connected, as the other side is
    started = time.perf_counter()
    for number, (key, value) in enumerate(items):
        producer.produce(FACTS.name, value, key, number // BATCH % KAFKA_PARTITIONS, on_delivery=told)
        if number % BATCH == 0:
            producer.poll(0)
    producer.flush()
    if failed:
        raise RuntimeError(f"confluent-kafka lost {len(failed)}: {failed[0]}")
    return time.perf_counter() - started
