"""Erasing a pupil: the names of all ids that are this person at the school, for ever, with a receipt. Counts stay.

Who is who is read from the school's facts, most of it before the partition is held. An erasure that was made is
answered with its own receipt again. Each answer leaves a fact of the audit.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import msgspec

from schemas.audit import PupilErased
from schemas.topics import FACTS
from services.access import identities
from services.access.audit import AuditTrail, new_audit_id
from services.access.identities import Erasure
from services.access.keystore import KeyStore
from services.access.problems import Problem
from services.ingest.accept import Desk
from services.ingest.decisions import Caller, Decision
from services.ingest.identity_log import IdentityLog
from services.ingest.ledger import Decided, Ledger, Taken, Work
from services.ingest.persons import Persons
from services.ingest.publish import partition_of
from services.ingest.recall import Wanted
from services.runtime.log.interface import Log
from services.runtime.log.scanning import read_stretch

_IS_KNOWN = """
SELECT EXISTS (SELECT FROM ingest.pupil WHERE school = $1 AND pupil = $2)
    OR EXISTS (SELECT FROM access.sealed_identity WHERE school = $1 AND pupil = $2)
    OR EXISTS (SELECT FROM access.erased_pupil WHERE school = $1 AND pupil = $2)
"""
_ID_PREFIX = "pup_"


class Receipt(msgspec.Struct, frozen=True):
    """The answer to an erasure. `signature`: over everything else, as JSON ordered by name, without spaces."""

    erasure_id: str
    school: str
    pupils: tuple[str, ...]
    erased_at: datetime
    records: int
    signature: str = ""


class Erased(msgspec.Struct, frozen=True):
    """What became of a request: the receipt, and whether it was given before (`again`)."""

    receipt: Receipt
    again: bool


class Eraser:
    """Erases pupils, one request at a time for each partition."""

    def __init__(
        self,
        ledger: Ledger,
        log: Log,
        identity_log: IdentityLog,
        keystore: KeyStore,
        partitions: int,
        audit: AuditTrail,
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._identity_log = identity_log
        self._keystore = keystore
        self._partitions = partitions
        self._audit = audit

    async def erase(self, caller: Caller, school: str, reference: str, request_id: str) -> Erased:
        """Erase the pupil that the school calls `reference`, or that has this id. Raises Problem, and outages."""
        persons = Persons(school)
        await self._read_on(persons, school)
        done: list[Erased] = []

        async def erase_under_the_lock(connection: Any, _: Taken) -> None:
            pupil = await self._find(connection, school, reference)
            await self._read_on(persons, school)
            done.append(await self._erase(connection, school, pupil, persons))

        await self._ledger.take(_work(caller, school), erase_under_the_lock)
        erased = done[-1]
        await self._audit.append([self._fact(erased, caller, request_id)])
        return erased

    async def _find(self, connection: Any, school: str, reference: str) -> str:
        candidates = [self._ledger.ids.pupil(school, reference)]
        if reference.startswith(_ID_PREFIX):
            candidates.append(reference)
        for pupil in candidates:
            if await connection.fetchval(_IS_KNOWN, school, pupil):
                return pupil
        raise Problem(
            404,
            "unknown_pupil",
            "There is no such pupil at the school",
            "Give the reference under which the school sent the pupil, or the id that a report shows.",
        )

    async def _read_on(self, persons: Persons, school: str) -> None:
        partition = partition_of(school, self._partitions)
        first, end = await self._log.bounds(FACTS.name, partition)
        start = max(first, persons.read_to)
        async for records in read_stretch(self._log, FACTS.name, partition, start, end):
            persons.add(records)

    async def _erase(self, connection: Any, school: str, pupil: str, persons: Persons) -> Erased:
        pupils, names = persons.group_of(pupil)
        found = await identities.read_erasures(connection, [school])
        left = tuple(each for each in pupils if (school, each) not in found)
        if not left:
            return Erased(self._receipt(found[school, pupil]), again=True)
        draft = Erasure(f"era_{secrets.token_hex(12)}", school, left, names, self._ledger.clock(), 0)
        return Erased(self._receipt(await self._identity_log.erase(connection, draft)), again=False)

    def _receipt(self, erasure: Erasure) -> Receipt:
        unsigned = Receipt(erasure.erasure_id, erasure.school, erasure.pupils, erasure.erased_at, erasure.records)
        return msgspec.structs.replace(unsigned, signature=self._keystore.sign(canonical(unsigned)))

    def _fact(self, erased: Erased, caller: Caller, request_id: str) -> PupilErased:
        receipt = erased.receipt
        return PupilErased(
            event_id=new_audit_id(),
            school=receipt.school,
            recorded_at=self._ledger.clock(),
            actor=caller.actor,
            request_id=request_id,
            erasure_id=receipt.erasure_id,
            erased_at=receipt.erased_at,
            pupils=receipt.pupils,
            records=receipt.records,
            again=erased.again,
        )


def canonical(receipt: Receipt) -> bytes:
    """What a receipt's signature is over."""
    fields = {name: getattr(receipt, name) for name in receipt.__struct_fields__ if name != "signature"}
    return msgspec.json.encode(fields, order="sorted")


def _work(caller: Caller, school: str) -> Work:
    """A chunk without facts, for the lock of the school's partition and the rule of who may write there."""

    def decide(desk: Desk) -> Decided:
        if not desk.covers(school):
            raise Problem(
                403,
                "forbidden_school",
                "This key does not cover that",
                "The key does not cover the school that was named, or there is no such school.",
            )
        return Decided((Decision(schools=(school,)),), ())

    return Work(caller, "", frozenset({school}), lambda schools: Wanted(set(schools)), decide)
