"""`doctor` and `deadletters` on a real back end, run as the command runs them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest

from schemas.topics import FACTS
from services.console.dead_letters import NoSuchLetter, print_letter, print_list, print_replay
from services.console.doctor import print_diagnosis
from services.ingest.registry import Registry
from services.projector.projections import timeline
from services.runtime.log.interface import Log
from services.runtime.settings import read_settings
from tests.projector_bench import Worker, append, assessed, caught_up, home, open_feed, record, until
from tests.servers.backend import Backend

EXIT_NOT_HEALTHY = 4


async def checks(backend: Backend, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    capsys.readouterr()
    code = await asyncio.to_thread(print_diagnosis, backend.settings, True)
    return code, {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


async def test_the_doctor_follows_an_installation(
    backend: Backend, projector_pool: asyncpg.Pool, projector_log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = await checks(backend, capsys)
    assert code == EXIT_NOT_HEALTHY
    assert (found["database"]["level"], found["log"]["level"], found["projector"]["level"]) == ("ok", "fail", "fail")

    feed = await open_feed(projector_pool, projector_log, timeline)
    await Registry(projector_pool, projector_log, FACTS.name).start()
    async with Worker(projector_pool, projector_log, feed, timeline):
        await append(projector_log, [assessed("oak", "p", 1)])
        await until(lambda: caught_up(projector_pool, projector_log))
        code, found = await checks(backend, capsys)
        assert code == 0, found
        assert len(found) >= 12
        assert ("topic retention" in found) == (backend.name == "kafka")

        await projector_pool.execute("UPDATE ingest.partition SET log_id = 'another' WHERE partition = 0")
        code, found = await checks(backend, capsys)
        assert code == EXIT_NOT_HEALTHY
        assert [name for name, check in found.items() if check["level"] == "fail"] == ["log of the registry"]


def test_the_doctor_makes_nothing_where_there_is_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = read_settings(data_dir=tmp_path / "none")
    assert print_diagnosis(settings, False) == EXIT_NOT_HEALTHY
    assert "no database URL" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


async def test_dead_letters_are_listed_shown_and_judged(
    backend: Backend, projector_pool: asyncpg.Pool, projector_log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    feed = await open_feed(projector_pool, projector_log, timeline)
    partition = home("oak")
    async with Worker(projector_pool, projector_log, feed, timeline):
        await projector_log.append(FACTS.name, partition, [(b"oak", b"no \x1bfact")])
        await until(lambda: caught_up(projector_pool, projector_log))
    settings = backend.settings
    capsys.readouterr()  # what the worker logged

    assert await asyncio.to_thread(print_list, settings, True) == 0
    (listed,) = json.loads(capsys.readouterr().out)["dead_letters"]
    assert (listed["partition"], listed["record_offset"]) == (partition, 0)
    assert await asyncio.to_thread(print_letter, settings, listed["id"], False) == 0
    shown = capsys.readouterr().out
    assert "no \\x1bfact" in shown and listed["reason"] in shown
    with pytest.raises(NoSuchLetter):
        await asyncio.to_thread(print_letter, settings, listed["id"] + "7", False)

    assert await asyncio.to_thread(print_replay, settings, [], True) == 0
    assert json.loads(capsys.readouterr().out)["dead_letters"][0]["outcome"] == "no_fact"
    _, value = record(assessed("oak", "p", 1))
    await projector_pool.execute("UPDATE projection.dead_letter SET value = $1", value)  # as a later release reads it
    assert await asyncio.to_thread(print_replay, settings, [listed["id"]], True) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["rebuild_needed"] and answer["dead_letters"][0]["outcome"] == "fact"
    assert answer["next"][0] == "markledger projector rebuild"

    await projector_pool.execute("UPDATE projection.active SET version = 2")  # as a promote does
    assert await asyncio.to_thread(print_replay, settings, [], True) == 0
    assert json.loads(capsys.readouterr().out)["dead_letters"][0]["standing"] == "older"
    assert await asyncio.to_thread(print_list, settings, False) == 0
    told = capsys.readouterr().out
    assert "older" in told and "projector retire" in told
