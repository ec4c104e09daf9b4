"""Keys in the database: kept as digests, found, revoked, expired; no key hands on more than it has."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.access import keys
from services.access.keys import ADMINISTRATOR, RIGHTS, Access, KeyRequest, Keyring, WeakAdminKey
from services.access.problems import Problem
from tests.servers.embedded import EmbeddedServer

ADMIN_KEY = "a" * 32
TODAY = datetime.now(UTC).date()


@pytest.fixture
async def pool(embedded_postgres: EmbeddedServer) -> AsyncIterator[asyncpg.Pool]:
    """No key is known. The server's own database will do: nothing else uses this schema there."""
    embedded_postgres.start()
    async with asyncpg.create_pool(embedded_postgres.url, min_size=1, max_size=2) as pool:
        await pool.execute("DROP SCHEMA IF EXISTS access CASCADE")
        await keys.ensure_tables(pool)
        yield pool


def wanted(**changes: Any) -> KeyRequest:
    fields = {"name": "test", "all": False, "schools": ("oak",), "trusts": (), "can": ("read",), "expires_on": None}
    return KeyRequest(**{**fields, **changes})


def school_admin(*schools: str, can: tuple[str, ...] = ("read", "admin")) -> Access:
    return Access("key_admin", "school admin", False, frozenset(schools), frozenset(), frozenset(can))


async def status_of(keyring: Keyring, authorization: str | None) -> tuple[int, str]:
    with pytest.raises(Problem) as raised:
        await keyring.authenticate(authorization)
    assert raised.value.headers["WWW-Authenticate"] == "Bearer"
    return raised.value.status, raised.value.code


async def test_a_created_key_is_found_with_all_that_it_may(pool: asyncpg.Pool) -> None:
    request = wanted(trusts=("woods",), schools=(), can=("read", "names"))
    created = await keys.create_key(pool, request, ADMINISTRATOR)
    access = await Keyring(pool, ADMIN_KEY).authenticate(f"Bearer {created.key}")
    assert access == Access(
        created.key_id, "test", False, frozenset(), frozenset({"woods"}), frozenset({"read", "names"})
    )


async def test_a_key_of_groups_is_found_and_listed_with_them(pool: asyncpg.Pool) -> None:
    created = await keys.create_key(pool, wanted(groups=("4A", "4B")), ADMINISTRATOR)
    assert (await Keyring(pool, ADMIN_KEY).access_of(created.key)).groups == {"4A", "4B"}
    assert [listed.groups for listed in await keys.list_keys(pool, ADMINISTRATOR)] == [["4A", "4B"]]


@pytest.mark.parametrize(
    ("can", "sees"), [(("read",), False), (("read", "names"), True), (("read", "small_numbers"), True)]
)
def test_single_pupils_are_closed_to_a_key_of_counts(can: tuple[str, ...], sees: bool) -> None:
    access = school_admin("oak", can=can)
    assert access.sees_pupils is sees
    refused: list[tuple[int, str]] = []
    try:
        access.require_pupils()
    except Problem as problem:
        refused.append((problem.status, problem.code))
    assert refused == ([] if sees else [(403, "pupils_closed")])


async def test_only_the_digest_is_kept(pool: asyncpg.Pool) -> None:
    created = await keys.create_key(pool, wanted(), ADMINISTRATOR)
    row = await pool.fetchrow("SELECT * FROM access.key")
    assert row["digest"] == hashlib.sha256(created.key.encode()).digest()
    assert created.key not in str(dict(row))
    assert created.key not in str(await keys.list_keys(pool, ADMINISTRATOR))


async def test_the_administrator_may_do_everything(pool: asyncpg.Pool) -> None:
    access = await Keyring(pool, ADMIN_KEY).authenticate(f"Bearer {ADMIN_KEY}")
    assert (access.all, access.can) == (True, frozenset(RIGHTS))


async def test_a_short_admin_key_is_refused(pool: asyncpg.Pool) -> None:
    with pytest.raises(WeakAdminKey):
        Keyring(pool, "a" * 31)


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer  ", "Basic abc", ADMIN_KEY])
async def test_no_key_is_a_401(pool: asyncpg.Pool, authorization: str | None) -> None:
    assert await status_of(Keyring(pool, ADMIN_KEY), authorization) == (401, "key_required")


@pytest.mark.parametrize("key", ["ml_nothing", ADMIN_KEY + "a", "' OR 1=1 --", "\udcff", "é"])
async def test_an_unknown_key_is_a_401(pool: asyncpg.Pool, key: str) -> None:
    assert await status_of(Keyring(pool, ADMIN_KEY), f"Bearer {key}") == (401, "unknown_key")


