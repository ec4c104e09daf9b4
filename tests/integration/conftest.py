"""Fixtures of these tests: log lines of one line; a pool and a log of the back end, closed in order."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
import structlog

from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.postgres import open_pool
from tests.servers.backend import Backend


@pytest.fixture(autouse=True, scope="session")
def plain_log_lines() -> None:
    """structlog's own default paints every local variable of a traceback, for seconds."""
    processors = structlog.processors
    structlog.configure([processors.add_log_level, processors.format_exc_info, processors.KeyValueRenderer()])


@pytest.fixture
async def projector_pool(backend: Backend) -> AsyncIterator[asyncpg.Pool]:
    """Connections to the database of the back end."""
    pool = await open_pool(backend.database_url)
    yield pool
    await pool.close()


@pytest.fixture
async def projector_log(backend: Backend, projector_pool: asyncpg.Pool) -> AsyncIterator[Log]:
    """The log of the back end."""
    log = await open_log(backend.settings, projector_pool)
    yield log
    await log.close()
