"""From the batches of some partitions to the changes of their schools: decode, fold, read blocks, place.

Nothing is written here. A partition whose facts cannot be folded is reported with its error and leaves the others
alone; what the database or the log cannot do at the moment is raised.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import msgspec

from services.projector.decoding import Decoded, decode_records
from services.projector.feed import is_transient
from services.projector.projection import BlockKey, Held, Made, Projection, Stored
from services.projector.schools import Schools
from services.projector.store import Move, SchoolChanges, Store
from services.runtime.log.interface import Batch


class Step(msgspec.Struct):
    """One partition's batch on its way into the views."""

    partition: int
    expected: int
    batch: Batch
    decoded: Decoded
    states: dict[str, Held] = {}
    folded: dict[str, Made] = {}
    changes: list[SchoolChanges] = []
    fold_seconds: float = 0.0

    @property
    def move(self) -> Move:
        """What the step does to the checkpoint."""
        return Move(
            partition=self.partition,
            expected=self.expected,
            next_offset=self.batch.next_offset,
            end_offset=self.batch.end_offset,
            appended_ms=self.batch.records[-1].appended_ms if self.batch.records else 0,
            facts=self.decoded.facts,
            skipped=sum(self.decoded.skipped.values()),
            fold_seconds=self.fold_seconds,
        )

    def needs(self) -> list[tuple[str, BlockKey]]:
        """The blocks to be read before `place`."""
        return [(school, key) for school, folded in self.folded.items() for key in folded.needs]


class Prepared(msgspec.Struct):
    """The steps that are ready to be committed, and the partitions that failed, each with its error."""

    steps: list[Step]
    failed: dict[int, Exception]


class Folder:
    """Prepares batches. Folding runs in a thread, so that the heartbeat of the lease goes on meanwhile."""

    def __init__(self, projection: Projection, store: Store, schools: Schools, partitions: int) -> None:
        self._projection = projection
        self._store = store
        self._schools = schools
        self._partitions = partitions

    async def fold(self, batches: Mapping[int, Batch], expected: Mapping[int, int]) -> Prepared:
        """Decode and fold these batches, which begin where `expected` says."""
        prepared = Prepared([], {})
        for partition, batch in batches.items():
            decoded = await asyncio.to_thread(decode_records, batch.records, partition, self._partitions)
            step = Step(partition, expected[partition], batch, decoded)
            error = await self._fold(step)
            if error is None:
                prepared.steps.append(step)
            else:
                prepared.failed[partition] = error
        return prepared

    async def place(self, prepared: Prepared) -> None:
        """Place what was folded; all that was folded before has to be in the tables."""
        needs = [need for step in prepared.steps for need in step.needs()]
        found: dict[str, dict[BlockKey, Stored]] = {}
        for block in await self._store.read_blocks(needs):
            found.setdefault(block.school, {})[block.key] = block.stored
        for step in tuple(prepared.steps):
            try:
                await asyncio.to_thread(place_step, self._projection, step, found)
            except Exception as error:  # as in a fold
                prepared.steps.remove(step)
                prepared.failed[step.partition] = _pass_on_transient(error)

    async def _fold(self, step: Step) -> Exception | None:
        try:
            for school in step.decoded.schools:
                step.states[school] = await self._schools.take(school, step.partition)
            await asyncio.to_thread(fold_step, self._projection, step)
        except Exception as error:  # whatever a rule raises stops this partition and no other
            return _pass_on_transient(error)
        return None


def fold_step(projection: Projection, step: Step) -> None:
    """Fold the facts of a step into the states of their schools."""
    started = time.perf_counter()
    for school, facts in step.decoded.schools.items():
        step.folded[school] = projection.fold(step.states[school], facts)
    step.fold_seconds += time.perf_counter() - started


def place_step(projection: Projection, step: Step, found: Mapping[str, Mapping[BlockKey, Stored]]) -> None:
    """Turn what was folded into changes of blocks, given the blocks that were needed."""
    started = time.perf_counter()
    for school, folded in step.folded.items():
        changes = projection.place(step.states[school], folded, found.get(school, {}))
        step.changes.append(SchoolChanges(school, step.partition, step.batch.next_offset, changes))
    step.fold_seconds += time.perf_counter() - started


def _pass_on_transient(error: Exception) -> Exception:
    if is_transient(error):
        raise error
    return error
