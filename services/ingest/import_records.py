"""The records of imports and of their wrong rows: the only SQL on `ingest.import` and `ingest.import_error`.

Counts of a chunk are written in the transaction that takes the chunk in, so a record never counts what was not taken.
A record whose process died is told by its age: a living import touches it every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

TOUCH_SECONDS = 2
DEAD_AFTER_SECONDS = 10
CLOSE_ATTEMPTS = 120
CLOSE_AGAIN_SECONDS = 1
DATABASE_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
ERRORS_AT_ONCE = 2_000

_DIED = "The service stopped while it read this import: the rows counted here stand. Send the file again."


class Counts(msgspec.Struct):
    """Rows by what became of them."""

    rows: int = 0
    accepted: int = 0
    superseded: int = 0
    duplicate: int = 0
    rejected: int = 0

    def add(self, other: Counts) -> None:
        """Count those of `other` too."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class RowError(msgspec.Struct, frozen=True, gc=False):
    """One fault of one row, a line of errors.csv."""

    row: int
    column: str
    value: str
    code: str
    message: str


class ImportRecord(msgspec.Struct, frozen=True):
    """An import as its maker sees it; `errors` is where its errors.csv is."""

    import_id: str
    kind: str
    source: str
    status: str
    dry_run: bool
    rows: int
    accepted: int
    superseded: int
    duplicate: int
    rejected: int
    position: str | None
    errors: str
    started_at: str
    detail: str | None = None
    line: int | None = None
    reversed_at: str | None = None


class ImportTaken(Exception):
    """The import id is taken by an import that runs, was completed, or is another one."""


class NewImport(msgspec.Struct, frozen=True):
    """What is known of an import before its first row."""

    import_id: str
    kind: str
    source: str
    key_id: str
    dry_run: bool
    started_at: datetime


async def open_record(pool: Any, new: NewImport) -> bool:
    """Begin a record, or begin one again that was left incomplete; whether it is new. Raises ImportTaken."""
    async with pool.acquire() as connection, connection.transaction():
        opened = await connection.fetchval(
            "INSERT INTO ingest.import AS i (import_id, kind, source, key_id, dry_run, status, started_at)"
            " VALUES ($1, $2, $3, $4, $5, 'running', $6) ON CONFLICT (import_id) DO UPDATE SET status = 'running',"
            " rows = 0, accepted = 0, superseded = 0, duplicate = 0, rejected = 0, position = NULL, detail = NULL,"
            " line = NULL, touched_at = now()"
            " WHERE (i.kind, i.source, i.key_id, i.dry_run) = ($2, $3, $4, $5) AND i.reversed_at IS NULL"
            f" AND (i.status = 'incomplete' OR (i.status = 'running' AND {_DEAD})) RETURNING xmax = 0 AS is_new",
            new.import_id,
            new.kind,
            new.source,
            new.key_id,
            new.dry_run,
            new.started_at,
        )
        if opened is None:
            raise ImportTaken(new.import_id)
        if not opened:
            await connection.execute("DELETE FROM ingest.import_error WHERE import_id = $1", new.import_id)
    return bool(opened)


async def drop_record(pool: Any, import_id: str) -> None:
    """Take back a record of which nothing was written."""
    await pool.execute("DELETE FROM ingest.import WHERE import_id = $1 AND rows = 0", import_id)


async def add_counts(connection: Any, import_id: str, counts: Counts, errors: Sequence[RowError]) -> None:
    """Count a chunk and keep its errors, in the caller's transaction."""
    await connection.execute(
        "UPDATE ingest.import SET rows = rows + $2, accepted = accepted + $3, superseded = superseded + $4,"
        " duplicate = duplicate + $5, rejected = rejected + $6, touched_at = now() WHERE import_id = $1",
        import_id,
        *msgspec.structs.astuple(counts),
    )
    if errors:
        places: dict[int, int] = {}
        rows = []
        for error in errors:
            place = places[error.row] = places.get(error.row, 0) + 1
            rows.append((import_id, error.row, place, error.column, error.value, error.code, error.message))
        await connection.copy_records_to_table(
            "import_error",
            schema_name="ingest",
            columns=("import_id", "row", "place", "column", "value", "code", "message"),
            records=rows,
        )


