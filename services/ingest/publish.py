"""Facts to the log: key = school, one append a partition, durable on return.

It decides nothing and retries nothing: after any doubt the caller rolls back, and the next one to hold the partition
learns from the log what became of the facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache

from schemas.codec import encode_fact
from schemas.events import Fact
from schemas.topics import partition_for
from services.runtime.log.interface import Log


@lru_cache(maxsize=100_000)
def partition_of(school: str, partitions: int) -> int:
    """The partition that holds all facts of a school."""
    return partition_for(school.encode("utf-8"), partitions)


async def publish(log: Log, topic: str, facts: Mapping[int, Sequence[Fact]]) -> dict[int, list[int]]:
    """Append the facts of each partition, in order; the offsets of each. Raises what `Log.append` raises."""

    async def append(partition: int) -> tuple[int, list[int]]:
        items = [(fact.school.encode("utf-8"), encode_fact(fact)) for fact in facts[partition]]
        return partition, await log.append(topic, partition, items)

    outcomes = await asyncio.gather(*(append(partition) for partition in facts), return_exceptions=True)
    offsets: dict[int, list[int]] = {}
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        offsets[outcome[0]] = outcome[1]
    return offsets
