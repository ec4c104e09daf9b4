"""The contract of the log, as tests that both back ends pass (`test_log_embedded.py`, `test_log_kafka.py`).

A `LogBench` is what differs: how to open a log as another process would, and how to hurt topic and server.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from services.runtime.log.interface import (
    RECORD_BYTES_MAX,
    AppendOutcomeUnknown,
    Log,
    LogError,
    LogRecreated,
    LogUnavailable,
    OffsetOutOfRange,
    Reader,
    Record,
    RecordTooLarge,
)
from tests.servers.process import Server

TOPIC = "contract"
PARTITIONS = 4
COMPACTED = "contract-compacted"
COMPACTED_BATCHES: list[list[tuple[bytes, bytes | None]]] = [
    [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")],
    [(b"c", b"1")],
    [(b"b", b"2"), (b"d", None)],
    [(b"c", None), (b"e", b"1"), (b"e", b"2")],
    [(b"f", b"%d" % number) for number in range(120)],
]
"""Keys that come again, in one append and in later ones, and tombstones of keys that had a value and that had none."""

PATIENCE_SECONDS = 60.0
"""No test waits this long unless something is broken."""


class LogBench(Protocol):
    """One back end under test."""

    server: Server

    def open(self, append_seconds_max: float = 20.0) -> Log:
        """A log object of its own, as another process would have."""

    async def delete_topic(self, topic: str) -> None:
        """Delete the topic; returns when it is gone."""

    async def cut_before(self, topic: str, partition: int, offset: int) -> None:
        """Remove the records below `offset`."""


def items(*values: bytes) -> list[tuple[bytes, bytes | None]]:
    """Records of one key."""
    return [(b"oakfield", value) for value in values]


def numbered(count: int, start: int = 0) -> list[tuple[bytes, bytes | None]]:
    """Records whose values tell their number."""
    return [(b"oakfield", b"%d" % number) for number in range(start, start + count)]


async def read_records(reader: Reader, count: int, partition: int = 0) -> list[Record]:
    """The next `count` records of a partition, however many polls they take."""
    found: list[Record] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found) < count:
            batches = await reader.poll(1000, 100)
            if partition in batches:
                batch = batches[partition]
                found += batch.records
                assert batch.next_offset > batch.records[-1].offset
                assert batch.end_offset >= batch.next_offset
    return found


async def append_when_back(log: Log, values: list[tuple[bytes, bytes | None]]) -> list[int]:
    """Append, again while the server comes back."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await log.append(TOPIC, 0, values)
            except (LogUnavailable, AppendOutcomeUnknown):
                await asyncio.sleep(0.1)


async def read_when_back(reader: Reader, count: int) -> list[Record]:
    """Read, again while the server comes back."""
    found: list[Record] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found) < count:
            try:
                batches = await reader.poll(1000, 200)
            except LogUnavailable:
                await asyncio.sleep(0.1)
                continue
            found += batches[0].records if 0 in batches else []
    return found


