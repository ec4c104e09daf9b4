"""What a report needs of the views, in one read-only transaction.

Every question comes with the scope of who asks; a school outside it is refused before anything of it is returned. The
views are read as of one snapshot, so an answer never mixes two states of the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

import asyncpg
import msgspec

from schemas.columns import column_stream
from schemas.documents import SchoolDocument, decode_document
from schemas.topics import partition_for
from services.access.keys import Access
from services.query.answers import Provenance
from services.query.open_reports import OpenReport, OpenReports, ViewsState, open_key
from services.query.population import natural_key
from services.query.questions import Moment, Question, Reading, knowledge_time
from services.query.requests import Clocks, Population
from services.query.scope import ViewsUnavailable, add_members, enter_scope, scoped
from services.query.shelves import Shelf, Shelves, Standpoint
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
from services.query.view_rows import (
    TIMELINE,
    SchoolRow,
    read_blocks,
    read_checkpoint,
    read_members,
    read_schools,
    read_state,
)
from services.runtime.positions import Position, encode_position

TRUSTS_MAX = 1_000
_POLL_SECONDS = 0.02


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


class _Held(msgspec.Struct, frozen=True):
    """A school as this snapshot has it; one that the views do not know has an empty index."""

    partition: int
    index: SchoolIndex
    standpoint: Standpoint | None
    known: bool
    revision: int


class _Found(msgspec.Struct, frozen=True):
    """The schools of a population, and all that were looked at to find them (None: the scope did not suffice)."""

    schools: list[_Held]
    looked_at: list[_Held] | None


class _OtherVersion(Exception):
    """Another version of the views than was expected is the active one."""


class Reader:
    """Reads the views for reports. `partitions`: how many the log has. Documents and decoded blocks are kept between
    reports on `shelves`, what was read for a question among the `open_reports`, each for the state of the views at
    which it was read."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        partitions: int,
        shelves: Shelves | None = None,
        open_reports: OpenReports | None = None,
    ) -> None:
        self._pool = pool
        self._partitions = partitions
        self._shelves = Shelves() if shelves is None else shelves
        self._open = OpenReports() if open_reports is None else open_reports
        self._version: int | None = None
        self._ever: dict[tuple[int, str], tuple[str, ...]] = {}

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
        version = self._version
        if version is not None:
            try:
                async with scoped(self._pool, scope) as connection:
                    return await self._read(connection, version, scope, question, min_position, needed)
            except (_OtherVersion, ViewsUnavailable):
                self._version = None
        async with scoped(self._pool, scope) as connection:
            version = (await read_checkpoint(connection)).version
            found = await self._read(connection, version, scope, question, min_position, needed)
        self._version = version
        return found

    async def _read(
        self,
        connection: asyncpg.Connection,
        version: int,
        scope: Access,
        question: Question,
        position: Position | None,
        needed: Mapping[int, int],
    ) -> Reading:
        stale = False
        if position is not None:
            checkpoint = await read_checkpoint(connection)
            if checkpoint.log_id is not None and not position.belongs_to(checkpoint.log_id):
                raise ForeignPosition("the position was given by another log")
            stale = not checkpoint.has_reached(needed)
        await add_members(connection, version, scope)
        key = open_key(scope, question) if position is None else None
        kept = self._open.find(key)
        if kept is not None:
            if await self._still_holds(connection, version, kept):
                return kept.reading
            self._open.drop(key)
        found = await self._find_schools(connection, version, scope, question, stale)
        known_at = knowledge_time(question.clocks)
        moments = list(dict.fromkeys((Moment(question.on), *question.moments([h.index for h in found.schools]))))
        wanted = {h.index.school: _blocks_at(moments, h.index, known_at) for h in found.schools}
        stored = await self._blocks(connection, version, found.schools, wanted)
        states = [held.standpoint for held in found.schools if held.standpoint is not None]
        log_id = states[0].log_id if states else (await read_checkpoint(connection)).log_id
        reading = Reading(
            tuple(SchoolReading(held.index, known_at, stored[held.index.school]) for held in found.schools),
            _provenance(question.clocks, version, log_id, {s.partition: s.next_offset for s in states}, stale),
        )
        report = _open_report(reading, question, version, found.looked_at)
        if report is not None:
            self._open.keep(key, report, len(moments))
        return reading

    async def _still_holds(self, connection: asyncpg.Connection, version: int, kept: OpenReport) -> bool:
        """Whether the views, as this transaction sees them, are those that it was read from."""
        state = kept.state
        if state.version != version:
            return False
        partitions = [partition for _, partition in state.offsets]
        if await read_state(connection, version, kept.trust, kept.schools, partitions) != state:
            return False
        self._open.taken()
        return True

    async def _blocks(
        self,
        connection: asyncpg.Connection,
        version: int,
        schools: Sequence[_Held],
        wanted: Mapping[str, Sequence[BlockAt]],
    ) -> dict[str, dict[BlockAt, Stored]]:
        """The blocks of each school; what is kept of this very state is not read again."""
        found, missing = {}, {}
        for held in schools:
            school = held.index.school
            found[school], lacking = self._shelves.take(version, school, held.standpoint, wanted[school])
            if lacking:
                missing[school] = lacking
        if not missing:
            return found
        read = await read_blocks(connection, version, missing)
        for held in schools:
            school = held.index.school
            if school in missing:
                lacking, new = missing[school], read.get(school, {})
                found[school] |= self._shelves.keep(version, school, held.standpoint, lacking, new)
        return found

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
                checkpoint = await read_checkpoint(self._pool)
            except (ViewsUnavailable, asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
                checkpoint = None
            if (checkpoint is not None and checkpoint.has_reached(needed)) or loop.time() >= deadline:
                return
            await asyncio.sleep(min(_POLL_SECONDS, max(deadline - loop.time(), 0)))

    async def _find_schools(
        self, connection: asyncpg.Connection, version: int, scope: Access, question: Question, stale: bool
    ) -> _Found:
        """The schools of the population, in natural order, all within the scope.

        Views that are stale may not know a school or a trust yet, which then has nothing, rather than being refused.
        """
        trust, schools = question.population.trust, question.population.schools
        if trust is not None:
            covered = scope.all or trust in scope.trusts
            if not covered:
                await self._require_members(connection, version, scope, trust, question)
            ever = await self._ever_members(connection, version, trust)
            if not ever and not stale:
                raise UnknownTrust(trust)
            members = [held for held in _members(trust, ever, question) if _covers(scope, held, question.on)]
            return _Found(members, list(ever.values()) if covered else None)
        names = sorted(set(schools or ()), key=natural_key)
        found = await self._documents(connection, version, names)
        if not all(name in scope.schools or _covers(scope, found[name], question.on) for name in names):
            raise OutsideScope
        known_at = knowledge_time(question.clocks)
        missing = [name for name in names if not found[name].known or found[name].index.is_unknown(known_at)]
        if missing and not stale:
            raise UnknownSchools(missing)
        return _Found([found[name] for name in names], list(found.values()))

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
        """The schools in scope that were ever members of the trust. Raises _OtherVersion."""
        known = self._ever.get((version, trust), ())
        kept = self._kept(version, known)
        rows = await read_members(connection, version, trust, known, [_revision_of(shelf) for shelf in kept.values()])
        found = self._hold(version, rows, kept)
        if len(self._ever) >= TRUSTS_MAX:
            self._ever.clear()
        self._ever[version, trust] = tuple(found)
        return found

    async def _documents(
        self, connection: asyncpg.Connection, version: int, schools: Sequence[str]
    ) -> dict[str, _Held]:
        """Those schools; one that the views do not know has no document. Raises _OtherVersion."""
        partitions = [partition_for(school.encode(), self._partitions) for school in schools]
        kept = self._kept(version, schools)
        revisions = [_revision_of(shelf) for shelf in kept.values()]
        return self._hold(version, await read_schools(connection, version, schools, revisions, partitions), kept)

    def _kept(self, version: int, schools: Iterable[str]) -> dict[str, Shelf | None]:
        return {school: self._shelves.shelf(version, school) for school in schools}

    def _hold(self, version: int, rows: Sequence[SchoolRow], kept: Mapping[str, Shelf | None]) -> dict[str, _Held]:
        """The schools of some rows. `kept`: what was kept when they were asked for; other reports may put other
        revisions there meanwhile."""
        if not rows or rows[0].version != version:
            raise _OtherVersion
        found: dict[str, _Held] = {}
        for _, school, log_id, next_offset, partition, revision, data in rows:
            if school is None:
                continue
            state = None
            if log_id is not None and next_offset is not None:
                state = Standpoint(version, log_id, partition, next_offset)
            shelf = kept.get(school)
            if revision is not None and data is not None:
                shelf = self._shelves.put(version, school, SchoolIndex(decode_document(data)), revision)
            known = revision is not None and shelf is not None
            index = shelf.index if known and shelf is not None else SchoolIndex(SchoolDocument(school))
            found[school] = _Held(partition, index, state, known, revision or 0)
        return found


def _open_report(
    reading: Reading, question: Question, version: int, looked_at: Sequence[_Held] | None
) -> OpenReport | None:
    """The reading as one that may be taken again; None if it cannot be told whether it still holds."""
    if looked_at is None or not looked_at:
        return None
    offsets: dict[tuple[str, int], int] = {}
    for held in looked_at:
        if held.standpoint is None or not held.known:
            return None
        offsets[held.standpoint.log_id, held.partition] = held.standpoint.next_offset
    trust = question.population.trust
    state = ViewsState(
        version=version,
        members=0 if trust is None else len(looked_at),
        schools=len(looked_at),
        revisions=sum(held.revision for held in looked_at),
        offsets=offsets,
    )
    return OpenReport(reading, trust, tuple(held.index.school for held in looked_at), state)


def _blocks_at(moments: Sequence[Moment], index: SchoolIndex, known_at: int) -> list[BlockAt]:
    """The blocks of a school that some moments are answered from."""
    return list(dict.fromkeys(block for moment in moments for block in _blocks_of(moment, index, known_at)))


def _blocks_of(moment: Moment, index: SchoolIndex, known_at: int) -> list[BlockAt]:
    """The blocks of a school that a moment is answered from."""
    day, subject, column = moment
    if column is not None:
        # the block of the last day tells whether the column had any value yet, as known then
        columns = index.columns_like(column)
        return [block_at(column_stream(each), at, known_at) for each in columns for at in (day, LAST_DAY)]
    if subject is None:
        return [block_at(ROSTER, day, known_at)]
    lane = index.lane_at(subject, day.toordinal(), known_at)
    return [] if lane is None else [block_at(score_stream(lane), day, known_at)]


def _members(trust: str, ever: Mapping[str, _Held], question: Question) -> list[_Held]:
    """Of the schools that were ever members of a trust, those on the day of the roster, as known."""
    day, known_at = question.on.toordinal(), knowledge_time(question.clocks)
    schools = [ever[name] for name in sorted(ever, key=natural_key)]
    return [held for held in schools if held.index.is_member(frozenset((trust,)), day, known_at)]


def _revision_of(shelf: Shelf | None) -> int:
    return -1 if shelf is None else shelf.revision


def _covers(scope: Access, held: _Held, on: date) -> bool:
    """Whether the key covers the school; a key of a trust covers the members that are known now."""
    if scope.all:
        return True
    return held.index.school in scope.schools or held.index.is_member(scope.trusts, on.toordinal(), NOW)


def _provenance(
    clocks: Clocks, version: int, log_id: str | None, offsets: Mapping[int, int], stale: bool
) -> Provenance:
    known_at = clocks.as_known_at
    return Provenance(
        as_at=clocks.as_at,
        as_known_at=None if known_at is None else datetime.fromtimestamp(known_at, UTC),
        position=None if log_id is None else encode_position(log_id, offsets),
        stale=stale,
        views={TIMELINE: version},
    )
