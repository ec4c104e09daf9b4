"""What one transaction of the query service may see: the role without rights of its own, and the schools of a key.

Whoever reads views gets its connection here and nowhere else. PostgreSQL then shows the rows of these schools alone
(`schemas/views/timeline_access.sql`), whatever a statement forgets to ask for; outside of such a transaction the role
and the scope are gone. The finer rule, a trust's members on a day as known, is the reader's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from services.access.keys import Access

# The statements on the views go by primary keys, whoever asks and however many schools. So their plan is made once a
# connection: to plan them anew costs more than to run them.
_ENTER = """
SELECT set_config('role', 'markledger_query', true),
       set_config('markledger.schools', CASE WHEN $1 THEN '*' ELSE $2::text[]::text END, true),
       set_config('markledger.trusts', $3::text[]::text, true),
       set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('enable_seqscan', 'off', true)"""
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
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await enter_scope(connection, access)
            yield connection
    except asyncpg.InvalidParameterValueError as error:
        raise ViewsUnavailable("the role that reads the views is missing") from error
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise ViewsUnavailable("the tables of the views are missing") from error


async def enter_scope(connection: asyncpg.Connection, access: Access) -> None:
    """Set the role and the scope of the transaction that `connection` is in."""
    await connection.execute(_ENTER, access.all, sorted(access.schools), sorted(access.trusts))


async def add_members(connection: asyncpg.Connection, version: int, access: Access) -> None:
    """Widen the scope by every school that was ever a member of a trust of the key."""
    if access.trusts and not access.all:
        await connection.execute(_ADD_MEMBERS.format(version=version), sorted(access.schools), sorted(access.trusts))
