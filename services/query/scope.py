"""What one transaction of the query service may see: the role without rights of its own, and the schools of a key.

Whoever reads views gets its connection here and nowhere else. PostgreSQL then shows the rows of these schools alone
(`schemas/views/timeline_access.sql`), whatever a statement forgets to ask for; outside of such a transaction the role
and the scope are gone. The finer rule, a trust's members on a day as known, is the reader's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import asyncpg

from services.access.keys import Access
from services.runtime.postgres import leave_clean

# One statement without parameters: a round trip for all of it. The statements on the views go by primary keys, whoever
# asks and however many schools; so their plan is made once a connection, for planning costs more than running them.
_SCOPE = """
SET LOCAL ROLE markledger_query;
SET LOCAL markledger.schools = {schools};
SET LOCAL markledger.trusts = {trusts};"""
_BEGIN = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL enable_seqscan = off;"""
_ADD_MEMBERS = """
SELECT set_config('markledger.schools', ($1::text[] || array_agg(school))::text, true)
  FROM timeline_v{version}.trust_member WHERE trust = ANY($2)"""


class ViewsUnavailable(Exception):
    """No projector has made the views yet."""


@asynccontextmanager
async def scoped(pool: asyncpg.Pool, access: Access) -> AsyncIterator[asyncpg.Connection]:
    """A read-only transaction on one snapshot, within what the key covers. Raises ViewsUnavailable.

    The schools of the key's trusts are added by `add_members`, once it is known which version of the views is read.
    """
    try:
        async with pool.acquire() as connection:
            try:
                await connection.execute(_BEGIN + _entering(access))
                yield connection
                await connection.execute("COMMIT")
            except BaseException:
                if not connection.is_closed() and connection.is_in_transaction():
                    await connection.execute("ROLLBACK")
                raise
            leave_clean(connection)
    except asyncpg.InvalidParameterValueError as error:
        raise ViewsUnavailable("the role that reads the views is missing") from error
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise ViewsUnavailable("the tables of the views are missing") from error


async def enter_scope(connection: asyncpg.Connection, access: Access) -> None:
    """Set the role and the scope of the transaction that `connection` is in."""
    await connection.execute(_entering(access))


def _entering(access: Access) -> str:
    return _SCOPE.format(
        schools=_quoted("*" if access.all else _array(access.schools)), trusts=_quoted(_array(access.trusts))
    )


def _array(texts: Iterable[str]) -> str:
    """The text of an array of texts."""
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in sorted(texts))
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"


def _quoted(text: str) -> str:
    """A string literal that means `text` under every setting of the server."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


async def add_members(connection: asyncpg.Connection, version: int, access: Access) -> None:
    """Widen the scope by every school that was ever a member of a trust of the key."""
    if access.trusts and not access.all:
        await connection.execute(_ADD_MEMBERS.format(version=version), sorted(access.schools), sorted(access.trusts))
