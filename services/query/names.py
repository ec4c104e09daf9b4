"""Names for an answer, or none at all: told only to a key that may see them, and only when that is written down.

Without the key store, without the audit, or while the identities are behind their log (an erasure may wait there), an
answer has no names, and says so. Counts never depend on this room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode

import asyncpg
import structlog

from schemas.audit import NamesRead
from schemas.topics import IDENTITY
from services.access.audit import AuditTrail, new_audit_id
from services.access.identities import Identity, names_of, read_checkpoints
from services.access.keys import Access
from services.access.keystore import KeyStore
from services.query.answers import Name
from services.query.query_string import decode_query
from services.query.requests import Occasion
from services.runtime.log.interface import Log, LogError, LogUnavailable
from services.runtime.observability import NAMES_WITHHELD

Shown = Sequence[tuple[str, str]]
"""Schools and pupil ids, in the order of an answer."""

_TYPED_FREELY = frozenset({"filter", "group", "row", "cursor", "min_position"})
_ANY_FAULT = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, LogError)
_log = structlog.get_logger("markledger.query.names")


class NamesUnavailable(Exception):
    """There can be no names in this answer; the message says why, as a word."""


class Names:
    """Reads names and writes down who was told them."""

    def __init__(
        self, pool: asyncpg.Pool, keystore: KeyStore, log: Log, partitions: int, clock: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._keystore = keystore
        self._log = log
        self._partitions = partitions
        self._clock = clock
        self._audit = AuditTrail(log, partitions)
        self._ends: dict[int, int] | None = None
        self._in_step = False

    async def tell(
        self, access: Access, occasion: Occasion, report: str, shown: Shown
    ) -> Mapping[tuple[str, str], Name]:
        """The names of those shown that have one; the audit has it when this returns. Raises NamesUnavailable."""
        reason = "behind"
        try:
            if not await self._is_in_step():
                raise NamesUnavailable(reason)
            reason = "keys"
            found = await self._find(shown)
            reason = "audit"
            if found:
                await self._audit.append(self._facts(access, occasion, report, found))
        except _ANY_FAULT as error:
            _log.warning("names withheld", reason=reason, fault=type(error).__name__, request_id=occasion.request_id)
            NAMES_WITHHELD.labels(reason).inc()
            raise NamesUnavailable(reason) from error
        return {pupil: Name(identity.reference, identity.name) for pupil, identity in found.items()}

    async def read_to_sort(self, shown: Shown) -> Mapping[tuple[str, str], str]:
        """The names of pupils to put them in order; nobody is told them. Raises NamesUnavailable."""
        try:
            if not await self._is_in_step():
                raise NamesUnavailable("behind")
            found = await self._find(shown)
        except _ANY_FAULT as error:
            raise NamesUnavailable("keys") from error
        return {pupil: identity.name for pupil, identity in found.items()}

    async def close(self) -> None:
        """Leave the key store."""
        await self._keystore.close()

    async def _find(self, shown: Shown) -> dict[tuple[str, str], Identity]:
        wanted: dict[str, list[str]] = {}
        for school, pupil in shown:
            wanted.setdefault(school, []).append(pupil)
        return {
            (school, pupil): identity
            for school, pupils in wanted.items()
            for pupil, identity in (await names_of(self._pool, self._keystore, school, pupils)).items()
        }

    def _facts(
        self, access: Access, occasion: Occasion, report: str, found: Mapping[tuple[str, str], Identity]
    ) -> list[NamesRead]:
        pupils: dict[str, list[str]] = {}
        for school, pupil in found:
            pupils.setdefault(school, []).append(pupil)
        now = self._clock()
        return [
            NamesRead(
                event_id=new_audit_id(),
                school=school,
                recorded_at=now,
                actor=access.key_id,
                request_id=occasion.request_id,
                report=report,
                query=without_typed(occasion.query),
                pupils=tuple(each),
            )
            for school, each in pupils.items()
        ]

    async def _is_in_step(self) -> bool:
        """Whether the identities have come to where their log ended when it was first looked at here."""
        if self._in_step:
            return True
        if self._ends is None:
            self._ends = await self._read_ends()
        followed = await read_checkpoints(self._pool)
        self._in_step = all(followed.get(partition, ("", 0))[1] >= end for partition, end in self._ends.items())
        if not self._in_step:
            _log.warning("names withheld", reason="behind")
            NAMES_WITHHELD.labels("behind").inc()
        return self._in_step

    async def _read_ends(self) -> dict[int, int]:
        try:
            partitions = range(await self._log.partitions(IDENTITY.name))
        except LogUnavailable:
            raise
        except LogError:
            return {}  # no name was ever kept
        bounds = await asyncio.gather(*(self._log.bounds(IDENTITY.name, partition) for partition in partitions))
        return {partition: end for partition, (_, end) in zip(partitions, bounds, strict=True)}


def without_typed(query: bytes) -> str:
    """A query string that was accepted, without the values that may be anything, a name too."""
    return urlencode([(name, "-" if name in _TYPED_FREELY else value) for name, value in decode_query(query)])
