"""Who a pupil is, apart from the ledger and sealed. Owner of `sealed_identity`, `erased_pupil`, `identity_partition`.

The only module that reads or writes these tables. They follow the log of identities (`services.ingest.identity_log`): a
row is kept for each enrolment that told something, so that a withdrawal can take it back; who a pupil is, is worked out
when it is asked: of what was not withdrawn the last told, field by field. Nothing here may reach a log line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

from services.access import sealing
from services.access.keystore import KeyStore, Pupil
from services.runtime.observability import IDENTITIES_DAMAGED

_TABLES = """
CREATE SCHEMA IF NOT EXISTS access;
CREATE TABLE IF NOT EXISTS access.sealed_identity (
    school    text NOT NULL,
    pupil     text NOT NULL,
    event_id  text NOT NULL,           -- the enrolment that told it
    told_at   timestamptz NOT NULL,    -- recorded_at of that enrolment
    arrival   bigint NOT NULL,         -- its offset in the log of identities
    withdrawn boolean NOT NULL,
    sealed    bytea NOT NULL,
    PRIMARY KEY (school, pupil, event_id)
);
CREATE TABLE IF NOT EXISTS access.erased_pupil (
    school text NOT NULL,
    pupil  text NOT NULL,
    marker bytea NOT NULL,             -- when and by which receipt; nothing of the person
    PRIMARY KEY (school, pupil)
);
CREATE TABLE IF NOT EXISTS access.identity_partition (
    partition   integer PRIMARY KEY,
    log_id      text NOT NULL,
    next_offset bigint NOT NULL
);
"""
TABLES_FROM_LOG = ("sealed_identity", "erased_pupil", "identity_partition")
"""They come again from the log of identities; the keys do not."""

_NAMES = """
SELECT school, pupil, event_id, told_at, arrival, withdrawn, sealed FROM access.sealed_identity
WHERE school = $1 AND pupil = ANY($2::text[])
UNION ALL
SELECT school, pupil, '', 'epoch', 0, false, NULL FROM access.erased_pupil
WHERE school = $1 AND pupil = ANY($2::text[])
ORDER BY told_at DESC, arrival DESC
"""
"""The last told first; what is sealed is missing of an erased pupil."""

ERASED_NAME = "Erased pupil"
_LOCK = "markledger access.identity"

Told = tuple[str, str, str]
"""A school, a pupil id, and the event id of the enrolment that told who the pupil is."""


class ToldIdentity(msgspec.Struct, frozen=True):
    """What an enrolment says about who a pupil is; None = it says nothing about the field."""

    school: str
    pupil: str
    event_id: str
    told_at: datetime
    reference: str
    given_name: str | None = None
    family_name: str | None = None
    date_of_birth: date | None = None
    upn: str | None = None

    @property
    def name(self) -> Told:
        """What it is found by."""
        return self.school, self.pupil, self.event_id


class SealedIdentity(msgspec.Struct, frozen=True, gc=False):
    """The same, sealed: the value of a record of the log of identities."""

    school: str
    pupil: str
    event_id: str
    told_at: datetime
    sealed: bytes


class Erasure(msgspec.Struct, frozen=True):
    """That pupils of a school were erased, and by which receipt; `persons` are keyed hashes, as the ledger has them."""

    erasure_id: str
    school: str
    pupils: tuple[str, ...]
    persons: tuple[str, ...]
    erased_at: datetime
    records: int


class Identity(msgspec.Struct, frozen=True):
    """What a reader with the right `names` may see of a pupil: the school's reference, and the name ("" = not told)."""

    reference: str | None
    name: str


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    reference: str
    given_name: str | None = None
    family_name: str | None = None
    date_of_birth: date | None = None
    upn: str | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Kept)
_erasure_decoder = msgspec.json.Decoder(Erasure)


async def ensure_tables(pool: asyncpg.Pool) -> None:
    """Create the tables if they are missing."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", _LOCK)
        await connection.execute(_TABLES)


# --- Sealing -----------------------------------------------------------------------------------------------------


def seal_identity(key: bytes, told: ToldIdentity) -> SealedIdentity:
    """What was told, sealed under the pupil's key for its school, pupil and enrolment."""
    kept = _Kept(told.reference, told.given_name, told.family_name, told.date_of_birth, told.upn)
    sealed = sealing.seal(key, _encoder.encode(kept), *told.name)
    return SealedIdentity(told.school, told.pupil, told.event_id, told.told_at, sealed)


