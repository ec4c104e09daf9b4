"""The PostgreSQL that a command of this machine uses: the one it was told, the one that runs already, or its own.

It keeps an embedded server running and starts it again when it dies; it opens no connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.console import data_directory
from services.runtime.postgres import EmbeddedPostgres, PostgresError
from services.runtime.settings import Settings

WATCH_SECONDS = 0.1
AFTER_FAILURE_SECONDS = 1.0


@contextlib.asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[str]:
    """The database URL for a command that runs alone, good inside of this context. Raises PostgresError."""
    if settings.database_dsn is not None:
        yield settings.database_dsn
        return
    directory = data_directory.prepare(settings.data_dir)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(data_directory.locked(directory))
        except data_directory.DataDirectoryInUse:
            yield EmbeddedPostgres(directory).url  # whoever holds the directory runs its server
            return
        async with embedded_postgres(directory) as url:
            yield url


@contextlib.asynccontextmanager
async def embedded_postgres(directory: Path) -> AsyncIterator[str]:
    """Run the embedded server of `directory`, whose lock the caller holds. Raises PostgresError if it cannot start."""
    server = EmbeddedPostgres(directory)
    # The kernel stops the server when the thread that started it ends, so one thread makes all calls.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="postgres") as thread:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(thread, server.start)
        watching = asyncio.create_task(_keep_running(server, thread))
        try:
            yield server.url
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            await loop.run_in_executor(thread, server.stop)


async def _keep_running(server: EmbeddedPostgres, thread: ThreadPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            if await loop.run_in_executor(thread, server.ensure_running):
                print("markledger: PostgreSQL ended; it runs again", file=sys.stderr, flush=True)
        except PostgresError as error:
            print(f"markledger: {error}; trying again", file=sys.stderr, flush=True)
            await asyncio.sleep(AFTER_FAILURE_SECONDS)
