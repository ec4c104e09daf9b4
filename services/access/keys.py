"""Bearer keys: who asks, what the key covers and what it may do. Owner of the table `access.key`.

A key is shown once, when it is made; only its SHA-256 is kept. What a key of a trust covers at a date is
decided in `services.access.scopes`. Nothing here writes a key to a log, or to an answer but its maker's.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from datetime import date
from typing import Any

import asyncpg
import msgspec

from services.access.problems import Problem

RIGHTS = ("read", "write", "names", "migrate", "admin", "settings", "import", "enter", "small_numbers")
RIGHTS_OF_GROUPS = ("read", "names", "small_numbers")
"""What a key of groups may do: who is in a group is known where reports are made, not where facts come in."""
ADMIN_KEY_LENGTH_MIN = 32
CACHE_SECONDS = 1.0
CACHE_ENTRIES_MAX = 10_000

_TABLES = """
CREATE SCHEMA IF NOT EXISTS access;
CREATE TABLE IF NOT EXISTS access.key (
    key_id      text PRIMARY KEY,
    digest      bytea NOT NULL UNIQUE,      -- SHA-256 of the key
    name        text NOT NULL,
    all_schools boolean NOT NULL,
    schools     text[] NOT NULL,
    trusts      text[] NOT NULL,
    can         text[] NOT NULL,
    expires_on  date,                       -- its last day, UTC
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz
);
ALTER TABLE access.key ADD COLUMN IF NOT EXISTS groups text[] NOT NULL DEFAULT '{}';
"""
_LOCK = "markledger access.key"


class Access(msgspec.Struct, frozen=True):
    """What an authenticated caller may see and do.

    `groups`: the pupils of these alone, at the date of the roster; none = all pupils of the schools.
    """

    key_id: str
    name: str
    all: bool
    schools: frozenset[str]
    trusts: frozenset[str]
    can: frozenset[str]
    groups: frozenset[str] = frozenset()

    def may(self, right: str) -> bool:
        """Whether the key has `right`."""
        return right in self.can

    @property
    def sees_pupils(self) -> bool:
        """Whether single pupils, and so small numbers, are shown; whoever sees names sees both."""
        return not self.can.isdisjoint(("names", "small_numbers"))

    def require(self, *rights: str) -> None:
        """Raise 403 unless the key has one of `rights`."""
        if self.can.isdisjoint(rights):
            named = " or ".join(repr(right) for right in rights)
            raise Problem(
                403,
                "right_missing",
                "This key may not do that",
                f"The right {named} is needed. Ask an administrator for a key with it (POST /v1/keys).",
            )

    def require_pupils(self) -> None:
        """Raise 403 unless single pupils are shown to the key."""
        if not self.sees_pupils:
            raise Problem(
                403,
                "pupils_closed",
                "This key does not show single pupils",
                "A list of pupils gives small numbers away, so it needs the right 'names' or 'small_numbers'. "
                "The tables of the reports are open to this key. Ask an administrator for a key with the right.",
            )


ADMINISTRATOR = Access("admin", "administrator", True, frozenset(), frozenset(), frozenset(RIGHTS))


class WeakAdminKey(ValueError):
    """The administrator's key is too short to be one."""


class KeyRequest(msgspec.Struct, frozen=True):
    """A key to be made, as `services.access.key_requests` read it."""

    name: str
    all: bool
    schools: tuple[str, ...]
    trusts: tuple[str, ...]
    can: tuple[str, ...]
    expires_on: date | None
    groups: tuple[str, ...] = ()


class CreatedKey(msgspec.Struct, frozen=True):
    """The answer to the making of a key: the only place where the key itself stands."""

    key_id: str
    key: str


class ListedKey(msgspec.Struct, frozen=True):
    """A key as it is listed."""

    key_id: str
    name: str
    all: bool
    schools: list[str]
    trusts: list[str]
    groups: list[str]
    can: list[str]
    expires_on: date | None
    created_by: str
    created_at: str
    revoked_at: str | None


class Keyring:
    """Authenticates callers. Answers are kept for a second, so a revoked key works no longer than that."""

    def __init__(self, pool: asyncpg.Pool, admin_key: str) -> None:
        if len(admin_key) < ADMIN_KEY_LENGTH_MIN:
            raise WeakAdminKey(f"MARKLEDGER_ADMIN_KEY needs at least {ADMIN_KEY_LENGTH_MIN} characters")
        self._pool = pool
        self._admin_digest = _digest(admin_key)
        self._known: dict[bytes, tuple[float, Access | None]] = {}

    async def authenticate(self, authorization: str | None) -> Access:
        """The access of `Authorization: Bearer …`. Raises Problem 401."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise _unauthenticated("key_required", "Send the key as `Authorization: Bearer …`.")
        return await self.access_of(key.strip())

    async def access_of(self, key: str) -> Access:
        """The access of `key`. Raises Problem 401 for one that is unknown, revoked or expired."""
        digest = _digest(key)
        if hmac.compare_digest(digest, self._admin_digest):
            return ADMINISTRATOR
        now = time.monotonic()
        known = self._known.get(digest)
        if known is None or known[0] <= now:
            if len(self._known) >= CACHE_ENTRIES_MAX:
                self._known.clear()
            known = (now + CACHE_SECONDS, await _find(self._pool, digest))
            self._known[digest] = known
        if known[1] is None:
            raise _unauthenticated("unknown_key", "The key is unknown, was revoked or has expired.")
        return known[1]


async def ensure_tables(pool: asyncpg.Pool) -> None:
    """Create `access.key` if it is missing."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", _LOCK)
        await connection.execute(_TABLES)


