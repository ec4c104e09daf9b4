"""Who a pupil is: names, date of birth, references, UPN, apart from the ledger. Owner of the tables `access.identity*`.

The only module that reads or writes them, so that encryption and erasure have one seam: `_seal` and `_unseal`. A row
is kept for each school and pupil id: of what was not withdrawn the last told, field by field; and one for each
enrolment that told it, so that a withdrawal can take it back. Nothing here may reach a log line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

_TABLES = """
CREATE SCHEMA IF NOT EXISTS access;
CREATE TABLE IF NOT EXISTS access.identity (
    school  text NOT NULL,
    pupil   text NOT NULL,
    told_at timestamptz NOT NULL,   -- recorded_at of the enrolment that said it
    sealed  bytea NOT NULL,
    PRIMARY KEY (school, pupil)
);
CREATE TABLE IF NOT EXISTS access.identity_told (
    school    text NOT NULL,
    event_id  text NOT NULL,       -- the enrolment
    pupil     text NOT NULL,
    told_at   timestamptz NOT NULL,
    arrival   bigint GENERATED ALWAYS AS IDENTITY,
    withdrawn boolean NOT NULL DEFAULT false,
    sealed    bytea NOT NULL,
    PRIMARY KEY (school, event_id)
);
CREATE INDEX IF NOT EXISTS identity_told_pupil ON access.identity_told (school, pupil);
"""
_LOCK = "markledger access.identity"

Pupil = tuple[str, str]
"""A school and a pupil id."""


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


class Identity(msgspec.Struct, frozen=True):
    """What a reader with the right `names` may see of a pupil: the school's reference, and the name ("" = not told)."""

    reference: str
    name: str


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    reference: str
    given_name: str | None = None
    family_name: str | None = None
    date_of_birth: date | None = None
    upn: str | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Kept)


