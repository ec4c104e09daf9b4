"""The one way in: lock the partitions, catch up, recall, decide, append, apply, commit. Then, and only then, answer.

All of it happens in one database transaction around the append, so that whatever goes wrong after an append leaves the
registry behind the log, never ahead of it, and the next one to hold the partition catches up first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from schemas.events import Fact
from services.access import identities
from services.ingest.accept import Desk
from services.ingest.decisions import Caller, Decision
from services.ingest.identity_log import IdentityLog, Naming
from services.ingest.knowledge import Knowledge, School
from services.ingest.publish import LogMoved, partition_of, publish
from services.ingest.pupils import PupilIds
from services.ingest.recall import Memory, Wanted, read_schools, recall
from services.ingest.registry import Held, Learned, Placed, Registry
from services.ingest.rehearsal import Rehearsal
from services.ingest.withdrawn_names import restate_names
from services.runtime.log.interface import Log, LogUnavailable
from services.runtime.postgres import leave_clean

_ATTEMPTS = 3


class Decided(msgspec.Struct, frozen=True):
    """The decisions on a chunk, and all facts to be appended, in order (those of the decisions among them)."""

    decisions: Sequence[Decision]
    facts: Sequence[Fact]


class Work(msgspec.Struct, frozen=True):
    """A chunk to be judged. `wanted` is asked once the schools are known: those named or, with None, all there are.

    `look` reads for itself what `decide` needs, under the locks and with all that the log holds.
    """

    caller: Caller
    batch_id: str
    schools: frozenset[str] | None
    wanted: Callable[[Iterable[str]], Wanted]
    decide: Callable[[Desk], Decided]
    look: Callable[[Any], Awaitable[None]] | None = None


class Taken(msgspec.Struct, frozen=True):
    """What came of a chunk. `offsets`: for each partition of a touched school where its reader must have come to."""

    decided: Decided
    log_id: str
    offsets: dict[int, int]


Also = Callable[[Any, Taken], Awaitable[None]]
"""What else belongs into the transaction."""


class Ledger:
    """Takes chunks in, one at a time for each partition, across all processes."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        log: Log,
        registry: Registry,
        identity_log: IdentityLog,
        ids: PupilIds,
        clock: Callable[[], datetime],
    ) -> None:
        self.pool = pool
        self.ids = ids
        self._identity_log = identity_log
        self.clock = clock
        self._log = log
        self._registry = registry
        self._memory = Memory()
        # Each turn holds a connection while the embedded log needs others: never let turns take them all.
        self._turns = asyncio.Semaphore(max(1, pool.get_max_size() // 2 - 1))

    async def take(self, work: Work, also: Also | None = None) -> Taken:
        """Judge a chunk and append what is accepted; durable on return.

        Raises LogUnavailable, AppendOutcomeUnknown and database errors: then some facts may be durable, the registry
        has not changed, and the same chunk taken again adds none of them twice.
        """
        for _ in range(_ATTEMPTS):
            try:
                async with self._turns, self.pool.acquire() as connection:
                    async with connection.transaction():
                        taken, learned = await self._take(connection, work, also)
                    leave_clean(connection)
            except LogMoved:
                continue
            if learned is not None:
                self._memory.given.learn(learned.given)
            return taken
        raise LogUnavailable("other appends keep coming in between")

    async def rehearse(self, work: Work, rehearsal: Rehearsal) -> Taken:
        """Judge a chunk as `take` would, and change nothing."""
        async with self._turns, self.pool.acquire() as connection, connection.transaction():
            held = await self._hold(connection, work)
            await self._registry.advance(connection, held)
            wanted = await self._wanted(connection, work)
            knowledge = await recall(connection, self._memory, wanted)
            rehearsal.join(knowledge, wanted.keys)
            decided = work.decide(self._desk(knowledge, work))
        rehearsal.keep(fact for decision in decided.decisions for fact in decision.facts)
        return Taken(decided, held.log_id, {})

    async def log_id(self) -> str:
        """Names the log, for position tokens."""
        return await self._registry.log_id()

    async def schools(self) -> dict[str, School]:
        """Every school that is known, as of now."""
        async with self.pool.acquire() as connection:
            return await read_schools(connection, self._memory, None)

    async def time_zones(self, schools: Iterable[str]) -> dict[str, str]:
        """The time zones of those of these schools that are known."""
        async with self.pool.acquire() as connection:
            known = await read_schools(connection, self._memory, list(schools))
        return {name: school.time_zone for name, school in known.items()}

    async def _take(self, connection: Any, work: Work, also: Also | None) -> tuple[Taken, Learned | None]:
        held = await self._hold(connection, work)
        if work.look is not None:
            await work.look(connection)
        knowledge = await recall(connection, self._memory, await self._wanted(connection, work))
        decided = work.decide(self._desk(knowledge, work))
        if names := self._names(decided.decisions):  # first: a fact that is known has its name
            await self._identity_log.remember(connection, names)
        learned = None
        if decided.facts:
            learned = await self._registry.apply(connection, await self._append(held, decided.facts), are_new=True)
        await self._registry.advance(connection, held, learned)
        await restate_names(connection, decided.facts)
        touched = {school for decision in decided.decisions for school in decision.schools}
        partitions = {self._partition(school) for school in touched | {fact.school for fact in decided.facts}}
        offsets = {partition: held.next_offsets[partition] for partition in sorted(partitions)}
        taken = Taken(decided, held.log_id, offsets)
        if also is not None:
            await also(connection, taken)
        return taken, learned

    async def _hold(self, connection: Any, work: Work) -> Held:
        if work.schools is None:
            return await self._registry.hold(connection, range(self._registry.partitions))
        return await self._registry.hold(connection, {self._partition(school) for school in work.schools})

    async def _wanted(self, connection: Any, work: Work) -> Wanted:
        if work.schools is None:
            return work.wanted(await read_schools(connection, self._memory, None))
        return work.wanted(work.schools)

    async def _append(self, held: Held, facts: Sequence[Fact]) -> list[Placed]:
        """Append under the lock; moves `held` on. Raises LogMoved if somebody else's facts came in between."""
        partitions = {school: self._partition(school) for school in {fact.school for fact in facts}}
        by_partition: dict[int, list[Fact]] = {partition: [] for partition in partitions.values()}
        for fact in facts:
            by_partition[partitions[fact.school]].append(fact)
        offsets = await publish(self._log, self._registry.topic, by_partition)
        placed: list[Placed] = []
        for partition, partition_facts in by_partition.items():
            start = held.next_offsets[partition]
            if offsets[partition] != list(range(start, start + len(partition_facts))):
                raise LogMoved
            placed.extend(zip(offsets[partition], partition_facts, strict=True))
            held.next_offsets[partition] = start + len(partition_facts)
        return placed

    def _desk(self, knowledge: Knowledge, work: Work) -> Desk:
        return Desk(knowledge, work.caller, self.clock(), work.batch_id, self.ids)

    def _names(self, decisions: Iterable[Decision]) -> list[Naming]:
        names: list[Naming] = []
        for decision in decisions:
            if decision.names is None:
                continue
            sent, told_at = decision.names
            date_of_birth: Any = sent.date_of_birth
            told = identities.ToldIdentity(
                school=sent.school,
                pupil=self.ids.pupil(sent.school, sent.pupil),
                event_id=decision.event_id,
                told_at=told_at,
                reference=sent.pupil,
                given_name=sent.given_name,
                family_name=sent.family_name,
                date_of_birth=date_of_birth,
                upn=sent.upn,
            )
            names.append(Naming(told, is_new=bool(decision.facts)))
        return names

    def _partition(self, school: str) -> int:
        return partition_of(school, self._registry.partitions)
