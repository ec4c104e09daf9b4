"""Where permalinks are kept: the query service makes them, the log of definitions, which is ingest's, keeps them."""

from __future__ import annotations

import asyncpg
import msgspec

from schemas.definitions import PermalinkMade
from schemas.topics import EMBEDDED_PARTITIONS, KAFKA_PARTITIONS
from services.access.keys import Access
from services.access.problems import unavailable
from services.ingest.definition_log import DefinitionLog
from services.ingest.definitions import Definitions, Permalink
from services.query.permalinks import Draft, Keep
from services.runtime.clock import utc_now
from services.runtime.log.interface import Log
from services.runtime.settings import Settings


def permalink_keeper(settings: Settings, pool: asyncpg.Pool, log: Log) -> Keep:
    """Keeps permalinks in the same log and tables as ingest, which makes them at its start."""
    partitions = KAFKA_PARTITIONS if settings.kafka_bootstrap else EMBEDDED_PARTITIONS
    definitions = Definitions(pool, DefinitionLog(pool, log, partitions, utc_now))

    async def keep(access: Access, draft: Draft) -> PermalinkMade:
        try:
            return await definitions.keep_permalink(access, Permalink(**msgspec.structs.asdict(draft)))
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            raise unavailable("The ingest service has not started yet. Send the same request again.") from None

    return keep
