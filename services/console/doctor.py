"""`markledger doctor`: looks at database, log, secrets and disk, and prints what the rules of `diagnosis` say of them.

It only reads, and starts no embedded server where there has never been one. What does not answer is a finding too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
from rich import box
from rich.table import Table

from schemas.topics import FACTS, TOPICS
from services.access.keystore import KeyStore
from services.console import data_directory
from services.console.backups import last_backup
from services.console.database import database_of
from services.console.diagnosis import (
    Check,
    DatabaseSeen,
    KeyStoreSeen,
    Level,
    LogSeen,
    SecretSeen,
    Seen,
    diagnose,
    worst,
)
from services.console.printing import clean, terminal
from services.ingest.import_records import DEAD_AFTER_SECONDS
from services.projector.status import PartitionStatus, read_status
from services.runtime.log.interface import LogError
from services.runtime.log.kafka_settings import TopicSettings, read_topic_settings
from services.runtime.log.opening import open_log
from services.runtime.postgres import PostgresError, open_pool
from services.runtime.settings import PREFIX, Settings

EXIT_OK = 0
EXIT_NOT_HEALTHY = 4
WAIT_SECONDS = 3.0
_COLOURS: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}

_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"
_SETTING_NAMES = ["fsync", "full_page_writes", "synchronous_commit", "max_connections", "server_version_num"]
_IMPORTS_LEFT = f"""
SELECT count(*) FROM ingest.import
 WHERE status = 'running' AND touched_at < now() - interval '{DEAD_AFTER_SECONDS} seconds'"""


_UNPROTECTED = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN projection.active a ON n.nspname = a.projection || '_v' || a.version
 WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"""
_LONGEST = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::double precision
  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_ANY_KEY = "SELECT school, pupil FROM keystore.pupil_key LIMIT 1"


class _DatabaseFindings(msgspec.Struct):
    """What was seen through the database; as it stands where there is none."""

    database: DatabaseSeen | None = None
    database_error: str = ""
    log: LogSeen | None = None
    log_error: str = ""
    checkpoint_log_ids: frozenset[str] = frozenset()
    registry_log_ids: frozenset[str] = frozenset()
    partitions: tuple[PartitionStatus, ...] = ()
    imports_left: int = 0
    keystore: KeyStoreSeen | None = None
    unprotected_tables: int = 0
    transaction_seconds: float = 0.0
    backup: tuple[float, str] | None = None


