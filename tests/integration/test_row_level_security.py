"""Row-level security of the views: role by table by statement, from the catalogue; an ordinary user of a real server.

A table that is added to a schema of views without a policy, or with more rights than to be read, fails here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from schemas.documents import FOREVER, Membership
from schemas.topics import EMBEDDED_PARTITIONS, FACTS
from services.access import keys
from services.access.keys import ADMINISTRATOR, Access, Keyring
from services.projector.main import run_projector, verify_views
from services.projector.tables import PROJECTOR_ROLE, QUERY_ROLE, RolesMissing, create_tables
from services.query import directory
from services.query import reader as reading
from services.query.directory import Directory
from services.query.main import create_app
from services.query.reader import Reader
from services.query.scope import add_members, scoped
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.log.interface import LogError
from services.runtime.postgres import open_pool
from services.runtime.settings import read_settings
from tests.integration.test_query_http import REPORT, bearer
from tests.integration.test_reader import AS_AT, key_of, put_checkpoint, put_school, question_of
from tests.projector_bench import QUICK, append, caught_up, some_facts, until
from tests.projector_bench import SCHOOLS as SENT
from tests.unit.query.hand_made import HandMadeSchool

SCHOOLS = ("oak", "elm", "ash")
ADMIN_KEY = "a" * 40
TABLES = """
SELECT c.oid::regclass::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
       EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'school') AS of_schools,
       has_table_privilege('markledger_query', c.oid, 'SELECT') AS readable,
       pg_get_userbyid(c.relowner) AS owner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname LIKE 'timeline\\_v%' ORDER BY 1"""
SCOPES = (
    (None, set()),
    (key_of(), set()),
    (key_of(schools=("oak",)), {"oak"}),
    (key_of(schools=("ash", "nowhere")), {"ash"}),
    (key_of(trusts=("woods",)), {"oak", "elm"}),
    (key_of(schools=("ash",), trusts=("woods",)), {"oak", "elm", "ash"}),
    (key_of(trusts=("nowhere",)), set()),
    (ADMINISTRATOR, set(SCHOOLS)),
)


@pytest.fixture
async def pool(embedded_database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Three schools with a row in every table of the views; oak and elm are the trust woods."""
    async with asyncpg.create_pool(embedded_database_url, min_size=1, max_size=4) as pool:
        await create_tables(pool, "timeline", 1)
        await keys.ensure_tables(pool)
        await fill(pool)
        yield pool


async def fill(pool: asyncpg.Pool) -> None:
    for name in SCHOOLS:
        school = HandMadeSchool(name)
        school.enrol("amy", "3")
        school.mark("amy", "maths", 40)
        school.memberships.append(Membership(0, FOREVER, "heath" if name == "ash" else "woods", 0, FOREVER))
        await put_school(pool, school)
        await pool.execute("INSERT INTO timeline_v1.tail VALUES ($1, 'none', 24300, 1, '\\x00')", name)
        await pool.execute("INSERT INTO timeline_v1.detail VALUES ($1, 1, '\\x00')", name)
    await pool.execute(
        "INSERT INTO projection.dead_letter (projection, version, topic, partition, record_offset, reason, key,"
        " appended_at) VALUES ('timeline', 1, 't', 0, 1, 'no fact', 'oak', now())"
    )


async def tables_of(pool: asyncpg.Pool) -> list[asyncpg.Record]:
    found = await pool.fetch(TABLES)
    assert len(found) >= 5
    return found


async def schools_seen(pool: asyncpg.Pool, table: str, access: Access | None) -> list[str]:
    """What a SELECT without WHERE shows."""
    query = f"SELECT DISTINCT school FROM {table}"
    if access is None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT set_config('role', 'markledger_query', true)")
            return [row["school"] for row in await connection.fetch(query)]
    async with scoped(pool, access) as connection:
        await add_members(connection, 1, access)
        return [row["school"] for row in await connection.fetch(query)]


# --- role by table by statement ----------------------------------------------------------------------------------


async def test_every_table_of_the_views_is_protected_and_the_reading_role_owns_nothing(pool: asyncpg.Pool) -> None:
    for table in await tables_of(pool):
        assert table["forced"], table["name"]
        assert table["of_schools"], table["name"]
        assert table["owner"] == PROJECTOR_ROLE, table["name"]
    forced = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'projection.dead_letter'::regclass"
    assert await pool.fetchval(forced)
    for role in (PROJECTOR_ROLE, QUERY_ROLE):
        role_row = await pool.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", role)
        assert not any(role_row[right] for right in ("rolsuper", "rolbypassrls", "rolcanlogin", "rolcreaterole"))
    owned = "SELECT count(*) FROM pg_shdepend WHERE refobjid = 'markledger_query'::regrole AND deptype = 'o'"
    assert await pool.fetchval(owned) == 0


