"""What goes wrong between names, facts and tables: no name is lost, and none of a refused chunk stays."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from schemas.topics import FACTS, IDENTITY
from services.access.keystore import KeyStore
from services.ingest.pupils import PupilIds
from services.runtime.log.interface import Log
from services.runtime.settings import read_settings
from tests.integration.ingest_service import ASSESSMENTS, CURRICULUM, PUPILS, SCHOOLS, Service, served
from tests.integration.test_erasure import erase, names, records_of
from tests.integration.test_ingest_faults import FaultyLog, Items
from tests.servers.backend import Backend

A1 = PupilIds(b"p" * 40).pupil("oak", "A1")


class FaultyTopic(FaultyLog):
    """A log that is faulty for one topic alone, and counts what else is appended to the log of names."""

    topic = IDENTITY.name

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.appends: Counter[str] = Counter()

    async def append(self, topic: str, partition: int, items: Items) -> list[int]:
        self.appends[topic] += 1
        if topic == self.topic:
            return await super().append(topic, partition, items)
        return await self._log.append(topic, partition, items)


async def started(service: Service) -> None:
    for kind, content in (("schools", SCHOOLS), ("curriculum", CURRICULUM)):
        assert (await service.send(kind, content)).status_code == 201


async def with_faults(backend: Backend, topic: str, faults: list[str], first: str, content: str) -> Any:
    """The names after a file that failed so, and `content` after it; and the log of names."""
    logs: list[FaultyTopic] = []

    def wrap(log: Log) -> FaultyTopic:
        logs.append(FaultyTopic(log))
        return logs[0]

    async with served(backend, wrap) as service:
        await started(service)
        logs[0].topic, logs[0].faults = topic, faults
        assert (await service.send("pupils", first)).status_code == 503
        logs[0].faults = []
        assert logs[0].appends[IDENTITY.name] > 0, "names go first"
        answer = (await service.send("pupils", content)).json()
        assert answer["accepted"] + answer["duplicate"] == answer["rows"]
        told = await names(service, backend, A1)
        kept = await records_of(service.log, IDENTITY.name)
        return told[A1].name, len({key for key, _ in kept}), [value for _, value in kept]


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize("fault", ["unavailable", "kept but unknown", "comes late"])
async def test_a_failed_append_of_names_is_503_and_the_file_again_has_them_once(backend: Backend, fault: str) -> None:
    name, keys, values = await with_faults(backend, IDENTITY.name, [fault], PUPILS, PUPILS)
    assert (name, keys) == ("Ann Ash", 3)
    assert not [value for value in values if value is not None and b"Ann" in value]


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_name_of_a_fact_that_never_came_gives_way_to_the_one_that_did(backend: Backend) -> None:
    """The second file's row has the id that the lost fact would have had."""
    first = PUPILS.partition("elm")[0]
    name, keys, _ = await with_faults(backend, FACTS.name, ["unavailable"], first, first.replace("Ann", "Anne"))
    assert (name, keys) == ("Anne Ash", 2)


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_only_enrolments_need_the_key_store_and_the_log_of_names(backend: Backend) -> None:
    async with served(backend) as service:
        await started(service)
        await service.counts("pupils", PUPILS)
    away = read_settings(
        **{name: getattr(backend.settings, name) for name in backend.settings.model_fields_set},
        keystore_url="postgresql://nobody@127.0.0.1:1/keystore",
    )
    without = _Elsewhere(backend, away)
    logs: list[FaultyTopic] = []

    def wrap(log: Log) -> FaultyTopic:
        logs.append(FaultyTopic(log))
        return logs[0]

    async with served(without, wrap) as service:  # type: ignore[arg-type]
        assert await service.counts("assessments", ASSESSMENTS) == (3, 0, 0, 0)
        assert logs[0].appends[IDENTITY.name] == 0, "an assessment has nothing to do with names"
        before = await service.facts()
        assert (await service.send("pupils", PUPILS.replace("Ann", "Anne"))).status_code == 503
        assert (await erase(service, "A1")).status_code == 503
        assert await service.facts() == before
        assert (await names(service, backend, A1))[A1].name == "Ann Ash"
    async with served(backend) as service:
        assert await names(service, backend, A1) != {}, (
            "what the log says of the erasure is done when the keys are back"
        )
        assert (await erase(service, "A1")).status_code in (200, 201)
        assert (await names(service, backend, A1))[A1].name == "Erased pupil"


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_two_makers_of_keys_have_the_same(backend: Backend) -> None:
    async with served(backend) as service:
        stores = [KeyStore(service.pool, b"i" * 40) for _ in range(4)]
        pupils = [("oak", f"p{number}") for number in range(50)]
        made = await asyncio.gather(*(store.make_keys(pupils) for store in stores))
        assert all(each == made[0] for each in made) and len(set(made[0].values())) == 50
        assert await stores[0].find_keys(pupils) == made[0]
        stored = await service.pool.fetch("SELECT wrapped FROM keystore.pupil_key")
        assert not [key for key in made[0].values() for row in stored if key in row["wrapped"]]


class _Elsewhere:
    """The same back end with other settings."""

    def __init__(self, backend: Backend, settings: Any) -> None:
        self.database_url, self.settings = backend.database_url, settings


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_key_that_a_backup_did_not_have_is_made_anew_when_the_pupil_is_sent_again(backend: Backend) -> None:
    async with served(backend) as service:
        await started(service)
        await service.counts("pupils", PUPILS)
        await service.pool.execute("DELETE FROM keystore.pupil_key")
        assert A1 not in await names(service, backend, A1), "without its key nobody can read it"
        facts = await service.facts()
        assert (await service.counts("pupils", PUPILS))[1] == 0
        assert (await names(service, backend, A1))[A1].name == "Ann Ash"
        assert await service.facts() == facts, "the ledger learned nothing new"


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_under_another_identity_key_no_name_is_taken_in_and_none_is_lost(backend: Backend) -> None:
    async with served(backend) as service:
        await started(service)
        await service.counts("pupils", PUPILS)
        wrapped = await service.pool.fetch("SELECT * FROM keystore.pupil_key")
        await service.pool.execute("UPDATE keystore.pupil_key SET wrapped = 'x'")
        assert (await service.send("pupils", PUPILS.replace("Ann", "Anne"))).status_code == 503
        for row in wrapped:
            await service.pool.execute(
                "UPDATE keystore.pupil_key SET wrapped = $1 WHERE pupil = $2", row["wrapped"], row["pupil"]
            )
        assert (await names(service, backend, A1))[A1].name == "Ann Ash"