def _unseal(key: bytes | None, row: Mapping[str, Any]) -> _Kept:
    """Raises Damaged."""
    if key is None:
        raise sealing.Damaged("there is no key for it")
    content = sealing.unseal(key, row["sealed"], row["school"], row["pupil"], row["event_id"])
    try:
        return _decoder.decode(content)
    except msgspec.MsgspecError:
        raise sealing.Damaged("not an identity") from None


# --- Reading -----------------------------------------------------------------------------------------------------


async def names_of(pool: Any, keystore: KeyStore, school: str, pupils: Collection[str]) -> dict[str, Identity]:
    """Reference and name of these pupils of a school; one that is not known is left out, a damaged record too.

    Raises what the pools raise: without the key store there are no names.
    """
    asked = list(dict.fromkeys(pupils))
    rows, keys = await asyncio.gather(
        pool.fetch(_NAMES, school, asked), keystore.find_keys([(school, pupil) for pupil in asked])
    )
    told: dict[str, list[tuple[bool, _Kept]]] = {}
    for row in rows:
        if row["sealed"] is None:
            continue
        try:
            kept = _unseal(keys.get((school, row["pupil"])), row)
        except sealing.Damaged:
            IDENTITIES_DAMAGED.inc()
            continue
        told.setdefault(row["pupil"], []).append((row["withdrawn"], kept))
    names = {pupil: _shown(said) for pupil, said in told.items()}
    return names | {row["pupil"]: Identity(None, ERASED_NAME) for row in rows if row["sealed"] is None}


def _shown(told: list[tuple[bool, _Kept]]) -> Identity:
    """Who a pupil is by all that was told, the last told first.

    A pupil of whom nothing stands any more is who all of it says: reports of earlier knowledge still show them.
    """
    said = [kept for withdrawn, kept in told if not withdrawn] or [kept for _, kept in told]
    given_name = next((kept.given_name for kept in said if kept.given_name is not None), None)
    family_name = next((kept.family_name for kept in said if kept.family_name is not None), None)
    return Identity(said[0].reference, " ".join(part for part in (given_name, family_name) if part))


async def read_erasures(connection: Any, schools: Collection[str]) -> dict[Pupil, Erasure]:
    """The erased pupils of these schools."""
    rows = await connection.fetch(
        "SELECT school, pupil, marker FROM access.erased_pupil WHERE school = ANY($1::text[])", list(schools)
    )
    return {(row["school"], row["pupil"]): _erasure_decoder.decode(row["marker"]) for row in rows}


async def read_open_names(connection: Any) -> list[ToldIdentity]:
    """What releases before 0.2 kept unsealed; nothing once `drop_open_names` has been here."""
    if await connection.fetchval("SELECT to_regclass('access.identity_told')") is None:
        return []
    rows = await connection.fetch(
        "SELECT school, pupil, event_id, told_at, sealed FROM access.identity_told ORDER BY arrival"
    )
    return [
        ToldIdentity(
            row["school"],
            row["pupil"],
            row["event_id"],
            row["told_at"],
            **msgspec.structs.asdict(_decoder.decode(row["sealed"])),
        )
        for row in rows
    ]


async def drop_open_names(connection: Any) -> None:
    """Drop the tables in which names lay open."""
    await connection.execute("DROP TABLE IF EXISTS access.identity_told, access.identity")


async def find_told(connection: Any, told: Collection[Told]) -> set[Told]:
    """Those of these that are kept."""
    rows = await connection.fetch(
        "SELECT school, pupil, event_id FROM access.sealed_identity"
        " JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (school, pupil, event_id)"
        " USING (school, pupil, event_id)",
        *_columns(told, 3),
    )
    return {(row["school"], row["pupil"], row["event_id"]) for row in rows}


async def find_readable(connection: Any, keystore: KeyStore, told: Collection[Told]) -> set[Told]:
    """Those of these that are kept and can be opened: not so what a restored key store has no key for."""
    rows = await connection.fetch(
        "SELECT school, pupil, event_id, sealed FROM access.sealed_identity"
        " JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (school, pupil, event_id)"
        " USING (school, pupil, event_id)",
        *_columns(told, 3),
    )
    keys = await keystore.find_keys({(row["school"], row["pupil"]) for row in rows})
    readable: set[Told] = set()
    for row in rows:
        try:
            _unseal(keys.get((row["school"], row["pupil"])), row)
        except sealing.Damaged:
            continue
        readable.add((row["school"], row["pupil"], row["event_id"]))
    return readable


