"""An import reversed while another runs, of the same school and another; and the same import reversed twice at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from schemas.events import FactWithdrawn, ObjectiveAssessed
from services.ingest import reversal
from services.projector.main import run_projector, verify_views
from services.projector.verify import VerifyResult
from tests.integration.ingest_service import Service, served, set_up
from tests.projector_bench import until
from tests.servers.backend import Backend

DAYS = [f"2026-01-{day:02}" for day in range(1, 29)]


@pytest.fixture
async def service(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """The service, reversing a few facts at a time, so that much comes in between."""
    monkeypatch.setattr(reversal, "FACTS_AT_ONCE", 10)
    async with served(backend) as running:
        await set_up(running)
        yield running


def marks(state: str, *schools: str) -> str:
    """56 rows for each school: two objectives on each of 28 days."""
    rows = [f"{school},A1,maths,m{n},{state},{day}\n" for day in DAYS for n in (1, 2) for school in schools]
    return "school,pupil,subject,objective,state,assessed_on\n" + "".join(rows)


async def verified(service: Service, backend: Backend) -> VerifyResult:
    """What `verify` says once a projector has read all."""
    stop = asyncio.Event()
    projector = asyncio.create_task(run_projector(backend.settings, stop=stop))

    async def works() -> bool:
        if await service.pool.fetchval("SELECT to_regclass('projection.partition')") is None:
            return False
        return bool(await service.pool.fetchval("SELECT count(*) FROM projection.partition WHERE owner IS NOT NULL"))

    try:
        await until(works)
        return await verify_views(service.pool, service.log)
    finally:
        stop.set()
        await projector


async def standing(service: Service, school: str) -> dict[tuple[str, str], list[str]]:
    """The states of a school's assessments that no withdrawal names, by objective and day, as they were told."""
    facts = [fact for fact in await service.facts() if fact.school == school]
    gone = {fact.withdraws for fact in facts if isinstance(fact, FactWithdrawn)}
    found: dict[tuple[str, str], list[str]] = {}
    for fact in facts:
        if isinstance(fact, ObjectiveAssessed) and fact.event_id not in gone:
            found.setdefault((fact.objective, str(fact.assessed_on)), []).append(fact.state)
    return found


async def test_while_another_import_of_the_same_school_runs(service: Service, backend: Backend) -> None:
    first = (await service.send("assessments", marks("achieved", "oak"))).json()
    assert first["accepted"] == 56
    address = f"/v1/imports/{first['import_id']}/reverse"
    # the second file says the opposite under the same keys, and the same of elm
    second, reversed_ = await asyncio.gather(
        service.send("assessments", marks("not_yet", "oak", "elm")), service.http.post(address)
    )
    counts = second.json()
    assert (second.status_code, counts["accepted"], counts["duplicate"], counts["rejected"]) == (201, 112, 0, 0)
    assert 0 <= counts["superseded"] <= 56  # those whose fact was not withdrawn yet when they came
    assert reversed_.json()["withdrawn"] == 56
    whole = {(objective, day): ["not_yet"] for day in DAYS for objective in ("m1", "m2")}
    assert await standing(service, "oak") == whole == await standing(service, "elm")
    result = await verified(service, backend)
    assert result.equal and result.behind == 0 and result.dead_letters == 0, result
    again = await service.counts("assessments", marks("not_yet", "oak", "elm"))
    assert again == (0, 0, 112, 0)


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_the_same_import_twice_at_once(service: Service, backend: Backend) -> None:
    first = (await service.send("assessments", marks("achieved", "oak", "elm"))).json()
    address = f"/v1/imports/{first['import_id']}/reverse"
    answers = await asyncio.gather(*(service.http.post(address) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert sum(answer.json()["withdrawn"] for answer in answers) == 112
    withdrawals = [fact.event_id for fact in await service.facts() if isinstance(fact, FactWithdrawn)]
    assert len(withdrawals) == len(set(withdrawals)) == 112
    assert await standing(service, "oak") == {} == await standing(service, "elm")
    assert (await verified(service, backend)).equal
    assert (await service.http.post(address)).json()["withdrawn"] == 0
    assert await service.counts("assessments", marks("achieved", "oak", "elm")) == (112, 0, 0, 0)


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_reversal_and_a_withdrawal_of_one_of_its_facts(service: Service) -> None:
    first = (await service.send("assessments", marks("achieved", "oak"))).json()
    one = next(fact.event_id for fact in await service.facts() if isinstance(fact, ObjectiveAssessed))
    event = {"type": "FactWithdrawn", "school": "oak", "withdraws": one, "reason": "wrong"}
    told, reversed_ = await asyncio.gather(
        service.tell(event), service.http.post(f"/v1/imports/{first['import_id']}/reverse")
    )
    assert told.json()["accepted"] == 1
    assert reversed_.json()["withdrawn"] in (55, 56)  # whoever came first
    assert await standing(service, "oak") == {}