def print_diagnosis(settings: Settings, as_json: bool) -> int:
    """Look, judge and print; 4 if a check failed, else 0."""
    checks = diagnose(asyncio.run(examine(settings)))
    level = worst(checks)
    if as_json:
        print(msgspec.json.encode({"healthy": level != "fail", "level": level, "checks": checks}).decode())
    else:
        terminal().print(checks_table(checks))
        counts = {each: sum(check.level == each for check in checks) for each in _COLOURS}
        print(f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed")
    return EXIT_NOT_HEALTHY if level == "fail" else EXIT_OK


def checks_table(checks: list[Check]) -> Table:
    """The checks, a line each; what to do under what was found."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", width=4)
    table.add_column("check", no_wrap=True)
    table.add_column("found", overflow="fold")
    for check in checks:
        mark = clean(check.level)
        mark.stylize(_COLOURS[check.level])
        found = clean(check.found)
        if check.fix:
            found.append("\n→ ").append_text(clean(check.fix))
        table.add_row(mark, clean(check.name), found)
    return table


async def examine(settings: Settings) -> Seen:
    """Look at everything once."""
    findings = await _examine_database(settings)
    directory = settings.data_dir.expanduser().absolute()
    return Seen(
        **msgspec.structs.asdict(findings),
        secrets={name: _secret(settings, directory, name) for name in data_directory.SECRETS},
        data_dir_mode=directory.stat().st_mode & 0o777 if directory.is_dir() else None,
        disk_free_bytes=shutil.disk_usage(_existing(directory)).free,
    )


async def _examine_database(settings: Settings) -> _DatabaseFindings:
    if settings.database_dsn is None and not (settings.data_dir.expanduser() / "postgres").is_dir():
        return _DatabaseFindings(database_error=f"there is none in {settings.data_dir} yet, and no database URL")
    try:
        async with database_of(settings) as url:
            pool = await open_pool(url, size_max=4, wait_seconds=WAIT_SECONDS, application="markledger command")
            try:
                return await _look(settings, pool)
            finally:
                await pool.close()
    except (PostgresError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        return _DatabaseFindings(database_error=" ".join(str(error).split()) or type(error).__name__)


async def _look(settings: Settings, pool: asyncpg.Pool) -> _DatabaseFindings:
    findings = _DatabaseFindings(database=await _database(pool))
    try:
        findings.log = await _log(settings, pool)
    except LogError as error:
        findings.log_error = str(error)
    findings.partitions = tuple(await read_status(pool))
    findings.checkpoint_log_ids = await _log_ids(pool, "projection.partition")
    findings.registry_log_ids = await _log_ids(pool, "ingest.partition")
    if await pool.fetchval("SELECT to_regclass('ingest.import')") is not None:
        findings.imports_left = await pool.fetchval(_IMPORTS_LEFT)
    if await pool.fetchval("SELECT to_regclass('projection.active')") is not None:
        findings.unprotected_tables = await pool.fetchval(_UNPROTECTED)
    findings.transaction_seconds = await pool.fetchval(_LONGEST)
    findings.backup = await last_backup(pool)
    findings.keystore = await _keystore(settings, pool)
    return findings


async def _keystore(settings: Settings, pool: asyncpg.Pool) -> KeyStoreSeen | None:
    """Whether the keys of identities are there, and are those of this identity key; None where no such key is known."""
    given = settings.identity_key
    secret = given.get_secret_value() if given else data_directory.read_secret(settings.data_dir, "identity")
    if secret is None:
        return None
    if settings.keystore_url is None:
        return await _try_key(pool, secret)
    try:
        own = await open_pool(settings.keystore_url.get_secret_value(), size_max=1, wait_seconds=WAIT_SECONDS)
    except PostgresError as error:
        return KeyStoreSeen(error=str(error))
    try:
        return await _try_key(own, secret)
    finally:
        await own.close()


async def _try_key(pool: asyncpg.Pool, secret: str) -> KeyStoreSeen:
    """Look for one key and unwrap it; nothing is made where there is none."""
    if await pool.fetchval("SELECT to_regclass('keystore.pupil_key')") is None:
        return KeyStoreSeen()
    row = await pool.fetchrow(_ANY_KEY)
    if row is None:
        return KeyStoreSeen()
    pupil = (row["school"], row["pupil"])
    return KeyStoreSeen(fits=pupil in await KeyStore(pool, secret.encode()).find_keys([pupil]))


async def _database(pool: asyncpg.Pool) -> DatabaseSeen:
    found = {row["name"]: row["setting"] for row in await pool.fetch(_SETTINGS, _SETTING_NAMES)}
    before = datetime.now(UTC)
    there = await pool.fetchval("SELECT clock_timestamp()")
    here = before + (datetime.now(UTC) - before) / 2
    return DatabaseSeen(int(found.pop("server_version_num")), found, (there - here).total_seconds())


async def _log(settings: Settings, pool: asyncpg.Pool) -> LogSeen:
    """Raises LogError."""
    log = await open_log(settings, pool)
    try:
        log_id = await log.log_id(FACTS.name)
        ends = {each: (await log.bounds(FACTS.name, each))[1] for each in range(await log.partitions(FACTS.name))}
    finally:
        await log.close()
    if not settings.kafka_bootstrap:
        return LogSeen("embedded", log_id, ends)
    topic: TopicSettings | None = None
    topic_error = ""
    beside = {}
    try:
        topic = await read_topic_settings(settings.kafka_bootstrap, FACTS.name)
        for name in [each.name for each in TOPICS if each != FACTS and each.retention_ms == -1 and not each.kafka_only]:
            with contextlib.suppress(LogError):  # not made yet
                beside[name] = await read_topic_settings(settings.kafka_bootstrap, name)
    except LogError as error:
        topic_error = str(error)
    return LogSeen("kafka", log_id, ends, topic, topic_error, beside)


async def _log_ids(pool: asyncpg.Pool, table: str) -> frozenset[str]:
    if await pool.fetchval("SELECT to_regclass($1)", table) is None:
        return frozenset()
    return frozenset(row["log_id"] for row in await pool.fetch(f"SELECT DISTINCT log_id FROM {table}"))


def _secret(settings: Settings, directory: Path, name: str) -> SecretSeen | None:
    """The secret as a service would find it: a variable, the file that a variable names, or the data directory."""
    given = getattr(settings, f"{name}_key")
    if given is not None:
        path = os.environ.get(f"{PREFIX}{name.upper()}_KEY_FILE")
        return (
            _in_file(len(given.get_secret_value()), Path(path)) if path else SecretSeen(len(given.get_secret_value()))
        )
    kept = data_directory.read_secret(directory, name)
    return None if kept is None else _in_file(len(kept), data_directory.secret_path(directory, name))


def _in_file(characters: int, path: Path) -> SecretSeen:
    return SecretSeen(characters, str(path), path.stat().st_mode & 0o777)


def _existing(directory: Path) -> Path:
    """The directory, or the first of its parents that is there."""
    return next(each for each in (directory, *directory.parents) if each.exists())