async def create_key(pool: asyncpg.Pool, request: KeyRequest, access: Access) -> CreatedKey:
    """Make a key no wider than `access`, which needs the right `admin`. Raises Problem 403."""
    access.require("admin")
    _require_within(request, access)
    created = CreatedKey(key_id=f"key_{secrets.token_hex(8)}", key=f"ml_{secrets.token_urlsafe(32)}")
    await pool.execute(
        "INSERT INTO access.key"
        " (key_id, digest, name, all_schools, schools, trusts, can, expires_on, created_by, groups)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        created.key_id,
        _digest(created.key),
        request.name,
        request.all,
        list(request.schools),
        list(request.trusts),
        list(request.can),
        request.expires_on,
        access.key_id,
        list(request.groups),
    )
    return created


async def list_keys(pool: asyncpg.Pool, access: Access) -> list[ListedKey]:
    """The keys that lie within the scope of `access`, which needs the right `admin`; oldest first."""
    access.require("admin")
    rows = await pool.fetch(
        f"SELECT * FROM access.key WHERE {_WITHIN_SCOPE} ORDER BY created_at, key_id",
        *_scope_arguments(access),
    )
    return [_listed(row) for row in rows]


async def revoke_key(pool: asyncpg.Pool, key_id: str, access: Access) -> None:
    """End a key within the scope of `access`, which needs the right `admin`. Raises Problem 404."""
    access.require("admin")
    found = await pool.fetchval(
        "UPDATE access.key SET revoked_at = coalesce(revoked_at, now())"
        f" WHERE key_id = $4 AND {_WITHIN_SCOPE} RETURNING key_id",
        *_scope_arguments(access),
        key_id,
    )
    if found is None:
        raise Problem(404, "unknown_key_id", "There is no such key", "GET /v1/keys lists the keys that you may see.")


_WITHIN_SCOPE = "($1 OR (NOT all_schools AND schools <@ $2 AND trusts <@ $3))"


def _scope_arguments(access: Access) -> tuple[bool, list[str], list[str]]:
    return access.all, sorted(access.schools), sorted(access.trusts)


def _require_within(request: KeyRequest, access: Access) -> None:
    """A key may hand on no more than it has; whether a school exists makes no difference to the answer."""
    covers = access.all or (
        not request.all and access.schools.issuperset(request.schools) and access.trusts.issuperset(request.trusts)
    )
    if not covers:
        raise Problem(
            403,
            "scope_too_wide",
            "This key may not give that scope",
            "A key may only name schools and trusts that the key which makes it names too.",
        )
    missing = sorted(set(request.can) - access.can)
    if missing:
        raise Problem(
            403,
            "right_missing",
            "This key may not give that right",
            f"A key may only give rights that it has itself; it lacks {', '.join(missing)}.",
        )


async def _find(pool: asyncpg.Pool, digest: bytes) -> Access | None:
    row = await pool.fetchrow(
        "SELECT key_id, name, all_schools, schools, trusts, can, groups FROM access.key WHERE digest = $1"
        " AND revoked_at IS NULL AND (expires_on IS NULL OR expires_on >= (now() AT TIME ZONE 'UTC')::date)",
        digest,
    )
    if row is None:
        return None
    return Access(
        key_id=row["key_id"],
        name=row["name"],
        all=row["all_schools"],
        schools=frozenset(row["schools"]),
        trusts=frozenset(row["trusts"]),
        can=frozenset(row["can"]),
        groups=frozenset(row["groups"]),
    )


def _listed(row: Any) -> ListedKey:
    return ListedKey(
        key_id=row["key_id"],
        name=row["name"],
        all=row["all_schools"],
        schools=row["schools"],
        trusts=row["trusts"],
        groups=row["groups"],
        can=row["can"],
        expires_on=row["expires_on"],
        created_by=row["created_by"],
        created_at=row["created_at"].isoformat(timespec="seconds"),
        revoked_at=row["revoked_at"] and row["revoked_at"].isoformat(timespec="seconds"),
    )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _unauthenticated(code: str, detail: str) -> Problem:
    return Problem(401, code, "A valid key is needed", detail, headers={"WWW-Authenticate": "Bearer"})
