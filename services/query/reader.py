"""The only module of the query service that speaks SQL: what a report needs, in one read-only transaction.

Every question comes with the scope of who asks; a school outside it is refused before anything of it is returned. The
views are read as of one snapshot, so an answer never mixes two states of the ledger.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

import asyncpg
import msgspec

from schemas.columns import column_stream
from schemas.documents import SchoolDocument, decode_document
from schemas.topics import FACTS, partition_for
from services.access.keys import Access
from services.query.answers import Provenance
from services.query.population import natural_key
from services.query.questions import Moment, Question, Reading, knowledge_time
from services.query.requests import Clocks, Population
from services.query.scope import ViewsUnavailable, add_members, enter_scope, scoped
from services.query.vectors import (
    LAST_DAY,
    NOW,
    ROSTER,
    BlockAt,
    SchoolIndex,
    SchoolReading,
    Stored,
    block_at,
    score_stream,
)
from services.runtime.positions import Position, encode_position

TIMELINE = "timeline"
CACHED_SCHOOLS_MAX = 1_000
_POLL_SECONDS = 0.02

_CHECKPOINTS = """
SELECT a.version, p.log_id, p.partition, p.next_offset
FROM projection.active a
LEFT JOIN projection.partition p ON p.projection = a.projection AND p.version = a.version AND p.topic = $2
WHERE a.projection = $1
"""
_DOCUMENTS = """
SELECT d.school, d.partition, d.revision, CASE WHEN d.revision = held.revision THEN NULL ELSE d.data END AS data
FROM unnest($1::text[], $2::bigint[]) AS held (school, revision)
JOIN timeline_v{version}.school_document d ON d.school = held.school
"""
_TRUST_SCHOOLS = "SELECT school FROM timeline_v{version}.trust_member WHERE trust = $1"
_BLOCKS = """
SELECT found.school, found.stream, found.months, b.data AS block,
       ARRAY(SELECT t.data FROM timeline_v{version}.tail t
             WHERE t.stream = found.stream AND t.school = found.school AND t.starts = found.starts
             ORDER BY t.seq) AS tails
FROM (SELECT w.school, w.stream, array_agg(w.month) AS months,
             greatest((SELECT max(b.starts) FROM timeline_v{version}.block b
                       WHERE b.stream = w.stream AND b.school = w.school AND b.starts <= w.month),
                      (SELECT max(t.starts) FROM timeline_v{version}.tail t
                       WHERE t.stream = w.stream AND t.school = w.school AND t.starts <= w.month)) AS starts
      FROM unnest($1::text[], $2::text[], $3::integer[]) AS w (school, stream, month)
      GROUP BY w.school, w.stream, starts) AS found
LEFT JOIN timeline_v{version}.block b
       ON b.stream = found.stream AND b.school = found.school AND b.starts = found.starts
