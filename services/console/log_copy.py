"""`markledger log copy`: the embedded log to Kafka, and the truth about what must happen next.

The registry of ingest and the views are bound to the id of the log that they were made from: the services refuse any
other. Both come again from the log, so they are emptied, by SQL that is printed or (`--unbind`) run here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import asyncpg
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from schemas.topics import AUDIT, DEFINITIONS, FACTS, IDENTITY, KAFKA_PARTITIONS, Topic
from services.access.identities import TABLES_FROM_LOG
from services.console.operations import run_with_pool
from services.projector.store import views_schema
from services.runtime.log.copying import Copied, CopyRefused, copy_compacted_topic, copy_topic
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.log.interface import Log, LogError, LogUnavailable
from services.runtime.log.kafka import KafkaLog
from services.runtime.settings import Settings

EXIT_OK = 0

_RUNNING = """
SELECT DISTINCT application_name FROM pg_stat_activity
 WHERE datname = current_database() AND application_name ~ '^markledger (ingest|projector|query|web)'
 ORDER BY 1"""
_VIEWS = "SELECT DISTINCT projection, version FROM projection.partition ORDER BY 1, 2"
_REGISTRY_FROM_LOG = ("partition", "school", "school_fact", "curriculum", "pupil", "told", "given_ids", "withdrawal")
"""The tables of ingest that the log fills; imports, their errors and given answers are in no log and stay."""


def print_log_copy(settings: Settings, *, unbind: bool, as_json: bool) -> int:
    """Copy the embedded log to the Kafka of `settings`, and say how to go on. Raises CopyRefused, LogError."""

    async def work(pool: asyncpg.Pool) -> tuple[list[Copied], list[str]]:
        await refuse_while_running(pool)
        source, target = EmbeddedLog(pool), KafkaLog(settings.kafka_bootstrap)
        try:
            copied = await copy_topics(source, target)
        finally:
            await target.close()
            await source.close()
        statements = await unbinding(pool)
        if unbind:
            await run_statements(pool, statements)
        return copied, statements

    copied, statements = run_with_pool(settings, work)
    steps = next_steps(settings.kafka_bootstrap, statements, unbound=unbind)
    if as_json:
        answer = {"topics": copied, "unbound": unbind, "statements": statements, "next": steps}
        print(msgspec.json.encode(answer).decode())
    else:
        for one in copied:
            print(_counts(one))
        print("\n".join(["", "How to go on:", *steps]))
    return EXIT_OK


async def copy_topics(source: Log, target: Log) -> list[Copied]:
    """Copy every topic that the source has, the facts last; a progress bar on a terminal."""
    copied = []
    for topic in (*[each for each in (IDENTITY, AUDIT, DEFINITIONS) if await _has(source, each)], FACTS):
        total = await _records(source, topic.name)
        await target.create_topic(
            topic.name, KAFKA_PARTITIONS, retention_ms=topic.retention_ms, compacted=topic.compacted
        )
        with _progress() as progress:
            task = progress.add_task(topic.name, total=total)
            copy = copy_compacted_topic if topic.compacted else copy_topic
            copied.append(await copy(source, target, topic.name, partial(progress.advance, task)))
    return copied


async def refuse_while_running(pool: asyncpg.Pool) -> None:
    """A service at work would append behind the copy. Raises CopyRefused."""
    running = [row["application_name"] for row in await pool.fetch(_RUNNING)]
    if running:
        raise CopyRefused(f"{', '.join(running)} work on this database: stop them, so that the log stands still")


async def unbinding(pool: asyncpg.Pool) -> list[str]:
    """The statements that let registry, identities and every view be built again from another log; nothing is lost.

    The keys of the identities are in no log, and stay.
    """
    statements = []
    if await pool.fetchval("SELECT to_regclass('ingest.partition')") is not None:
        statements.append("TRUNCATE " + ", ".join(f"ingest.{table}" for table in _REGISTRY_FROM_LOG))
    if await pool.fetchval("SELECT to_regclass('access.identity_partition')") is not None:
        statements.append("TRUNCATE " + ", ".join(f"access.{table}" for table in TABLES_FROM_LOG))
    if await pool.fetchval("SELECT to_regclass('definition.partition')") is not None:
        statements.append("TRUNCATE definition.version, definition.partition")
    if await pool.fetchval("SELECT to_regclass('projection.partition')") is not None:
        for row in await pool.fetch(_VIEWS):
            statements.append(f"DROP SCHEMA {views_schema(row['projection'], row['version'])} CASCADE")
        statements.append("TRUNCATE projection.partition, projection.worker, projection.dead_letter")
    return statements


async def run_statements(pool: asyncpg.Pool, statements: Sequence[str]) -> None:
    """All of them or none."""
    async with pool.acquire() as connection, connection.transaction():
        for statement in statements:
            await connection.execute(statement)


def next_steps(bootstrap: Sequence[str], statements: Sequence[str], *, unbound: bool) -> list[str]:
    """What the operator does now, a line each."""
    lines = [f"1. Set MARKLEDGER_KAFKA_BOOTSTRAP={','.join(bootstrap)} for every service; start none before step 2."]
    if not statements:
        lines.append("2. No registry and no views are bound to the old log: nothing to empty.")
    elif unbound:
        lines.append("2. Done: the registry and the views are empty, ingest and projector build them again from Kafka.")
    else:
        lines.append("2. The registry and the views belong to the old log, and the services refuse another one. Empty")
        lines.append("   them (they come again from Kafka) by running this command again with --unbind, or in psql:")
        lines.append("     BEGIN;")
        lines.extend(f"     {statement};" for statement in statements)
        lines.append("     COMMIT;")
    lines.append(
        "3. Start the services, then `markledger verify` must say equal. Keys and the records of imports stay,"
    )
    lines.append(
        "   names come again from Kafka; positions that were given out before belong to the old log and are refused."
    )
    lines.append("4. When that is so, and there is a backup, `DROP SCHEMA log CASCADE` frees the room of the old log.")
    return lines


async def _has(log: Log, topic: Topic) -> bool:
    """Whether the log has the topic: those of names and of audit come with the first name and its first reader."""
    try:
        return await log.partitions(topic.name) > 0
    except LogUnavailable:
        raise
    except LogError:
        return False


async def _records(log: Log, topic: str) -> int:
    try:
        return sum([(await log.bounds(topic, each))[1] for each in range(await log.partitions(topic))])
    except LogError as error:
        raise CopyRefused(f"there is no embedded log to copy: {error}") from error


def _counts(copied: Copied) -> str:
    went_on = f" ({copied.found:,} were there from an earlier copy)" if copied.found else ""
    return (
        f"{copied.topic}: {copied.copied:,} records copied{went_on}, {copied.records:,} in all, from"
        f" {copied.source_partitions} to {copied.target_partitions} partitions\n"
        f"  {copied.source_log_id} -> {copied.target_log_id}"
    )


def _progress() -> Progress:
    console = Console(stderr=True)
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty())
