"""From one log to another with more partitions, every school in its order: for a ledger that outgrew the embedded log.

The target's partition count is a multiple of the source's, so each target partition draws from one source partition
and its content is a function of the source alone. That is what lets a copy go on where an earlier one ended: what the
target holds must be the beginning of what would be written. Nothing is written before all of that is known.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from schemas.topics import partition_for, school_of
from services.runtime.log.interface import Log, LogUnavailable, Record

RECORDS_MAX = 5_000
WAIT_MS = 10_000

OnRecords = Callable[[int], None]


class CopyRefused(Exception):
    """The copy cannot be made, or what was made is not whole; the message says why and what to do."""


class Copied(msgspec.Struct, frozen=True):
    """A topic that is now whole in the target. `found`: records that an earlier copy had written."""

    topic: str
    records: int
    found: int
    copied: int
    source_log_id: str
    target_log_id: str
    source_partitions: int
    target_partitions: int


class _Route(msgspec.Struct, frozen=True):
    """The partition counts of both sides."""

    sources: int
    targets: int

    def of(self, record: Record, source: int) -> int:
        """Where a record of this source partition goes.

        One that lies where its key does not belong is a dead letter. It must not come home by the copy: it would
        become a fact, in a place of the order that it never had.
        """
        if record.key is None or partition_for(school_of(record.key), self.sources) != source:
            return source
        return partition_for(school_of(record.key), self.targets)


class _Sum:
    """A number of records, and a digest of them in their order."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = hashlib.blake2b(digest_size=16)

    def add(self, record: Record) -> None:
        self.count += 1
        self._digest.update(msgspec.msgpack.encode((record.key or b"", record.value)))

    def equals(self, other: _Sum) -> bool:
        return self.count == other.count and self._digest.digest() == other._digest.digest()


async def copy_topic(source: Log, target: Log, topic: str, on_records: OnRecords) -> Copied:
    """Copy an existing topic to an existing topic of the same name. `on_records` hears of each batch that was done.

    Raises CopyRefused, and what the logs raise; after any of them the same call goes on where this one ended.
    """
    route = _Route(await source.partitions(topic), await target.partitions(topic))
    if route.targets % route.sources:
        raise CopyRefused(f"{route.targets} partitions of {topic} are no multiple of {route.sources}: no order holds")
    ends = await _ends(source, topic, route.sources)
    found = await _ends(target, topic, route.targets)
    copy = _Copy(source, target, topic, route, found)
    if any(found.values()):
        await copy.check_beginning(ends)
    written: Counter[int] = Counter()
    for partition, end in ends.items():
        written += await copy.append_rest(partition, end, on_records)
    if await _ends(source, topic, route.sources) != ends:
        raise CopyRefused(f"{topic} grew while it was copied: stop the services, then run this again to go on")
    if await _ends(target, topic, route.targets) != {each: found[each] + written[each] for each in found}:
        raise CopyRefused(f"somebody else writes to {topic} of the target: the copy is not whole")
    return Copied(
        topic=topic,
        records=sum(ends.values()),
        found=sum(found.values()),
        copied=written.total(),
        source_log_id=await source.log_id(topic),
        target_log_id=await target.log_id(topic),
        source_partitions=route.sources,
        target_partitions=route.targets,
    )


async def copy_compacted_topic(source: Log, target: Log, topic: str, on_records: OnRecords) -> Copied:
    """Copy the last value of each key, tombstones too; both sides may have lost what was replaced.

    The target may hold what an earlier copy wrote, and nothing of a key that the source lacks. Raises CopyRefused.
    """
    route = _Route(await source.partitions(topic), await target.partitions(topic))
    if route.targets % route.sources:
        raise CopyRefused(f"{route.targets} partitions of {topic} are no multiple of {route.sources}: no order holds")
    ends = await _ends(source, topic, route.sources)
    wanted = await _last_values(source, topic, ends, route.of)
    there = await _last_values(target, topic, await _ends(target, topic, route.targets), lambda _, partition: partition)
    if foreign := next((each for each in there if each not in wanted), None):
        raise CopyRefused(
            f"{topic}/{foreign[0]} of the target holds a key that this log has not: nothing was written; give a Kafka"
            " without this topic"
        )
    missing: dict[int, list[tuple[bytes, bytes | None]]] = {}
    for (partition, key), value in wanted.items():
        if there.get((partition, key), b"") != value:
            missing.setdefault(partition, []).append((key, value))
    for partition, items in missing.items():
        for start in range(0, len(items), RECORDS_MAX):
            await target.append(topic, partition, items[start : start + RECORDS_MAX])
            on_records(len(items[start : start + RECORDS_MAX]))
    if await _ends(source, topic, route.sources) != ends:
        raise CopyRefused(f"{topic} grew while it was copied: stop the services, then run this again to go on")
    copied = sum(map(len, missing.values()))
    return Copied(
        topic=topic,
        records=len(wanted),
        found=len(wanted) - copied,
        copied=copied,
        source_log_id=await source.log_id(topic),
        target_log_id=await target.log_id(topic),
        source_partitions=route.sources,
        target_partitions=route.targets,
    )


