"""Tells followers on Kafka which school's views have come how far; it never delays or fails a commit.

The upkeep of a loop hears of every commit and of every partition taken over; `announced` lets the announcer listen
there too. After a takeover every school of the partition is told once, so that what a killed worker has committed and
not told is told by the next one. What waits to be sent is the last of each school, so it cannot grow beyond them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from aiokafka import AIOKafkaProducer, errors

from schemas.changes import Change
from schemas.topics import CHANGES, KAFKA_PARTITIONS
from services.projector.feed import Feed
from services.projector.keeping import Keeping, Upkeep
from services.projector.projection import Projection
from services.projector.schools import Schools
from services.projector.store import SchoolChanges, Store, views_schema
from services.runtime.log.interface import Log, LogError
from services.runtime.positions import encode_position
from services.runtime.settings import Settings

SEND_SECONDS_MAX: Final = 10.0
AGAIN_SECONDS: Final = 1.0
CLOSE_SECONDS_MAX: Final = 2.0

_SCHOOLS = """
SELECT d.school, p.partition, p.next_offset FROM {views}.school_document AS d
  JOIN projection.partition AS p USING (partition)
 WHERE p.projection = $1 AND p.version = $2 AND p.topic = $3 AND p.partition = ANY($4::integer[])"""

_Key = tuple[str, int, str]

logger = structlog.get_logger(__name__)


class Announcer:
    """Sends what it is told, in a task of its own."""

    def __init__(self, bootstrap: Sequence[str], log: Log, clock: Callable[[], datetime]) -> None:
        self._bootstrap = list(bootstrap)
        self._log = log
        self._clock = clock
        self._waiting: dict[_Key, Change] = {}
        self._told = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._sending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to send."""
        self._sending = asyncio.create_task(self._send_always())

    async def close(self) -> None:
        """Send what is waiting, if that is quickly done; the next worker tells the rest."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._send()
        except (errors.KafkaError, LogError, OSError):
            logger.info("changes are left for the next worker to tell", schools=len(self._waiting))
        await self._drop_producer()

    def announce(self, feed: Feed, school: str, partition: int, next_offset: int) -> None:
        """The views of a school have come so far. Returns at once."""
        self._waiting[feed.projection, feed.version, school] = Change(
            school=school,
            projection=feed.projection,
            version=feed.version,
            partition=partition,
            next_offset=next_offset,
            position=encode_position(feed.log_id, {partition: next_offset}),
            changed_at=self._clock(),
        )
        self._told.set()

    async def _send_always(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            try:
                async with asyncio.timeout(SEND_SECONDS_MAX):
                    await self._send()
            except (errors.KafkaError, LogError, OSError) as error:
                logger.warning("changes wait to be told", schools=len(self._waiting), fault=type(error).__name__)
                await self._drop_producer()
                self._told.set()
                await asyncio.sleep(AGAIN_SECONDS)

    async def _send(self) -> None:
        """All that waits; what fails waits on, unless something later of that school has come meanwhile."""
        sent = dict(self._waiting)
        if not sent:
            return
        producer = await self._ready_producer()
        acknowledged = [
            await producer.send(CHANGES.name, msgspec.json.encode(change), key=change.school.encode("utf-8"))
            for change in sent.values()
        ]
        await asyncio.gather(*acknowledged)
        for key, change in sent.items():
            if self._waiting.get(key) is change:
                del self._waiting[key]

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            await self._log.create_topic(
                CHANGES.name, KAFKA_PARTITIONS, retention_ms=CHANGES.retention_ms, compacted=CHANGES.compacted
            )
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                compression_type="zstd",
                linger_ms=5,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            stopping = asyncio.ensure_future(producer.stop())  # it waits for what may never be acknowledged
            await asyncio.wait({stopping}, timeout=CLOSE_SECONDS_MAX)
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)


class _Listening:
    """The upkeep of a loop, and the announcer beside it."""

    def __init__(self, inner: Upkeep, announcer: Announcer, pool: asyncpg.Pool, feed: Feed) -> None:
        self._inner = inner
        self._announcer = announcer
        self._pool = pool
        self._feed = feed

    def note(self, changed: Sequence[SchoolChanges]) -> None:
        """These were committed."""
        self._inner.note(changed)
        for one in changed:
            self._announcer.announce(self._feed, one.school, one.partition, one.seq)

    async def watch(self, partitions: Collection[int]) -> None:
        """These partitions are ours now. Raises database errors."""
        await self._inner.watch(partitions)
        query = _SCHOOLS.format(views=views_schema(self._feed.projection, self._feed.version))
        for school, partition, next_offset in await self._pool.fetch(query, *self._feed.key, list(partitions)):
            self._announcer.announce(self._feed, school, partition, next_offset)

    def forget(self, partitions: Collection[int]) -> None:
        """These are not ours any more."""
        self._inner.forget(partitions)

    @property
    def is_due(self) -> bool:
        """Whether the upkeep has something to do."""
        return self._inner.is_due

    async def work(self, offsets: Mapping[int, int], *, idle: bool) -> None:
        """The upkeep's own work."""
        await self._inner.work(offsets, idle=idle)


def announced(keeping: Keeping, announcer: Announcer | None) -> Keeping:
    """The same keeping, with somebody who listens; itself where nobody is to be told."""
    if announcer is None:
        return keeping

    def upkeep(pool: asyncpg.Pool, feed: Feed, store: Store, projection: Projection, schools: Schools) -> Any:
        return _Listening(keeping.upkeep(pool, feed, store, projection, schools), announcer, pool, feed)

    return Keeping(keeping.store, upkeep)


@asynccontextmanager
async def announcing(settings: Settings, log: Log, clock: Callable[[], datetime]) -> AsyncIterator[Announcer | None]:
    """The announcer of this process on Kafka; None where the log is embedded."""
    if not settings.kafka_bootstrap:
        yield None
        return
    announcer = Announcer(settings.kafka_bootstrap, log, clock)
    await announcer.start()
    try:
        yield announcer
    finally:
        await announcer.close()
