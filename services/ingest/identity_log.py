"""The log of identities, and the tables of `services.access.identities` kept in step with it, partition by partition.

Its records are sealed before they are written: key = school NUL pupil NUL enrolment; a marker under school NUL pupil
says that a pupil was erased, and stays. Who calls holds the same partition of the registry, so there is one writer;
after any doubt the log is read on first, and what it says of an erased pupil also destroys the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
import structlog

from schemas.topics import IDENTITY
from services.access import identities
from services.access.identities import Erasure, SealedIdentity, Told, ToldIdentity
from services.access.keystore import KeyStore, Pupil
from services.ingest.publish import LogMoved, partition_of
from services.ingest.recall import find_withdrawn
from services.runtime.log.interface import Log, LogRecreated, Record
from services.runtime.log.scanning import read_batch

_log = structlog.get_logger("markledger.ingest.identities")
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SealedIdentity)

Item = tuple[bytes, bytes | None]


class Naming(msgspec.Struct, frozen=True):
    """What an enrolment told of a pupil. `is_new`: it is a fact of this chunk, not one that came again."""

    told: ToldIdentity
    is_new: bool


class _Heads(msgspec.Struct):
    """The partitions that a transaction holds, and how far its tables follow each."""

    log_id: str
    next_offsets: dict[int, int]


class IdentityLog:
    """Writes and follows the topic of identities. `partitions`: as many as the facts have."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        log: Log,
        keystore: KeyStore,
        partitions: int,
        person_of: Callable[[str, str | None], str],
    ) -> None:
        self._pool = pool
        self._log = log
        self._keystore = keystore
        self._partitions = partitions
        self._person_of = person_of
        self._is_made = False

    async def start(self) -> None:
        """Catch up with the log, one partition after another. Raises LogRecreated, and outages of log and key store."""
        await self._make_topic()
        found = await identities.read_checkpoints(self._pool)
        ends = await asyncio.gather(*(self._log.bounds(IDENTITY.name, each) for each in range(self._partitions)))
        for partition, (_, end) in enumerate(ends):
            if found.get(partition, ("", 0))[1] != end:
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute("SELECT FROM ingest.partition WHERE partition = $1 FOR UPDATE", partition)
                    await self._hold(connection, [partition])
        await self.seal_open_names()

    async def seal_open_names(self) -> None:
        """Bring what an earlier release kept unsealed into this log, and drop it there."""
        async with self._pool.acquire() as connection, connection.transaction():
            told = await identities.read_open_names(connection)
            if told:
                await connection.execute("SELECT FROM ingest.partition ORDER BY partition FOR UPDATE")
                await self.remember(connection, [Naming(each, is_new=False) for each in told])
                _log.info("names of an earlier release are sealed", records=len(told))
            await identities.drop_open_names(connection)

    async def remember(self, connection: Any, names: Sequence[Naming]) -> None:
        """Keep what was told, in the caller's transaction and in the log, durably. Erased pupils stay erased.

        An enrolment that comes again says nothing new, but restores what was lost. Raises LogMoved, and outages.
        """
        heads = await self._hold(connection, {self._partition(each.told.school) for each in names})
        first: dict[Told, Naming] = {}
        for each in names:
            first.setdefault(each.told.name, each)
        erasures = await identities.read_erasures(connection, {school for school, _, _ in first})
        followers = await self._find_followers(connection, erasures, first.values())
        again = [name for name, each in first.items() if not each.is_new]
        kept = await identities.find_readable(connection, self._keystore, again) if again else set()
        told = [
            each.told
            for name, each in first.items()
            if name not in kept and name[:2] not in erasures and name[:2] not in followers
        ]
        sealed = await self._seal(told)
        if followers:
            await self._write_markers(connection, heads, followers)
        if sealed:
            items = [(self._partition(each.school), (_key(each), _encoder.encode(each))) for each in sealed]
            offsets = await self._append(heads, items)
            lost = [(school, event_id) for school, _, event_id in again]
            withdrawn = await find_withdrawn(connection, lost) if lost else set()
            await identities.keep(connection, list(zip(offsets, sealed, strict=True)), withdrawn)
        await identities.write_checkpoints(connection, heads.log_id, heads.next_offsets)

    async def erase(self, connection: Any, erasure: Erasure) -> Erasure:
        """Erase the pupils of `erasure`, durably; it comes back with the number of records that it took away.

        First the log: a tombstone for each record and a marker for each pupil. Then rows and keys.
        """
        heads = await self._hold(connection, [self._partition(erasure.school)])
        told = await identities.find_told_of(connection, [(erasure.school, pupil) for pupil in erasure.pupils])
        erasure = msgspec.structs.replace(erasure, records=len(told))
        partition = self._partition(erasure.school)
        await self._append(heads, [(partition, (_joined(name), None)) for name in told])
        await self._write_markers(connection, heads, {(erasure.school, pupil): erasure for pupil in erasure.pupils})
        await identities.write_checkpoints(connection, heads.log_id, heads.next_offsets)
        return erasure

    # --- Writing ---

    async def _seal(self, told: Collection[ToldIdentity]) -> list[SealedIdentity]:
        if not told:
            return []
        keys = await self._keystore.make_keys({(each.school, each.pupil) for each in told})
        return [identities.seal_identity(keys[each.school, each.pupil], each) for each in told]

    async def _write_markers(self, connection: Any, heads: _Heads, erasures: Mapping[Pupil, Erasure]) -> None:
        markers = {pupil: _encoder.encode(erasure) for pupil, erasure in erasures.items()}
        await self._append(
            heads, [(self._partition(pupil[0]), (_joined(pupil), marker)) for pupil, marker in markers.items()]
        )
        await self._apply_markers(connection, markers)

    async def _apply_markers(self, connection: Any, markers: Mapping[Pupil, bytes]) -> None:
        await identities.mark_erased(connection, markers)
        await self._keystore.destroy_keys(markers)

    async def _find_followers(
        self, connection: Any, erasures: Mapping[Pupil, Erasure], names: Iterable[Naming]
    ) -> dict[Pupil, Erasure]:
        """The pupils that turn out to be an erased person under a new reference, by the UPN told with it.

        Not one whose name is kept already: a slip in a UPN must not destroy it.
        """
        by_person = {(school, person): each for (school, _), each in erasures.items() for person in each.persons}
        found: dict[Pupil, Erasure] = {}
        for told in (each.told for each in names) if by_person else ():
            pupil = (told.school, told.pupil)
            erasure = by_person.get((told.school, self._person_of(told.reference, told.upn)))
            if erasure is not None and pupil not in erasures:
                found[pupil] = msgspec.structs.replace(erasure, pupils=(*erasure.pupils, told.pupil))
        for school, pupil_id, _ in await identities.find_told_of(connection, found) if found else ():
            found.pop((school, pupil_id), None)
        return found

    async def _append(self, heads: _Heads, items: Sequence[tuple[int, Item]]) -> list[int]:
        """Append to the partitions given; the offset of each item. Raises LogMoved if others came in between."""
        by_partition: dict[int, list[Item]] = {}
        places: dict[int, list[int]] = {}
        for place, (partition, item) in enumerate(items):
            by_partition.setdefault(partition, []).append(item)
            places.setdefault(partition, []).append(place)
        offsets = [0] * len(items)
        for partition, of_partition in by_partition.items():
            start = heads.next_offsets[partition]
            found = await self._log.append(IDENTITY.name, partition, of_partition)
            if found != list(range(start, start + len(of_partition))):
                raise LogMoved
            heads.next_offsets[partition] = start + len(of_partition)
            for place, offset in zip(places[partition], found, strict=True):
                offsets[place] = offset
        return offsets

    # --- Following ---

    async def _hold(self, connection: Any, partitions: Collection[int]) -> _Heads:
        """Know all that the log holds of these partitions, which the caller has locked."""
        await self._make_topic()
        log_id = await self._log.log_id(IDENTITY.name)
        found = await identities.read_checkpoints(connection, partitions)
        heads = _Heads(log_id, {})
        for partition in sorted(partitions):
            first, end = await self._log.bounds(IDENTITY.name, partition)
            of_log, start = found.get(partition, (log_id, first))
            if of_log != log_id or start > end:
                raise LogRecreated(
                    f"the identities were kept from another log than {IDENTITY.name} is now, or from more of it;"
                    " connect the log they belong to"
                )
            heads.next_offsets[partition] = start
            while heads.next_offsets[partition] < end:
                await self._catch_up(connection, heads, partition)
        await identities.write_checkpoints(connection, log_id, heads.next_offsets)
        return heads

    async def _catch_up(self, connection: Any, heads: _Heads, partition: int) -> None:
        start = heads.next_offsets[partition]
        batch = await read_batch(self._log, IDENTITY.name, partition, start)
        await self._apply(connection, batch.records)
        heads.next_offsets[partition] = batch.next_offset
        _log.info("identities caught up", partition=partition, start=start, next_offset=batch.next_offset)

    async def _apply(self, connection: Any, records: Iterable[Record]) -> None:
        """Take in what the log says; of each name the last counts."""
        kept: dict[Told, tuple[int, SealedIdentity] | None] = {}
        markers: dict[Pupil, bytes] = {}
        for record in records:
            school, pupil, *enrolment = (
                part.decode("utf-8", "replace") for part in (record.key or b"\0").split(b"\0", 2)
            )
            if enrolment:
                sealed = _decoded(record)
                kept[school, pupil, enrolment[0]] = None if sealed is None else (record.offset, sealed)
            elif record.value is not None:
                markers[school, pupil] = record.value
        await identities.forget(connection, [name for name, each in kept.items() if each is None])
        await self._apply_markers(connection, markers)
        erased = await identities.read_erasures(connection, {school for school, _, _ in kept})
        placed = [each for name, each in kept.items() if each is not None and name[:2] not in erased]
        withdrawn = await find_withdrawn(connection, [(each.school, each.event_id) for _, each in placed])
        await identities.keep(connection, placed, withdrawn)

    async def _make_topic(self) -> None:
        if not self._is_made:
            await self._log.create_topic(
                IDENTITY.name, self._partitions, retention_ms=IDENTITY.retention_ms, compacted=IDENTITY.compacted
            )
            self._is_made = True

    def _partition(self, school: str) -> int:
        return partition_of(school, self._partitions)


def _decoded(record: Record) -> SealedIdentity | None:
    """What a record says; None for a tombstone, and for what is no identity."""
    if record.value is None:
        return None
    try:
        return _decoder.decode(record.value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        _log.warning("identity skipped", offset=record.offset)
        return None


def _key(each: SealedIdentity) -> bytes:
    return _joined((each.school, each.pupil, each.event_id))


def _joined(parts: tuple[str, ...]) -> bytes:
    return "\0".join(parts).encode("utf-8")
