"""A back end as a test sees it: where to connect, and the servers to hurt."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from services.runtime.settings import Settings, read_settings
from tests.servers.process import Server


@dataclass(frozen=True)
class Backend:
    """Where the log and the database of one test are. `log_server` is the broker, or PostgreSQL when embedded."""

    name: str
    database_url: str
    kafka_bootstrap: tuple[str, ...]
    data_dir: Path
    log_server: Server
    database_server: Server

    @property
    def settings(self) -> Settings:
        """Settings that lead to this back end, with made-up keys."""
        return read_settings(
            database_url=self.database_url,
            kafka_bootstrap=self.kafka_bootstrap,
            data_dir=self.data_dir,
            admin_key="a" * 40,
            pupil_key="p" * 40,
            identity_key="i" * 40,
        )

    @property
    def environment(self) -> dict[str, str]:
        """The same for a process."""
        variables = {
            "MARKLEDGER_DATABASE_URL": self.database_url,
            "MARKLEDGER_DATA_DIR": str(self.data_dir),
            "MARKLEDGER_ADMIN_KEY": "a" * 40,
            "MARKLEDGER_PUPIL_KEY": "p" * 40,
            "MARKLEDGER_IDENTITY_KEY": "i" * 40,
        }
        if self.kafka_bootstrap:
            variables["MARKLEDGER_KAFKA_BOOTSTRAP"] = ",".join(self.kafka_bootstrap)
        return variables


async def delete_topics(bootstrap: str) -> None:
    """Delete every topic of the broker and wait until they are gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=[bootstrap])
    await admin.start()
    try:
        topics = [topic for topic in await admin.list_topics() if not topic.startswith("__")]
        if topics:
            await admin.delete_topics(topics)
        while set(topics) & set(await admin.list_topics()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
