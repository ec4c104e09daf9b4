"""The versions of a projection: which there are, which one reports read, and how one comes, is promoted and goes.

A version of the tables has a number of its own; the version of the code says which rules fill it. What is built is in
`rebuild`, whether two versions say the same in `comparison`.
"""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec

from services.projector.tables import make_version, making_tables, views_schema

RETIRE_SECONDS = 30.0
_POLL_SECONDS = 0.1

_OF_CODE = """
SELECT version FROM projection.version
 WHERE projection = $1 AND code_version = $2 AND state = $3 ORDER BY version"""
_NEXT = "SELECT greatest($2, coalesce(max(version) + 1, 1)) FROM projection.version WHERE projection = $1"
_ACTIVE = "SELECT version FROM projection.active WHERE projection = $1"
_STATES = "SELECT version, code_version, state FROM projection.version WHERE projection = $1 ORDER BY version"
_SET_STATE = "UPDATE projection.version SET state = $3 WHERE projection = $1 AND version = $2"
_PROMOTE = """
UPDATE projection.active AS a SET version = v.version FROM projection.version AS v
 WHERE a.projection = $1 AND v.projection = $1 AND v.version = $2 AND v.state = 'following'"""
_WORKERS = """
SELECT worker FROM projection.worker
 WHERE projection = $1 AND version = $2 AND lease_until > clock_timestamp() ORDER BY 1"""


class NoSuchVersion(Exception):
    """There is no such version, or not in the state that the step needs."""


class VersionInUse(Exception):
    """Reports read the version, or a projector still works on it."""


class Version(msgspec.Struct, frozen=True):
    """A version of a projection; see `projection.version` for the states."""

    version: int
    code_version: int
    state: str
    active: bool


async def read_versions(pool: asyncpg.Pool, projection: str) -> list[Version]:
    """Every version, the retired ones too; nothing before the first projector has started."""
    if await pool.fetchval("SELECT to_regclass('projection.version')") is None:
        return []
    active = await active_version(pool, projection)
    rows = await pool.fetch(_STATES, projection)
    return [Version(**row, active=row["version"] == active) for row in rows]


async def active_version(pool: asyncpg.Pool, projection: str) -> int | None:
    """The version that reports read; None before the first projector has started."""
    if await pool.fetchval("SELECT to_regclass('projection.active')") is None:
        return None
    version: int | None = await pool.fetchval(_ACTIVE, projection)
    return version


async def followed_versions(pool: asyncpg.Pool, projection: str, code_version: int) -> list[int]:
    """The versions that a projector of this code keeps up to date."""
    return [row["version"] for row in await pool.fetch(_OF_CODE, projection, code_version, "following")]


async def ensure_versions(pool: asyncpg.Pool, projection: str, code_version: int) -> None:
    """The tables of every version that this code follows; of a new one, if there is none. Raises RolesMissing."""
    async with making_tables(pool) as connection:
        found = await connection.fetch(_OF_CODE, projection, code_version, "following")
        versions = [row["version"] for row in found] or [await connection.fetchval(_NEXT, projection, code_version)]
        for version in versions:
            await make_version(connection, projection, version, code_version=code_version)


async def begin_version(pool: asyncpg.Pool, projection: str, code_version: int) -> int:
    """The version that a rebuild works on: one that was begun and not finished, or a new one. Raises RolesMissing."""
    async with making_tables(pool) as connection:
        begun = await connection.fetch(_OF_CODE, projection, code_version, "building")
        version: int = begun[-1]["version"] if begun else await connection.fetchval(_NEXT, projection, code_version)
        await make_version(connection, projection, version, code_version=code_version, state="building")
        return version


async def follow_version(pool: asyncpg.Pool, projection: str, version: int) -> None:
    """The version is built: from now on the projectors keep it up to date."""
    await pool.execute(_SET_STATE, projection, version, "following")


async def activate(pool: asyncpg.Pool, projection: str, version: int) -> None:
    """Let reports read this version from their next transaction on. Raises NoSuchVersion."""
    if await pool.execute(_PROMOTE, projection, version) != "UPDATE 1":
        raise NoSuchVersion(f"there is no {projection} v{version} that the projectors keep up to date")


async def retire(pool: asyncpg.Pool, projection: str, version: int, *, seconds: float = RETIRE_SECONDS) -> None:
    """Drop the views of a version with its checkpoints and dead letters, once no projector works on it.

    One that broke off goes on when it is asked for again. Raises NoSuchVersion, VersionInUse.
    """
    async with pool.acquire() as connection, connection.transaction():
        active = await connection.fetchval(f"{_ACTIVE} FOR UPDATE", projection)
        if active == version:
            raise VersionInUse(f"reports read {projection} v{version}: promote another version first")
        found = await connection.execute(f"{_SET_STATE} AND state <> 'retired'", projection, version, "retiring")
        if found != "UPDATE 1":
            raise NoSuchVersion(f"there is no {projection} v{version}")
    await _wait_until_free(pool, projection, version, seconds)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"DROP SCHEMA IF EXISTS {views_schema(projection, version)} CASCADE")
        for table in ("partition", "dead_letter", "worker"):
            statement = f"DELETE FROM projection.{table} WHERE projection = $1 AND version = $2"
            await connection.execute(statement, projection, version)
        await connection.execute(_SET_STATE, projection, version, "retired")


async def _wait_until_free(pool: asyncpg.Pool, projection: str, version: int, seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while workers := [row["worker"] for row in await pool.fetch(_WORKERS, projection, version)]:
        if asyncio.get_running_loop().time() > deadline:
            raise VersionInUse(
                f"{', '.join(workers)} still works on {projection} v{version}, perhaps of an earlier release: stop it,"
                " then ask again"
            )
        await asyncio.sleep(_POLL_SECONDS)
