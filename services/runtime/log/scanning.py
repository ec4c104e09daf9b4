"""Reading a stretch of a partition from one offset to another, for what looks at the log once and goes away again."""

from __future__ import annotations

from collections.abc import AsyncIterator

from services.runtime.log.interface import Batch, Log, LogUnavailable, Record

RECORDS_MAX = 5_000
WAIT_MS = 10_000


async def read_batch(log: Log, topic: str, partition: int, start: int) -> Batch:
    """The next records from `start` on, where the log has more. Raises what the log raises."""
    reader = log.reader(topic)
    try:
        await reader.assign({partition: start})
        batch = (await reader.poll(RECORDS_MAX, WAIT_MS)).get(partition)
    finally:
        await reader.close()
    if batch is None:
        raise LogUnavailable(f"{topic}/{partition} gave no record from {start} on, though it has more")
    return batch


async def read_stretch(log: Log, topic: str, partition: int, start: int, end: int) -> AsyncIterator[list[Record]]:
    """The records from `start` to before `end`, which the log has, some at a time. Raises what the log raises."""
    if start >= end:
        return
    reader = log.reader(topic)
    try:
        await reader.assign({partition: start})
        while start < end:
            batch = (await reader.poll(RECORDS_MAX, WAIT_MS)).get(partition)
            if batch is None:
                raise LogUnavailable(f"{topic}/{partition} gave no record for {WAIT_MS // 1000} s, though it has more")
            start = batch.next_offset
            yield [record for record in batch.records if record.offset < end]
    finally:
        await reader.close()
