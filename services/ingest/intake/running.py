"""The intake of one process, from the first topic to the last commit: it opens subscriptions and watches over them.

A subscription that failed, that stands still, or whose topic is another one by now is closed, and a new one is opened
from what is committed. Only `stop` ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import msgspec
import structlog
from aiokafka import errors

from schemas.topics import INTAKE, INTAKE_DEAD, KAFKA_PARTITIONS, Topic
from services.ingest.intake.outbox import Outbox
from services.ingest.intake.subscription import Subscription
from services.ingest.intake.taking import GivenUp, Taker
from services.ingest.serving import Entrance
from services.runtime.log.interface import Log, LogError, LogUnavailable
from services.runtime.observability import INTAKE_LAG_RECORDS, INTAKE_LAG_SECONDS

LOOK_SECONDS: Final = 1.0
OPEN_SECONDS_MAX: Final = 60.0
LOOK_SECONDS_MAX: Final = 5.0
CLOSE_SECONDS_MAX: Final = 15.0
STILL_SECONDS_MAX: Final = 60.0
"""A member that has messages before it and takes none for so long is thrown away: consumers have fallen asleep."""

AGAIN_SECONDS: Final = (0.1, 0.5, 1.0, 2.0)

_log = structlog.get_logger("markledger.intake")


class Health(msgspec.Struct):
    """How the intake stands, as `/healthz` tells it."""

    status: str = "starting"
    broker: bool = False
    group: str = ""
    lag_records: int | None = None
    lag_seconds: float | None = None
    progress_at: datetime | None = None
    fault: str | None = None


class Intake:
    """Takes messages until it is told to stop."""

    def __init__(self, bootstrap: Sequence[str], log: Log, entrance: Entrance, clock: Callable[[], datetime]) -> None:
        self._bootstrap = tuple(bootstrap)
        self._log = log
        self._entrance = entrance
        self._clock = clock
        self.health = Health()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; faults of the surroundings are waited out."""
        outbox = Outbox(self._bootstrap)
        await outbox.start()
        taker = Taker(self._entrance.ledger, outbox, stop)
        failures = 0
        try:
            while not stop.is_set():
                try:
                    await self._take_from_topic(taker, stop)
                    failures = 0
                except (errors.KafkaError, LogError, OSError) as error:
                    failures += 1
                    self._tell_fault(error)
                    _log.warning("the intake opens its topic again", failures=failures, exc_info=error)
                    await _wait(stop, AGAIN_SECONDS[min(failures, len(AGAIN_SECONDS)) - 1])
        finally:
            self.health = Health(status="stopped")
            await outbox.close()

    async def _take_from_topic(self, taker: Taker, stop: asyncio.Event) -> None:
        """One subscription, as long as it lasts."""
        for topic in (INTAKE, INTAKE_DEAD):
            await _ensure_topic(self._log, topic)
        topic_id = await self._log.log_id(INTAKE.name)
        subscription = Subscription(self._bootstrap, topic_id.rpartition("-")[2], taker.take, self._clock)
        try:
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                await subscription.open()
            self.health = Health(status="taking", broker=True, group=subscription.group)
            _log.info("the intake takes messages", group=subscription.group)
            await self._watch(subscription, topic_id, stop)
        finally:
            await _close(subscription)

    async def _watch(self, subscription: Subscription, topic_id: str, stop: asyncio.Event) -> None:
        """Returns when the subscription is over. Raises LogError, KafkaError."""
        loop = asyncio.get_running_loop()
        batches, moved_at = 0, loop.time()
        while not stop.is_set():
            await _wait_for_any(subscription.failed, stop, LOOK_SECONDS)
            if subscription.failed.is_set():
                if not isinstance(subscription.error, GivenUp):
                    _log.error("a batch failed; it is taken again", exc_info=subscription.error)
                return
            if await self._log.log_id(INTAKE.name) != topic_id:
                _log.warning("the intake topic was made anew; it is read from its beginning")
                return
            async with asyncio.timeout(LOOK_SECONDS_MAX):
                lag = await subscription.lag()
            if subscription.batches != batches or not lag.records or subscription.is_taking:
                batches, moved_at = subscription.batches, loop.time()
            elif loop.time() - moved_at > STILL_SECONDS_MAX:
                _log.error("the subscription stands still", lag_records=lag.records)
                return
            self._tell_lag(subscription, lag.records, lag.oldest_ms)

    def _tell_lag(self, subscription: Subscription, records: int, oldest_ms: int | None) -> None:
        now = self._clock()
        seconds = max(0.0, now.timestamp() - oldest_ms / 1000) if oldest_ms is not None and records else 0.0
        INTAKE_LAG_RECORDS.set(records)
        INTAKE_LAG_SECONDS.set(seconds)
        self.health.progress_at = subscription.progress_at
        self.health.broker, self.health.fault = True, None
        self.health.lag_records, self.health.lag_seconds = records, round(seconds, 1)

    def _tell_fault(self, error: Exception) -> None:
        self.health.status, self.health.broker = "waiting", False
        self.health.fault = type(error).__name__


async def _ensure_topic(log: Log, topic: Topic) -> None:
    """Make it if it is missing; one that is there may have any number of partitions."""
    try:
        await log.log_id(topic.name)
    except LogUnavailable:
        raise
    except LogError:
        await log.create_topic(topic.name, KAFKA_PARTITIONS, retention_ms=topic.retention_ms, compacted=topic.compacted)


async def _close(subscription: Subscription) -> None:
    """Leave; a broker that is away is not waited for, it forgets the member by itself."""
    closing = asyncio.ensure_future(subscription.close())
    await asyncio.wait({closing}, timeout=CLOSE_SECONDS_MAX)
    closing.cancel()
    (outcome,) = await asyncio.gather(closing, return_exceptions=True)
    if isinstance(outcome, Exception):
        _log.warning("a subscription did not end cleanly", fault=type(outcome).__name__)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def _wait_for_any(first: asyncio.Event, second: asyncio.Event, seconds: float) -> None:
    waiting = [asyncio.ensure_future(first.wait()), asyncio.ensure_future(second.wait())]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
