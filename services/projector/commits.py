"""The commit that is under way while the next batch is folded: at most one, and its outcome is asked for exactly once.

Whoever folds on in the meantime has states that are ahead of the views by two batches; when a commit does not go
through, both are forgotten (`loop`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from services.projector.feed import is_transient
from services.projector.folding import Step
from services.projector.store import Store


class Settled(msgspec.Struct, frozen=True):
    """What became of a commit. `refused`: what PostgreSQL does not take, though the others went through."""

    committed: tuple[Step, ...] = ()
    refused: tuple[tuple[Step, Exception], ...] = ()
    seconds: float = 0.0


class _UnderWay(msgspec.Struct, frozen=True):
    steps: tuple[Step, ...]
    task: asyncio.Task[float]


class Commits:
    """The commits of one loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._under_way: _UnderWay | None = None

    def begin(self, steps: Sequence[Step]) -> None:
        """Write these steps; the outcome of the commit before must have been asked for."""
        assert self._under_way is None
        if steps:
            self._under_way = _UnderWay(tuple(steps), asyncio.create_task(self._commit(steps)))

    @property
    def next_offsets(self) -> dict[int, int]:
        """Where the partitions of the commit under way will stand."""
        steps = () if self._under_way is None else self._under_way.steps
        return {step.partition: step.batch.next_offset for step in steps}

    async def settle(self) -> Settled:
        """What became of the commit under way, when it has ended. Raises Fenced and faults of the surroundings."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return Settled()
        try:
            return Settled(under_way.steps, seconds=await under_way.task)
        except Exception as error:
            if is_transient(error):
                raise
            if len(under_way.steps) == 1:
                return Settled(refused=((under_way.steps[0], error),))
        return await self._one_by_one(under_way.steps)

    async def close(self) -> None:
        """Let the commit under way end, whatever becomes of it."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            await asyncio.gather(under_way.task, return_exceptions=True)

    async def _commit(self, steps: Sequence[Step]) -> float:
        """Write the steps; how long it took."""
        began_at = time.perf_counter()
        schools = [one for step in steps for one in step.changes]
        dead_letters = [(step.partition, dead) for step in steps for dead in step.decoded.dead_letters]
        await self._store.commit([step.move for step in steps], schools, dead_letters)
        return time.perf_counter() - began_at

    async def _one_by_one(self, steps: Sequence[Step]) -> Settled:
        """One of the steps holds what PostgreSQL refuses: the others need not wait for it."""
        committed: list[Step] = []
        refused: list[tuple[Step, Exception]] = []
        seconds = 0.0
        for step in steps:
            try:
                seconds += await self._commit([step])
            except Exception as error:
                if is_transient(error):
                    raise
                refused.append((step, error))
            else:
                committed.append(step)
        return Settled(tuple(committed), tuple(refused), seconds)
