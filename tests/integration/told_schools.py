"""Schools told fact by fact, folded and put into real tables, and the query service over them: for tests of its API.

One service serves all tests of a module: they only read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx

from schemas.detail import compressed
from services.access import identities, keys
from services.access.keys import Keyring
from services.projector.store import create_tables
from services.query.main import create_app
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.settings import read_settings
from tests.builders import Book
from tests.integration.test_reader import partition_of, put_checkpoint, put_views
from tests.properties.memory_views import MemoryViews

ADMIN_KEY = "a" * 40
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}


class Api:
    """Asks the service."""

    def __init__(self, runner: asyncio.Runner, client: httpx.AsyncClient) -> None:
        self._runner = runner
        self._client = client

    def get(self, path: str, *pairs: tuple[str, str], **parameters: str) -> httpx.Response:
        """GET /v1/reports/`path`."""
        asked = [*parameters.items(), *pairs]
        return self._runner.run(self._client.get(f"/v1/reports/{path}", params=asked, headers=ADMIN))

    def ask(self, path: str, *pairs: tuple[str, str], **parameters: str) -> dict[str, Any]:
        """The same, which has to be answered."""
        answer = self.get(path, *pairs, **parameters)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def fault(self, path: str, *pairs: tuple[str, str], **parameters: str) -> tuple[int, str]:
        """(status, code) of what is refused."""
        answer = self.get(path, *pairs, **parameters)
        return answer.status_code, answer.json()["type"].rpartition("/")[2]


@contextmanager
def api_over(server_url: str, database: str, books: Sequence[Book]) -> Iterator[Api]:
    """The service over schools as told, in a database of its own."""
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{database}"))
    with asyncio.Runner() as runner:
        runner.run(_execute(server_url, f"CREATE DATABASE {database}"))
        try:
            pool = runner.run(_filled(url, books))
            settings = read_settings(admin_key=ADMIN_KEY, identity_key="i" * 40)
            app = create_app(settings, pool, Keyring(pool, ADMIN_KEY), {}, EmbeddedLog(pool))
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
            client = httpx.AsyncClient(transport=transport, base_url="http://test")
            yield Api(runner, client)
            runner.run(client.aclose())
            runner.run(pool.close())
        finally:
            runner.run(_execute(server_url, f"DROP DATABASE IF EXISTS {database} WITH (FORCE)"))


async def _filled(url: str, books: Sequence[Book]) -> asyncpg.Pool:
    pool = await asyncpg.create_pool(url, min_size=1, max_size=4)
    await create_tables(pool, "timeline", 1)
    for ensure in (keys.ensure_tables, identities.ensure_tables):
        await ensure(pool)
    offsets: dict[int, int] = {}
    for book in books:
        views = MemoryViews(book.school)
        views.fold(book.history)
        await put_views(pool, views)
        await pool.execute(
            "INSERT INTO timeline_v1.detail (school, seq, data) VALUES ($1, 0, $2)",
            book.school,
            compressed(b"".join(views.detail)),
        )
        partition = partition_of(book.school)
        offsets[partition] = max(offsets.get(partition, 0), book.history[-1][0] + 1)
    await put_checkpoint(pool, offsets)
    return pool


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
