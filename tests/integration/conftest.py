"""Fixtures of the projector's tests: a pool and a log of the back end, closed in order."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.postgres import open_pool
from tests.servers.backend import Backend


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
