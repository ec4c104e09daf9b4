"""`markledger intake-letters list|show|replay`: the messages that the intake set aside, and their way back.

An id is PARTITION:OFFSET in the dead topic. A replay sends the message as it came to the intake topic again, where it
is judged anew; nothing else is remembered of it, and doing it twice has no further effect: equal events are one fact.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, errors

from schemas.topics import INTAKE, INTAKE_DEAD
from services.console.failures import UsageError
from services.console.printing import clean, table_of, terminal
from services.ingest.intake.letters import DETAIL, ORIGIN, REASON, sent_headers
from services.runtime.log.interface import RECORD_BYTES_MAX, LogError, LogUnavailable
from services.runtime.log.kafka_topics import BATCH_OVERHEAD_BYTES, KafkaTopics
from services.runtime.settings import InvalidSettings, Settings

EXIT_OK: Final = 0
LETTERS_MAX: Final = 1_000
SECONDS_MAX: Final = 60.0
PAGE_RECORDS: Final = 100

_ID = re.compile(r"(\d{1,9}):(\d{1,18})")


class Letter(msgspec.Struct, frozen=True):
    """A message in the dead topic."""

    partition: int
    offset: int
    dead_at: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def letter_id(self) -> str:
        """What the commands call it."""
        return f"{self.partition}:{self.offset}"

    def header(self, name: str) -> str:
        """One of the headers that the intake wrote."""
        return next((value.decode("utf-8", "replace") for each, value in self.headers if each == name), "")


class NoSuchLetter(Exception):
    """There is no message at that place of the dead topic."""


def print_list(settings: Settings, as_json: bool) -> int:
    """The messages that were set aside, oldest first."""
    letters = asyncio.run(_read_all(settings, LETTERS_MAX))
    if as_json:
        print(msgspec.json.encode({"intake_letters": [_line(letter) for letter in letters]}).decode())
    else:
        columns = ["id", "reason", "origin", "set aside"]
        rows = (
            [letter.letter_id, letter.header(REASON), letter.header(ORIGIN), _instant(letter.dead_at)]
            for letter in letters
        )
        terminal().print(table_of(columns, rows))
    return EXIT_OK


def print_letter(settings: Settings, letter_id: str, as_json: bool) -> int:
    """One message: why, from where, and what stands in it. Raises UsageError, NoSuchLetter."""
    (letter,) = asyncio.run(_read_some(settings, [parse_id(letter_id)]))
    if as_json:
        print(msgspec.json.encode(described(letter)).decode())
    else:
        for name, value in described(letter).items():
            print(clean(f"{name:<12} {'(none)' if value is None else value}").plain)
    return EXIT_OK


def print_replay(settings: Settings, letter_ids: Sequence[str], as_json: bool) -> int:
    """Send the messages (all, if none is named) to the intake again. Raises UsageError, NoSuchLetter."""
    places = [parse_id(letter_id) for letter_id in letter_ids]
    count = asyncio.run(_replay(settings, places))
    if as_json:
        print(msgspec.json.encode({"replayed": count}).decode())
    else:
        print(f"{count:,} messages were sent to {INTAKE.name} again; what is still wrong comes back as a new letter.")
    return EXIT_OK


def parse_id(letter_id: str) -> tuple[int, int]:
    """Partition and offset of an id. Raises UsageError."""
    match = _ID.fullmatch(letter_id)
    if match is None:
        raise UsageError(f"{letter_id!r} is no id: `markledger intake-letters list` shows them")
    return int(match[1]), int(match[2])


def described(letter: Letter) -> dict[str, Any]:
    """What `show` tells, in its order."""
    from services.console.dead_letters import printable_bytes  # it stands on the projector, which takes seconds to load

    return {
        "id": letter.letter_id,
        "reason": letter.header(REASON),
        "detail": letter.header(DETAIL),
        "origin": letter.header(ORIGIN),
        "dead_at": _instant(letter.dead_at),
        "key": printable_bytes(letter.key),
        "headers": ", ".join(f"{name}={printable_bytes(value)}" for name, value in sent_headers(letter.headers)),
        "value_bytes": None if letter.value is None else len(letter.value),
        "value": printable_bytes(letter.value),
    }


async def _read_all(settings: Settings, letters_max: int) -> list[Letter]:
    async with _consumer(settings) as consumer:
        letters: list[Letter] = []
        async for page in _pages(settings, consumer):
            letters += page
            if len(letters) >= letters_max:
                break
    return sorted(letters, key=lambda letter: (letter.dead_at, letter.partition, letter.offset))[:letters_max]


async def _read_some(settings: Settings, places: Sequence[tuple[int, int]]) -> list[Letter]:
    async with _consumer(settings) as consumer:
        return [await _read_one(settings, consumer, partition, offset) for partition, offset in places]


async def _replay(settings: Settings, places: Sequence[tuple[int, int]]) -> int:
    producer = AIOKafkaProducer(
        bootstrap_servers=list(settings.kafka_bootstrap),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_request_size=RECORD_BYTES_MAX + BATCH_OVERHEAD_BYTES,
    )
    count = 0
    async with _consumer(settings) as consumer, producer:
        if places:
            letters = [await _read_one(settings, consumer, partition, offset) for partition, offset in places]
            return await _send_again(producer, letters)
        async for page in _pages(settings, consumer):
            count += await _send_again(producer, page)
    return count


async def _send_again(producer: AIOKafkaProducer, letters: Sequence[Letter]) -> int:
    sent = [
        await producer.send(INTAKE.name, letter.value, key=letter.key, headers=list(sent_headers(letter.headers)))
        for letter in letters
    ]
    await asyncio.gather(*sent)
    return len(letters)


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of the dead topic, of no group. Raises InvalidSettings, LogUnavailable."""
    if not settings.kafka_bootstrap:
        raise InvalidSettings("MARKLEDGER_KAFKA_BOOTSTRAP: the letters of the intake are on Kafka; say where it is")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=list(settings.kafka_bootstrap), enable_auto_commit=False, auto_offset_reset="none"
    )
    try:
        async with asyncio.timeout(SECONDS_MAX):
            await consumer.start()
            yield consumer
    except (errors.KafkaError, TimeoutError) as error:
        raise LogUnavailable(f"Kafka does not answer: {error!r}") from error
    finally:
        await consumer.stop()


