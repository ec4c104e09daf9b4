"""The query service over HTTP on real tables: reports in each form, scopes, names, pages, health."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest
from structlog.testing import capture_logs

from schemas.documents import FOREVER, Membership
from services.access import identities, keys
from services.access.identities import ToldIdentity
from services.access.keys import ADMINISTRATOR, KeyRequest, Keyring
from services.access.keystore import open_keystore
from services.projector.store import create_tables
from services.query.main import create_app
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.positions import encode_position
from services.runtime.settings import read_settings
from tests.integration.test_reader import LOG, partition_of, put_checkpoint, put_school
from tests.unit.query.hand_made import HandMadeSchool, day
from tests.unit.query.oak import make_oak

ADMIN_KEY = "a" * 40
MATHS = "markbook:maths:Y3:overall"
REPORT = f"measure={MATHS}&bands=21,36,51,66&as_at=2025-11-30"
OAK = f"/v1/reports/overview?school=oak&{REPORT}"
SETTINGS = read_settings(admin_key=ADMIN_KEY, identity_key="i" * 40)
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def pool(embedded_database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(embedded_database_url, min_size=1, max_size=4) as pool:
        await create_tables(pool, "timeline", 1)
        for ensure in (keys.ensure_tables, identities.ensure_tables):
            await ensure(pool)
        oak, elm = make_oak(), HandMadeSchool("elm")
        elm.mark("zoe", "maths", 40)
        elm.enrol("zoe", "3")
        oak.memberships.append(Membership(0, FOREVER, "woods", 0, day("2026-08-31").toordinal()))
        elm.memberships.append(Membership(0, FOREVER, "woods", 0, FOREVER))
        await put_school(pool, oak)
        await put_school(pool, elm)
        await put_checkpoint(pool, {partition_of(school): 4 for school in ("oak", "elm")})
        yield pool


@pytest.fixture
async def client(pool: asyncpg.Pool) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        SETTINGS, pool, Keyring(pool, ADMIN_KEY), {"unknown_state": "A code of ingest."}, EmbeddedLog(pool)
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def bearer(
    pool: asyncpg.Pool, *, can: tuple[str, ...] = ("read", "small_numbers"), **scope: Any
) -> dict[str, str]:
    fields = {"name": "test", "all": False, "schools": (), "trusts": (), "expires_on": None, **scope}
    created = await keys.create_key(pool, KeyRequest(can=can, **fields), ADMINISTRATOR)
    return {"authorization": f"Bearer {created.key}"}


ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}


# --- Reports -----------------------------------------------------------------------------------------------------


async def test_the_overview_has_the_shape_of_the_contract(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{OAK}&by=characteristic:sex", headers=ADMIN)
    assert response.status_code == 200
    body = response.json()
    assert list(body) == ["report", "provenance", "measures", "rows"]
    assert list(body["provenance"]) == ["as_at", "as_known_at", "position", "stale", "views", "settings"]
    assert body["measures"] == [{"id": MATHS, "bands": [21, 36, 51, 66]}]
    assert body["rows"][0] == {
        "row": "whole",
        "pupils": 5,
        "cells": [
            {
                "counts": {"sig_below": 1, "below": 0, "at": 2, "above": 0, "sig_above": 1},
                "percents": {"sig_below": 20, "below": 0, "at": 40, "above": 0, "sig_above": 20},
                "of": 5,
                "no_data": 1,
                "no_data_percent": 20,
                "not_applicable": 0,
            }
        ],
        "combined": {
            "working_at_or_above": 3,
            "not_working_at": 2,
            "incomplete": 1,
            "percents": {"working_at_or_above": 60, "not_working_at": 40},
        },
    }
    assert [row["row"] for row in body["rows"]][1:] == [f"characteristic:sex:{v}" for v in ("F", "M", "Not known")]


async def test_members_come_in_pages_that_a_link_leads_through(client: httpx.AsyncClient) -> None:
    address, seen = f"/v1/reports/overview/members?school=oak&{REPORT}&cell=0:at&limit=1", []
    while address:
        response = await client.get(address, headers=ADMIN)
        body = response.json()
        assert body["total"] == 2
        seen += [pupil["pupil"] for pupil in body["pupils"]]
        link = response.headers.get("link", "")
        assert bool(link) is (body["next"] is not None)
        address = link.partition("<")[2].partition(">")[0]
    assert seen == ["amy", "ben"]


async def test_score_tracking_and_matrix_answer(client: httpx.AsyncClient) -> None:
    tracking = await client.get(
        f"/v1/reports/score-tracking?school=oak&measure={MATHS}&months=2025-10,2025-11&as_at=2025-11-30", headers=ADMIN
    )
    assert tracking.json()["months"] == ["2025-10-31", "2025-11-30"]
    sides = f"first={MATHS}@2025-10-31&second={MATHS}&first_bands=21,36,51,66&second_bands=21,36,51,66"
    matrix = await client.get(f"/v1/reports/matrix?school=oak&{sides}&as_at=2025-11-30", headers=ADMIN)
    counts = matrix.json()["counts"]
    plotted = sum(map(sum, counts)) + sum(each["pupils"] for each in matrix.json()["unplotted"])
    assert (len(counts), plotted) == (5, 5)
    members = await client.get(f"/v1/reports/matrix/members?school=oak&{sides}&as_at=2025-11-30", headers=ADMIN)
    assert members.json()["total"] == 5


@pytest.mark.parametrize(
    ("path", "accept", "media_type"),
    [
        ("overview", "*/*", "application/json"),
        ("overview", "application/json", "application/json"),
        ("overview", "text/csv", "text/csv; charset=utf-8"),
        ("overview", "text/csv;q=0.9, application/json;q=0.2", "text/csv; charset=utf-8"),
        ("overview", HTML["accept"], "application/json"),
        ("overview.csv", "*/*", "text/csv; charset=utf-8"),
        ("overview.xlsx", "*/*", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
async def test_a_report_comes_in_the_form_asked_for(
    client: httpx.AsyncClient, path: str, accept: str, media_type: str
) -> None:
    response = await client.get(f"/v1/reports/{path}?school=oak&{REPORT}", headers={**ADMIN, "accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, media_type)


async def test_a_form_that_is_not_made_is_a_406(client: httpx.AsyncClient) -> None:
    for accept in ("application/xml", "application/json;q=0", "text/html"):
        response = await client.get(OAK, headers={**ADMIN, "accept": accept})
        assert (response.status_code, response.json()["type"]) == (406, "/problems/not_acceptable")
    assert (await client.get(f"/v1/reports/overview.pdf?school=oak&{REPORT}", headers=ADMIN)).status_code == 404


async def test_csv_says_what_json_says(client: httpx.AsyncClient) -> None:
    told = (await client.get(OAK, headers=ADMIN)).json()["rows"][0]["cells"][0]["counts"]
    response = await client.get(OAK.replace("overview?", "overview.csv?"), headers=ADMIN)
    lines = list(csv.DictReader(io.StringIO(response.text)))
    assert {line["band"]: int(line["pupils"]) for line in lines if line["band"] in told} == told
    assert response.headers["content-disposition"] == 'attachment; filename="overview.csv"'


async def test_an_unchanged_report_is_not_sent_twice(client: httpx.AsyncClient) -> None:
    first = await client.get(OAK, headers=ADMIN)
    again = await client.get(OAK, headers={**ADMIN, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await client.get(f"{OAK}&denominator=with_data", headers={**ADMIN, "if-none-match": first.headers["etag"]})
    assert other.status_code == 200


async def test_an_answer_tells_what_the_report_took_without_http(client: httpx.AsyncClient) -> None:
    told = (await client.get(OAK, headers=ADMIN)).headers["server-timing"]
    name, _, duration = told.partition(";dur=")
    assert name == "report" and float(duration) > 0


async def test_a_position_that_is_not_reached_is_answered_stale(client: httpx.AsyncClient) -> None:
    ahead = encode_position(LOG, {partition_of("oak"): 99})
    body = (await client.get(f"{OAK}&min_position={ahead}&wait_seconds=0", headers=ADMIN)).json()
    assert body["provenance"]["stale"] is True
    other = encode_position("another log", {partition_of("oak"): 1})
    refused = await client.get(f"{OAK}&min_position={other}", headers=ADMIN)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/malformed_position")


async def test_a_measure_that_these_schools_do_not_have_applies_to_nobody(client: httpx.AsyncClient) -> None:
    for measure in ("markbook:latin:Y3:overall", "test:ks2:maths:-:scaled", "judgement:maths:ta"):
        query = f"school=oak&measure={measure}&bands=21,36,51,66&as_at=2025-11-30"
        cell = (await client.get(f"/v1/reports/overview?{query}", headers=ADMIN)).json()["rows"][0]["cells"][0]
        assert (cell["not_applicable"], cell["of"], cell["no_data_percent"]) == (5, 0, None)


# --- Who may see what --------------------------------------------------------------------------------------------


async def test_without_a_key_nothing_is_told(client: httpx.AsyncClient) -> None:
    for path in (OAK, OAK.replace("oak", "nowhere")):
        response = await client.get(path)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert (await client.get(OAK, headers={"authorization": "Bearer wrong"})).json()["type"] == "/problems/unknown_key"


async def test_a_school_outside_the_key_looks_the_same_whether_or_not_it_exists(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    headers = await bearer(pool, schools=("oak",))
    assert (await client.get(OAK, headers=headers)).status_code == 200
    bodies = []
    for school in ("elm", "nowhere"):
        for query in (f"school={school}", f"school=oak&school={school}"):
            response = await client.get(f"/v1/reports/overview?{query}&{REPORT}", headers=headers)
            assert response.status_code == 403
            bodies.append(response.json())
    for trust in ("woods", "nowhere"):
        response = await client.get(f"/v1/reports/overview?trust={trust}&{REPORT}", headers=headers)
        assert response.status_code == 403
        bodies.append(response.json())
    assert all(body == bodies[0] for body in bodies)


async def test_a_trusts_key_covers_its_members_on_the_day(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    headers = await bearer(pool, trusts=("woods",))
    assert (await client.get(f"/v1/reports/overview?trust=woods&{REPORT}", headers=headers)).json()["rows"][0][
        "pupils"
    ] == 6
    assert (await client.get(OAK, headers=headers)).status_code == 200
    later = OAK.replace("2025-11-30", "2026-09-01")
    assert (await client.get(later, headers=headers)).status_code == 403
    whole = await client.get(later.replace("school=oak", "trust=woods"), headers=headers)
    assert whole.json()["rows"][0]["pupils"] == 1


async def test_unknown_schools_and_trusts_are_404_to_a_key_that_sees_all(client: httpx.AsyncClient) -> None:
    for who, code in (("school=nowhere", "unknown_school"), ("trust=nowhere", "unknown_trust")):
        response = await client.get(f"/v1/reports/overview?{who}&{REPORT}", headers=ADMIN)
        assert (response.status_code, response.json()["errors"][0]["code"]) == (404, code)


async def test_reading_needs_the_right(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    headers = await bearer(pool, schools=("oak",), can=("write",))
    response = await client.get(OAK, headers=headers)
    assert (response.status_code, response.json()["type"]) == (403, "/problems/right_missing")


async def name_amy(pool: asyncpg.Pool) -> None:
    """Keep a name as ingest does."""
    told = ToldIdentity("oak", "amy", "e1", datetime(2025, 9, 1, tzinfo=UTC), "A1", "Amy", "Smith")
    keys_made = await open_keystore(SETTINGS, pool).make_keys([("oak", "amy")])
    sealed = identities.seal_identity(keys_made["oak", "amy"], told)
    async with pool.acquire() as connection:
        await identities.keep(connection, [(0, sealed)], ())


async def test_names_are_for_keys_that_may_see_them(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await name_amy(pool)
    address = f"/v1/reports/overview/members?school=oak&{REPORT}"
    plain = await client.get(address, headers=await bearer(pool, schools=("oak",)))
    assert "Smith" not in plain.text
    assert not {"reference", "name"} & plain.json()["pupils"][0].keys()
    named = await client.get(address, headers=await bearer(pool, schools=("oak",), can=("read", "names")))
    pupils = {pupil["pupil"]: pupil for pupil in named.json()["pupils"]}
    assert pupils["amy"]["reference"] == "A1"
    assert "Amy" in pupils["amy"]["name"] and "Smith" in pupils["amy"]["name"]
    assert (pupils["ben"]["reference"], pupils["ben"]["name"]) == (None, None)
    assert named.headers["cache-control"] == "private, no-store"


async def test_small_numbers_are_null_and_pupils_closed_without_the_right(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    headers = await bearer(pool, schools=("oak",), can=("read",))
    answer = await client.get(f"{OAK}&by=characteristic:sex", headers=headers)
    body = answer.json()
    whole, *rows = body["rows"]
    assert whole["pupils"] == 5 and [row["pupils"] for row in rows] == [None] * 3
    counts = whole["cells"][0]["counts"]
    assert counts == {"sig_below": None, "below": 0, "at": None, "above": 0, "sig_above": None}
    assert whole["cells"][0]["percents"]["at"] is None and whole["cells"][0]["no_data"] is None
    assert "/rows/0/cells/0/counts/at" in body["suppressed"]
    table = await client.get(OAK.replace("overview?", "overview.csv?"), headers=headers)
    assert f"whole,{MATHS},at,c,c" in table.text and f"whole,{MATHS},below,0,0" in table.text
    for closed in (
        f"/v1/reports/overview/members?school=oak&{REPORT}",
        f"/v1/reports/score-tracking?school=oak&measure={MATHS}",
    ):
        refused = await client.get(closed, headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/pupils_closed")
    seen = await client.get(f"{OAK}&by=characteristic:sex", headers=await bearer(pool, schools=("oak",)))
    assert "suppressed" not in seen.json() and seen.json()["rows"][1]["pupils"] == 2


async def test_a_key_of_groups_sees_their_pupils_alone(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    for groups, pupils in ((("Oak",), 5), (("Elm",), 0), (("Elm", "Oak"), 5)):
        headers = await bearer(pool, schools=("oak",), groups=groups)
        assert (await client.get(OAK, headers=headers)).json()["rows"][0]["pupils"] == pupils
        members = await client.get(f"/v1/reports/overview/members?school=oak&{REPORT}", headers=headers)
        assert members.json()["total"] == pupils
        form = await client.get("/reports/overview", headers={**headers, **HTML})
        assert form.status_code == 200
        assert ('value="Oak"' in form.text) is ("Oak" in groups), "no group is offered but those of the key"


async def test_filters_do_not_reach_the_log(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await client.get(f"{OAK}&filter=home:Secret%20Place&group=Hidden", headers=ADMIN)
    assert [line["route"] for line in lines] == ["/v1/reports/overview"]
    assert "Secret" not in str(lines) and "Hidden" not in str(lines)


# --- Pages -------------------------------------------------------------------------------------------------------


async def test_signing_in_leads_back_and_out_again(client: httpx.AsyncClient) -> None:
    page = f"/reports/overview?school=oak&{REPORT}"
    sent_away = await client.get(page, headers=HTML)
    assert sent_away.status_code == 303
    after = parse_qs(urlsplit(sent_away.headers["location"]).query)["next"][0]
    assert after == page
    wrong = await client.post("/sign-in", data={"key": "wrong", "next": after})
    assert (wrong.status_code, "There is a problem" in wrong.text, "set-cookie" in wrong.headers) == (401, True, False)
    right = await client.post("/sign-in", data={"key": ADMIN_KEY, "next": after})
    cookie = right.headers["set-cookie"]
    assert (right.status_code, right.headers["location"]) == (303, page)
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and ADMIN_KEY not in cookie
    shown = await client.get(page, headers=HTML)
    assert shown.status_code == 200
    assert "2 (40%)" in shown.text
    await client.post("/sign-out")
    assert (await client.get(page, headers=HTML)).status_code == 303


async def test_a_link_to_sign_in_sends_nobody_elsewhere(client: httpx.AsyncClient) -> None:
    response = await client.post("/sign-in", data={"key": ADMIN_KEY, "next": "//evil.example/x"})
    assert response.headers["location"] == "/"


async def test_the_home_page_leads_to_ready_overviews(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    everything = (await client.get("/", headers=ADMIN)).text
    assert "trust=woods" in everything and "school=oak" in everything and "school=elm" in everything
    mine = (await client.get("/", headers=await bearer(pool, schools=("oak",)))).text
    assert "school=oak" in mine and "elm" not in mine and "woods" not in mine


async def test_a_form_is_answered_with_the_address_of_its_report(client: httpx.AsyncClient) -> None:
    form = {"form": "1", "school": "oak", "measure_1": MATHS, "cut_offs_1": ["21", "36", "51", "66"], "as_at": ""}
    response = await client.get("/reports/overview", params=form, headers=ADMIN)
    assert response.status_code == 303
    shown = await client.get(response.headers["location"], headers=ADMIN)
    assert shown.status_code == 200


async def test_a_wrong_form_is_shown_again_with_what_is_wrong(client: httpx.AsyncClient) -> None:
    response = await client.get(
        f"/reports/overview?school=oak&measure={MATHS}&bands=50,35,70,85", headers={**ADMIN, **HTML}
    )
    assert response.status_code == 422
    assert "There is a problem" in response.text
    assert 'href="#bands"' in response.text
    empty = await client.get("/reports/overview", headers={**ADMIN, **HTML})
    assert (empty.status_code, "There is a problem" in empty.text) == (200, False)


async def test_members_page_and_downloads_take_the_cookie(client: httpx.AsyncClient) -> None:
    await client.post("/sign-in", data={"key": ADMIN_KEY})
    members = await client.get(f"/reports/overview/members?school=oak&{REPORT}&cell=0:at", headers=HTML)
    assert (members.status_code, "2 pupils" in members.text) == (200, True)
    for end in ("csv", "xlsx"):
        assert (await client.get(f"/reports/overview.{end}?school=oak&{REPORT}")).status_code == 200
        assert (await client.get(f"/reports/overview/members.{end}?school=oak&{REPORT}")).status_code == 200
    assert (await client.get(OAK)).status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [("/docs", 200), ("/problems", 200), ("/problems/no_settings", 200), ("/problems/unknown_state", 200),
     ("/problems/never", 404), ("/nowhere", 404), ("/static/markledger.css", 200), ("/static/markledger.svg", 200),
     ("/static/../main.py", 404), ("/sign-in?next=/x", 200)],
)  # fmt: skip
async def test_pages_that_need_no_key(client: httpx.AsyncClient, path: str, status: int) -> None:
    response = await client.get(path, headers=HTML)
    assert response.status_code == status
    assert "default-src 'self'" in response.headers["content-security-policy"]


# --- Health ------------------------------------------------------------------------------------------------------


async def test_ready_says_why_not(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    await pool.execute("UPDATE projection.partition SET owner = 'w1'")
    alone = await client.get("/readyz")
    assert (alone.status_code, "No projector works" in alone.json()["reasons"][0]) == (503, True)
    await pool.execute(
        "INSERT INTO projection.worker (worker, projection, version, lease_until)"
        " VALUES ('w1', 'timeline', 1, now() + interval '1 hour')"
    )
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["reasons"]) == (200, "ready", [])
    await pool.execute("UPDATE projection.worker SET log_seen_at = now(), started_at = now() - interval '1 hour'")
    assert (await client.get("/readyz")).status_code == 200
    await pool.execute("UPDATE projection.worker SET log_seen_at = now() - interval '25 seconds'")
    silent = await client.get("/readyz")
    assert silent.status_code == 503
    assert "reached the log for 25 s" in silent.json()["reasons"][0]
    assert "markledger_log_silent_seconds 25." in (await client.get("/metrics")).text
    await pool.execute("UPDATE projection.worker SET log_seen_at = now()")
    await pool.execute(
        "UPDATE projection.partition SET stopped_reason = 'offset 7: ValueError', end_offset = 9 WHERE partition = $1",
        partition_of("oak"),
    )
    stopped = await client.get("/readyz")
    assert stopped.status_code == 503
    assert "offset 7: ValueError" in stopped.json()["reasons"][0]
    assert stopped.json()["lag_records"] == 5
    metrics = (await client.get("/metrics")).text
    labels = f'{{partition="{partition_of("oak")}",projection="timeline",version="1"}}'
    assert f"markledger_projection_lag_records{labels} 5.0" in metrics
    assert f"markledger_projection_stopped{labels} 1.0" in metrics
    assert "markledger_database_reachable 1.0" in metrics


async def test_a_database_that_is_away_is_a_503_and_no_defect(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await pool.close()
    answer = await client.get(OAK, headers=ADMIN)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    assert "retry-after" in answer.headers
    ready = await client.get("/readyz")
    assert (ready.status_code, "database" in ready.json()["reasons"][0]) == (503, True)
    assert (await client.get("/healthz")).status_code == 200
    assert "markledger_database_reachable 0.0" in (await client.get("/metrics")).text
    page = await client.get(f"/reports/overview?school=oak&{REPORT}", headers={**ADMIN, **HTML})
    assert (page.status_code, "away" in page.text) == (503, True)


async def test_the_start_makes_the_tables_of_keys(embedded_database_url: str) -> None:
    async with asyncpg.create_pool(embedded_database_url, min_size=1, max_size=2) as pool:
        app = create_app(read_settings(admin_key=ADMIN_KEY), pool, Keyring(pool, ADMIN_KEY))
        async with app.lifespan():
            assert await pool.fetchval("SELECT count(*) FROM access.key") == 0
            assert await pool.fetchval("SELECT count(*) FROM access.sealed_identity") == 0


async def test_without_views_a_report_says_when_to_come_back(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await pool.execute("DELETE FROM projection.active")
    answer = await client.get(OAK, headers=ADMIN)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/views_behind")
    assert (await client.get("/", headers=ADMIN)).status_code == 200
