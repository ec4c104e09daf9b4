"""Which back end this process uses: Kafka if it is told where one is, else the tables in its database."""

from __future__ import annotations

import asyncpg

from services.runtime.log.interface import Log
from services.runtime.settings import Settings


async def open_log(settings: Settings, pool: asyncpg.Pool) -> Log:
    """The log of these settings. Kafka's client is imported only where it is used."""
    if settings.kafka_bootstrap:
        from services.runtime.log.kafka import KafkaLog

        return KafkaLog(settings.kafka_bootstrap)
    from services.runtime.log.embedded import EmbeddedLog

    return EmbeddedLog(pool)
