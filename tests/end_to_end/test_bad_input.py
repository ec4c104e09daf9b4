"""Wrong requests over HTTP: each is refused with a problem that names place, reason and fix, and changes nothing.

Rows that are wrong are rejected alone; whole files and bodies get a 4xx. Nothing here may be answered with a 5xx.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import socket
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from tests.end_to_end.bad_input import BODIES, FILES, REPORTS, ROWS, BadBody, BadFile, BadReport, BadRow
from tests.end_to_end.product import Product, import_bytes
from tests.end_to_end.small_school import BANDS, MEASURE, fill, overview
from tests.servers.process import wait_until

pytestmark = pytest.mark.end_to_end

AS_AT = "2025-11-30"
STREAM_BYTES = 2 * 1024**3
RESIDENT_BYTES_MAX = 500 * 1024**2


@pytest.fixture(scope="module", autouse=True)
def _filled(client: httpx.Client) -> Iterator[None]:
    """Two schools, and after all tests the proof that they still say what they said."""
    fill(client, "elm", "oak")
    before = [overview(client, school, AS_AT)["rows"] for school in ("elm", "oak")]
    yield
    assert [overview(client, school, AS_AT)["rows"] for school in ("elm", "oak")] == before


def assert_problem(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """A problem of RFC 9457 with one of the statuses, and no trace of the inside."""
    assert answer.status_code in statuses, (answer.status_code, answer.text[:1000])
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.headers
    body = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= body.keys(), body
    assert body["status"] == answer.status_code
    assert body["type"].startswith("/problems/")
    assert body["detail"]
    assert "Traceback" not in answer.text and "asyncpg" not in answer.text
    return dict(body)


@pytest.mark.parametrize("bad", ROWS, ids=lambda bad: bad.name)
def test_a_wrong_row_is_rejected_alone(client: httpx.Client, bad: BadRow) -> None:
    answer = client.post(
        "/v1/imports",
        params={"kind": bad.kind, "source": "bad-rows"},
        content=bad.content,
        headers={"Content-Type": bad.media_type},
    )
    assert answer.status_code == 201, answer.text
    counts = answer.json()
    assert (counts["rows"], counts["rejected"], counts["accepted"]) == (1, 1, 0), counts
    errors = client.get(counts["errors"])
    assert errors.status_code == 200
    told = csv.DictReader(io.StringIO(errors.text.lstrip("\ufeff"), newline=""))
    assert told.fieldnames == ["row", "column", "value", "code", "message"]
    for error in told:
        assert error["row"].isdigit() and error["code"] and len(error["message"]) > 10, error
        if bad.code:
            assert error["code"] == bad.code, error


@pytest.mark.parametrize("bad", ROWS, ids=lambda bad: bad.name)
def test_a_dry_run_says_the_same_of_a_wrong_row(client: httpx.Client, bad: BadRow) -> None:
    answer = client.post(
        "/v1/imports",
        params={"kind": bad.kind, "source": "bad-rows", "dry_run": "true"},
        content=bad.content,
        headers={"Content-Type": bad.media_type},
    )
    assert answer.status_code == 201, answer.text
    assert (answer.json()["rejected"], answer.json()["accepted"]) == (1, 0)
    assert answer.json()["position"] is None


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.name)
def test_a_wrong_file_is_refused(client: httpx.Client, bad: BadFile) -> None:
    answer = client.post(
        "/v1/imports",
        params=list(bad.parameters),
        content=bad.content,
        headers={"Content-Type": bad.media_type},
    )
    if answer.status_code == 422 and "import_id" in answer.json():  # a fault further on: the rows before it stand
        counts = answer.json()
        assert (counts["status"], counts["accepted"]) == ("incomplete", 0), counts
        assert bad.further_on, counts
        return
    body = assert_problem(answer, *bad.statuses)
    for word in bad.words:
        assert word in json.dumps(body, ensure_ascii=False), (word, body)


@pytest.mark.parametrize("bad", BODIES, ids=lambda bad: bad.name)
def test_a_wrong_body_is_refused(client: httpx.Client, bad: BadBody) -> None:
    answer = client.post(bad.path, content=bad.content, headers={"Content-Type": "application/json", **bad.headers})
    if "results" in answer.text and answer.status_code == 422:
        results = answer.json()["results"]
        assert answer.json()["accepted"] == 0
        assert all(result["status"] == "rejected" for result in results), results
        assert all(result["error"]["pointer"].startswith("/events/") for result in results), results
        assert all(result["error"]["code"] and result["error"]["detail"] for result in results), results
        return
    assert_problem(answer, 400, 413, 415, 422)


@pytest.mark.parametrize("bad", REPORTS, ids=lambda bad: bad.name)
def test_a_wrong_question_is_refused(client: httpx.Client, bad: BadReport) -> None:
    answer = client.get(f"/v1/reports/{bad.report}?{bad.query}")
    body = assert_problem(answer, *bad.statuses)
    if bad.parameter:
        assert bad.parameter in json.dumps(body), body


def test_keys_stay_inside_their_schools(client: httpx.Client, product: Product) -> None:
    key = client.post("/v1/keys", json={"name": "elm only", "schools": ["elm"], "can": ["read", "write"]}).json()["key"]
    with product.client(key) as limited:
        parameters = {"measure": MEASURE, "bands": BANDS, "as_at": AS_AT}
        assert limited.get("/v1/reports/overview", params={"school": "elm", **parameters}).status_code == 200
        other = limited.get("/v1/reports/overview", params={"school": "oak", **parameters})
        unknown = limited.get("/v1/reports/overview", params={"school": "nowhere", **parameters})
        assert_problem(other, 403)
        for body in (other, unknown):
            assert body.status_code == 403
        same = ({**other.json(), "request_id": ""}, {**unknown.json(), "request_id": ""})
        assert same[0] == same[1]
        assert_problem(limited.get("/v1/reports/overview", params={"trust": "woods", **parameters}), 403)
        for school in ("oak", "nowhere"):
            rows = f"school,pupil,subject,objective,state,assessed_on\n{school},A1,maths,m1,not_yet,2025-10-09\n"
            counts = import_bytes(limited, "assessments", rows.encode())
            assert counts["rejected"] == 1
            assert "forbidden_school" in limited.get(counts["errors"]).text
        dated = b"school,pupil,subject,objective,state,assessed_on,recorded_at\n"
        dated += b"elm,A1,maths,m1,not_yet,2025-10-09,2025-10-09T10:00:00Z\n"
        refused = limited.post("/v1/imports?kind=assessments", content=dated, headers={"Content-Type": "text/csv"})
        assert refused.status_code in (403, 422) or refused.json()["rejected"] == 1, refused.text
        assert_problem(limited.post("/v1/keys", json={"name": "more", "all": True, "can": ["read"]}), 403)
    assert_problem(client.get("/v1/reports/overview", params={"school": "nowhere", **parameters}), 404)
    for wrong in ("nonsense", "ml_" + "x" * 43, "é", "a" * 5000):
        with product.client("") as nobody:
            header = {"Authorization": f"Bearer {wrong}".encode()}
            assert_problem(nobody.get("/v1/reports/overview", params={"school": "elm"}, headers=header), 401, 431, 400)


def test_an_expired_or_revoked_key_is_no_key(client: httpx.Client, product: Product) -> None:
    tomorrow = str(date.today() + timedelta(days=1))
    body = {"name": "short", "schools": ["elm"], "can": ["read"], "expires_on": tomorrow}
    expired, revoked = (client.post("/v1/keys", json=body).json() for _ in range(2))
    parameters = {"school": "elm", "measure": MEASURE, "bands": BANDS, "as_at": AS_AT}
    database = product.data_dir / "postgres"
    asyncio.run(
        _execute(database, "UPDATE access.key SET expires_on = '2020-01-01' WHERE key_id = $1", expired["key_id"])
    )
    assert client.delete(f"/v1/keys/{revoked['key_id']}").is_success
    for key in (expired["key"], revoked["key"]):
        with product.client(key) as limited:
            wait_until(
                lambda limited=limited: limited.get("/v1/reports/overview", params=parameters).status_code == 401,
                "the end of the key",
                10,
            )


async def _execute(database: Any, statement: str, *arguments: Any) -> None:
    connection = await asyncpg.connect(host=str(database), user="markledger", database="markledger")
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


def test_a_body_that_breaks_off_keeps_the_complete_rows(client: httpx.Client, product: Product) -> None:
    host, _, port = product.url.removeprefix("http://").partition(":")
    rows = b"school,pupil,enrolled_on\nelm,C3,2025-09-01\nelm,D4,2025-0"
    head = (
        "POST /v1/imports?kind=pupils&source=cut&import_id=imp_cut1 HTTP/1.1\r\nHost: test\r\n"
        f"Authorization: Bearer {product.admin_key}\r\nContent-Type: text/csv\r\nContent-Length: 5000\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + rows)
        wait_until(lambda: client.get("/v1/imports/imp_cut1").status_code == 200, "the import to show", 10)

    def told() -> dict[str, Any]:
        return dict(client.get("/v1/imports/imp_cut1").json())

    wait_until(lambda: told()["status"] == "incomplete", "the import to be given up", 30)
    assert told()["accepted"] == 1
    assert client.post("/v1/imports/imp_cut1/reverse").json()["withdrawn"] == 1


def test_formulas_and_markup_leave_as_text(client: httpx.Client, product: Product) -> None:
    rows = (
        "school,pupil,enrolled_on,given_name,family_name\n"
        'oak,=1+1,2030-01-01,<script>alert(1)</script>,"\'; DROP TABLE access.key; --"\n'
    )
    counts = import_bytes(client, "pupils", rows.encode(), source="odd")
    assert counts["accepted"] == 1, client.get(counts["errors"]).text
    parameters = [("school", "oak"), ("measure", MEASURE), ("bands", BANDS), ("as_at", "2030-01-02"), ("row", "whole")]
    parameters += [("min_position", counts["position"]), ("wait_seconds", "30")]
    text = client.get("/v1/reports/overview/members", params=parameters, headers={"Accept": "text/csv"}).text
    assert "'=1+1" in text and "\n=1+1" not in text and ",=1+1" not in text
    page = client.get("/reports/overview/members", params=parameters)
    assert "<script>alert(1)" not in page.text
    assert client.get("/v1/keys").status_code == 200
    assert client.post(f"/v1/imports/{counts['import_id']}/reverse").status_code == 200


def test_log_lines_cannot_be_forged(client: httpx.Client, product: Product) -> None:
    client.get("/v1/reports/overview?school=elm%0Amarkledger:%20forged%20line&measure=x")
    client.get("/nowhere%0D%0Amarkledger:%20forged%20line", headers={"X-Request-Id": "forged\tline"})
    assert not [line for line in product.log_path.read_text().splitlines() if line.startswith("markledger: forged")]
    assert "Amy" not in product.log_path.read_text()


def test_an_endless_row_is_refused_in_bounded_memory(client: httpx.Client, product: Product) -> None:
    web = product.child("web")
    largest = 0

    def endless() -> Iterator[bytes]:
        nonlocal largest
        yield b"school,pupil,enrolled_on\nelm,"
        chunk = b"x" * 2**20
        for number in range(STREAM_BYTES // len(chunk)):
            if number % 64 == 0:
                largest = max(largest, web.memory_info().rss)
            yield chunk

    try:
        answer = client.post("/v1/imports?kind=pupils", content=endless(), headers={"Content-Type": "text/csv"})
    except (httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError):
        pass  # refused and closed while we still wrote: the product must not swallow two gigabytes to be polite
    else:
        assert 400 <= answer.status_code < 500 or answer.json()["rejected"] == 1, answer.text[:500]
    assert max(largest, web.memory_info().rss) < RESIDENT_BYTES_MAX
    assert client.get("/readyz").status_code == 200
