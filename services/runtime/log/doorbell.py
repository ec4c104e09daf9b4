"""The doorbell of the embedded log: an appender rings, a reader that waits hears, in any process.

It only shortens waiting; who misses a ring looks again after a moment. It rings outside the appends' transactions,
because PostgreSQL lets only one transaction at a time commit with a NOTIFY.
"""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg

_CHANNEL = "markledger_log"


class Doorbell:
    """One for each EmbeddedLog; its connection is opened when somebody first waits."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._connection: asyncpg.pool.PoolConnectionProxy | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._ringing: asyncio.Task[None] | None = None
        self._ring_again = False
        self._listening = asyncio.Lock()

    def ring(self) -> None:
        """Tell all processes that something was appended; rings that come close together become one."""
        self._wake()
        self._ring_again = True
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._notify())

    async def next_ring(self) -> asyncio.Future[None]:
        """A future that the next ring completes; ask for it before looking, then wait for it."""
        async with self._listening:
            if self._connection is None:
                await self._listen()
        ring: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(ring)
        ring.add_done_callback(self._waiting.discard)
        return ring

    async def close(self) -> None:
        """Stop ringing and listening."""
        if self._ringing is not None:
            self._ringing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ringing
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.remove_termination_listener(self._on_lost)
                await connection.remove_listener(_CHANNEL, self._on_ring)
                await self._pool.release(connection)
        self._wake()

    async def _notify(self) -> None:
        while self._ring_again:
            self._ring_again = False
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute("SET LOCAL synchronous_commit = off")
                    await connection.execute(f"NOTIFY {_CHANNEL}")

    async def _listen(self) -> None:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await self._pool.acquire(timeout=1)
            connection.add_termination_listener(self._on_lost)
            await connection.add_listener(_CHANNEL, self._on_ring)
            self._connection = connection

    def _on_ring(self, *_: object) -> None:
        self._wake()

    def _on_lost(self, *_: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            asyncio.get_running_loop().create_task(self._give_back(connection))

    async def _give_back(self, connection: asyncpg.pool.PoolConnectionProxy) -> None:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._pool.release(connection)

    def _wake(self) -> None:
        for ring in list(self._waiting):
            if not ring.done():
                ring.set_result(None)
