"""Facts to the log: key = school, one append a partition, durable on return.

It decides nothing and retries nothing: after any doubt the caller rolls back, and the next one to hold the partition
learns from the log what became of the facts.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from schemas.codec import encode_fact
from schemas.events import Fact
from schemas.topics import partition_for
from services.runtime.log.interface import AppendOutcomeUnknown, Log, RecordTooLarge
from services.runtime.observability import APPEND_SECONDS, APPENDS_FAILED, FACTS_APPENDED


class LogMoved(Exception):
    """An append of ours that was given up came after all, before this one: decide again with it."""


APPEND_BYTES = 4 * 1024 * 1024


@lru_cache(maxsize=100_000)
def partition_of(school: str, partitions: int) -> int:
    """The partition that holds all facts of a school."""
    return partition_for(school.encode("utf-8"), partitions)


async def publish(log: Log, topic: str, facts: Mapping[int, Sequence[Fact]]) -> dict[int, list[int]]:
    """Append the facts of each partition, in order; the offsets of each. Raises what `Log.append` raises."""
    started = time.perf_counter()
    outcomes = await asyncio.gather(
        *(_append(log, topic, partition, of_partition) for partition, of_partition in facts.items()),
        return_exceptions=True,  # each has come to its end before the caller gives up its locks
    )
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for failure in failures:
        APPENDS_FAILED.labels(_reason(failure)).inc()
    if failures:
        raise failures[0]
    APPEND_SECONDS.observe(time.perf_counter() - started)
    for of_partition in facts.values():
        for kind, count in Counter(map(type, of_partition)).items():
            FACTS_APPENDED.labels(kind.__name__).inc(count)
    return dict(zip(facts, (outcome for outcome in outcomes if isinstance(outcome, list)), strict=True))


async def _append(log: Log, topic: str, partition: int, facts: Sequence[Fact]) -> list[int]:
    """In as many appends as keep the encoded facts small: a curriculum may be megabytes for each school of a trust."""
    keys = {school: school.encode("utf-8") for school in {fact.school for fact in facts}}
    items: list[tuple[bytes, bytes | None]] = [(keys[fact.school], encode_fact(fact)) for fact in facts]
    if sum([len(value or b"") for _, value in items]) < APPEND_BYTES:
        return await log.append(topic, partition, items)
    offsets: list[int] = []
    for part in _parts(items):
        offsets += await log.append(topic, partition, part)
    return offsets


def _parts(items: Sequence[tuple[bytes, bytes | None]]) -> Iterator[list[tuple[bytes, bytes | None]]]:
    part: list[tuple[bytes, bytes | None]] = []
    size = 0
    for key, value in items:
        part.append((key, value))
        size += len(value or b"")
        if size >= APPEND_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _reason(failure: BaseException) -> str:
    if isinstance(failure, AppendOutcomeUnknown):
        return "unknown"
    return "too_large" if isinstance(failure, RecordTooLarge) else "unavailable"