WHERE found.starts IS NOT NULL
"""


class OutsideScope(Exception):
    """The question concerns a school that the key does not cover, whether or not it exists."""


class UnknownSchools(Exception):
    """Schools that nobody registered."""

    def __init__(self, schools: Sequence[str]) -> None:
        super().__init__(", ".join(schools))
        self.schools = tuple(schools)


class UnknownTrust(Exception):
    """No school ever joined the trust."""

    def __init__(self, trust: str) -> None:
        super().__init__(trust)
        self.trust = trust


class ForeignPosition(Exception):
    """The position was given by another log."""


class _Checkpoint(msgspec.Struct, frozen=True):
    version: int
    log_id: str | None
    offsets: Mapping[int, int]

    def has_reached(self, offsets: Mapping[int, int]) -> bool:
        return all(self.offsets.get(partition, 0) >= offset for partition, offset in offsets.items())


class _Held(msgspec.Struct, frozen=True):
    revision: int
    partition: int
    index: SchoolIndex


class Reader:
    """Reads the views for reports. `partitions`: how many the log has. Decoded documents are kept between reports."""

    def __init__(self, pool: asyncpg.Pool, partitions: int) -> None:
        self._pool = pool
        self._partitions = partitions
        self._held: OrderedDict[tuple[int, str], _Held] = OrderedDict()

    async def read(
        self,
        scope: Access,
        question: Question,
        *,
        min_position: Position | None = None,
        wait_seconds: float = 0.0,
    ) -> Reading:
        """Everything that the question needs, from views that have reached `min_position` or been waited for.

        Raises OutsideScope, UnknownSchools, UnknownTrust, ForeignPosition, ViewsUnavailable.
        """
        needed = self._needed_offsets(question.population, min_position)
        if needed:
            await self._wait_for(needed, wait_seconds)
        async with scoped(self._pool, scope) as connection:
            return await self._read(connection, scope, question, min_position, needed)

    async def _read(
        self,
        connection: asyncpg.Connection,
        scope: Access,
        question: Question,
        position: Position | None,
        needed: Mapping[int, int],
    ) -> Reading:
        checkpoint = await _read_checkpoint(connection)
        if position is not None and checkpoint.log_id is not None and not position.belongs_to(checkpoint.log_id):
            raise ForeignPosition("the position was given by another log")
        stale = not checkpoint.has_reached(needed)
        await add_members(connection, checkpoint.version, scope)
        found = await self._find_schools(connection, checkpoint.version, scope, question, stale)
        known_at = knowledge_time(question.clocks)
        wanted = wanted_blocks([held.index for held in found], question, known_at)
        stored = await _read_blocks(connection, checkpoint.version, wanted)
        return Reading(
            tuple(SchoolReading(held.index, known_at, stored.get(held.index.school, {})) for held in found),
            _provenance(question.clocks, checkpoint, {held.partition for held in found}, stale),
        )

    def _needed_offsets(self, population: Population, position: Position | None) -> Mapping[int, int]:
        """The offsets of a position that concern the population; a trust may gain a school in any partition."""
        if position is None:
            return {}
        if population.schools is None:
            return position.offsets
        partitions = {partition_for(school.encode(), self._partitions) for school in population.schools}
        return {p: offset for p, offset in position.offsets.items() if p in partitions}

    async def _wait_for(self, needed: Mapping[int, int], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            try:
                checkpoint = await _read_checkpoint(self._pool)
            except (ViewsUnavailable, asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
                checkpoint = None
            if (checkpoint is not None and checkpoint.has_reached(needed)) or loop.time() >= deadline:
                return
            await asyncio.sleep(min(_POLL_SECONDS, max(deadline - loop.time(), 0)))

    async def _find_schools(
        self, connection: asyncpg.Connection, version: int, scope: Access, question: Question, stale: bool
    ) -> list[_Held]:
        """The schools of the population, in natural order, all within the scope.

        Views that are stale may not know a school or a trust yet, which then has nothing, rather than being refused.
        """
        trust, schools = question.population.trust, question.population.schools
        if trust is not None:
            if not (scope.all or trust in scope.trusts):
                await self._require_members(connection, version, scope, trust, question)
            ever = await self._ever_members(connection, version, trust)
            if not ever and not stale:
                raise UnknownTrust(trust)
            return [held for held in _members(trust, ever, question) if _covers(scope, held, question.on)]
        names = sorted(set(schools or ()), key=natural_key)
        documents = await self._documents(connection, version, names)
        if not all(name in scope.schools or _covers(scope, documents.get(name), question.on) for name in names):
            raise OutsideScope
        known_at = knowledge_time(question.clocks)
        missing = [name for name in names if name not in documents or documents[name].index.is_unknown(known_at)]
        if missing and not stale:
            raise UnknownSchools(missing)
        return [documents[name] if name in documents else self._unread_school(name) for name in names]

    async def _require_members(
        self, connection: asyncpg.Connection, version: int, scope: Access, trust: str, question: Question
    ) -> None:
        """Raise OutsideScope unless the trust has members on the day, as known, and the key covers each of them.

        Who they are can only be read in a wider scope, which nothing but this answer leaves.
        """
        wider = msgspec.structs.replace(scope, trusts=scope.trusts | {trust})
        await enter_scope(connection, wider)
        await add_members(connection, version, wider)
        members = _members(trust, await self._ever_members(connection, version, trust), question)
        await enter_scope(connection, scope)
        await add_members(connection, version, scope)
        if not members or not all(_covers(scope, held, question.on) for held in members):
            raise OutsideScope

    async def _ever_members(self, connection: asyncpg.Connection, version: int, trust: str) -> dict[str, _Held]:
        """The schools in scope that were ever members of the trust."""
        rows = await connection.fetch(_TRUST_SCHOOLS.format(version=version), trust)
        return await self._documents(connection, version, [row["school"] for row in rows])

    def _unread_school(self, school: str) -> _Held:
        partition = partition_for(school.encode(), self._partitions)
        return _Held(0, partition, SchoolIndex(SchoolDocument(school)))

    async def _documents(
        self, connection: asyncpg.Connection, version: int, schools: Sequence[str]
    ) -> dict[str, _Held]:
        """The documents of those schools that the views know; only what changed since the last time is read."""
        held = {school: self._held.get((version, school)) for school in schools}
        revisions = [-1 if one is None else one.revision for one in held.values()]
        rows = await connection.fetch(_DOCUMENTS.format(version=version), list(held), revisions)
        documents = {}
        for row in rows:
            school, known = row["school"], held[row["school"]]
            if known is None or row["data"] is not None:
                known = _Held(row["revision"], row["partition"], SchoolIndex(decode_document(row["data"])))
            self._held[version, school] = documents[school] = known
            self._held.move_to_end((version, school))
        while len(self._held) > CACHED_SCHOOLS_MAX:
            self._held.popitem(last=False)
        return documents


def wanted_blocks(schools: Sequence[SchoolIndex], question: Question, known_at: int) -> set[tuple[str, BlockAt]]:
    """(school, block) of everything that the question needs."""
    wanted: set[tuple[str, BlockAt]] = set()
    for moment in {Moment(question.on), *question.moments(schools)}:
        for index in schools:
            wanted.update((index.school, block) for block in _blocks_of(moment, index, known_at))
    return wanted


def _blocks_of(moment: Moment, index: SchoolIndex, known_at: int) -> list[BlockAt]:
    """The blocks of a school that a moment is answered from."""
    day, subject, column = moment
    if column is not None:
        # the block of the last day tells whether the column had any value yet, as known then
        days = (day, LAST_DAY) if column in index.document.columns else ()
        return [block_at(column_stream(column), each, known_at) for each in days]
    if subject is None:
        return [block_at(ROSTER, day, known_at)]
    lane = index.lane_at(subject, day.toordinal(), known_at)
    return [] if lane is None else [block_at(score_stream(lane), day, known_at)]


async def _read_checkpoint(connection: asyncpg.Connection | asyncpg.Pool) -> _Checkpoint:
    rows = await connection.fetch(_CHECKPOINTS, TIMELINE, FACTS.name)
    if not rows:
        raise ViewsUnavailable("no version of the timeline is active")
    offsets = {row["partition"]: row["next_offset"] for row in rows if row["partition"] is not None}
    return _Checkpoint(rows[0]["version"], rows[0]["log_id"], offsets)


async def _read_blocks(
    connection: asyncpg.Connection, version: int, wanted: Iterable[tuple[str, BlockAt]]
) -> dict[str, dict[BlockAt, Stored]]:
    """The blocks by school and what they were asked for."""
    asked = sorted(wanted)
    if not asked:
        return {}
    rows = await connection.fetch(
        _BLOCKS.format(version=version),
        [school for school, _ in asked],
        [block.stream for _, block in asked],
        [block.month for _, block in asked],
    )
    found: dict[str, dict[BlockAt, Stored]] = {}
    for school, stream, months, block, tails in rows:
        stored = Stored(block, tuple(tails))
        found.setdefault(school, {}).update({BlockAt(stream, month): stored for month in months})
    return found


def _members(trust: str, ever: Mapping[str, _Held], question: Question) -> list[_Held]:
    """Of the schools that were ever members of a trust, those on the day of the roster, as known."""
    day, known_at = question.on.toordinal(), knowledge_time(question.clocks)
    schools = [ever[name] for name in sorted(ever, key=natural_key)]
    return [held for held in schools if held.index.is_member(frozenset((trust,)), day, known_at)]


def _covers(scope: Access, held: _Held | None, on: date) -> bool:
    """Whether the key covers the school; a key of a trust covers the members that are known now."""
    if scope.all:
        return True
    if held is None:
        return False
    return held.index.school in scope.schools or held.index.is_member(scope.trusts, on.toordinal(), NOW)


def _provenance(clocks: Clocks, checkpoint: _Checkpoint, partitions: set[int], stale: bool) -> Provenance:
    offsets = {p: checkpoint.offsets[p] for p in partitions if p in checkpoint.offsets}
    known_at = clocks.as_known_at
    return Provenance(
        as_at=clocks.as_at,
        as_known_at=None if known_at is None else datetime.fromtimestamp(known_at, UTC),
        position=None if checkpoint.log_id is None else encode_position(checkpoint.log_id, offsets),
        stale=stale,
        views={TIMELINE: checkpoint.version},
    )
