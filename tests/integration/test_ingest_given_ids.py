"""Ids of events in the database: in two processes, with short rows joined, and from an earlier release."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.ingest import given_ids
from tests.integration.ingest_service import Service, served, set_up
from tests.servers.backend import Backend

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)

EVENT = {
    "type": "ObjectiveAssessed",
    "school": "oak",
    "pupil": "A1",
    "subject": "maths",
    "objective": "m1",
    "state": "achieved",
    "assessed_on": "2026-02-01",
}
GIVEN = {**EVENT, "event_id": "e-1"}
OTHER = {**GIVEN, "state": "not_yet"}


@pytest.fixture
async def service(backend: Backend) -> AsyncIterator[Service]:
    async with served(backend) as service:
        await set_up(service)
        yield service


async def statuses(service: Service, *events: dict[str, str]) -> list[str]:
    """What becomes of each; the code of what is refused."""
    results = (await service.tell(*events)).json()["results"]
    return [result.get("error", {}).get("code") or result["status"] for result in results]


async def test_what_one_process_told_another_knows(service: Service, backend: Backend) -> None:
    async with served(backend) as other:
        for place in range(3):
            made, given = {**EVENT, "sequence": str(place)}, {**GIVEN, "event_id": f"e-{place}"}
            assert await statuses(service, made, given) == ["accepted"] * 2
            assert await statuses(other, made, given, {**given, "state": "not_yet"}) == [
                *["duplicate"] * 2,
                "event_id_conflict",
            ]
            assert await statuses(other, {**GIVEN, "event_id": f"o-{place}"}) == ["accepted"]
            assert await statuses(service, {**GIVEN, "event_id": f"o-{place}"}) == ["duplicate"]


async def test_short_rows_are_joined_and_say_the_same(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_ids, "SHORT_ROWS_MAX", 3)
    for place in range(8):
        events = [{**EVENT, "sequence": str(place)}, {**GIVEN, "event_id": f"e-{place}"}]
        assert await statuses(service, events[place % 2]) == ["accepted"]
    rows = await service.pool.fetchval("SELECT count(*) FROM ingest.given_ids WHERE school = 'oak'")
    assert rows < 5
    assert await service.pool.fetchval("SELECT count(*) FROM ingest.given_event") == 8
    assert await statuses(service, {**EVENT, "sequence": "2"}, {**GIVEN, "event_id": "e-1"}) == ["duplicate"] * 2
    assert await statuses(service, {**OTHER, "event_id": "e-1"}) == ["event_id_conflict"]


async def test_ids_of_an_earlier_release_are_known(service: Service, backend: Backend) -> None:
    told = (await service.tell(EVENT, GIVEN)).json()["results"]
    content = await service.pool.fetchval("SELECT content FROM ingest.given_event WHERE content IS NOT NULL")
    await service.pool.execute(
        "DROP VIEW ingest.given_event; TRUNCATE ingest.given_ids;"
        " CREATE TABLE ingest.given_event (school text NOT NULL, event_id text NOT NULL, content bytea,"
        " PRIMARY KEY (school, event_id)); ALTER TABLE ingest.school DROP COLUMN given_version"
    )
    await service.pool.executemany(
        "INSERT INTO ingest.given_event VALUES ('oak', $1, $2)",
        [(told[0]["event_id"], None), ("e-1", content), *((f"old-{place}é", content) for place in range(20_000))],
    )
    async with served(backend) as again:
        assert await statuses(again, EVENT, GIVEN, OTHER) == ["duplicate", "duplicate", "event_id_conflict"]
        assert await statuses(again, {**GIVEN, "event_id": "old-19999é"}, {**GIVEN, "event_id": "new"}) == [
            "duplicate",
            "accepted",
        ]
        assert await statuses(again, {**GIVEN, "event_id": "new"}) == ["duplicate"]
