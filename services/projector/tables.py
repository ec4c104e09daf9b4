"""The tables of the projector and who may use them: made once, under a lock, by whichever process starts first.

Two roles that cannot log in: `markledger_projector` owns the views and writes them, `markledger_query` reads those of
the schools that its transaction names. Row-level security is forced on every table that holds a school's data; what
the catalogue lacks of it (an older release made the tables, a restore lost the policies) is put right at the start.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

_SQL_HERE = Path(__file__).parent / "sql"
_SQL_VIEWS = Path(__file__).parents[2] / "schemas" / "views"
_DDL_LOCK = 0x6D6B6C70  # one process at a time makes tables
PROJECTOR_ROLE = "markledger_projector"
QUERY_ROLE = "markledger_query"

_HAS_LZ4 = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
_ROLES = """
SELECT quote_ident(current_user) AS me,
       ARRAY(SELECT r.rolname FROM pg_roles r WHERE r.rolname = ANY($1)) AS present,
       (SELECT count(*) FROM pg_roles r
         WHERE r.rolname = ANY($1) AND pg_has_role(current_user, r.oid, $2)
           AND (r.rolname <> $3 OR pg_has_role(current_user, r.oid, 'USAGE'))) AS ours"""
_UNPROTECTED = """
SELECT count(*) FROM pg_class c
 WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p') AND ($2::text IS NULL OR c.relname = $2)
   AND NOT (c.relrowsecurity AND c.relforcerowsecurity
            AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'writer')
            AND ($2::text IS NOT NULL OR pg_get_userbyid(c.relowner) = $3))"""
_ADD_VERSION = """
INSERT INTO projection.version (projection, version, code_version, state) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING"""
_ACTIVATE = "INSERT INTO projection.active (projection, version) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_COMMENT = "SELECT coalesce(obj_description(to_regnamespace($1), 'pg_namespace'), '')"


class RolesMissing(Exception):
    """The roles are not there and this user may not make them; the message says what an administrator has to run."""

    def __init__(self, user: str) -> None:
        super().__init__(
            f"the database user {user} may not make the roles that Markledger needs. A database administrator has to"
            f" run, once: CREATE ROLE {PROJECTOR_ROLE} NOLOGIN; CREATE ROLE {QUERY_ROLE} NOLOGIN;"
            f" GRANT {PROJECTOR_ROLE}, {QUERY_ROLE} TO {user};"
        )


def views_schema(projection: str, version: int) -> str:
    """The schema that holds the views of a version of a projection."""
    return f"{projection}_v{version}"


async def create_tables(pool: asyncpg.Pool, projection: str, version: int) -> None:
    """Make what is missing for this very version, filled by the rules of the same number. Raises RolesMissing."""
    async with making_tables(pool) as connection:
        await make_version(connection, projection, version, code_version=version)


@asynccontextmanager
async def making_tables(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """A transaction that alone makes tables; roles and checkpoints are there. Raises RolesMissing."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _DDL_LOCK)
        await ensure_roles(connection)
        checkpoints = _sql(_SQL_HERE / "projection.sql") + _sql(_SQL_HERE / "projection_access.sql")
        await _keep(connection, "projection", "dead_letter", checkpoints)
        yield connection


async def make_version(
    connection: Any, projection: str, version: int, *, code_version: int, state: str = "following"
) -> None:
    """The tables of a version, and its row. It becomes the active one if none is, unless it has to be built first."""
    schema = views_schema(projection, version)
    # made once and never touched again: even an ALTER without effect would wait for every reader
    if not await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema):
        await connection.execute(f"CREATE SCHEMA {schema}")
        views = _sql(_SQL_VIEWS / f"{projection}.sql", version)
        if not await connection.fetchval(_HAS_LZ4):  # the embedded server's build lacks it
            views = views.replace("COMPRESSION lz4", "COMPRESSION pglz")
        await connection.execute(views)
    await _keep(connection, schema, None, _sql(_SQL_VIEWS / f"{projection}_access.sql", version))
    await connection.execute(_ADD_VERSION, projection, version, code_version, state)
    if state == "following":
        await connection.execute(_ACTIVATE, projection, version)


async def ensure_roles(connection: Any) -> None:
    """Make the two roles, and this user a member of both, where that is not so. Raises RolesMissing.

    Roles belong to the server and not to the database: another database may have made them, or be making them now.
    """
    roles = [PROJECTOR_ROLE, QUERY_ROLE]
    # since PostgreSQL 16 a member may be kept from taking the role on
    membership = "SET" if connection.get_server_version().major >= 16 else "MEMBER"
    found = await connection.fetchrow(_ROLES, roles, membership, PROJECTOR_ROLE)
    if found["ours"] == len(roles):
        return
    try:
        for role in sorted(set(roles) - set(found["present"])):
            try:
                async with connection.transaction():
                    await connection.execute(f"CREATE ROLE {role} NOLOGIN")
            except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
                continue
        await connection.execute(f"GRANT {', '.join(roles)} TO CURRENT_USER")
    except asyncpg.InsufficientPrivilegeError as error:
        raise RolesMissing(found["me"]) from error


async def _keep(connection: Any, schema: str, table: str | None, statements: str) -> None:
    """Run the statements unless these were run and the tables are protected still; the schema remembers which."""
    mark = f"sql {hashlib.sha256(statements.encode()).hexdigest()[:16]}"
    unprotected = await connection.fetchval(_UNPROTECTED, schema, table, PROJECTOR_ROLE)
    if unprotected or await connection.fetchval(_COMMENT, schema) != mark:
        await connection.execute(statements)
        await connection.execute(f"COMMENT ON SCHEMA {schema} IS '{mark}'")


def _sql(path: Path, version: int = 0) -> str:
    return path.read_text(encoding="utf-8").replace("{version}", str(version))
