"""Contract 3.3 on keys and their scopes, and 6 on errors, as far as they meet what is sent; sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.end_to_end.contract_sent import (
    ASSESSMENTS,
    assess,
    errors_of,
    open_school,
    pupils_of,
    send_rows,
    tally,
    tell,
)
from tests.end_to_end.product import Product, send_events
from tests.end_to_end.small_school import BANDS, MEASURE, assessed

pytestmark = pytest.mark.end_to_end

DAY = "2025-10-01"
CSV = {"Content-Type": "text/csv"}
FORBIDDEN = "forbidden_school"


@contextmanager
def key_for(product: Product, admin: httpx.Client, can: str, **scope: Any) -> Iterator[httpx.Client]:
    """A client with a new key."""
    made = admin.post("/v1/keys", json={"name": "examiner", "can": can.split(), **scope})
    assert made.status_code == 201, made.text
    assert set(made.json()) == {"key_id", "key"}
    with product.client(made.json()["key"]) as limited:
        yield limited


def overview(client: httpx.Client, **asked: str) -> httpx.Response:
    """The overview, whatever its status."""
    return client.get(
        "/v1/reports/overview", params={"measure": MEASURE, "bands": BANDS, "as_at": "2025-12-01", **asked}
    )


def test_each_right_opens_what_it_names(client: httpx.Client, product: Product) -> None:
    open_school(client, "rights")
    pupils_of(client, "rights")
    event = assessed("rights", "A1", "m1", "achieved", DAY)
    with key_for(product, client, "read small_numbers", schools=["rights"]) as reader:
        assert overview(reader, school="rights").status_code == 200
        assert send_events(reader, event).status_code == 403
        assert reader.post("/v1/imports?kind=pupils", content=b"x", headers=CSV).status_code == 403
        assert reader.get("/v1/keys").status_code == 403
        nameless = reader.get(
            "/v1/reports/overview/members", params={"school": "rights", "measure": MEASURE, "bands": BANDS}
        ).json()["pupils"]
        assert nameless and not {"reference", "name"} & set(nameless[0])
    with key_for(product, client, "write", schools=["rights"]) as writer:
        assert send_events(writer, event).status_code == 202
        assert overview(writer, school="rights").status_code == 403
        moved = send_events(writer, {**event, "recorded_at": "2025-10-02T10:00:00Z"}).json()["results"][0]["error"]
        assert moved["pointer"] == "/events/0/recorded_at"
        gone = {"type": "FactWithdrawn", "school": "rights", "withdraws": "x", "recorded_at": "2025-10-02T10:00:00Z"}
        assert send_events(writer, gone).status_code == 422
        header = ASSESSMENTS + ",recorded_at"
        rows = f"rights,A1,maths,m2,achieved,{DAY},2025-10-02T10:00:00Z", f"rights,A1,maths,m3,achieved,{DAY},"
        counts = send_rows(writer, "assessments", header, *rows)
        assert tally(counts) == {"accepted": 1, "rejected": 1}
        assert errors_of(writer, counts)[0][:2] == (1, "recorded_at")
    with key_for(product, client, "write migrate", schools=["rights"]) as migrator:
        assert tally(send_rows(migrator, "assessments", header, rows[0])) == {"accepted": 1}


def test_outside_the_scope_bodies_are_equal_whether_or_not_it_exists(client: httpx.Client, product: Product) -> None:
    open_school(client, "inside", trust="reds")
    open_school(client, "outer", trust="reds")
    pupils_of(client, "outer")
    with key_for(product, client, "read write", schools=["inside"]) as limited:
        answers = [overview(limited, school=school) for school in ("outer", "nowhere")]
        answers += [overview(limited, trust=trust) for trust in ("reds", "notrust")]
        assert {answer.status_code for answer in answers} == {403}
        assert len({answer.content for answer in answers}) == 1
        told = send_events(
            limited,
            assessed("outer", "A1", "m1", "achieved", DAY),
            assessed("inside", "A1", "m1", "achieved", DAY),
            assessed("nowhere", "A1", "m1", "achieved", DAY),
        )
        assert told.status_code == 207
        results = told.json()["results"]
        assert [result["status"] for result in results] == ["rejected", "accepted", "rejected"]
        errors = [{**results[index]["error"], "pointer": ""} for index in (0, 2)]
        assert errors[0] == errors[1] and errors[0]["code"] == FORBIDDEN
        counts = assess(limited, "outer", f"A1,m1,achieved,{DAY}")
        unknown = assess(limited, "nowhere", f"A1,m1,achieved,{DAY}")
        assert [error[3] for error in (*errors_of(limited, counts), *errors_of(limited, unknown))] == [FORBIDDEN] * 2


def test_404_for_a_key_that_may_see_all(client: httpx.Client, product: Product) -> None:
    open_school(client, "seen")
    pupils_of(client, "seen")
    with key_for(product, client, "read", all=True) as reader:
        assert overview(reader, school="nowhere").status_code == 404
        assert overview(reader, trust="notrust").status_code == 404
        early = overview(reader, school="seen", as_known_at="2020-01-01T00:00:00Z")
        assert early.status_code == 200 and early.json()["rows"][0]["pupils"] == 0


def test_a_trusts_key_covers_the_members(client: httpx.Client, product: Product) -> None:
    open_school(client, "stay", trust="whites")
    open_school(client, "leave", trust="whites")
    open_school(client, "never", trust="blacks")
    tell(client, {"type": "SchoolLeftTrust", "school": "leave", "trust": "whites", "left_on": "2025-11-30"})
    for school in ("stay", "leave", "never"):
        pupils_of(client, school)
    with key_for(product, client, "read write", trusts=["whites"]) as limited:
        assert overview(limited, trust="whites").status_code == 200
        assert overview(limited, school="leave", as_at="2025-11-30").status_code == 200
        assert overview(limited, school="leave", as_at="2025-12-01").status_code == 403
        assert overview(limited, school="never").status_code == 403
        told = send_events(
            limited, *(assessed(school, "A1", "m1", "achieved", DAY) for school in ("stay", "leave", "never"))
        ).json()["results"]
        assert [result["status"] for result in told] == ["accepted", "rejected", "rejected"]
        header = "trust,framework,version,subject,ability,objective"
        counts = send_rows(limited, "curriculum", header, "whites,g,1,art,Y3,a1", "blacks,g,1,art,Y3,a1")
        assert tally(counts) == {"accepted": 1, "rejected": 1}
        assert errors_of(limited, counts)[0] == (2, "trust", "blacks", FORBIDDEN)


def test_an_import_is_its_makers_and_a_reverse_needs_its_schools(client: httpx.Client, product: Product) -> None:
    open_school(client, "maker")
    counts = assess(client, "maker", f"A1,m1,achieved,{DAY}")
    with key_for(product, client, "read write", schools=["other"]) as stranger:
        own = f"/v1/imports/{counts['import_id']}"
        for answer in (stranger.get(own), stranger.get(f"{own}/errors.csv"), stranger.post(f"{own}/reverse")):
            assert answer.status_code in (403, 404)
        assert stranger.get("/v1/imports/imp_nosuch").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"can": ["fly"], "all": True},
        {"can": [], "all": True},
        {"can": ["read"]},
        {"can": ["read"], "all": True, "schools": ["elm"]},
        {"can": ["read"], "schools": ["a b"]},
        {"can": ["read"], "schools": []},
        {"can": ["read"], "all": True, "expires_on": "2020-01-01"},
        {"can": ["read"], "all": True, "expires_on": "soon"},
        {"can": ["read"], "all": True, "colour": "red"},
    ],
    ids=str,
)
def test_a_wrong_key_request_is_a_problem_with_pointers(client: httpx.Client, wrong: dict[str, Any]) -> None:
    answer = client.post("/v1/keys", json={"name": "wrong", **wrong})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert all({"code", "detail"} <= set(error) for error in answer.json()["errors"]) and answer.json()["errors"]


def test_a_key_lives_to_the_end_of_its_last_day(client: httpx.Client, product: Product) -> None:
    open_school(client, "lives")
    pupils_of(client, "lives")
    tomorrow = str(date.today() + timedelta(days=1))
    with key_for(product, client, "read", schools=["lives"], expires_on=tomorrow) as limited:
        assert overview(limited, school="lives").status_code == 200


def test_every_refusal_is_a_problem(client: httpx.Client, product: Product) -> None:
    with product.client("") as nobody:
        refused = [
            (nobody.get("/v1/imports"), 401),
            (nobody.post("/v1/events", json={"events": []}), 401),
            (client.get("/v1/nothing"), 404),
            (client.delete("/v1/events"), 405),
            (client.post("/v1/events", content=b"{}", headers={"Content-Type": "text/plain"}), 415),
            (client.post("/v1/imports?kind=pupil", content=b"", headers=CSV), 422),
            (client.post("/v1/events?x=1", json={"events": []}), 422),
        ]
    for answer, status in refused:
        body = answer.json()
        assert answer.status_code == status == body["status"], answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert {"type", "title", "status", "detail", "instance"} <= set(body)
        page = client.get(body["type"])
        assert page.status_code == 200 and "text/html" in page.headers["content-type"], body["type"]
