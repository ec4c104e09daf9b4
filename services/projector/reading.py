"""A reader that reads ahead: the next records come while the ones before them are folded and written.

What was read ahead of an assignment that does not hold any more is given up; offsets are the loop's, so nothing is
lost by that. One poll of the log at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from services.runtime.log.interface import Batch, Reader


class ReadAhead:
    """The reader behind it, and at most one poll that was begun before anybody asked for it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._ahead: asyncio.Task[dict[int, Batch]] | None = None

    def begin(self, records_max: int) -> None:
        """Begin to read what the next poll will ask for; it only looks, it does not wait for records."""
        if self._ahead is None:
            self._ahead = asyncio.create_task(self._reader.poll(records_max, 0))

    async def assign(self, start: Mapping[int, int]) -> None:
        """As every reader."""
        await self._give_up()
        await self._reader.assign(start)

    async def poll(self, records_max: int, wait_ms: int) -> dict[int, Batch]:
        """As every reader; what was read ahead comes first, however many were asked for now."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and (batches := await _finished(ahead)):
            return batches
        return await self._reader.poll(records_max, wait_ms)

    async def close(self) -> None:
        """As every reader."""
        await self._give_up()
        await self._reader.close()

    async def _give_up(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await asyncio.gather(ahead, return_exceptions=True)


async def _finished(ahead: asyncio.Task[dict[int, Batch]]) -> dict[int, Batch]:
    """What a poll brought. Whoever is cancelled while it waits leaves no poll behind."""
    try:
        return await asyncio.shield(ahead)
    except asyncio.CancelledError:
        await asyncio.gather(ahead, return_exceptions=True)
        raise
