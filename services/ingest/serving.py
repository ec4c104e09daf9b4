"""What the routes of ingest stand on, and its start: topic, registry, identities, keys.

The log or the database may be away when the service starts: it serves all the same, answers 503, and starts as soon
as both are there. A log that is not the registry's own is an error that waiting does not mend, and is said so.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from datetime import datetime

import asyncpg
import msgspec
import structlog

from schemas.topics import FACTS
from services.access import identities, keys
from services.access.audit import AuditTrail
from services.access.keys import Keyring
from services.access.keystore import KeyStore, open_keystore
from services.access.problems import is_outage, unavailable
from services.ingest.definition_log import DefinitionLog
from services.ingest.definitions import Definitions
from services.ingest.erasure import Eraser
from services.ingest.identity_log import IdentityLog
from services.ingest.ledger import Ledger
from services.ingest.pupils import PupilIds
from services.ingest.registry import Registry
from services.runtime.log.interface import Log
from services.runtime.settings import InvalidSettings, Settings

RETRY_SECONDS = 1.0
GC_THRESHOLDS = (100_000, 50, 100)
"""A chunk makes tens of thousands of objects and no cycles: looking for them every 700 took a sixth of all time."""
_log = structlog.get_logger("markledger.ingest")


class Secrets(msgspec.Struct, frozen=True):
    """What ids and names of pupils are made with."""

    pupil_key: bytes
    keystore: KeyStore


def secrets_of(settings: Settings, pool: asyncpg.Pool, service: str) -> Secrets:
    """Those of these settings; the key store is in the database of `pool` by default. Raises InvalidSettings."""
    if settings.pupil_key is None:
        raise InvalidSettings(f"MARKLEDGER_PUPIL_KEY: the {service} service needs it, the same one for ever")
    return Secrets(settings.pupil_key.get_secret_value().encode("utf-8"), open_keystore(settings, pool))


class Entrance:
    """The way in of one process, whoever comes by it."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        log: Log,
        secrets: Secrets,
        partitions: int,
        clock: Callable[[], datetime],
    ) -> None:
        self.pool = pool
        self.clock = clock
        self._log = log
        self._partitions = partitions
        self._registry = Registry(pool, log, FACTS.name)
        ids = PupilIds(secrets.pupil_key)
        self._keystore = secrets.keystore
        self._identity_log = IdentityLog(pool, log, secrets.keystore, partitions, ids.person)
        self._ledger = Ledger(pool, log, self._registry, self._identity_log, ids, clock)
        audit = AuditTrail(log, partitions)
        self.eraser = Eraser(self._ledger, log, self._identity_log, secrets.keystore, partitions, audit)
        self._definition_log = DefinitionLog(pool, log, partitions, clock)
        self.definitions = Definitions(pool, self._definition_log)
        self._starting: asyncio.Task[None] | None = None
        self._naming: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to start; returns when the service is ready, or at once when it must wait."""
        try:
            await self._start()
        except Exception as error:
            if not is_outage(error):
                raise
            self._starting = asyncio.create_task(self._start_when_possible())

    async def stop(self) -> None:
        """Give up waiting."""
        for waiting in (self._starting, self._naming):
            if waiting is not None:
                waiting.cancel()
        await self._keystore.close()

    async def ledger(self) -> Ledger:
        """The way in. Raises Problem 503 as long as the service has not started."""
        if self._starting is not None:
            if not self._starting.done():
                raise unavailable("The service waits for its log or its database. Send the same request again.")
            self._starting.result()
        return self._ledger

    async def _start(self) -> None:
        await keys.ensure_tables(self.pool)
        await identities.ensure_tables(self.pool)
        await self._log.create_topic(
            FACTS.name, self._partitions, retention_ms=FACTS.retention_ms, compacted=FACTS.compacted
        )
        await self._registry.start()
        await self._definition_log.start()
        await self._catch_up_with_names()
        gc.collect()
        gc.freeze()  # what is there by now stays: a chunk makes so many objects that it would be searched all the time
        gc.set_threshold(*GC_THRESHOLDS)
        _log.info("ingest is ready", partitions=self._partitions)

    async def _catch_up_with_names(self) -> None:
        """Facts are taken in without a key store; what was erased since a backup is erased as soon as it is there."""
        try:
            await self._identity_log.start()
        except Exception as error:
            if not is_outage(error):
                raise
            _log.warning("names wait for their log or their key store", fault=type(error).__name__)
            self._naming = asyncio.create_task(self._name_when_possible())

    async def _name_when_possible(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                await self._identity_log.start()
                _log.info("names are in step with their log")
                return
            except Exception as error:
                if not is_outage(error):
                    _log.error("names cannot follow their log", exc_info=error)
                    raise

    async def _start_when_possible(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                return await self._start()
            except Exception as error:
                if not is_outage(error):
                    _log.error("ingest cannot start", exc_info=error)
                    raise
                _log.warning("ingest waits for its log or its database", fault=type(error).__name__)


class Serving(Entrance):
    """The HTTP service of one process."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        log: Log,
        keyring: Keyring,
        secrets: Secrets,
        partitions: int,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(pool, log, secrets, partitions, clock)
        self.keyring = keyring
