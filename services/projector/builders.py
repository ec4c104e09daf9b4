"""Who builds the partitions of a rebuild: this process one after the other, or a process for each core beside it.

A builder folds a partition in memory (`bulk`) and writes it with its checkpoint in one transaction, under the name of
the worker that holds the leases: what is written after they are lost is fenced. A builder ends with the process that
started it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module
from multiprocessing import connection, get_context, parent_process
from typing import Any

import msgspec

from services.projector.bulk import Built, PartitionBuild
from services.projector.feed import Feed, is_transient
from services.projector.projection import Projection
from services.projector.store import Move, SchoolChanges, Store
from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.postgres import open_pool
from services.runtime.settings import read_settings

PART_BYTES = 16 * 2**20
"""What is sent to PostgreSQL in one go."""
CONNECTIONS_MAX = 3


class RebuildFailed(Exception):
    """A rule cannot fold a partition, or a builder ended; nothing of that partition was written."""


class Progress(msgspec.Struct, frozen=True):
    """A partition is done; `found` if an earlier run had built it."""

    partition: int
    partitions: int
    schools: int = 0
    facts: int = 0
    dead_letters: int = 0
    found: bool = False


class Order(msgspec.Struct, frozen=True):
    """What to build: the records of a partition before `end`, under the name of `worker`."""

    feed: Feed
    worker: str
    partition: int
    end: int
    facts_held_max: int


class Builders(msgspec.Struct, frozen=True):
    """Processes to build in: how many, what they need to find database and log, and the module of the projection."""

    processes: int
    projection: str
    database_url: str
    kafka_bootstrap: tuple[str, ...] = ()


class Builder:
    """Builds partitions with a log and a store of its own."""

    def __init__(self, log: Log, projection: Projection, store: Store) -> None:
        self._log = log
        self._projection = projection
        self._store = store

    async def fold(self, order: Order) -> Built:
        """The partition, in memory. Raises RebuildFailed, and what log and database raise."""
        reader = self._log.reader(order.feed.topic)
        build = PartitionBuild(
            self._projection, order.partition, order.feed.partitions, facts_held_max=order.facts_held_max
        )
        try:
            return await build.run(reader, order.end)
        except Exception as error:
            if is_transient(error) or type(error).__module__.startswith("services.runtime."):
                raise
            raise RebuildFailed(f"partition {order.partition} cannot be folded: {type(error).__name__}") from error
        finally:
            await reader.close()

    async def write(self, order: Order, built: Built) -> Progress:
        """Its rows and its checkpoint, in one transaction. Raises Fenced."""
        move = Move(
            partition=order.partition,
            expected=0,
            next_offset=built.until,
            end_offset=built.until,
            appended_ms=built.appended_ms,
            facts=built.facts,
            skipped=built.skipped,
            fold_seconds=built.fold_seconds,
        )
        dead_letters = [(order.partition, dead) for dead in built.dead_letters]
        await self._store.commit_in_parts([move], _in_parts(built.schools), dead_letters)
        return Progress(
            order.partition,
            order.feed.partitions,
            schools=len(built.schools),
            facts=built.facts,
            dead_letters=len(built.dead_letters),
        )


async def build_here(builder: Builder, orders: Sequence[Order]) -> AsyncGenerator[Progress]:
    """One after the other in this process; one is written while the next is folded."""
    writing: asyncio.Task[Progress] | None = None
    try:
        for order in orders:
            built = await builder.fold(order)
            if writing is not None:
                yield await writing
            writing = asyncio.create_task(builder.write(order, built))
        if writing is not None:
            yield await writing
    finally:
        if writing is not None:
            await asyncio.gather(writing, return_exceptions=True)


async def build_beside(builders: Builders, orders: Sequence[Order]) -> AsyncGenerator[Progress]:
    """In processes beside this one, the largest partitions first. Raises RebuildFailed, and what a builder raises."""
    async with _processes(min(builders.processes, len(orders))) as pool:
        loop = asyncio.get_running_loop()
        largest_first = sorted(orders, key=lambda order: (-order.end, order.partition))
        building = [loop.run_in_executor(pool, _build, builders, order) for order in largest_first]
        try:
            for done in asyncio.as_completed(building):
                yield await done
        except BrokenExecutor as error:
            raise RebuildFailed("a process that builds has ended; ask again, it goes on where it was") from error
        finally:
            for each in building:
                each.cancel()
            await asyncio.gather(*building, return_exceptions=True)


@asynccontextmanager
async def _processes(count: int) -> AsyncIterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        yield pool
    finally:
        await asyncio.to_thread(pool.shutdown, cancel_futures=True)


def _end_with_parent() -> None:
    """A parent that is killed takes its builders along: nobody would ask for what they build."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _build(builders: Builders, order: Order) -> Progress:
    return asyncio.run(_build_partition(builders, order))


async def _build_partition(builders: Builders, order: Order) -> Progress:
    projection: Any = import_module(builders.projection)
    pool = await open_pool(builders.database_url, size_max=CONNECTIONS_MAX, application="markledger rebuild")
    try:
        log = await open_log(read_settings(kafka_bootstrap=builders.kafka_bootstrap), pool)
        try:
            builder = Builder(log, projection, Store(pool, order.feed, order.worker))
            return await builder.write(order, await builder.fold(order))
        finally:
            await log.close()
    finally:
        await pool.close()


def _in_parts(schools: Sequence[SchoolChanges]) -> list[list[SchoolChanges]]:
    """The schools in parts of about PART_BYTES, each school whole."""
    parts: list[list[SchoolChanges]] = [[]]
    room = PART_BYTES
    for one in schools:
        if room <= 0:
            parts.append([])
            room = PART_BYTES
        parts[-1].append(one)
        room -= len(one.changes.detail) + sum(len(data) for _, data in one.changes.blocks)
    return parts