async def touch(pool: Any, import_id: str) -> None:
    """Show that the import lives."""
    await pool.execute("UPDATE ingest.import SET touched_at = now() WHERE import_id = $1", import_id)


class Ending(msgspec.Struct, frozen=True):
    """How an import ended."""

    status: str
    position: str | None = None
    detail: str | None = None
    line: int | None = None


async def close_record(pool: Any, import_id: str, ending: Ending) -> None:
    """Write down the end."""
    await pool.execute(
        "UPDATE ingest.import SET status = $2, position = $3, detail = $4, line = $5, touched_at = now()"
        " WHERE import_id = $1",
        import_id,
        ending.status,
        ending.position,
        ending.detail,
        ending.line,
    )


async def close_when_possible(pool: Any, import_id: str, ending: Ending) -> None:
    """Write down the end of an import that a fault of the database may have ended: as soon as that is back."""
    for _ in range(CLOSE_ATTEMPTS):
        try:
            await close_record(pool, import_id, ending)
        except DATABASE_FAULTS:
            await asyncio.sleep(CLOSE_AGAIN_SECONDS)
        else:
            break


async def mark_reversed(pool: Any, import_id: str, reversed_at: datetime) -> None:
    """Write down that the facts of the import were withdrawn."""
    await pool.execute("UPDATE ingest.import SET reversed_at = $2 WHERE import_id = $1", import_id, reversed_at)


async def read_record(pool: Any, import_id: str, key_id: str | None) -> ImportRecord | None:
    """The import, if there is one and (unless `key_id` is None) that key sent it."""
    row = await pool.fetchrow(
        f"SELECT {_COLUMNS} FROM ingest.import AS i WHERE import_id = $1 AND ($2::text IS NULL OR key_id = $2)",
        import_id,
        key_id,
    )
    return None if row is None else _record(row)


async def list_records(pool: Any, key_id: str | None, before: str | None, limit: int) -> list[ImportRecord]:
    """The latest imports, of one key or of all; those before the import `before`."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM ingest.import AS i WHERE ($1::text IS NULL OR key_id = $1)"
        " AND ($2::text IS NULL OR (started_at, import_id)"
        " < (SELECT started_at, import_id FROM ingest.import WHERE import_id = $2))"
        " ORDER BY started_at DESC, import_id DESC LIMIT $3",
        key_id,
        before,
        limit,
    )
    return [_record(row) for row in rows]


async def read_errors(pool: Any, import_id: str) -> AsyncIterator[list[RowError]]:
    """The errors in the order of the rows, some at a time."""
    after = (0, 0)
    while True:
        rows = await pool.fetch(
            'SELECT row, place, "column", value, code, message FROM ingest.import_error'
            " WHERE import_id = $1 AND (row, place) > ($2, $3) ORDER BY row, place LIMIT $4",
            import_id,
            *after,
            ERRORS_AT_ONCE,
        )
        if rows:
            yield [RowError(row["row"], row["column"], row["value"], row["code"], row["message"]) for row in rows]
        if len(rows) < ERRORS_AT_ONCE:
            return
        after = (rows[-1]["row"], rows[-1]["place"])


_DEAD = f"i.touched_at < now() - interval '{DEAD_AFTER_SECONDS} seconds'"
_COLUMNS = (
    "import_id, kind, source, dry_run, rows, accepted, superseded, duplicate, rejected, position, line, started_at,"
    f" reversed_at, detail, status, status = 'running' AND {_DEAD} AS died"
)


def _record(row: asyncpg.Record) -> ImportRecord:
    return ImportRecord(
        import_id=row["import_id"],
        kind=row["kind"],
        source=row["source"],
        status="incomplete" if row["died"] else row["status"],
        dry_run=row["dry_run"],
        rows=row["rows"],
        accepted=row["accepted"],
        superseded=row["superseded"],
        duplicate=row["duplicate"],
        rejected=row["rejected"],
        position=row["position"],
        errors=f"/v1/imports/{row['import_id']}/errors.csv",
        started_at=_instant(row["started_at"]),
        detail=_DIED if row["died"] else row["detail"],
        line=row["line"],
        reversed_at=_instant(row["reversed_at"]) if row["reversed_at"] else None,
    )


def _instant(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