async def find_told_of(connection: Any, pupils: Collection[Pupil]) -> list[Told]:
    """All that is kept of these pupils."""
    rows = await connection.fetch(
        "SELECT school, pupil, event_id FROM access.sealed_identity"
        " JOIN unnest($1::text[], $2::text[]) AS asked (school, pupil) USING (school, pupil)",
        *_columns(pupils, 2),
    )
    return [(row["school"], row["pupil"], row["event_id"]) for row in rows]


# --- Following the log, in the caller's transaction --------------------------------------------------------------


async def keep(
    connection: Any, placed: Collection[tuple[int, SealedIdentity]], withdrawn: Collection[tuple[str, str]]
) -> None:
    """Keep what was told, each with its offset, in the place of what was kept under the same name.

    `withdrawn`: the enrolments, by school and event id, of which a standing withdrawal is known.
    """
    last = {(each.school, each.pupil, each.event_id): (offset, each) for offset, each in placed}
    known = await find_told(connection, last)
    await forget(connection, known)
    await connection.copy_records_to_table(
        "sealed_identity",
        schema_name="access",
        columns=("school", "pupil", "event_id", "told_at", "arrival", "withdrawn", "sealed"),
        records=[
            (*name, each.told_at, offset, (each.school, each.event_id) in withdrawn, each.sealed)
            for name, (offset, each) in last.items()
        ],
    )


async def forget(connection: Any, told: Collection[Told]) -> None:
    """Keep these no longer."""
    if told:
        await connection.execute(
            "DELETE FROM access.sealed_identity AS i USING unnest($1::text[], $2::text[], $3::text[])"
            " AS gone (school, pupil, event_id)"
            " WHERE (i.school, i.pupil, i.event_id) = (gone.school, gone.pupil, gone.event_id)",
            *_columns(told, 3),
        )


async def mark_erased(connection: Any, markers: Mapping[Pupil, bytes]) -> None:
    """Keep nothing of these pupils but that they were erased, for ever. Their keys are the caller's business."""
    if not markers:
        return
    await connection.execute(
        "DELETE FROM access.sealed_identity AS i USING unnest($1::text[], $2::text[]) AS gone (school, pupil)"
        " WHERE (i.school, i.pupil) = (gone.school, gone.pupil)",
        *_columns(markers, 2),
    )
    await connection.execute(
        "INSERT INTO access.erased_pupil (school, pupil, marker)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])"
        " ON CONFLICT (school, pupil) DO UPDATE SET marker = excluded.marker",
        *_columns(markers, 2),
        list(markers.values()),
    )


async def restate(connection: Any, withdrawn: Mapping[tuple[str, str], bool]) -> None:
    """Say of enrolments, by school and event id, whether they are withdrawn."""
    await connection.execute(
        "UPDATE access.sealed_identity AS t SET withdrawn = said.withdrawn"
        " FROM unnest($1::text[], $2::text[], $3::boolean[]) AS said (school, event_id, withdrawn)"
        " WHERE (t.school, t.event_id) = (said.school, said.event_id) AND t.withdrawn <> said.withdrawn",
        *_columns(withdrawn, 2),
        list(withdrawn.values()),
    )


async def read_checkpoints(connection: Any, partitions: Iterable[int] | None = None) -> dict[int, tuple[str, int]]:
    """By partition of the log of identities (None = all): the log, and how far these tables follow it."""
    rows = await connection.fetch(
        "SELECT partition, log_id, next_offset FROM access.identity_partition"
        " WHERE $1::int[] IS NULL OR partition = ANY($1::int[])",
        None if partitions is None else list(partitions),
    )
    return {row["partition"]: (row["log_id"], row["next_offset"]) for row in rows}


async def write_checkpoints(connection: Any, log_id: str, next_offsets: Mapping[int, int]) -> None:
    """Say how far these tables follow the log."""
    await connection.execute(
        "INSERT INTO access.identity_partition (partition, log_id, next_offset)"
        " SELECT partition, $1, next_offset FROM unnest($2::int[], $3::bigint[]) AS n (partition, next_offset)"
        " ON CONFLICT (partition) DO UPDATE SET log_id = excluded.log_id, next_offset = excluded.next_offset",
        log_id,
        list(next_offsets),
        list(next_offsets.values()),
    )


def _columns(names: Collection[tuple[str, ...]], count: int) -> list[list[str]]:
    """The columns of some rows; as many empty ones if there is no row."""
    rows = list(names)
    return [[row[column] for row in rows] for column in range(count)]