@pytest.mark.parametrize(("access", "expected"), SCOPES)
async def test_a_forgotten_filter_shows_the_schools_of_the_scope_alone(
    pool: asyncpg.Pool, access: Access | None, expected: set[str]
) -> None:
    shown = 0
    for table in await tables_of(pool):
        assert {row["school"] for row in await pool.fetch(f"SELECT school FROM {table['name']}")} == set(SCHOOLS)
        if table["readable"]:
            assert set(await schools_seen(pool, table["name"], access)) == expected, table["name"]
            shown += 1
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await schools_seen(pool, table["name"], access)
    assert shown >= 4


async def test_the_reading_role_changes_nothing(pool: asyncpg.Pool) -> None:
    statements = ["CREATE TABLE timeline_v1.mine (a int)", "CREATE SCHEMA mine", "DROP SCHEMA timeline_v1 CASCADE"]
    statements += ["SELECT * FROM projection.dead_letter", "UPDATE projection.active SET version = 2"]
    statements += ["DELETE FROM projection.partition", "CREATE TABLE projection.mine (a int)"]
    for table in await tables_of(pool):
        statements += [
            f"INSERT INTO {table['name']} SELECT (json_populate_record(NULL::{table['name']}, '{{}}')).*",
            f"UPDATE {table['name']} SET school = 'oak'",
            f"DELETE FROM {table['name']}",
            f"TRUNCATE {table['name']}",
            f"DROP TABLE {table['name']}",
            f"ALTER TABLE {table['name']} DISABLE ROW LEVEL SECURITY",
            f"DROP POLICY scope ON {table['name']}",
            f"CREATE POLICY mine ON {table['name']} USING (true)",
            f"LOCK TABLE {table['name']} IN ACCESS EXCLUSIVE MODE",
        ]
    for statement in statements:
        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("SELECT set_config('role', 'markledger_query', true)")
            await connection.execute("SELECT set_config('markledger.schools', '*', true)")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
            await transaction.rollback()


async def test_the_scope_ends_with_its_transaction(pool: asyncpg.Pool) -> None:
    async with asyncpg.create_pool(pool._connect_args[0], min_size=1, max_size=1) as one:
        async with scoped(one, ADMINISTRATOR) as connection:
            assert await connection.fetchval("SELECT current_user") == QUERY_ROLE
        async with one.acquire() as connection, connection.transaction():
            assert await connection.fetchval("SELECT current_user") != QUERY_ROLE
            await connection.execute("SELECT set_config('role', 'markledger_query', true)")
            assert await connection.fetch("SELECT * FROM timeline_v1.block") == []


async def test_what_an_older_release_or_a_restore_left_open_is_closed_at_the_start(pool: asyncpg.Pool) -> None:
    for damage in (
        "ALTER TABLE timeline_v1.block NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE timeline_v1.tail DISABLE ROW LEVEL SECURITY",
        "DROP POLICY writer ON timeline_v1.detail",
        "ALTER TABLE timeline_v1.trust_member OWNER TO CURRENT_USER",
        "DROP POLICY writer ON projection.dead_letter",
        "COMMENT ON SCHEMA timeline_v1 IS ''; DROP POLICY scope ON timeline_v1.school_document",
    ):
        await pool.execute(damage)
        await create_tables(pool, "timeline", 1)
        assert await schools_seen(pool, "timeline_v1.school_document", key_of(schools=("elm",))) == ["elm"]
        for table in await tables_of(pool):
            assert (table["forced"], table["owner"]) == (True, PROJECTOR_ROLE), damage
        policies = await pool.fetchval("SELECT count(*) FROM pg_policy WHERE polname = 'writer'")
        assert policies == len(await tables_of(pool)) + 1, damage


# --- the service without its own check ---------------------------------------------------------------------------


