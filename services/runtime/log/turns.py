"""Turns at a partition: one append at a time, in the order of the calls, and never an endless wait."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.runtime.log.interface import LogUnavailable


class Turns:
    """The queues of one log object; PostgreSQL and Kafka order what other processes append."""

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._locks: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def turn(self, topic: str, partition: int) -> AsyncIterator[None]:
        """Inside the block the partition is ours. Raises LogUnavailable if it does not come in time."""
        lock = self._locks[topic, partition]
        try:
            async with asyncio.timeout(self._seconds_max):
                await lock.acquire()
        except TimeoutError as error:
            raise LogUnavailable(f"{topic}/{partition}: earlier appends take too long") from error
        try:
            yield
        finally:
            lock.release()
