"""`markledger backup make|restore|noted`: the database into a directory and back, by PostgreSQL's own tools.

On the embedded log that is the whole ledger; with Kafka the log has its own backup and need only be the newer one. The
secrets are never in it. Roles belong to a server, so those of ours are told beside the dump and made before it is read.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec

from services.console.database import database_of
from services.console.failures import UsageError
from services.console.operations import run_with_pool
from services.runtime.clock import utc_now
from services.runtime.postgres import client_tool, open_pool
from services.runtime.settings import InvalidSettings, Settings

EXIT_OK = 0
FORMAT = "markledger.backup/1"
DUMP_NAME = "database.dump"
HEAD_NAME = "backup.json"

_TABLE = """
CREATE SCHEMA IF NOT EXISTS operation;
CREATE TABLE IF NOT EXISTS operation.backup (
    made_at timestamptz NOT NULL DEFAULT now(),
    place   text NOT NULL
)"""
_ROLES = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'markledger\\_%' ORDER BY 1"
_USED = """
SELECT n.nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1 LIMIT 1"""


class BackupFailed(Exception):
    """The backup was not made, or not restored; the message is that of the tool."""


class Head(msgspec.Struct, frozen=True):
    """What stands beside a dump: when and by what it was made, and the roles that it speaks of."""

    made_at: datetime
    product_version: str
    server_version: str
    roles: tuple[str, ...]
    format: str = FORMAT


def print_make(settings: Settings, to: Path, as_json: bool) -> int:
    """Dump the database into the new directory `to`, and note that. Raises UsageError, BackupFailed, PostgresError."""
    if to.exists():
        raise UsageError(f"{to} is there already: a backup goes into a new directory")
    started = time.monotonic()
    to.mkdir(mode=0o700, parents=True)
    try:
        head = asyncio.run(_make(settings, to / DUMP_NAME, str(to.absolute())))
    except BaseException:
        shutil.rmtree(to)
        raise
    (to / HEAD_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(head)))
    seconds = time.monotonic() - started
    size = (to / DUMP_NAME).stat().st_size
    if as_json:
        print(msgspec.json.encode({"directory": str(to), "bytes": size, "backup": head}).decode())
    else:
        print(f"{to}: {size:,} bytes in {seconds:.1f} s, of PostgreSQL {head.server_version}")
        print("The secrets are not in it: keep the copy of them elsewhere.")
    return EXIT_OK


def print_restore(settings: Settings, source: Path, as_json: bool) -> int:
    """Read a dump into an empty database. Raises UsageError, InvalidSettings, BackupFailed, PostgresError."""
    try:
        head = msgspec.json.decode((source / HEAD_NAME).read_bytes(), type=Head)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{source} is no backup: {error}") from error
    for name in ("pupil_key", "identity_key"):
        if getattr(settings, name) is None:
            raise InvalidSettings(
                f"MARKLEDGER_{name.upper()}: put the secrets in place first; new ones fit no old data"
            )
    started = time.monotonic()
    asyncio.run(_restore(settings, source, head))
    seconds = time.monotonic() - started
    if as_json:
        print(msgspec.json.encode({"directory": str(source), "backup": head}).decode())
    else:
        print(f"restored what was made {head.made_at:%Y-%m-%d %H:%M:%S}Z, in {seconds:.1f} s")
        print("Start the services, then `markledger verify` must say equal.")
    return EXIT_OK


def print_noted(settings: Settings, place: str, as_json: bool) -> int:
    """Note that a backup was made just now by other means, so that the doctor knows its age."""
    run_with_pool(settings, lambda pool: note(pool, place))
    print(msgspec.json.encode({"noted": place}).decode() if as_json else "noted")
    return EXIT_OK


async def note(pool: asyncpg.Pool, place: str) -> None:
    """Write down that a backup was made now."""
    await pool.execute(_TABLE)
    await pool.execute("INSERT INTO operation.backup (place) VALUES ($1)", place)


async def last_backup(pool: asyncpg.Pool) -> tuple[float, str] | None:
    """The age in seconds and the place of the last backup that was noted."""
    if await pool.fetchval("SELECT to_regclass('operation.backup')") is None:
        return None
    row = await pool.fetchrow(
        "SELECT extract(epoch FROM clock_timestamp() - made_at)::double precision AS age, place"
        " FROM operation.backup ORDER BY made_at DESC LIMIT 1"
    )
    return None if row is None else (row["age"], row["place"])


async def _make(settings: Settings, dump: Path, place: str) -> Head:
    async with database_of(settings) as url:
        pool = await open_pool(url, size_max=2, wait_seconds=10, application="markledger command")
        try:
            roles = tuple(row["rolname"] for row in await pool.fetch(_ROLES))
            head = Head(utc_now(), version("markledger"), await pool.fetchval("SHOW server_version"), roles)
            await _run(settings, url, "pg_dump", "--format=custom", f"--file={dump}")
            await note(pool, place)
        finally:
            await pool.close()
    return head


async def _restore(settings: Settings, source: Path, head: Head) -> None:
    async with database_of(settings) as url:
        pool = await open_pool(url, size_max=2, wait_seconds=10, application="markledger command")
        try:
            used = await pool.fetchval(_USED)
            if used is not None:
                raise UsageError(f"the database is not empty (it has {used}): a backup goes into a new one")
            await _make_roles(pool, head.roles)
        finally:
            await pool.close()
        await _run(settings, url, "pg_restore", "--exit-on-error", "--single-transaction", str(source / DUMP_NAME))


async def _make_roles(pool: asyncpg.Pool, roles: Sequence[str]) -> None:
    """The roles that the dump grants to; who restores becomes a member, to give them what is theirs."""
    present = {row["rolname"] for row in await pool.fetch(_ROLES)}
    for role in roles:
        quoted = '"' + role.replace('"', '""') + '"'
        if role not in present:
            await pool.execute(f"CREATE ROLE {quoted} NOLOGIN")
        await pool.execute(f"GRANT {quoted} TO CURRENT_USER")


async def _run(settings: Settings, url: str, tool: str, *arguments: str) -> None:
    """Run one of PostgreSQL's tools on the database; the password is no argument, where others could read it."""
    path = client_tool(tool) if settings.database_dsn is None else shutil.which(tool)
    if path is None:
        raise BackupFailed(f"there is no {tool} on the path: install PostgreSQL's client, as new as the server")
    parts = urlsplit(url)
    plain = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@", 1)))
    environment = {**os.environ, "LC_ALL": "C", **({"PGPASSWORD": parts.password} if parts.password else {})}
    process = await asyncio.create_subprocess_exec(
        str(path), f"--dbname={plain}", *arguments, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise BackupFailed(f"{tool} failed: {next((line for line in lines if 'error' in line), lines[-1])}")
