"""The states of the schools worked on last, within a bound on the facts they hold.

A state is ahead of the views from the fold until the commit. Whoever fails in between must `forget` it: it is loaded
again from the views when it is next needed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection

from services.projector.projection import Held, Projection
from services.projector.store import Store

FACTS_HELD_MAX = 250_000


class Schools:
    """Loads states on demand and drops those used least recently."""

    def __init__(self, projection: Projection, store: Store, facts_held_max: int = FACTS_HELD_MAX) -> None:
        self._projection = projection
        self._store = store
        self._facts_held_max = facts_held_max
        self._held: OrderedDict[str, tuple[int, Held]] = OrderedDict()

    async def take(self, school: str, partition: int) -> Held:
        """The state of a school of `partition`, as the views have it (or as it was folded on since)."""
        held = self._held.get(school)
        if held is not None:
            self._held.move_to_end(school)
            return held[1]
        detail = await self._store.read_detail(school)
        state: Held = await asyncio.to_thread(self._projection.load_school, school, detail)
        self._held[school] = (partition, state)
        return state

    def forget(self, partitions: Collection[int]) -> None:
        """Drop the states of every school of these partitions."""
        for school in [school for school, (partition, _) in self._held.items() if partition in partitions]:
            del self._held[school]

    def shrink(self) -> None:
        """Come back within the bound; only to be called when no state is ahead of the views."""
        total = sum(state.facts for _, state in self._held.values())
        while total > self._facts_held_max and len(self._held) > 1:
            _, (_, state) = self._held.popitem(last=False)
            total -= state.facts

    @property
    def facts_held(self) -> int:
        """How many facts are in memory."""
        return sum(state.facts for _, state in self._held.values())
