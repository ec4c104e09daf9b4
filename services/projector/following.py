"""Keeps every version of a projection up to date: one loop for each that is followed, and none for what is retired.

A version that a rebuild has finished is noticed within a second, without a restart. What ends a loop ends all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import msgspec
import structlog

from services.projector.feed import Feed, is_transient
from services.projector.loop import Loop
from services.projector.projection import Projection
from services.projector.versions import followed_versions

LOOK_SECONDS = 0.5
"""How soon a version that came or went is noticed."""

logger = structlog.get_logger(__name__)


class Source(msgspec.Struct, frozen=True):
    """The topic that a projection is made from: the very one that offsets are stored for."""

    topic: str
    log_id: str
    partitions: int


class _Running(msgspec.Struct, frozen=True):
    task: asyncio.Task[None]
    stop: asyncio.Event


class VersionLoops:
    """The loops of one projection in this process. `make_loop`: a loop on a feed, under a name never used before."""

    def __init__(
        self, pool: asyncpg.Pool, source: Source, projection: Projection, make_loop: Callable[[Feed], Loop]
    ) -> None:
        self._pool = pool
        self._source = source
        self._projection = projection
        self._make_loop = make_loop
        self._running: dict[int, _Running] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`. Raises what a loop raises."""
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._adjust()
                tasks = {running.task for running in self._running.values()}
                await asyncio.wait({stopped, *tasks}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
        finally:
            stopped.cancel()
            await self._end(list(self._running))

    async def _adjust(self) -> None:
        name, code_version = self._projection.NAME, self._projection.VERSION
        try:
            wanted = await followed_versions(self._pool, name, code_version)
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("the versions cannot be read", exc_info=error)
            return
        for version in [version for version in wanted if version not in self._running]:
            logger.info("keeping a version up to date", projection=name, version=version)
            self._running[version] = self._start(version)
        await self._end([version for version in self._running if version not in wanted])

    def _start(self, version: int) -> _Running:
        source = self._source
        feed = Feed(self._projection.NAME, version, source.topic, source.log_id, source.partitions)
        stop = asyncio.Event()
        return _Running(asyncio.create_task(self._make_loop(feed).run(stop)), stop)

    async def _end(self, versions: list[int]) -> None:
        ending = [self._running.pop(version) for version in versions]
        for running in ending:
            running.stop.set()
        ended = await asyncio.gather(*(running.task for running in ending), return_exceptions=True)
        for result in ended:
            if isinstance(result, BaseException):
                raise result