class LogSuite:
    """Both back ends inherit these tests; each module gives the fixture `bench`."""

    @pytest.fixture
    async def log(self, bench: LogBench) -> AsyncIterator[Log]:
        """A log with the topic of the test, empty."""
        log = bench.open()
        await log.create_topic(TOPIC, PARTITIONS, retention_ms=-1, compacted=False)
        yield log
        await log.close()

    @pytest.fixture
    async def reader(self, log: Log) -> AsyncIterator[Reader]:
        """A reader without partitions."""
        reader = log.reader(TOPIC)
        yield reader
        await reader.close()

    async def test_records_come_back_in_order_at_the_offsets_that_append_told(self, log: Log, reader: Reader) -> None:
        told: list[int] = []
        appended: list[tuple[bytes, bytes | None]] = []
        for count in (1, 99, 100, 3000, 1):
            batch = numbered(count, len(appended))
            told += await log.append(TOPIC, 0, batch)
            appended += batch
        await reader.assign({0: 0})
        found = await read_records(reader, len(appended))
        assert [record.offset for record in found] == told
        assert [(record.key, record.value) for record in found] == appended
        assert told == sorted(set(told))
        assert all(record.appended_ms > 1_700_000_000_000 for record in found)

    async def test_partitions_are_apart(self, log: Log, reader: Reader) -> None:
        for partition in range(PARTITIONS):
            assert await log.append(TOPIC, partition, items(b"to %d" % partition)) == [0]
        await reader.assign({1: 0, 3: 0})
        assert [record.value for record in await read_records(reader, 1, partition=1)] == [b"to 1"]
        await reader.assign({1: 1, 3: 0})
        assert [record.value for record in await read_records(reader, 1, partition=3)] == [b"to 3"]

    async def test_reading_begins_with_the_asked_offset_itself(self, log: Log, reader: Reader) -> None:
        told = await log.append(TOPIC, 0, numbered(10))
        await reader.assign({0: told[7]})
        assert [record.value for record in await read_records(reader, 3)] == [b"7", b"8", b"9"]

    async def test_a_poll_gives_at_most_what_was_asked_and_the_next_goes_on(self, log: Log, reader: Reader) -> None:
        await log.append(TOPIC, 0, numbered(1200))
        await reader.assign({0: 0})
        found: list[Record] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found) < 1200:
                batches = await reader.poll(7 if len(found) < 100 else 700, 1000)
                assert sum(len(batch.records) for batch in batches.values()) <= (7 if len(found) < 100 else 700)
                found += batches[0].records if batches else []
        assert [record.value for record in found] == [value for _, value in numbered(1200)]

    async def test_an_empty_poll_returns_nothing(self, log: Log, reader: Reader) -> None:
        await reader.assign({0: 0})
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await reader.poll(10, 50) == {}
            await reader.assign({})
            assert await reader.poll(10, 50) == {}

    async def test_a_waiting_poll_hears_of_an_append_elsewhere(self, bench: LogBench, log: Log, reader: Reader) -> None:
        await reader.assign({0: 0, 2: 0})
        waiting = asyncio.create_task(reader.poll(10, int(PATIENCE_SECONDS * 1000)))
        elsewhere = bench.open()
        await elsewhere.append(TOPIC, 2, items(b"new"))
        await elsewhere.close()
        batches = await waiting
        assert [record.value for record in batches[2].records] == [b"new"]

    async def test_an_offset_beyond_the_end_is_an_error(self, log: Log, reader: Reader) -> None:
        await log.append(TOPIC, 0, numbered(3))
        with pytest.raises(OffsetOutOfRange):
            await reader.assign({0: 4})
        await reader.assign({0: 3})
        assert await reader.poll(10, 50) == {}

    async def test_an_offset_below_the_first_is_an_error(self, bench: LogBench, log: Log, reader: Reader) -> None:
        await log.append(TOPIC, 0, numbered(10))
        await bench.cut_before(TOPIC, 0, 5)
        assert await log.bounds(TOPIC, 0) == (5, 10)
        with pytest.raises(OffsetOutOfRange):
            await reader.assign({0: 4})
        await reader.assign({0: 5})
        assert [record.offset for record in await read_records(reader, 5)] == [5, 6, 7, 8, 9]

    async def test_after_a_new_assignment_nothing_earlier_comes(self, log: Log, reader: Reader) -> None:
        for _ in range(5):
            await log.append(TOPIC, 0, numbered(1000))
        chance = random.Random(3)
        for _ in range(8):
            before, start = chance.randrange(5000), chance.randrange(5000)
            await reader.assign({0: before})
            await reader.poll(10, 1000)
            await reader.assign({0: start, 1: 0})
            assert (await read_records(reader, 1))[0].offset == start

    async def test_no_value_and_an_empty_value_differ(self, log: Log, reader: Reader) -> None:
        await log.append(TOPIC, 0, [(b"a", None), (b"b", b""), (b"", b"c")])
        await reader.assign({0: 0})
        found = [(record.key, record.value) for record in await read_records(reader, 3)]
        assert found == [(b"a", None), (b"b", b""), (b"", b"c")]

    async def test_the_largest_record_is_carried_and_a_larger_one_refused(self, log: Log, reader: Reader) -> None:
        largest = os.urandom(RECORD_BYTES_MAX - len(b"oakfield"))
        with pytest.raises(RecordTooLarge):
            await log.append(TOPIC, 0, items(b"fits", largest + b"!"))
        assert await log.bounds(TOPIC, 0) == (0, 0)
        assert await log.append(TOPIC, 0, items(largest, b"after")) == [0, 1]
        await reader.assign({0: 0})
        assert [record.value for record in await read_records(reader, 2)] == [largest, b"after"]

    async def test_concurrent_appends_keep_the_order_of_their_calls(self, log: Log) -> None:
        calls = [log.append(TOPIC, 0, numbered(1 + number % 5)) for number in range(150)]
        told = [offset for offsets in await asyncio.gather(*calls) for offset in offsets]
        assert told == list(range(len(told)))

    async def test_a_tailing_reader_sees_all_acknowledged_records_once_while_appenders_abort(
        self, bench: LogBench, log: Log, reader: Reader
    ) -> None:
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        acknowledged: dict[int, bytes] = {}
        logs = [bench.open() for _ in range(2)]

        async def write(name: int) -> None:
            chance = random.Random(seed + name)
            for number in range(40):
                batch = [(b"key", b"%d-%d-%d" % (name, number, place)) for place in range(chance.choice((1, 3, 150)))]
                call = asyncio.create_task(logs[name % 2].append(TOPIC, 0, batch))
                if chance.random() < 0.25:
                    await asyncio.wait([call], timeout=chance.random() * 0.005)
                    call.cancel()
                try:
                    told = await call
                except asyncio.CancelledError:
                    continue
                for offset, (_, value) in zip(told, batch, strict=True):
                    assert offset not in acknowledged
                    acknowledged[offset] = value

        async def tail(until: asyncio.Task[None]) -> list[Record]:
            seen: list[Record] = []
            end = None
            while end is None or (seen[-1].offset + 1 if seen else 0) < end:
                if end is None and until.done():
                    end = (await log.bounds(TOPIC, 0))[1]
                batches = await reader.poll(500, 20)
                seen += batches[0].records if 0 in batches else []
            return seen

        async def write_all() -> None:
            await asyncio.gather(*(write(name) for name in range(8)))
            for opened in logs:
                await opened.close()

        await reader.assign({0: 0})
        async with asyncio.timeout(PATIENCE_SECONDS):
            writing = asyncio.create_task(write_all())
            seen = await tail(writing)
            await writing
        offsets = [record.offset for record in seen]
        assert offsets == sorted(set(offsets))
        values = {record.offset: record.value for record in seen}
        assert {offset: values.get(offset) for offset in acknowledged} == acknowledged
        assert len(set(values.values())) == len(values)

    async def test_a_compacted_topic_keeps_the_last_value_of_each_key_in_order(self, bench: LogBench, log: Log) -> None:
        """Kafka removes what was replaced when it likes; what holds is the last value of each key, and the order."""
        await log.create_topic(COMPACTED, PARTITIONS, retention_ms=-1, compacted=True)
        appended: list[tuple[bytes, bytes | None]] = []
        told: list[int] = []
        for batch in COMPACTED_BATCHES:
            told += await log.append(COMPACTED, 1, batch)
            appended += batch
        assert told == list(range(len(appended)))
        assert await log.bounds(COMPACTED, 1) == (0, len(appended))
        other = bench.open()
        reader = other.reader(COMPACTED)
        await reader.assign({1: 0})
        found: list[Record] = []
        end = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while end < len(appended):
                batches = await reader.poll(2, 1000)
                if 1 in batches:
                    found += batches[1].records
                    end = batches[1].next_offset
        assert [record.offset for record in found] == sorted({record.offset for record in found})
        assert all((record.key, record.value) == appended[record.offset] for record in found)
        assert {record.key: record.value for record in found} == dict(appended)
        await log.append(COMPACTED, 1, [(b"a", b"newest")])
        assert [record.value for record in await read_records(reader, 1, partition=1)] == [b"newest"]
        for start in (2, end):  # where records may be gone, and the end as it was
            await reader.assign({1: start})
            last = await read_records(reader, 1, partition=1)
            assert last[0].offset >= start
        await reader.close()
        await other.close()

    async def test_a_topic_is_made_once_and_keeps_its_partition_count(self, bench: LogBench, log: Log) -> None:
        name = await log.log_id(TOPIC)
        await log.append(TOPIC, 0, items(b"kept"))
        other = bench.open()
        await other.create_topic(TOPIC, PARTITIONS, retention_ms=-1, compacted=False)
        assert await other.log_id(TOPIC) == name
        assert await other.partitions(TOPIC) == PARTITIONS
        assert await other.bounds(TOPIC, 0) == (0, 1)
        with pytest.raises(LogError):
            await other.create_topic(TOPIC, PARTITIONS + 1, retention_ms=-1, compacted=False)
        await other.close()

    async def test_a_missing_topic_is_an_error(self, log: Log) -> None:
        with pytest.raises(LogError):
            await log.log_id("missing")
        with pytest.raises(LogError):
            await log.partitions("missing")

    async def test_a_topic_made_anew_has_another_name_and_its_reader_is_told(
        self, bench: LogBench, log: Log, reader: Reader
    ) -> None:
        before = await log.log_id(TOPIC)
        await log.append(TOPIC, 0, numbered(5))
        await reader.assign({0: 0})
        await read_records(reader, 5)
        await bench.delete_topic(TOPIC)
        other = bench.open()
        await other.create_topic(TOPIC, PARTITIONS, retention_ms=-1, compacted=False)
        await other.append(TOPIC, 0, numbered(20))
        assert await other.log_id(TOPIC) != before
        with pytest.raises((LogRecreated, OffsetOutOfRange)):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await reader.poll(100, 100) == {}:
                    pass
        await other.close()

    async def test_what_was_acknowledged_outlives_a_kill_of_the_server(
        self, bench: LogBench, log: Log, reader: Reader
    ) -> None:
        name = await log.log_id(TOPIC)
        await reader.assign({0: 0})
        first = await log.append(TOPIC, 0, numbered(200))
        bench.server.kill()
        with pytest.raises((LogUnavailable, AppendOutcomeUnknown)):
            await bench.open(append_seconds_max=1).append(TOPIC, 1, items(b"lost"))
        bench.server.start()
        second = await append_when_back(log, numbered(1, 200))
        assert second[0] > first[-1]
        found = await read_when_back(reader, 201)
        assert [record.offset for record in found[:200]] == first
        assert [record.value for record in found[:200]] == [value for _, value in numbered(200)]
        assert found[-1].value == b"200"
        assert await log.log_id(TOPIC) == name

    async def test_an_append_without_an_answer_has_an_unknown_outcome_and_the_log_goes_on(
        self, bench: LogBench, log: Log, reader: Reader
    ) -> None:
        impatient = bench.open(append_seconds_max=0.5)
        warm = [impatient.append(TOPIC, partition, items(b"before")) for partition in range(PARTITIONS)]
        await asyncio.gather(*warm)  # connections are open now: what follows is sent, and not answered
        with bench.server.paused():
            calls = [impatient.append(TOPIC, 0, items(b"unknown %d" % number)) for number in range(3)]
            async with asyncio.timeout(PATIENCE_SECONDS):
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(outcomes[0], AppendOutcomeUnknown)
        assert all(isinstance(outcome, AppendOutcomeUnknown | LogUnavailable) for outcome in outcomes)
        await append_when_back(log, items(b"other writer"))
        await append_when_back(impatient, items(b"after"))
        await reader.assign({0: 0})
        await append_when_back(log, items(b"last"))
        values: list[bytes | None] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b"last" not in values:
                values += [record.value for record in await read_when_back(reader, 1)]
        assert values[0] == b"before"
        assert values.count(b"other writer") == 1
        assert all(values.count(b"unknown %d" % number) <= 1 for number in range(3))
        assert values.count(b"after") >= 1
        await impatient.close()
