"""One import from its first byte to its record: stream, prepare, take in chunk by chunk, count, end.

Rows are prepared while the chunk before is being made durable; no more than two chunks are held. What the rows say is
decided in `accept`, and made durable in `ledger`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec

from schemas import identifiers
from schemas.events import Fact, ImportCompleted, ImportStarted
from services.ingest import import_records as records
from services.ingest.accept import Desk
from services.ingest.columns import RowContext
from services.ingest.curriculum_rows import GatheredVersion, VersionGatherer, parse_states
from services.ingest.decisions import Caller, Decision
from services.ingest.event_bodies import DOCUMENT_BYTES_MAX, decode_curriculum
from services.ingest.files import FileFault, read_rows
from services.ingest.first_rows import FirstRows
from services.ingest.import_chunks import Chunk, RowsChunk, VersionChunk, document_version
from services.ingest.import_records import Counts, Ending, NewImport, RowError
from services.ingest.ledger import Decided, Ledger, Taken, Work
from services.ingest.recall import Wanted
from services.ingest.rehearsal import Rehearsal
from services.ingest.rows import ReadyRows, RowPreparer
from services.runtime.observability import IMPORT_ROWS, ITEMS_REJECTED
from services.runtime.positions import encode_position

CHUNK_ROWS = 4_000
CURRICULUM = "curriculum"
JSON = "application/json"

_INTERRUPTED = "The import was interrupted: the rows counted here stand. Send the file again."
_closing: set[asyncio.Task[None]] = set()
"""Records that wait for their database; a task that nobody holds may vanish."""


class ConnectionCut(Exception):
    """The client went away before the body ended."""


class ImportRequest(msgspec.Struct, frozen=True):
    """What an import is asked to do, by its parameters."""

    import_id: str
    kind: str
    source: str
    content_type: str
    dry_run: bool = False
    states: str | None = None
    ignored: tuple[str, ...] = ()


class IncompleteImport(Exception):
    """The file could not be read to its end; what came before is counted in the record and stands."""

    def __init__(self, fault: FileFault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class ImportRun:
    """Runs one import."""

    def __init__(self, ledger: Ledger, request: ImportRequest, caller: Caller) -> None:
        self._ledger = ledger
        self._request = request
        self._caller = caller
        self._context = RowContext(today=ledger.clock().date(), source=request.source)
        self._rehearsal = Rehearsal(request.kind) if request.dry_run else None
        self._offsets: dict[int, int] = {}
        self._log_id = ""
        self._accepted: dict[str, int] = {}
        self._has_rows = False
        self._is_new = True

    async def run(self, body: AsyncIterator[bytes]) -> None:
        """Take in the whole body.

        Raises HeaderFault or BodyFault (nothing was written), ImportTaken, IncompleteImport, ConnectionCut, and what
        `Ledger.take` raises; but for the first the record tells what stands.
        """
        states = parse_states(self._request.states)
        self._log_id = await self._ledger.log_id()
        self._is_new = await records.open_record(self._ledger.pool, self._new_record())
        heart = asyncio.create_task(self._beat())
        try:
            if self._request.kind != CURRICULUM:
                await self._take_rows(body)
            elif self._request.content_type.partition(";")[0].strip().lower() == JSON:
                sent = decode_curriculum(await _gather(body, DOCUMENT_BYTES_MAX), self._context)
                await self._take_version(document_version(sent))
            else:
                await self._take_curriculum_rows(body, VersionGatherer(self._context, states))
            await self._end()
        except FileFault as fault:
            await self._close(Ending("incomplete", self._position(), fault.detail, fault.line))
            raise IncompleteImport(fault) from fault
        except ConnectionCut:
            await self._close(Ending("incomplete", self._position(), "The connection was cut: send the file again."))
            raise
        except BaseException:
            await self._give_up()
            raise
        finally:
            heart.cancel()
            if self._rehearsal is not None:
                self._rehearsal.close()

    async def _beat(self) -> None:
        """Show that the import lives, however slowly its rows come."""
        while True:
            await asyncio.sleep(records.TOUCH_SECONDS)
            with contextlib.suppress(*records.DATABASE_FAULTS):
                await records.touch(self._ledger.pool, self._request.import_id)

    # --- Rows of any kind but curriculum ---------------------------------------------------------------------

    async def _take_rows(self, body: AsyncIterator[bytes]) -> None:
        with FirstRows() as first_rows:
            preparer = RowPreparer(
                self._request.kind, self._context, self._ledger.ids.pupil_key, first_rows, self._ledger.time_zones
            )
            async with contextlib.aclosing(_prefetched(self._chunks(body, preparer))) as chunks:
                async for ready in chunks:
                    if ready.count():
                        await self._take(RowsChunk(self._request.kind, ready, self._ledger.ids))

    async def _chunks(self, body: AsyncIterator[bytes], preparer: RowPreparer) -> AsyncGenerator[ReadyRows]:
        """Prepared rows, some thousands at a time; those that are ready come also before a fault is raised."""
        gathered = ReadyRows()
        try:
            async for raw_rows in self._raw_rows(body):
                gathered.extend(await preparer.prepare(raw_rows))
                if gathered.count() >= CHUNK_ROWS:
                    yield gathered
                    gathered = ReadyRows()
        except (FileFault, ConnectionCut):
            yield gathered
            raise
        yield gathered

    async def _raw_rows(self, body: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        request = self._request
        async for raw_rows in read_rows(body, request.content_type, request.kind, request.ignored):
            self._has_rows = True
            yield raw_rows

    # --- Curricula -------------------------------------------------------------------------------------------

    async def _take_curriculum_rows(self, body: AsyncIterator[bytes], gatherer: VersionGatherer) -> None:
        try:
            async for raw_rows in self._raw_rows(body):
                for row in raw_rows:
                    gatherer.add(row)
        except (FileFault, ConnectionCut):
            for version in gatherer.gathered(is_cut_off=True):
                await self._take_version(version)
            raise
        for version in gatherer.gathered():
            await self._take_version(version)

    async def _take_version(self, version: GatheredVersion) -> None:
        self._has_rows = True
        await self._take(VersionChunk(version, self._ledger.ids.pupil_key))

    # --- One chunk of either ---------------------------------------------------------------------------------

    async def _take(self, chunk: Chunk) -> None:
        """Have a chunk judged and made durable, together with its counts."""
        work = Work(
            caller=self._caller,
            batch_id=self._request.import_id,
            schools=chunk.schools,
            wanted=chunk.wanted,
            decide=lambda desk: self._decided(desk, chunk.decide(desk)),
        )

        async def count(connection: Any, taken: Taken) -> None:
            counts, errors = chunk.count(taken.decided.decisions)
            await records.add_counts(connection, self._request.import_id, counts, errors)
            self._measure(counts, errors)

        if self._rehearsal is not None:
            taken = await self._ledger.rehearse(work, self._rehearsal)
            async with self._ledger.pool.acquire() as connection, connection.transaction():
                await count(connection, taken)
            return
        taken = await self._ledger.take(work, count)
        self._offsets |= taken.offsets
        for decision in taken.decided.decisions:
            for fact in decision.facts:
                self._accepted[fact.school] = self._accepted.get(fact.school, 0) + 1

    def _decided(self, desk: Desk, decisions: list[Decision]) -> Decided:
        facts: list[Fact] = [fact for decision in decisions for fact in decision.facts]
        started = [
            self._audit(ImportStarted, desk, school, kind=self._request.kind)
            for school in dict.fromkeys(fact.school for fact in facts)
            if school not in self._accepted
        ]
        return Decided(decisions, [*started, *facts])

    def _measure(self, counts: Counts, errors: list[RowError]) -> None:
        for outcome in ("accepted", "superseded", "duplicate", "rejected"):
            IMPORT_ROWS.labels(self._request.kind, outcome).inc(getattr(counts, outcome))
        for code, count in Counter(error.code for error in errors).items():
            ITEMS_REJECTED.labels(self._request.kind, code).inc(count)

    # --- The end ---------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        if self._accepted and self._rehearsal is None:
            work = Work(
                caller=self._caller,
                batch_id=self._request.import_id,
                schools=frozenset(self._accepted),
                wanted=lambda schools: Wanted(schools=set(schools)),
                decide=lambda desk: Decided((), [self._completed(desk, school) for school in sorted(self._accepted)]),
            )
            self._offsets |= (await self._ledger.take(work)).offsets
        await self._close(Ending("completed", self._position()))

    def _completed(self, desk: Desk, school: str) -> Fact:
        return self._audit(ImportCompleted, desk, school, kind=self._request.kind, accepted=self._accepted[school])

    def _audit(self, fact: Any, desk: Desk, school: str, **said: Any) -> Fact:
        made: Fact = fact(
            event_id=identifiers.event_fact_id(self._request.import_id, fact.__name__, school.encode()),
            school=school,
            recorded_at=desk.stamp_of(school),
            source=self._request.source,
            actor=self._caller.actor,
            batch_id=self._request.import_id,
            **said,
        )
        return made

    async def _give_up(self) -> None:
        """Nothing is left of an import without rows; one with rows is incomplete, as soon as that can be written."""
        if self._is_new and not self._has_rows:
            with contextlib.suppress(*records.DATABASE_FAULTS):
                await records.drop_record(self._ledger.pool, self._request.import_id)
            return
        ending = Ending("incomplete", self._position(), _INTERRUPTED)
        closing = asyncio.create_task(records.close_when_possible(self._ledger.pool, self._request.import_id, ending))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)
        await asyncio.wait([closing], timeout=records.CLOSE_AGAIN_SECONDS)

    async def _close(self, ending: Ending) -> None:
        await records.close_record(self._ledger.pool, self._request.import_id, ending)

    def _position(self) -> str | None:
        return None if self._rehearsal is not None else encode_position(self._log_id, self._offsets)

    def _new_record(self) -> NewImport:
        request = self._request
        return NewImport(
            import_id=request.import_id,
            kind=request.kind,
            source=request.source,
            key_id=self._caller.actor,
            dry_run=request.dry_run,
            started_at=self._ledger.clock(),
        )


async def _gather(body: AsyncIterator[bytes], bytes_max: int) -> bytes:
    """The whole body, or as much of it as shows that it is too large."""
    gathered = bytearray()
    async for chunk in body:
        gathered += chunk
        if len(gathered) > bytes_max:
            break
    return bytes(gathered)


async def _prefetched(chunks: AsyncGenerator[ReadyRows]) -> AsyncGenerator[ReadyRows]:
    """The same, with the next one under way while the one before is worked on."""
    end = ReadyRows()
    coming = asyncio.ensure_future(anext(chunks, end))
    try:
        while (ready := await coming) is not end:
            coming = asyncio.ensure_future(anext(chunks, end))
            yield ready
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await chunks.aclose()