async def test_a_key_works_on_its_last_day_and_not_after(pool: asyncpg.Pool) -> None:
    keyring = Keyring(pool, ADMIN_KEY)
    last_day = await keys.create_key(pool, wanted(expires_on=TODAY), ADMINISTRATOR)
    over = await keys.create_key(pool, wanted(expires_on=TODAY - timedelta(days=2)), ADMINISTRATOR)
    assert (await keyring.access_of(last_day.key)).key_id == last_day.key_id
    assert await status_of(keyring, f"Bearer {over.key}") == (401, "unknown_key")


async def test_a_revoked_key_is_unknown_once_the_cache_has_forgotten_it(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(keys.time, "monotonic", lambda: now[0])
    keyring = Keyring(pool, ADMIN_KEY)
    created = await keys.create_key(pool, wanted(), ADMINISTRATOR)
    await keyring.access_of(created.key)
    await keys.revoke_key(pool, created.key_id, ADMINISTRATOR)
    now[0] += keys.CACHE_SECONDS
    assert await status_of(keyring, f"Bearer {created.key}") == (401, "unknown_key")
    assert keys.CACHE_SECONDS <= 2


async def test_the_cache_spares_the_database(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys.time, "monotonic", lambda: 100.0)
    keyring = Keyring(pool, ADMIN_KEY)
    created = await keys.create_key(pool, wanted(), ADMINISTRATOR)
    await keyring.access_of(created.key)
    await pool.execute("DELETE FROM access.key")
    assert (await keyring.access_of(created.key)).key_id == created.key_id


async def test_the_cache_is_bounded(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "CACHE_ENTRIES_MAX", 5)
    keyring = Keyring(pool, ADMIN_KEY)
    for number in range(12):
        await status_of(keyring, f"Bearer guess{number}")
    assert len(keyring._known) <= 5


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (wanted(schools=("elm",)), "scope_too_wide"),
        (wanted(schools=("oak", "elm")), "scope_too_wide"),
        (wanted(schools=(), trusts=("woods",)), "scope_too_wide"),
        (wanted(schools=(), all=True), "scope_too_wide"),
        (wanted(can=("read", "names")), "right_missing"),
    ],
)
async def test_no_key_hands_on_more_than_it_has(pool: asyncpg.Pool, request_: KeyRequest, code: str) -> None:
    with pytest.raises(Problem) as raised:
        await keys.create_key(pool, request_, school_admin("oak"))
    assert (raised.value.status, raised.value.code) == (403, code)
    assert await pool.fetchval("SELECT count(*) FROM access.key") == 0


async def test_making_listing_and_revoking_need_the_right(pool: asyncpg.Pool) -> None:
    reader = school_admin("oak", can=("read",))
    for attempt in (
        keys.create_key(pool, wanted(), reader),
        keys.list_keys(pool, reader),
        keys.revoke_key(pool, "key_1", reader),
    ):
        with pytest.raises(Problem) as raised:
            await attempt
        assert (raised.value.status, raised.value.code) == (403, "right_missing")


async def test_keys_outside_the_scope_are_not_there(pool: asyncpg.Pool) -> None:
    mine = await keys.create_key(pool, wanted(), ADMINISTRATOR)
    others = [
        await keys.create_key(pool, request, ADMINISTRATOR)
        for request in (wanted(schools=("elm",)), wanted(schools=(), all=True), wanted(schools=("oak", "elm")))
    ]
    admin = school_admin("oak")
    assert [key.key_id for key in await keys.list_keys(pool, admin)] == [mine.key_id]
    for other in others:
        with pytest.raises(Problem) as raised:
            await keys.revoke_key(pool, other.key_id, admin)
        assert raised.value.status == 404
    await keys.revoke_key(pool, mine.key_id, admin)
    listed = {key.key_id: key.revoked_at for key in await keys.list_keys(pool, ADMINISTRATOR)}
    assert listed[mine.key_id] is not None
    assert [listed[other.key_id] for other in others] == [None] * 3


async def test_tables_may_be_ensured_twice(pool: asyncpg.Pool) -> None:
    created = await keys.create_key(pool, wanted(), ADMINISTRATOR)
    await keys.ensure_tables(pool)
    assert (await Keyring(pool, ADMIN_KEY).access_of(created.key)).key_id == created.key_id
