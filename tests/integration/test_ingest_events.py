"""Events over HTTP: answers item by item, ids, withdrawals, idempotency keys, scopes, and bodies that are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from schemas.events import FactWithdrawn, ObjectiveAssessed
from services.runtime.positions import decode_position
from tests.integration.ingest_service import ASSESSMENTS, Service, assessments, served, set_up
from tests.servers.backend import Backend

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)

ASSESSMENT = {
    "type": "ObjectiveAssessed",
    "school": "oak",
    "pupil": "A1",
    "subject": "maths",
    "objective": "m1",
    "state": "achieved",
    "assessed_on": "2026-02-01",
}


@pytest.fixture
async def service(backend: Backend) -> AsyncIterator[Service]:
    async with served(backend) as service:
        await set_up(service)
        yield service


async def test_each_item_is_answered_by_its_index(service: Service) -> None:
    answer = await service.tell(
        ASSESSMENT, {**ASSESSMENT, "state": "brilliant"}, ASSESSMENT, {**ASSESSMENT, "pupil": ""}, {"type": "Nothing"}
    )
    body = answer.json()
    assert (answer.status_code, body["accepted"], body["duplicate"], body["rejected"]) == (207, 1, 1, 3)
    results = body["results"]
    assert [result["status"] for result in results] == ["accepted", "rejected", "duplicate", "rejected", "rejected"]
    assert results[1]["error"]["pointer"] == "/events/1/state" and results[1]["error"]["code"] == "unknown_state"
    assert results[3]["error"]["pointer"] == "/events/3/pupil"
    assert results[0]["event_id"] == results[2]["event_id"]
    assert decode_position(body["position"]).offsets


async def test_statuses_tell_all_mixed_and_none(service: Service) -> None:
    wrong = {**ASSESSMENT, "pupil": "Z9"}
    assert (await service.tell(ASSESSMENT)).status_code == 202
    assert (await service.tell(ASSESSMENT)).status_code == 202
    assert (await service.tell(ASSESSMENT, wrong)).status_code == 207
    none = await service.tell(wrong)
    assert (none.status_code, none.json()["rejected"]) == (422, 1)


async def test_a_new_school_is_told_in_one_request(service: Service) -> None:
    answer = await service.tell(
        {"type": "SchoolRegistered", "school": "yew", "name": "Yew"},
        {"type": "PupilEnrolled", "school": "yew", "pupil": "Y1", "enrolled_on": "2025-09-01", "year_group": "3"},
        {
            "type": "CurriculumPublished",
            "school": "yew",
            "framework": "nc",
            "version": "1",
            "subjects": [{"subject": "maths", "objectives": [{"objective": "m1", "ability": "Y3"}]}],
        },
        {**ASSESSMENT, "school": "yew", "pupil": "Y1"},
    )
    assert (answer.status_code, answer.json()["accepted"]) == (202, 4)


async def test_after_a_withdrawal_in_a_request_its_names_are_unknown(service: Service) -> None:
    answer = await service.tell(
        {"type": "PupilEnrolled", "school": "oak", "pupil": "N1", "enrolled_on": "2025-09-01", "event_id": "n-1"},
        {**ASSESSMENT, "pupil": "N1"},
        {"type": "FactWithdrawn", "school": "oak", "withdraws": "n-1"},
        {**ASSESSMENT, "pupil": "N1", "objective": "m2"},
    )
    assert [result["status"] for result in answer.json()["results"]] == ["accepted"] * 3 + ["rejected"]


async def test_a_withdrawal_may_come_before_its_fact(service: Service) -> None:
    await service.tell({"type": "FactWithdrawn", "school": "oak", "withdraws": "n-1"})
    told = {"type": "PupilEnrolled", "school": "oak", "pupil": "N1", "enrolled_on": "2025-09-01", "event_id": "n-1"}
    assert (await service.tell(told)).json()["accepted"] == 1
    assert (await service.tell({**ASSESSMENT, "pupil": "N1"})).json()["results"][0]["error"]["code"] == "unknown_pupil"


async def test_withdrawing_the_fact_of_a_row_lets_the_file_say_it_again(service: Service) -> None:
    await service.counts("assessments", ASSESSMENTS)
    told = next(fact for fact in await service.facts() if isinstance(fact, ObjectiveAssessed) and fact.school == "oak")
    await service.tell({"type": "FactWithdrawn", "school": "oak", "withdraws": told.event_id, "reason": "typing error"})
    (withdrawal,) = [fact for fact in await service.facts() if isinstance(fact, FactWithdrawn)]
    assert withdrawal.withdraws_key == told.key
    assert await service.counts("assessments", ASSESSMENTS) == (1, 0, 2, 0)


async def test_the_id_of_a_rows_fact_is_taken(service: Service) -> None:
    await service.counts("assessments", assessments(["m1,achieved,2026-02-01"]))
    told = next(fact for fact in await service.facts() if isinstance(fact, ObjectiveAssessed))
    answer = await service.tell({**ASSESSMENT, "event_id": told.event_id})
    assert answer.json()["results"][0]["error"]["code"] == "event_id_conflict"


async def test_an_idempotency_key_repeats_the_first_answer(service: Service) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = await service.tell(ASSESSMENT, **headers)
    again = await service.tell(ASSESSMENT, **headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert first.json()["accepted"] == 1
    other = await service.tell({**ASSESSMENT, "objective": "m2"}, **headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency_key_reused")
    await service.pool.execute("UPDATE ingest.answer SET answered_at = now() - interval '25 hours'")
    assert (await service.tell(ASSESSMENT, **headers)).json()["duplicate"] == 1, "after a day the key is free"


async def test_requests_at_once_agree_on_what_is_new(service: Service) -> None:
    answers = await asyncio.gather(*(service.tell(ASSESSMENT) for _ in range(8)))
    assert sum(answer.json()["accepted"] for answer in answers) == 1
    assert sum(answer.json()["duplicate"] for answer in answers) == 7
    assert len([fact for fact in await service.facts() if isinstance(fact, ObjectiveAssessed)]) == 1


async def test_items_outside_the_key_are_rejected_alone_and_alike(service: Service) -> None:
    key = await service.key(trusts=["T1"])
    answer = await service.tell(
        ASSESSMENT, {**ASSESSMENT, "school": "fir"}, {**ASSESSMENT, "school": "nowhere"}, key=key
    )
    errors = [result.get("error") for result in answer.json()["results"]]
    assert answer.status_code == 207 and errors[0] is None
    assert {(error["code"], error["detail"]) for error in errors[1:]} == {
        ("forbidden_school", "The key does not cover this school.")
    }


async def test_keys_are_needed_and_have_rights(service: Service) -> None:
    assert (await service.tell(ASSESSMENT, key="unknown")).status_code == 401
    reader = await service.key(all=True, can=["read"])
    assert (await service.tell(ASSESSMENT, key=reader)).status_code == 403
    assert (await service.send("assessments", ASSESSMENTS, key=reader)).status_code == 403
    listed = (await service.http.get("/v1/keys")).json()["keys"]
    assert [key["name"] for key in listed] == ["test"]
    assert (await service.http.delete(f"/v1/keys/{listed[0]['key_id']}")).status_code == 204
    assert (await service.http.get("/v1/keys")).json()["keys"][0]["revoked_at"] is not None


@pytest.mark.parametrize(
    ("content", "media_type", "statuses"),
    [
        (b"", "application/json", {400}),
        (b"[]", "application/json", {422}),
        (b'{"events":[]}', "application/json", {422}),
        (b'{"events":[{"type":"PupilLeft","type":"PupilLeft"}]}', "application/json", {400}),
        (b'{"events":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json", {400}),
        (b'{"events":[' + b"{}," * 500 + b"{}]}", "application/json", {422}),
        (b'{"events":["' + b"x" * 1_100_000 + b'"]}', "application/json", {413}),
        (b'{"events":["' + b"x" * 9_000_000 + b'"]}', "application/json", {413}),
        (b"a,b\n", "text/csv", {415}),
        (b'\xff\xfe{"events":[]}', "application/json", {400}),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    service: Service, content: bytes, media_type: str, statuses: set[int]
) -> None:
    headers = {"Content-Type": media_type}
    answer = await service.http.post("/v1/events", content=content, headers=headers)
    assert answer.status_code in statuses, answer.text
    problem: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code and problem["detail"]
    assert not [fact for fact in await service.facts() if isinstance(fact, ObjectiveAssessed)]


async def test_parameters_and_headers_that_are_not_known_are_refused(service: Service) -> None:
    refused = [
        await service.http.post("/v1/events?dry_run=true", json={"events": [ASSESSMENT]}),
        await service.tell(ASSESSMENT, **{"Idempotency-Key": "x" * 256}),
        await service.http.get("/v1/imports?limit=501"),
        await service.http.get("/v1/imports?cursor=%00"),
        await service.http.get("/v1/imports?a=%ff"),
        await service.send("assessments", ASSESSMENTS, import_id="imp_"),
        await service.send("assessments", ASSESSMENTS, source="a b"),
        await service.send("assessments", ASSESSMENTS, dry_run="yes"),
        await service.send("assessments", ASSESSMENTS, states="marks:10"),
    ]
    assert [answer.status_code for answer in refused] == [422] * len(refused)
    missing = [
        await service.http.get("/v1/imports/imp_none"),
        await service.http.get("/v1/imports/'; DROP TABLE x"),
        await service.http.get("/v1/imports/imp_none/errors.csv"),
        await service.http.post("/v1/imports/imp_none/reverse"),
        await service.http.get("/v1/events/none"),
    ]
    assert [answer.status_code for answer in missing] == [404] * len(missing)
