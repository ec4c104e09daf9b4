"""Facts that another installation made, put into this log as they are: ids, instants and order are theirs.

Each chunk is appended under the lock of the partition, as ingest itself appends; the registry learns of it from the
log, as it learns of everything. A school that has other facts here is refused: two histories have no common order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import asyncpg

from schemas.codec import InvalidFact, UnknownFactType, decode_fact
from schemas.topics import partition_for
from services.ingest.registry import Registry
from services.runtime.log.interface import Log, Record
from services.runtime.log.scanning import read_stretch

CHUNK_FACTS = 4_000
CHUNK_BYTES = 4 * 1024 * 1024

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


class AdoptionRefused(Exception):
    """The facts cannot be put here; the message says why and what there is."""


class Adoption:
    """Puts the facts of one school into a log that has none of it, or only the first of these very facts."""

    def __init__(self, pool: asyncpg.Pool, log: Log, registry: Registry, school: str) -> None:
        self._pool = pool
        self._log = log
        self._registry = registry
        self._key = school.encode()
        self._school = school
        self.partition = partition_for(self._key, registry.partitions)
        self.seen_to = 0
        """Everything before this offset is known to be ours, or of other schools."""

    async def find(self, facts: Iterable[bytes]) -> int:
        """How many of these facts are here already. Raises AdoptionRefused if the school has others.

        A fact that stands here twice, as after an append of unknown outcome, is one fact.
        """
        wanted = iter(facts)
        found = 0
        passed: set[bytes] = set()
        awaited = next(wanted, None)
        _, end = await self._log.bounds(self._registry.topic, self.partition)
        async for records in read_stretch(self._log, self._registry.topic, self.partition, 0, end):
            for value in self._own_facts(records):
                if value == awaited:
                    passed.add(_digest(value))
                    found += 1
                    awaited = next(wanted, None)
                elif _digest(value) not in passed:
                    raise AdoptionRefused(
                        f"school {self._school} has facts here that are not the beginning of this file (the first"
                        f" {found:,} are): nothing was written"
                    )
        self.seen_to = end
        return found

    async def append(self, chunk: list[bytes]) -> None:
        """Append some more. Raises AdoptionRefused, and what the log and the database raise; then ask again."""
        async with self._pool.acquire() as connection, connection.transaction():
            held = await self._registry.hold(connection, [self.partition])
            start = held.next_offsets[self.partition]
            async for records in read_stretch(self._log, self._registry.topic, self.partition, self.seen_to, start):
                if any(True for _ in self._own_facts(records)):
                    raise AdoptionRefused(f"somebody else sends facts of school {self._school}: stop that first")
            await self._registry.advance(connection, held)
            offsets = await self._log.append(
                self._registry.topic, self.partition, [(self._key, value) for value in chunk]
            )
            if offsets != list(range(start, start + len(chunk))):
                raise AdoptionRefused("other appends came in between: ask again, it goes on")
        self.seen_to = start + len(chunk)

    async def settle(self) -> None:
        """Let the registry learn the last of it."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._registry.advance(connection, await self._registry.hold(connection, [self.partition]))

    def _own_facts(self, records: Iterable[Record]) -> Iterator[bytes]:
        """The school's facts among these records; what is no fact counts nowhere."""
        for record in records:
            if record.key == self._key and record.value is not None:
                try:
                    decode_fact(record.value)
                except InvalidFact:
                    continue
                except UnknownFactType:
                    pass
                yield as_one_line(record.value)


def as_one_line(value: bytes) -> bytes:
    """A fact without line breaks: in JSON they stand only between tokens, where a space says the same."""
    return value.translate(_ONE_LINE)


def chunked(facts: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The facts in chunks that one append takes."""
    chunk: list[bytes] = []
    size = 0
    for fact in facts:
        chunk.append(fact)
        size += len(fact)
        if len(chunk) >= CHUNK_FACTS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=12).digest()
