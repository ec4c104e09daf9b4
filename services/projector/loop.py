"""The ordered loop: poll the log, fold, write the effects and the next offset in one transaction, for ever.

While it is behind, the next batch is read and folded as the last one is written (`reading`, `commits`).
A partition whose facts cannot be folded stops where it is, says so in its row, and is tried again later; the others go
on and nothing is skipped. A fault of the surroundings (database, log, a lost lease) is waited out: whatever was folded
and not committed is forgotten, and leases, offsets and states are read again. A log that is not the one the offsets
were stored for ends the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from traceback import extract_tb

import asyncpg
import msgspec
import structlog

from services.projector.commits import Commits
from services.projector.feed import Feed, is_transient
from services.projector.folding import Folder, Step
from services.projector.keeping import BLOCKS, Keeping
from services.projector.leases import HEARTBEAT_SECONDS, LEASE_SECONDS, Leases
from services.projector.projection import Projection
from services.projector.reading import ReadAhead
from services.projector.schools import FACTS_HELD_MAX, Schools
from services.projector.status import StatusWriter
from services.projector.turns import Alone, Turns
from services.runtime.log.interface import Batch, Log, LogRecreated, LogUnavailable, OffsetOutOfRange
from services.runtime.observability import DEAD_LETTERS, FACTS_FOLDED, FACTS_SKIPPED, FOLD_SECONDS

BACK_OFF_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)

logger = structlog.get_logger(__name__)


class Pace(msgspec.Struct, frozen=True):
    """How much at a time and how often. `retry_seconds`: waits before a stopped partition is tried again.

    `records_max` is reached only by who is behind: a loop that keeps up takes what there is, at once.
    """

    records_max: int = 30_000
    poll_ms: int = 100
    lease_seconds: float = LEASE_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    retry_seconds: tuple[float, ...] = (2.0, 5.0, 10.0, 30.0, 60.0)
    facts_held_max: int = FACTS_HELD_MAX


class Stopped(msgspec.Struct, frozen=True):
    """A partition that could not go on, and when to try again."""

    attempts: int
    retry_at: float


class Suspects(msgspec.Struct, frozen=True):
    """Of the records before `until` one cannot be folded: they are taken `records` at a time until it is found."""

    until: int
    records: int


class Loop:
    """One worker on one feed."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        log: Log,
        feed: Feed,
        projection: Projection,
        worker: str,
        pace: Pace,
        *,
        keeping: Keeping = BLOCKS,
        turns: Turns | None = None,
    ) -> None:
        self._log = log
        self._feed = feed
        self._pace = pace
        self._leases = Leases(pool, feed, worker, lease_seconds=pace.lease_seconds)
        self._status = StatusWriter(pool, feed, worker)
        self._store = keeping.store(pool, feed, worker)
        self._schools = Schools(projection, self._store, pace.facts_held_max)
        self._folder = Folder(projection, self._store, self._schools, feed.partitions)
        self._upkeep = keeping.upkeep(pool, feed, self._store, projection, self._schools)
        self._turns = turns or Alone()
        self._reader = ReadAhead(log.reader(feed.topic))
        self._commits = Commits(self._store)
        self._expected: dict[int, int] = {}
        self._assigned: frozenset[int] = frozenset()
        self._assignment_stands = False
        self._log_known = True
        self._entered = False
        self._stopped: dict[int, Stopped] = {}
        self._out_of_range: set[int] = set()
        self._suspects: dict[int, Suspects] = {}
        self._level_at: dict[int, float] = {}
        self._balance_at = 0.0
        self.failures = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`. Raises LogRecreated, and whatever is a defect of the program."""
        heartbeat = asyncio.create_task(self._keep_alive())
        try:
            while not stop.is_set():
                try:
                    await self._turn(stop)
                    self.failures = 0
                except (Exception, asyncio.CancelledError) as error:
                    if not is_transient(error):
                        raise
                    await self._back_off(error, stop)
                if heartbeat.done():
                    heartbeat.result()
        except LogRecreated as error:
            await self._status.stop_all(str(error))
            raise
        finally:
            self._turns.note(busy=False)
            await self._commits.close()
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)
            await self._leave()

    async def _turn(self, stop: asyncio.Event) -> None:
        if not self._entered:
            await self._leases.enter()
            self._entered = True
        if _now() >= self._balance_at:
            await self._settle()
            await self._balance()
        try:
            await self._assign()
            if not self._assigned:
                self._turns.note(busy=False)
                await wait_for(stop, self._pace.poll_ms / 1000)
                return
            await self._turns.take()
            records_max = self._turns.share(self._pace.records_max)
            batches = await self._reader.poll(records_max, self._pace.poll_ms)
            self._turns.note(busy=bool(batches))
            self._leases.saw_log()
        except OffsetOutOfRange as error:
            await self._settle()
            await self._stop_out_of_range(error)
            return
        behind = sum(len(batch.records) for batch in batches.values()) >= records_max and self._turns.may_run_ahead
        if behind:
            self._reader.begin(records_max)
        self._note_level(batches, records_max)
        if batches:
            await self._apply(self._only_suspects(batches))
        if not behind or self._upkeep.is_due:
            await self._settle()
            await self._keep_up(idle=not batches)

    async def _keep_up(self, *, idle: bool) -> None:
        """Look after the rows, and after the memory; no state is ahead of the views."""
        offsets = {partition: self._expected[partition] for partition in self._assigned & self._expected.keys()}
        await self._upkeep.work(offsets, idle=idle)
        self._schools.shrink()

    # --- leases and assignment -----------------------------------------------------------------------------------

    async def _balance(self) -> None:
        owned = await self._leases.balance()
        changed = {partition for partition, offset in owned.items() if self._expected.get(partition) != offset}
        lost = self._expected.keys() - owned.keys()
        if changed or lost:
            logger.info("partitions changed", owned=len(owned), gained=sorted(changed), lost=sorted(lost))
            self._forget(changed | lost)
            await self._upkeep.watch(changed)
            self._expected = owned
        self._balance_at = _now() + self._pace.heartbeat_seconds
        await self._report()

    def _forget(self, partitions: Collection[int]) -> None:
        """What we know of these partitions does not hold (any more)."""
        self._schools.forget(partitions)
        self._upkeep.forget(partitions)
        self._assignment_stands = False
        for partition in partitions:
            self._expected.pop(partition, None)
            self._stopped.pop(partition, None)
            self._out_of_range.discard(partition)
            self._suspects.pop(partition, None)
            self._level_at.pop(partition, None)

    async def _report(self) -> None:
        """Partitions that go on report with each commit; here are the others."""
        level = [partition for partition in self._level_at if partition not in self._stopped]
        await self._status.clear(level)
        ends = {partition: (await self._log.bounds(self._feed.topic, partition))[1] for partition in self._stopped}
        if ends:
            self._leases.saw_log()
        await self._status.set_ends(ends)

    async def _assign(self) -> None:
        for partition in [each for each in self._out_of_range if self._stopped[each].retry_at <= _now()]:
            await self._check_range(partition)
        if self._assignment_stands and self._wanted() == self._assigned:
            return
        await self._settle()
        wanted = self._wanted()
        self._assigned = frozenset()
        await self._check_log()
        if wanted:
            await self._reader.assign({partition: self._expected[partition] for partition in sorted(wanted)})
        self._assigned, self._assignment_stands = wanted, True

    def _wanted(self) -> frozenset[int]:
        """The partitions that are ours and not to be left alone for the moment."""
        now = _now()
        return frozenset(
            self._expected.keys() - {each for each, stopped in self._stopped.items() if stopped.retry_at > now}
        )

    async def _check_log(self) -> None:
        """Offsets mean nothing in another topic, even if it has the same name."""
        if self._log_known:
            return
        log_id = await self._log.log_id(self._feed.topic)
        if log_id != self._feed.log_id:
            raise LogRecreated(f"{self._feed.topic} is {log_id} now; the offsets were stored for {self._feed.log_id}")
        self._log_known = True

    # --- the work ------------------------------------------------------------------------------------------------

    def _note_level(self, batches: Mapping[int, Batch], records_max: int) -> None:
        """What a poll that had room for more did not bring has nothing more."""
        if sum(len(batch.records) for batch in batches.values()) < records_max:
            self._level_at.update(dict.fromkeys(self._assigned - batches.keys(), _now()))

    def _only_suspects(self, batches: Mapping[int, Batch]) -> dict[int, Batch]:
        """The batches, cut where a record that cannot be folded is being looked for."""
        cut = dict(batches)
        for partition, suspects in self._suspects.items():
            batch = cut.get(partition)
            if batch is not None and len(batch.records) > suspects.records:
                records = batch.records[: suspects.records]
                cut[partition] = Batch(records, records[-1].offset + 1, batch.end_offset)
                self._assignment_stands = False
        return cut

    async def _apply(self, batches: Mapping[int, Batch]) -> None:
        """Fold these batches, then begin to write them; what was begun before is settled in between."""
        try:
            prepared = await self._folder.fold(batches, self._expected | self._commits.next_offsets)
            refused = await self._settle()
            prepared.steps = [step for step in prepared.steps if step.partition not in refused]
            await self._folder.place(prepared)
            for partition, error in prepared.failed.items():
                if partition not in refused:
                    await self._fail(partition, batches[partition], error)
            self._commits.begin(prepared.steps)
        except BaseException:
            # states may be ahead of the views: read everything again
            self._forget(batches.keys())
            self._balance_at = 0.0
            raise

    async def _settle(self) -> frozenset[int]:
        """Wait for the commit under way and take in what became of it; the partitions whose step was refused."""
        partitions = self._commits.next_offsets.keys()
        try:
            settled = await self._commits.settle()
        except BaseException:
            # it may have gone through, or not: read everything again
            self._forget(partitions)
            self._balance_at = 0.0
            raise
        for step in settled.committed:
            self._upkeep.note(step.changes)
            self._advance(step)
            count(self._feed.projection, step, settled.seconds)
        for step, error in settled.refused:
            await self._fail(step.partition, step.batch, error)
        return frozenset(step.partition for step, _ in settled.refused)

    def _advance(self, step: Step) -> None:
        partition, batch = step.partition, step.batch
        self._expected[partition] = batch.next_offset
        suspects, stopped = self._suspects.get(partition), self._stopped.pop(partition, None)
        if suspects is not None and (stopped is not None or batch.next_offset >= suspects.until):
            del self._suspects[partition]
        if batch.next_offset >= batch.end_offset:
            self._level_at[partition] = _now()

    # --- what goes wrong -----------------------------------------------------------------------------------------

    async def _fail(self, partition: int, batch: Batch, error: Exception) -> None:
        """Look closer at a batch that cannot be applied; stop at the record that is to blame."""
        self._schools.forget([partition])
        self._assignment_stands = False
        if len(batch.records) > 1:
            before = self._suspects.get(partition)
            until = batch.next_offset if before is None else before.until
            self._suspects[partition] = Suspects(until, len(batch.records) // 2)
            return
        offset = batch.records[0].offset if batch.records else self._expected[partition]
        await self._stop(partition, f"offset {offset}: {_named(error)}", error)

    async def _stop(self, partition: int, reason: str, error: Exception | None = None) -> None:
        before = self._stopped.get(partition)
        attempts = 1 if before is None else before.attempts + 1
        waits = self._pace.retry_seconds
        wait_seconds = waits[min(attempts, len(waits)) - 1]
        self._stopped[partition] = Stopped(attempts, _now() + wait_seconds)
        logger.error("partition stopped", partition=partition, reason=reason, attempts=attempts, exc_info=error)
        level_seconds_ago = _now() - self._level_at.get(partition, float("-inf"))
        await self._status.stop(partition, reason, min(level_seconds_ago, 1e9))

    async def _stop_out_of_range(self, error: OffsetOutOfRange) -> None:
        """The log was cut or made anew. Nothing is reset: the partitions concerned stop."""
        self._assignment_stands = self._log_known = False
        await self._check_log()
        before = frozenset(self._out_of_range)
        for partition in tuple(self._expected.keys() - before):
            await self._check_range(partition)
        if self._out_of_range == before:
            raise LogUnavailable("offsets were out of range for a moment") from error

    async def _check_range(self, partition: int) -> None:
        """Stop a partition whose offset the log does not have; one that stood for that reason may go on."""
        offset = self._expected[partition]
        first, end = await self._log.bounds(self._feed.topic, partition)
        if not first <= offset <= end:
            self._out_of_range.add(partition)
            await self._stop(partition, f"offset {offset} is outside the log ({first} to {end})")
        elif partition in self._out_of_range:
            self._out_of_range.remove(partition)
            del self._stopped[partition]

    async def _back_off(self, error: BaseException, stop: asyncio.Event) -> None:
        self.failures += 1
        self._balance_at = 0.0
        self._assignment_stands = self._log_known = False
        wait_seconds = BACK_OFF_SECONDS[min(self.failures, len(BACK_OFF_SECONDS)) - 1]
        logger.warning("waiting", failures=self.failures, exc_info=error)
        await wait_for(stop, wait_seconds)

    # --- beginning and end ---------------------------------------------------------------------------------------

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._pace.heartbeat_seconds)
            try:
                await self._leases.beat()
            except Exception as error:
                if not is_transient(error):
                    raise

    async def _leave(self) -> None:
        """Hand over at once if that is possible; if not, the lease runs out."""
        try:
            await self._leases.leave()
            await self._reader.close()
        except Exception as error:
            if not is_transient(error):
                raise


def count(projection: str, step: Step, commit_seconds: float) -> None:
    """Tell the metrics and the log what a committed step did."""
    FACTS_FOLDED.labels(projection).inc(step.decoded.facts)
    FOLD_SECONDS.labels(projection).observe(step.fold_seconds + commit_seconds)
    DEAD_LETTERS.labels(projection).inc(len(step.decoded.dead_letters))
    for dead in step.decoded.dead_letters:
        logger.error("dead letter", partition=step.partition, offset=dead.record.offset)
    for type_name, number in step.decoded.skipped.items():
        FACTS_SKIPPED.labels(projection, type_name).inc(number)
        logger.warning("facts of an unknown type skipped", partition=step.partition, type=type_name, count=number)


async def wait_for(stop: asyncio.Event, seconds: float) -> None:
    """Until `stop`, but no longer than this."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _named(error: Exception) -> str:
    """An error as anybody may read it: what kind and where, not its message, which may quote a fact."""
    frames = extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _now() -> float:
    return asyncio.get_running_loop().time()
