"""A replay of the log into memory: the same decode, fold and place as the live loop, with no table behind it.

`verify` compares what it gives with the views. One partition at a time is in memory.
"""

from __future__ import annotations

import asyncio

from schemas.blocks import compact
from services.projector.decoding import DeadLetter, decode_records
from services.projector.folding import Step, fold_step, place_step
from services.projector.projection import BlockKey, Changes, Projection, SchoolState, Stored
from services.runtime.log.interface import Batch, Reader

RECORDS_MAX = 10_000
POLL_MS = 500
TAILS_MAX = 32


class SchoolViews:
    """The views of one school in memory, and the state that knows where its blocks end."""

    def __init__(self, state: SchoolState) -> None:
        self.state = state
        self.blocks: dict[BlockKey, Stored] = {}
        self.document: bytes | None = None
        self.trusts: set[str] = set()

    def apply(self, changes: Changes) -> None:
        """What the store does with the changes, in the same order."""
        dropped = set(changes.dropped_streams)
        if dropped:
            self.blocks = {key: stored for key, stored in self.blocks.items() if key.stream not in dropped}
        for key, data in changes.blocks:
            self.blocks[key] = Stored(data, ())
        for key, data in changes.tails:
            before = self.blocks[key]
            self.blocks[key] = Stored(before.block, (*before.tails, data))
        if changes.document is not None:
            self.document = changes.document
        self.trusts.update(changes.trusts)

    def compact(self, projection: Projection, tails_max: int) -> None:
        """Compact the blocks that have more tails than that."""
        for key, stored in self.blocks.items():
            if len(stored.tails) > tails_max:
                next_starts = projection.next_starts(self.state, key)
                self.blocks[key] = Stored(compact(stored.block, stored.tails, next_starts), ())


class Replay:
    """The replay of one partition."""

    def __init__(self, projection: Projection, partition: int, partitions: int) -> None:
        self._projection = projection
        self._partition = partition
        self._partitions = partitions
        self.schools: dict[str, SchoolViews] = {}
        self.dead_letters: list[DeadLetter] = []
        self.facts = 0

    async def run(self, reader: Reader, until: int, *, start: int = 0) -> None:
        """Read and fold from `start` to `until`, which the log has. `schools` hold what stood at `start`.

        Raises what the log raises, and whatever a rule raises.
        """
        if until > start:
            await reader.assign({self._partition: start})
            await self._read(reader, until)

    async def _read(self, reader: Reader, until: int) -> None:
        while True:
            batch = (await reader.poll(RECORDS_MAX, POLL_MS)).get(self._partition)
            if batch is None:
                continue
            records = [record for record in batch.records if record.offset < until]
            await asyncio.to_thread(self._apply, Batch(records, batch.next_offset, batch.end_offset))
            if batch.next_offset >= until:
                return

    def _apply(self, batch: Batch) -> None:
        decoded = decode_records(batch.records, self._partition, self._partitions)
        step = Step(self._partition, 0, batch, decoded)
        for name in decoded.schools:
            if name not in self.schools:
                self.schools[name] = SchoolViews(self._projection.load_school(name, []))
            step.states[name] = self.schools[name].state
        fold_step(self._projection, step)
        place_step(self._projection, step, {name: self.schools[name].blocks for name in step.states})
        for one in step.changes:
            self.schools[one.school].apply(one.changes)
            self.schools[one.school].compact(self._projection, TAILS_MAX)
        self.dead_letters += decoded.dead_letters
        self.facts += decoded.facts
