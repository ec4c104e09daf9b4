"""The views of a version as they stand in one snapshot, and as canonical bytes: `verify` and `comparison` read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from schemas.blocks import compact
from schemas.detail import decompressed
from services.projector.projection import BlockKey, Projection
from services.projector.replay import SchoolViews
from services.projector.store import join_tails, views_schema
from services.runtime.log.interface import LogRecreated

CHECKPOINTS = """
SELECT partition, log_id, next_offset FROM projection.partition
 WHERE projection = $1 AND version = $2 AND topic = $3 ORDER BY partition"""
_DEAD_LETTERS = """
SELECT record_offset FROM projection.dead_letter
 WHERE projection = $1 AND version = $2 AND topic = $3 AND partition = $4 ORDER BY record_offset"""
_DOCUMENTS = "SELECT school, data FROM {views}.school_document WHERE partition = $1"
_BLOCKS = "SELECT school, stream, starts, data FROM {views}.block WHERE school = ANY($1)"
_TAILS = "SELECT school, stream, starts, data FROM {views}.tail WHERE school = ANY($1) ORDER BY seq"
_DETAIL = "SELECT school, data FROM {views}.detail WHERE school = ANY($1) ORDER BY school, seq"
_MEMBERS = "SELECT school, trust FROM {views}.trust_member WHERE school = ANY($1)"
_ALL_SCHOOLS = """
SELECT school FROM {views}.block UNION SELECT school FROM {views}.tail UNION SELECT school FROM {views}.detail
UNION SELECT school FROM {views}.school_document UNION SELECT school FROM {views}.trust_member"""

Things = dict[str, bytes]
"""The canonical bytes of all that the views hold of one school, by name."""


class NothingToVerify(Exception):
    """No projector has ever run here."""


@asynccontextmanager
async def snapshot(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """A connection that sees one state of the database and writes nothing."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


async def checkpoints(connection: Any, key: tuple[str, int, str], log_id: str) -> dict[int, int]:
    """Where the version stands in each partition. Raises NothingToVerify, LogRecreated."""
    rows = await connection.fetch(CHECKPOINTS, *key)
    if not rows:
        raise NothingToVerify(f"no projector has run on {key[2]} for {views_schema(key[0], key[1])}")
    for row in rows:
        if row["log_id"] != log_id:
            raise LogRecreated(f"{key[2]} is {log_id}; the views were made from {row['log_id']}")
    return {row["partition"]: row["next_offset"] for row in rows}


class StoredViews:
    """The rows of one version. `key`: projection, version and topic."""

    def __init__(self, connection: Any, projection: Projection, key: tuple[str, int, str]) -> None:
        self.projection = projection
        self.key = key
        self._connection = connection
        self._views = views_schema(key[0], key[1])

    async def documents(self, partition: int) -> dict[str, bytes]:
        """The documents of the schools of a partition."""
        return {row["school"]: row["data"] for row in await self._fetch(_DOCUMENTS, partition)}

    async def detail(self, schools: list[str]) -> dict[str, list[bytes]]:
        """The packed facts of schools, in order."""
        detail: dict[str, list[bytes]] = {}
        for row in await self._fetch(_DETAIL, schools):
            detail.setdefault(row["school"], []).append(decompressed(row["data"]))
        return detail

    async def detail_of_partition(self, partition: int) -> dict[str, list[bytes]]:
        """The packed facts of the schools of a partition."""
        schools = list(await self.documents(partition))
        return {school: [] for school in schools} | await self.detail(schools)

    async def fill(self, partition: int, viewed: Mapping[str, SchoolViews]) -> None:
        """Put what the tables hold of these schools of a partition into their views."""
        for school, document in (await self.documents(partition)).items():
            viewed[school].document = document
        schools = list(viewed)
        for block in join_tails(await self._fetch(_BLOCKS, schools), await self._fetch(_TAILS, schools)):
            viewed[block.school].blocks[block.key] = block.stored
        for row in await self._fetch(_MEMBERS, schools):
            viewed[row["school"]].trusts.add(row["trust"])

    async def dead_letters(self, partition: int) -> list[int]:
        """The offsets of the records that were set aside."""
        return [row["record_offset"] for row in await self._fetch(_DEAD_LETTERS, *self.key, partition)]

    async def schools(self) -> set[str]:
        """Every school of which there is a row."""
        return {row["school"] for row in await self._fetch(_ALL_SCHOOLS)}

    async def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        return list(await self._connection.fetch(query.format(views=self._views), *arguments))


def canonical(projection: Projection, school: SchoolViews, facts: int) -> Things:
    """What the views say of a school, independent of batches and compaction. `facts`: how many a state loads."""
    things = {
        "document": school.document or b"",
        "facts": str(facts).encode(),
        "trusts": "\n".join(sorted(school.trusts)).encode(),
    }
    for key, stored in sorted(school.blocks.items()):
        next_starts = projection.next_starts(school.state, key)
        things[_name(key)] = compact(stored.block, stored.tails, next_starts)
    return things


def _name(key: BlockKey) -> str:
    return f"block {key.stream} {key.starts // 12:04}-{key.starts % 12 + 1:02}"