async def test_a_reader_that_allows_everything_still_shows_no_other_school(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def allowed(*_: Any) -> None:
        return None

    monkeypatch.setattr(reading, "_covers", lambda *_: True)
    monkeypatch.setattr(Reader, "_require_members", allowed)
    await put_checkpoint(pool, dict.fromkeys(range(EMBEDDED_PARTITIONS), 4))
    key = await bearer(pool, schools=("oak",))
    app = create_app(read_settings(admin_key=ADMIN_KEY), pool, Keyring(pool, ADMIN_KEY))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:  # type: ignore[arg-type]

        async def answer(population: str, headers: dict[str, str] = key) -> tuple[int, int | str]:
            response = await client.get(f"/v1/reports/overview?{population}&{REPORT}", headers=headers)
            body = response.json()
            return response.status_code, body["rows"][0]["pupils"] if response.is_success else body["errors"][0]["code"]

        assert await answer("school=oak") == (200, 1)
        assert await answer("school=elm") == (404, "unknown_school")
        assert await answer("school=oak&school=elm") == (404, "unknown_school")
        assert await answer("trust=woods") == (200, 1)  # oak, without elm
        assert await answer("trust=heath") == (404, "unknown_trust")
        assert await answer("trust=woods", {"authorization": f"Bearer {ADMIN_KEY}"}) == (200, 2)


async def test_a_directory_that_asks_for_everything_still_shows_no_other_school(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_may_see", lambda *_: True)
    monkeypatch.setattr(directory, "_REVISIONS", directory._REVISIONS.replace("WHERE $1", "WHERE true OR $1"))
    for access, schools in ((key_of(schools=("elm",)), ["elm"]), (key_of(), []), (ADMINISTRATOR, sorted(SCHOOLS))):
        choices = await Directory(pool).choices(access, AS_AT)
        assert [entry.school for entry in choices.schools] == schools


# --- an ordinary user of a real server ---------------------------------------------------------------------------


@pytest.fixture
async def ordinary_url(server_database_url: str) -> AsyncIterator[str]:
    """The URL of a user who owns the database and may do nothing else; nobody has made the roles yet."""
    administrator = await asyncpg.connect(server_database_url)
    parts = urlsplit(server_database_url)
    await administrator.execute(f"DROP ROLE IF EXISTS {PROJECTOR_ROLE}, {QUERY_ROLE}")
    await administrator.execute("CREATE ROLE ledger LOGIN PASSWORD 'not-a-secret' NOSUPERUSER NOCREATEROLE")
    await administrator.execute(f"ALTER DATABASE {parts.path[1:]} OWNER TO ledger")
    await administrator.close()
    yield urlunsplit(parts._replace(netloc=f"ledger:not-a-secret@{parts.hostname}:{parts.port}"))
    administrator = await asyncpg.connect(server_database_url)
    await administrator.execute("REASSIGN OWNED BY ledger TO CURRENT_USER; DROP OWNED BY ledger CASCADE")
    await administrator.execute("DROP ROLE ledger")
    await administrator.close()


@pytest.mark.postgres_server
@pytest.mark.parametrize("helped", ["by the administrator", "by the right to make roles"])
async def test_a_user_who_owns_the_database_runs_everything(
    server_database_url: str, ordinary_url: str, helped: str
) -> None:
    administrator = await asyncpg.connect(server_database_url)
    pool = await open_pool(ordinary_url)
    try:
        with pytest.raises(RolesMissing) as caught:
            await create_tables(pool, "timeline", 1)
        if helped == "by the administrator":
            lines = re.findall(r"(?:CREATE|GRANT)[^;]+;", str(caught.value))
            assert len(lines) == 3
            for line in lines:
                await administrator.execute(line)
        else:
            await administrator.execute("ALTER ROLE ledger CREATEROLE")
        await fold_and_verify(ordinary_url, pool)
        every = {row["school"] for row in await pool.fetch("SELECT school FROM timeline_v1.school_document")}
        assert len(every) == len(SENT)
        assert set(await schools_seen(pool, "timeline_v1.school_document", ADMINISTRATOR)) == every
        assert await schools_seen(pool, "timeline_v1.school_document", key_of(schools=("school-3",))) == ["school-3"]
        assert await schools_seen(pool, "timeline_v1.school_document", None) == []
        reader = Reader(pool, EMBEDDED_PARTITIONS)
        found = await reader.read(key_of(schools=("school-3",)), question_of("school-3"))
        assert [school.index.school for school in found.schools] == ["school-3"]
        with pytest.raises(reading.OutsideScope):
            await reader.read(key_of(schools=("school-3",)), question_of("school-4"))
    finally:
        await administrator.close()
        await pool.close()


async def fold_and_verify(url: str, pool: asyncpg.Pool) -> None:
    """Run the projector itself over some facts, then `verify`."""
    log = EmbeddedLog(pool)
    stop = asyncio.Event()
    settings = read_settings(database_url=url, admin_key=ADMIN_KEY)
    running = asyncio.create_task(run_projector(settings, stop=stop, pace=QUICK))
    try:
        await until(lambda: has_topic(log))
        await append(log, some_facts(60))
        await until(lambda: caught_up(pool, log))
    finally:
        stop.set()
        await running
    result = await verify_views(pool, log)
    assert (result.equal, result.facts, result.behind) == (True, 60, 0), result.differences
    await log.close()


async def has_topic(log: EmbeddedLog) -> bool:
    try:
        return await log.partitions(FACTS.name) > 0
    except LogError:
        return False