async def _last_values(
    log: Log, topic: str, ends: Mapping[int, int], partition_of: Callable[[Record, int], int]
) -> dict[tuple[int, bytes], bytes | None]:
    """The last value of each key, by the partition where it belongs, in the order of these last values."""
    last: dict[tuple[int, bytes], bytes | None] = {}
    async for partition, records in _read(log, topic, ends):
        for record in records:
            name = (partition_of(record, partition), record.key or b"")
            last.pop(name, None)
            last[name] = record.value
    return last


class _Copy:
    """The copy of one topic to a target that had the records `found` (by partition) when it began."""

    def __init__(self, source: Log, target: Log, topic: str, route: _Route, found: Mapping[int, int]) -> None:
        self._source = source
        self._target = target
        self._topic = topic
        self._route = route
        self._found = found

    async def check_beginning(self, ends: Mapping[int, int]) -> None:
        """What the target holds is the beginning of what would be written. Raises CopyRefused."""
        there = {partition: _Sum() for partition in self._found}
        async for partition, records in _read(self._target, self._topic, self._found):
            for record in records:
                there[partition].add(record)
        wanted = {partition: _Sum() for partition in self._found}
        async for partition, records in _read(self._source, self._topic, ends):
            for record in records:
                to = self._route.of(record, partition)
                if wanted[to].count < there[to].count:
                    wanted[to].add(record)
        for partition, total in there.items():
            if not total.equals(wanted[partition]):
                raise CopyRefused(
                    f"{self._topic}/{partition} of the target holds {total.count} records that are not the beginning"
                    " of this log: nothing was written; give a Kafka without this topic"
                )

    async def append_rest(self, partition: int, end: int, on_records: OnRecords) -> Counter[int]:
        """Append what the target lacks of one source partition; how many records each target partition got."""
        passed: Counter[int] = Counter()
        written: Counter[int] = Counter()
        async for _, records in _read(self._source, self._topic, {partition: end}):
            items: dict[int, list[tuple[bytes, bytes | None]]] = {}
            for record in records:
                to = self._route.of(record, partition)
                if passed[to] < self._found[to]:
                    passed[to] += 1
                else:
                    items.setdefault(to, []).append((record.key or b"", record.value))
            await self._append(items)
            written.update({to: len(each) for to, each in items.items()})
            on_records(len(records))
        return written

    async def _append(self, items: Mapping[int, list[tuple[bytes, bytes | None]]]) -> None:
        """Append to several partitions at once; none is under way any more when this ends or raises."""
        appends = (self._target.append(self._topic, partition, each) for partition, each in items.items())
        for outcome in await asyncio.gather(*appends, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


async def _ends(log: Log, topic: str, partitions: int) -> dict[int, int]:
    """The ends of all partitions, which must begin at 0."""
    ends = {}
    for partition in range(partitions):
        first, ends[partition] = await log.bounds(topic, partition)
        if first:
            raise CopyRefused(f"{topic}/{partition} begins at {first}: the log was cut, it is not whole any more")
    return ends


async def _read(log: Log, topic: str, ends: Mapping[int, int]) -> AsyncIterator[tuple[int, list[Record]]]:
    """The records of each partition from its first to before its end, in order, some at a time."""
    left = {partition: end for partition, end in ends.items() if end > 0}
    if not left:
        return
    reader = log.reader(topic)
    try:
        await reader.assign(dict.fromkeys(left, 0))
        while left:
            batches = await reader.poll(RECORDS_MAX, WAIT_MS)
            if not batches:
                raise LogUnavailable(f"{topic} gave no record for {WAIT_MS // 1000} seconds, though there are more")
            for partition, batch in batches.items():
                if partition in left:
                    yield partition, [record for record in batch.records if record.offset < left[partition]]
                    if batch.next_offset >= left[partition]:
                        del left[partition]
    finally:
        await reader.close()
