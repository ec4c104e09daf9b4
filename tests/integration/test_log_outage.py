"""Kafka goes away and comes back: `/readyz` of the query service knows it by what the projectors write."""

from __future__ import annotations

import pytest

from services.projector.projections import timeline
from services.query.health import read_readiness
from services.runtime.log.kafka import KafkaLog
from services.runtime.postgres import open_pool
from tests.projector_bench import Worker, append, assessed, caught_up, open_feed, until
from tests.servers.backend import delete_topics
from tests.servers.kafka import KafkaBroker

SILENT_SECONDS = 3.0
"""More than the two seconds after which an idle reader looks whether Kafka is there."""


@pytest.mark.kafka
async def test_an_outage_is_told_and_over_by_itself(kafka_broker: KafkaBroker, embedded_database_url: str) -> None:
    kafka_broker.start()
    await delete_topics(kafka_broker.bootstrap)
    pool = await open_pool(embedded_database_url)
    log = KafkaLog([kafka_broker.bootstrap])

    async def ready() -> bool:
        return (await read_readiness(pool, SILENT_SECONDS)).ready

    async def not_ready() -> bool:
        return not await ready()

    try:
        feed = await open_feed(pool, log, timeline)
        async with Worker(pool, log, feed, timeline) as worker:
            await append(log, [assessed("oak", "p", 1)])
            await until(lambda: caught_up(pool, log), worker)
            await until(ready, worker)

            kafka_broker.stop()
            await until(not_ready, worker)
            readiness = await read_readiness(pool, SILENT_SECONDS)
            assert ["reached the log" in reason for reason in readiness.reasons] == [True]
            assert all(each.owned for each in readiness.partitions)

            kafka_broker.start()  # here: a server ends with the thread that started it
            await until(ready, worker)
            await append(log, [assessed("oak", "p", 2)])
            await until(lambda: caught_up(pool, log), worker)
    finally:
        await log.close()
        await pool.close()
