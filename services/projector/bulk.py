"""One partition folded from its first record in memory, to be written at once: what a rebuild makes of the log.

The same decode, fold and place as the live loop, in batches as large as memory allows, each school by itself. Where a
partition holds more facts than may be in memory, the schools begun last are put off to another pass over the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from schemas.blocks import compact
from schemas.events import AnyFact
from services.projector.decoding import DeadLetter, decode_records
from services.projector.projection import BlockKey, Changes, Projection, Stored
from services.projector.replay import SchoolViews
from services.projector.store import SchoolChanges
from services.runtime.log.interface import Batch, Reader, Record

RECORDS_MAX = 20_000
POLL_MS = 500
FACTS_HELD_MAX = 500_000
"""A builder ends when its partition is written, so it may hold more than a projector holds for good."""
FACTS_A_FOLD = 50_000
"""Facts that wait, over all schools, before each school's are folded as one batch."""
FACTS_FIRST = 500
"""The first batch of a school is small: it mostly holds the curriculum, and what it lays out is laid over few facts."""


class Built(msgspec.Struct):
    """What came of a partition up to `until`."""

    until: int
    schools: list[SchoolChanges] = []
    dead_letters: list[DeadLetter] = []
    facts: int = 0
    skipped: int = 0
    appended_ms: int = 0
    passes: int = 0
    fold_seconds: float = 0.0


class _Keyed:
    """All that stands under one key of the log: a school, and what is no fact of it."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, AnyFact]] = []
        self.views: SchoolViews | None = None
        self.detail: list[bytes] = []
        self.dead_letters: list[DeadLetter] = []
        self.facts = 0
        self.skipped = 0


class PartitionBuild:
    """Folds one partition. `facts_held_max`: a bound on the facts in memory, unless one school alone has more."""

    def __init__(
        self, projection: Projection, partition: int, partitions: int, *, facts_held_max: int = FACTS_HELD_MAX
    ) -> None:
        self._projection = projection
        self._partition = partition
        self._partitions = partitions
        self._facts_held_max = facts_held_max
        self._keyed: dict[bytes | None, _Keyed] = {}
        self._put_off: set[bytes | None] = set()
        self._wanted: set[bytes | None] | None = None
        self._waiting = self._held = 0

    async def run(self, reader: Reader, until: int) -> Built:
        """Fold all records before `until`, which the log has. Raises what the log and what the rules raise."""
        built = Built(until)
        while built.passes == 0 or self._wanted:
            await reader.assign({self._partition: 0})
            await self._pass(reader, built)
            await asyncio.to_thread(self._finish, built)
            self._wanted, self._put_off = self._put_off, set()
            built.passes += 1
        built.dead_letters.sort(key=lambda dead: dead.record.offset)
        return built

    async def _pass(self, reader: Reader, built: Built) -> None:
        batch: Batch | None = await self._read(reader) if built.until > 0 else None
        while batch is not None:
            records = [record for record in batch.records if record.offset < built.until]
            if records:
                built.appended_ms = max(built.appended_ms, records[-1].appended_ms)
            taking = asyncio.create_task(asyncio.to_thread(self._take, records, built))
            try:
                batch = await self._read(reader) if batch.next_offset < built.until else None
            finally:
                await taking

    async def _read(self, reader: Reader) -> Batch:
        """The next records; there are some, if only later."""
        while True:
            batch = (await reader.poll(RECORDS_MAX, POLL_MS)).get(self._partition)
            if batch is not None:
                return batch

    def _take(self, records: Sequence[Record], built: Built) -> None:
        for key, own in self._by_key(records).items():
            keyed = self._keyed.setdefault(key, _Keyed())
            decoded = decode_records(own, self._partition, self._partitions)
            keyed.dead_letters += decoded.dead_letters
            keyed.skipped += sum(decoded.skipped.values())
            keyed.facts += decoded.facts
            for facts in decoded.schools.values():
                keyed.waiting += facts
            self._waiting += decoded.facts
            self._held += decoded.facts
        while self._held > self._facts_held_max and len(self._keyed) > 1:
            self._put_off_last()
        if self._waiting >= FACTS_A_FOLD:
            self._fold_waiting(built)

    def _by_key(self, records: Sequence[Record]) -> Mapping[bytes | None, list[Record]]:
        grouped: dict[bytes | None, list[Record]] = {}
        for record in records:
            key = record.key
            if key not in self._put_off and (self._wanted is None or key in self._wanted):
                grouped.setdefault(key, []).append(record)
        return grouped

    def _put_off_last(self) -> None:
        key, keyed = self._keyed.popitem()
        self._put_off.add(key)
        self._held -= keyed.facts
        self._waiting -= len(keyed.waiting)

    def _fold_waiting(self, built: Built) -> None:
        started = time.perf_counter()
        for key, keyed in self._keyed.items():
            if keyed.waiting and key is not None:
                self._fold(key.decode(), keyed)
        self._waiting = 0
        built.fold_seconds += time.perf_counter() - started

    def _fold(self, school: str, keyed: _Keyed) -> None:
        facts, keyed.waiting = keyed.waiting, []
        if keyed.views is None:
            keyed.views = SchoolViews(self._projection.load_school(school, []))
            self._fold_batch(keyed, keyed.views, facts[:FACTS_FIRST])
            facts = facts[FACTS_FIRST:]
        if facts:
            self._fold_batch(keyed, keyed.views, facts)

    def _fold_batch(self, keyed: _Keyed, views: SchoolViews, facts: Sequence[tuple[int, AnyFact]]) -> None:
        folded = self._projection.fold(views.state, facts)
        found = {key: views.blocks[key] for key in folded.needs if key in views.blocks}
        changes: Changes = self._projection.place(views.state, folded, found)
        views.apply(changes)
        if changes.detail:
            keyed.detail.append(changes.detail)

    def _finish(self, built: Built) -> None:
        """The schools of a pass, in their final form; their states are dropped."""
        self._fold_waiting(built)
        for key, keyed in self._keyed.items():
            built.facts += keyed.facts
            built.skipped += keyed.skipped
            built.dead_letters += keyed.dead_letters
            if keyed.views is not None and key is not None:
                changes = self._changes(keyed.views, keyed.detail)
                built.schools.append(SchoolChanges(key.decode(), self._partition, built.until, changes))
                keyed.views = None
        self._keyed.clear()
        self._held = 0

    def _changes(self, views: SchoolViews, detail: Sequence[bytes]) -> Changes:
        return Changes(
            dropped_streams=(),
            blocks=tuple(self._compacted(views)),
            tails=(),
            detail=b"".join(detail),
            document=views.document,
            trusts=tuple(sorted(views.trusts)),
        )

    def _compacted(self, views: SchoolViews) -> Iterator[tuple[BlockKey, bytes]]:
        for key, stored in sorted(views.blocks.items()):
            yield key, _compacted(stored, self._projection.next_starts(views.state, key))


def _compacted(stored: Stored, next_starts: int | None) -> bytes:
    return compact(stored.block, stored.tails, next_starts)