async def _pages(settings: Settings, consumer: AIOKafkaConsumer) -> AsyncIterator[list[Letter]]:
    """All letters that are there when it begins, page by page; none if the topic is not there."""
    partitions = [TopicPartition(INTAKE_DEAD.name, each) for each in range(await _partitions(settings))]
    if not partitions:
        return
    firsts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    left = {at: ends[at] for at in partitions if firsts[at] < ends[at]}
    consumer.assign(list(left))
    for at in left:
        consumer.seek(at, firsts[at])
    while left:
        for at, records in (await consumer.getmany(timeout_ms=500, max_records=PAGE_RECORDS)).items():
            if records and (page := [_letter(record) for record in records if record.offset < ends[at]]):
                yield page
        left = {at: end for at, end in left.items() if await consumer.position(at) < end}


async def _partitions(settings: Settings) -> int:
    """The partitions of the dead topic; 0 if it is not there. Raises LogUnavailable."""
    topics = KafkaTopics(list(settings.kafka_bootstrap))
    try:
        return (await topics.describe(INTAKE_DEAD.name)).partitions
    except LogUnavailable:
        raise
    except LogError:
        return 0
    finally:
        await topics.close()


async def _read_one(settings: Settings, consumer: AIOKafkaConsumer, partition: int, offset: int) -> Letter:
    missing = NoSuchLetter(f"there is no letter {partition}:{offset}: `markledger intake-letters list` shows them")
    if partition >= await _partitions(settings):
        raise missing
    at = TopicPartition(INTAKE_DEAD.name, partition)
    first, end = (await consumer.beginning_offsets([at]))[at], (await consumer.end_offsets([at]))[at]
    if not first <= offset < end:
        raise missing
    consumer.assign([at])
    consumer.seek(at, offset)
    record = await consumer.getone(at)
    if record.offset != offset:
        raise missing
    return _letter(record)


def _letter(record: Any) -> Letter:
    headers = tuple((name, value or b"") for name, value in record.headers)
    dead_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return Letter(record.partition, record.offset, dead_at, record.key, record.value, headers)


def _line(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.letter_id,
        "reason": letter.header(REASON),
        "origin": letter.header(ORIGIN),
        "dead_at": _instant(letter.dead_at),
        "detail": letter.header(DETAIL),
    }


def _instant(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
