"""Erasures, over HTTP: all ids of a person, a receipt that is given again, and names that do not come back."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from schemas.audit import AnyAuditFact, PupilErased, decode_audit
from schemas.topics import AUDIT, IDENTITY
from services.access.identities import Identity, names_of
from services.access.keystore import open_keystore
from services.ingest.erasure import Receipt, canonical
from services.ingest.pupils import PupilIds
from services.runtime.log.interface import Log, LogError
from tests.integration.ingest_service import PUPILS, Service, served, set_up
from tests.servers.backend import Backend

IDS = PupilIds(b"p" * 40)
A1 = IDS.pupil("oak", "A1")
UPN = "H801200001001"
TWIN = (
    "school,pupil,enrolled_on,given_name,family_name,upn\n"
    f"oak,A1,2025-09-01,Ann,Ash,{UPN}\noak,Z9,2026-01-05,Annie,Ash,{UPN}\n"
)


async def audit_of(log: Log) -> list[AnyAuditFact]:
    """The audit, partition by partition."""
    return [decode_audit(value) for _, value in await records_of(log, AUDIT.name) if value is not None]


async def records_of(log: Log, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    """Keys and values of a topic; nothing if it was never made."""
    try:
        bounds = [await log.bounds(topic, partition) for partition in range(await log.partitions(topic))]
    except LogError:
        return []
    missing = {partition: end for partition, (start, end) in enumerate(bounds) if start < end}
    reader = log.reader(topic)
    await reader.assign({partition: bounds[partition][0] for partition in missing})
    found: list[tuple[bytes | None, bytes | None]] = []
    while missing:
        for partition, batch in (await reader.poll(10_000, 5_000)).items():
            found += [(record.key, record.value) for record in batch.records]
            if batch.next_offset >= missing[partition]:
                del missing[partition]
    await reader.close()
    return found


async def names(service: Service, backend: Backend, *pupils: str, school: str = "oak") -> dict[str, Identity]:
    """What a reader would be told."""
    return await names_of(service.pool, open_keystore(backend.settings, service.pool), school, pupils)


async def erase(service: Service, pupil: str, school: str = "oak", **headers: str) -> httpx.Response:
    return await service.http.post("/v1/erasures", json={"school": school, "pupil": pupil}, headers=headers)


async def test_an_erasure_takes_the_name_and_gives_its_receipt_again(service: Service, backend: Backend) -> None:
    before = await service.facts()
    answer = await erase(service, "A1")
    receipt = answer.json()
    assert (answer.status_code, receipt["school"], receipt["pupils"], receipt["records"]) == (201, "oak", [A1], 1)
    told = await names(service, backend, A1, IDS.pupil("oak", "A2"))
    assert told == {A1: Identity(None, "Erased pupil"), IDS.pupil("oak", "A2"): Identity("A2", "Ben Birch")}
    assert await names(service, backend, IDS.pupil("elm", "A1"), school="elm"), "the same reference at another school"
    service.pass_time(days=3)
    for pupil in ("A1", A1):
        again = await erase(service, pupil)
        assert (again.status_code, again.json()) == (200, receipt)
    assert await service.facts() == before
    keystore = open_keystore(backend.settings, service.pool)
    signed = msgspec.convert({**receipt, "signature": ""}, Receipt)
    assert keystore.sign(canonical(signed)) == receipt["signature"]
    assert keystore.sign(canonical(msgspec.structs.replace(signed, records=2))) != receipt["signature"]
    assert not await keystore.find_keys([("oak", A1)])
    audit = await audit_of(service.log)
    assert [(type(fact), fact.actor, getattr(fact, "again", None)) for fact in audit] == [
        (PupilErased, "admin", False),
        (PupilErased, "admin", True),
        (PupilErased, "admin", True),
    ]


async def test_an_erased_pupil_that_is_sent_again_stays_erased(service: Service, backend: Backend) -> None:
    await service.counts("pupils", TWIN.splitlines()[0] + "\n" + TWIN.splitlines()[1] + "\n")
    assert (await erase(service, "A1")).status_code == 201
    facts = len(await service.facts())
    assert (await service.counts("pupils", PUPILS))[:2] != (0, 0), "the fact is taken as ever"
    new = f"school,pupil,enrolled_on,given_name,family_name,upn\noak,NEW-7,2026-02-01,Ann,Ash,{UPN.lower()}\n"
    assert await service.counts("pupils", new) == (1, 0, 0, 0)
    assert len(await service.facts()) > facts + 1
    follower = IDS.pupil("oak", "NEW-7")
    erased = Identity(None, "Erased pupil")
    assert await names(service, backend, A1, follower) == {A1: erased, follower: erased}
    assert (
        await service.pool.fetchval("SELECT count(*) FROM access.sealed_identity WHERE pupil = ANY($1)", [A1, follower])
        == 0
    )
    slip = f"school,pupil,enrolled_on,given_name,family_name,upn\noak,A2,2026-02-01,Ben,Birch,{UPN}\n"
    assert await service.counts("pupils", slip) == (1, 0, 0, 0)
    assert (await names(service, backend, IDS.pupil("oak", "A2")))[IDS.pupil("oak", "A2")].name == "Ben Birch"


async def test_all_ids_of_a_person_go_together(service: Service, backend: Backend) -> None:
    await service.counts("pupils", TWIN)
    await service.counts("pupils", "school,pupil,enrolled_on,given_name\noak,M1,2025-09-01,Ann\noak,S1,2025-09-01,An\n")
    merged = {"type": "PupilsMerged", "school": "oak", "pupil": "A1", "other": "M1"}
    await service.tell(merged, {**merged, "other": "S1"}, {**merged, "other": "A2", "event_id": "slip"})
    await service.tell(
        {**merged, "type": "PupilsSplit", "other": "S1"},
        {"type": "FactWithdrawn", "school": "oak", "withdraws": "slip"},
    )
    receipt = (await erase(service, IDS.pupil("oak", "Z9"))).json()
    assert receipt["pupils"] == sorted([A1, IDS.pupil("oak", "Z9"), IDS.pupil("oak", "M1")])
    left = await names(service, backend, IDS.pupil("oak", "A2"), IDS.pupil("oak", "S1"))
    assert sorted(each.name for each in left.values()) == ["An", "Ben Birch"]
    await service.tell(merged | {"other": "S1", "event_id": "later"})
    later = await erase(service, "A1")
    assert (later.status_code, later.json()["pupils"]) == (201, [IDS.pupil("oak", "S1")])


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_what_cannot_be_erased_is_refused(service: Service) -> None:
    for body, status in (
        ({"school": "oak", "pupil": "nobody"}, 404),
        ({"school": "oak", "pupil": "pup_" + "a" * 26}, 404),
        ({"school": "nowhere", "pupil": "A1"}, 404),
        ({"school": "oak"}, 422),
        ({"school": "oak", "pupil": 7}, 422),
        ({"school": "oak", "pupil": "A1", "why": "x"}, 422),
    ):
        assert (await service.http.post("/v1/erasures", json=body)).status_code == status, body
    assert (await service.http.post("/v1/erasures", content=b"{", headers={"content-type": "x/y"})).status_code == 415
    elm = await service.key(schools=["elm"], can=["admin"])
    outside = await erase(service, "A1", Authorization=f"Bearer {elm}")
    unknown = await erase(service, "A1", "nowhere", Authorization=f"Bearer {elm}")
    assert (outside.status_code, outside.json()) == (403, {**unknown.json(), "instance": "/v1/erasures"})
    plain = await service.key(schools=["oak"], can=["read", "write", "names"])
    assert (await erase(service, "A1", Authorization=f"Bearer {plain}")).json()["type"] == "/problems/right_missing"
    assert await service.pool.fetchval("SELECT count(*) FROM access.erased_pupil") == 0


async def test_lost_tables_come_again_from_the_log_and_the_erased_do_not(service: Service, backend: Backend) -> None:
    """As after a restore of yesterday's database, keys and all: what was erased since is erased again."""
    event = {"type": "PupilEnrolled", "school": "oak", "pupil": "E5", "enrolled_on": "2025-09-01"}
    await service.tell(
        {**event, "given_name": "Eve", "event_id": "eve"}, {**event, "given_name": "Eva", "event_id": "v"}
    )
    await service.tell({"type": "FactWithdrawn", "school": "oak", "withdraws": "v"})
    everyone = [IDS.pupil("oak", each) for each in ("A1", "A2", "E5")]
    expected = {**await names(service, backend, *everyone), A1: Identity(None, "Erased pupil")}
    assert expected[everyone[2]].name == "Eve"
    saved = {table: await service.pool.fetch(f"SELECT * FROM {table}") for table in SAVED}
    await erase(service, "A1")
    for table in SAVED:
        await service.pool.execute(f"TRUNCATE {table}")
    for table, rows in saved.items():
        schema, _, name = table.partition(".")
        await service.pool.copy_records_to_table(name, schema_name=schema, records=rows)
    assert (await names(service, backend, A1))[A1].name == "Ann Ash", "the backup has it"
    async with served(backend):
        assert await names(service, backend, *everyone) == expected
    await service.pool.execute("TRUNCATE access.sealed_identity, access.identity_partition, access.erased_pupil")
    assert await service.counts("pupils", PUPILS.splitlines()[0] + "\n") == (0, 0, 0, 0)
    async with served(backend):
        assert await names(service, backend, *everyone) == expected
    assert not await open_keystore(backend.settings, service.pool).find_keys([("oak", A1)])


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_names_that_an_earlier_release_kept_open_are_sealed_at_the_start(
    service: Service, backend: Backend
) -> None:
    everyone = [IDS.pupil("oak", each) for each in ("A1", "A2")]
    expected = await names(service, backend, *everyone)
    await service.pool.execute(
        "CREATE TABLE access.identity (x text); CREATE TABLE access.identity_told (school text, event_id text,"
        " pupil text, told_at timestamptz, arrival bigint GENERATED ALWAYS AS IDENTITY, sealed bytea)"
    )
    for pupil, reference, name in ((everyone[0], "A1", "Ann Ash"), (everyone[1], "A2", "Ben Birch")):
        given, family = name.split()
        kept = msgspec.json.encode({"reference": reference, "given_name": given, "family_name": family})
        await service.pool.execute(
            "INSERT INTO access.identity_told (school, event_id, pupil, told_at, sealed)"
            " SELECT school, event_id, pupil, recorded_at, $1 FROM ingest.pupil WHERE school = 'oak' AND pupil = $2",
            kept,
            pupil,
        )
    await service.pool.execute("TRUNCATE access.sealed_identity")
    async with served(backend):
        assert await names(service, backend, *everyone) == expected
    assert await service.pool.fetchval("SELECT to_regclass('access.identity_told')") is None
    assert await service.pool.fetchval("SELECT to_regclass('access.identity')") is None


SAVED = ("keystore.pupil_key", "access.sealed_identity", "access.erased_pupil", "access.identity_partition")


async def test_erasures_and_imports_take_turns(service: Service, backend: Backend) -> None:
    changed = PUPILS.replace("Ann", "Anne").replace("Ben", "Benn")
    answers = await asyncio.gather(
        *(service.send("pupils", content) for content in (changed, PUPILS, changed)),
        *(erase(service, "A1") for _ in range(3)),
    )
    assert sorted(answer.status_code for answer in answers[3:]) == [200, 200, 201]
    assert len({answer.json()["signature"] for answer in answers[3:]}) == 1
    assert await names(service, backend, A1) == {A1: Identity(None, "Erased pupil")}
    assert {key for key, value in await records_of(service.log, IDENTITY.name) if value and b"\0" in (key or b"")} >= {
        f"oak\0{A1}".encode()
    }


@pytest.fixture
async def service(backend: Backend) -> Any:
    async with served(backend) as service:
        await set_up(service)
        yield service