async def ensure_tables(pool: asyncpg.Pool) -> None:
    """Create `access.identity` if it is missing."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", _LOCK)
        await connection.execute(_TABLES)


async def remember(connection: Any, told: Iterable[ToldIdentity]) -> None:
    """Keep what was told, in the caller's transaction. Of two enrolments of a pupil the one recorded later counts.

    An enrolment that comes again says nothing new, but restores what was lost.
    """
    latest: dict[Pupil, list[ToldIdentity]] = {}
    for identity in told:
        latest.setdefault((identity.school, identity.pupil), []).append(identity)
    if not latest:
        return
    new = await _keep_told(connection, [identity for identities in latest.values() for identity in identities])
    known = await _read(connection, list(latest))
    rows = [
        (school, pupil, *merged)
        for (school, pupil), identities in sorted(latest.items())
        if (news := [each for each in identities if each in new] if (school, pupil) in known else identities)
        and (merged := _merge(known.get((school, pupil)), news)) is not None
    ]
    await _keep(connection, rows)


async def restate(connection: Any, withdrawn: Mapping[tuple[str, str], bool]) -> None:
    """Say of enrolments, by school and event id, whether they are withdrawn; their pupils are who the others say.

    A pupil of whom nothing stands any more keeps what was known: reports of earlier knowledge still show them.
    """
    changed = await connection.fetch(
        "UPDATE access.identity_told AS t SET withdrawn = said.withdrawn"
        " FROM unnest($1::text[], $2::text[], $3::boolean[]) AS said (school, event_id, withdrawn)"
        " WHERE (t.school, t.event_id) = (said.school, said.event_id) AND t.withdrawn <> said.withdrawn"
        " RETURNING t.school, t.pupil",
        [school for school, _ in withdrawn],
        [event_id for _, event_id in withdrawn],
        list(withdrawn.values()),
    )
    pupils = sorted({(row["school"], row["pupil"]) for row in changed})
    if not pupils:
        return
    told = await connection.fetch(
        "SELECT school, pupil, told_at, sealed FROM access.identity_told"
        " JOIN unnest($1::text[], $2::text[]) AS asked (school, pupil) USING (school, pupil)"
        " WHERE NOT withdrawn ORDER BY told_at, arrival",
        [school for school, _ in pupils],
        [pupil for _, pupil in pupils],
    )
    standing: dict[Pupil, tuple[datetime, _Kept]] = {}
    for row in told:
        pupil = (row["school"], row["pupil"])
        earlier = standing[pupil][1] if pupil in standing else None
        standing[pupil] = (row["told_at"], _combine(_unseal(row["school"], row["sealed"]), earlier))
    await _keep(connection, [(*pupil, told_at, _seal(kept)) for pupil, (told_at, kept) in sorted(standing.items())])


async def names_of(pool: Any, school: str, pupils: Collection[str]) -> dict[str, Identity]:
    """Reference and name of these pupils of a school; one that is not known (or was erased) is left out."""
    known = await _read(pool, [(school, pupil) for pupil in pupils])
    return {
        pupil: Identity(kept.reference, " ".join(part for part in (kept.given_name, kept.family_name) if part))
        for (_, pupil), (_, _, kept) in known.items()
    }


_Known = tuple[datetime, bytes, _Kept]


async def _keep_told(connection: Any, told: list[ToldIdentity]) -> set[ToldIdentity]:
    """Keep each for itself; those that had not come before."""
    by_event = {(each.school, each.event_id): each for each in reversed(told)}  # the first of each counts
    first = list(reversed(by_event.values()))
    rows = [(each.school, each.event_id, each.pupil, each.told_at, _seal(_combine(each, None))) for each in first]
    kept = await connection.fetch(
        "INSERT INTO access.identity_told (school, event_id, pupil, told_at, sealed)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[])"
        " ON CONFLICT DO NOTHING RETURNING school, event_id",
        *zip(*rows, strict=True),
    )
    new = {(row["school"], row["event_id"]) for row in kept}
    return {each for each in first if (each.school, each.event_id) in new}


async def _keep(connection: Any, rows: list[tuple[str, str, datetime, bytes]]) -> None:
    if rows:
        await connection.execute(
            "INSERT INTO access.identity (school, pupil, told_at, sealed)"
            " SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bytea[])"
            " ON CONFLICT (school, pupil) DO UPDATE SET told_at = excluded.told_at, sealed = excluded.sealed",
            *zip(*rows, strict=True),
        )


async def _read(connection: Any, pupils: list[tuple[str, str]]) -> Mapping[tuple[str, str], _Known]:
    rows = await connection.fetch(
        "SELECT i.school, i.pupil, i.told_at, i.sealed FROM access.identity AS i"
        " JOIN unnest($1::text[], $2::text[]) AS asked (school, pupil) USING (school, pupil)",
        [school for school, _ in pupils],
        [pupil for _, pupil in pupils],
    )
    return {
        (row["school"], row["pupil"]): (row["told_at"], row["sealed"], _unseal(row["school"], row["sealed"]))
        for row in rows
    }


def _merge(known: _Known | None, told: list[ToldIdentity]) -> tuple[datetime, bytes] | None:
    """What is to be kept of what was known and told; None if it is kept already."""
    kept, told_at = (known[2], known[0]) if known is not None else (None, None)
    for identity in sorted(told, key=lambda each: each.told_at):  # of equals the one told later
        later = told_at is None or identity.told_at >= told_at
        kept = _combine(identity, kept) if later else _combine(kept, identity)
        told_at = identity.told_at if told_at is None or later else told_at
    assert kept is not None and told_at is not None
    sealed = _seal(kept)
    return None if known is not None and known[:2] == (told_at, sealed) else (told_at, sealed)


def _combine(first: ToldIdentity | _Kept | None, second: ToldIdentity | _Kept | None) -> _Kept:
    """Field by field what `first` says, else what `second` says."""
    sources = [source for source in (first, second) if source is not None]
    fields: dict[str, Any] = {}
    for name in _Kept.__struct_fields__:
        fields[name] = next((value for each in sources if (value := getattr(each, name)) is not None), None)
    return _Kept(**fields)


def _seal(kept: _Kept) -> bytes:
    return _encoder.encode(kept)


def _unseal(school: str, sealed: bytes) -> _Kept:
    return _decoder.decode(sealed)
