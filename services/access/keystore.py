"""The keys of identities, one a pupil and school, wrapped; apart from what they seal. Owner of the schema `keystore`.

It may lie in a database of its own (MARKLEDGER_KEYSTORE_URL), is connected to when first needed, and never waited for
long: without it names are neither kept nor shown, and everything else goes on. No key that was unwrapped is kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping

import asyncpg

from services.access import sealing
from services.access.sealing import Damaged
from services.runtime.settings import InvalidSettings, Settings

CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 10.0
CONNECTIONS_MAX = 4

_TABLES = """
CREATE SCHEMA IF NOT EXISTS keystore;
CREATE TABLE IF NOT EXISTS keystore.pupil_key (
    school  text NOT NULL,
    pupil   text NOT NULL,
    wrapped bytea NOT NULL,   -- under a key that is derived from MARKLEDGER_IDENTITY_KEY
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (school, pupil)
);
"""
_LOCK = "markledger keystore"
_FIND = """
SELECT k.school, k.pupil, k.wrapped FROM keystore.pupil_key AS k
JOIN unnest($1::text[], $2::text[]) AS asked (school, pupil) USING (school, pupil)
"""
_MAKE = """
INSERT INTO keystore.pupil_key (school, pupil, wrapped) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
ON CONFLICT DO NOTHING RETURNING school, pupil
"""
_DESTROY = """
DELETE FROM keystore.pupil_key AS k USING unnest($1::text[], $2::text[]) AS asked (school, pupil)
WHERE (k.school, k.pupil) = (asked.school, asked.pupil)
"""

Pupil = tuple[str, str]
"""A school and a pupil id."""


class KeyStoreUnusable(Exception):
    """The key store answers, but the identity key of this installation does not open what is in it."""


class KeyStore:
    """The keys in the database of `pool`, which need not be that of the rest. Methods raise what the pool raises."""

    def __init__(self, pool: asyncpg.Pool, secret: bytes, *, own_pool: bool = False) -> None:
        self._pool = pool
        self._own_pool = own_pool
        self._wrapping = sealing.derive_key(secret, "identity keys")
        self._signing = sealing.derive_key(secret, "erasure receipts")
        self._ready = False

    async def find_keys(self, pupils: Collection[Pupil]) -> dict[Pupil, bytes]:
        """The keys of those that have one that can be unwrapped; a damaged one is left out."""
        await self._prepare()
        return self._unwrapped(await self._pool.fetch(_FIND, *_columns(pupils)))

    async def make_keys(self, pupils: Collection[Pupil]) -> dict[Pupil, bytes]:
        """The key of each, made where there is none; durable on return.

        Raises KeyStoreUnusable for one that does not unwrap: to make it anew would lose every name under it.
        """
        found = await self.find_keys(pupils)
        missing = [pupil for pupil in dict.fromkeys(pupils) if pupil not in found]
        if not missing:
            return found
        made = {pupil: sealing.new_key() for pupil in missing}
        wrapped = [sealing.seal(self._wrapping, key, *pupil) for pupil, key in made.items()]
        rows = await self._pool.fetch(_MAKE, *_columns(missing), wrapped)
        ours = {(row["school"], row["pupil"]) for row in rows}
        found.update((pupil, key) for pupil, key in made.items() if pupil in ours)
        if len(ours) < len(made):  # somebody else made them in between, or they do not unwrap
            found |= await self.find_keys([pupil for pupil in missing if pupil not in ours])
            if any(pupil not in found for pupil in missing):
                raise KeyStoreUnusable(
                    "a key of the key store does not unwrap: is MARKLEDGER_IDENTITY_KEY the one it had?"
                )
        return found

    async def destroy_keys(self, pupils: Collection[Pupil]) -> None:
        """Forget the keys of these pupils for ever; durable on return."""
        if pupils:
            await self._prepare()
            await self._pool.execute(_DESTROY, *_columns(pupils))

    def sign(self, content: bytes) -> str:
        """The installation's signature under `content`."""
        return sealing.sign(self._signing, content)

    async def close(self) -> None:
        """Close the connections that are its own."""
        if self._own_pool:
            self._pool.terminate()

    async def _prepare(self) -> None:
        if self._ready:
            return
        if self._own_pool:
            await self._pool  # at once: it has no connection until it needs one
        while await self._pool.fetchval("SELECT to_regclass('keystore.pupil_key')") is None:
            with contextlib.suppress(asyncpg.UniqueViolationError):  # IF NOT EXISTS may miss what was just made
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", _LOCK)
                    await connection.execute(_TABLES)
        self._ready = True

    def _unwrapped(self, rows: Iterable[Mapping[str, object]]) -> dict[Pupil, bytes]:
        keys: dict[Pupil, bytes] = {}
        for row in rows:
            pupil, wrapped = (str(row["school"]), str(row["pupil"])), row["wrapped"]
            assert isinstance(wrapped, bytes)
            try:
                keys[pupil] = sealing.unseal(self._wrapping, wrapped, *pupil)
            except Damaged:
                continue
        return keys


def open_keystore(settings: Settings, pool: asyncpg.Pool) -> KeyStore:
    """The key store of these settings; `pool` is the database's, in which it is by default. Raises InvalidSettings."""
    if settings.identity_key is None:
        raise InvalidSettings("MARKLEDGER_IDENTITY_KEY: names need it, the same one for ever")
    secret = settings.identity_key.get_secret_value().encode("utf-8")
    if settings.keystore_url is None:
        return KeyStore(pool, secret)
    own = asyncpg.create_pool(
        settings.keystore_url.get_secret_value(),
        min_size=0,
        max_size=CONNECTIONS_MAX,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        max_inactive_connection_lifetime=0,
        server_settings={"application_name": "markledger keystore", "jit": "off", "timezone": "UTC"},
    )
    return KeyStore(own, secret, own_pool=True)


def _columns(pupils: Collection[Pupil]) -> tuple[list[str], list[str]]:
    return [school for school, _ in pupils], [pupil for _, pupil in pupils]
