"""Contract sections 3.3, 4 and 6 on requests: parameters, refusals, keys, positions, provenance, forms of answers."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.end_to_end.product import Product, read_report, send_events
from tests.end_to_end.telling import (
    all_members,
    enrolled,
    percent_framework,
    registered,
    tell,
    told_percent,
    wait_until_shown,
)

pytestmark = pytest.mark.end_to_end

MEASURE = "markbook:maths:any:overall"
BANDS = "21,36,51,66"
AS_AT = "2025-11-30"
ASKED = {"school": "larch", "measure": MEASURE, "bands": BANDS, "as_at": AS_AT}
MATRIX = {
    "school": "larch",
    "first": MEASURE,
    "second": MEASURE,
    "first_bands": BANDS,
    "second_bands": BANDS,
    "as_at": AS_AT,
}
TRACKING = {"school": "larch", "measure": MEASURE, "as_at": AS_AT}


@pytest.fixture(scope="module", autouse=True)
def _told(client: httpx.Client) -> None:
    events = []
    for school, fields in (
        ("larch", {"trust": "canopy", "joined_on": "2024-01-01"}),
        ("rowan", {"trust": "canopy", "joined_on": "2025-11-01"}),
        ("alone", {}),
    ):
        events += [registered(school, **fields), percent_framework(school)]
        events += [enrolled(school, f"{school}-{n}", "3", sex="F" if n else "M") for n in range(2)]
        events += [told_percent(school, f"{school}-0", "maths", "40")]
    wait_until_shown(client, tell(client, *events), ["larch", "rowan", "alone"])


def _refused(client: httpx.Client, report: str, parameters: Any, status: int = 422) -> dict[str, Any]:
    """The problem that the request gets; its type and the codes in it have pages that explain them."""
    answer = client.get(f"/v1/reports/{report}", params=parameters)
    assert answer.status_code == status, (parameters, answer.status_code, answer.text[:500])
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= body.keys()
    for kind in {body["type"], *(f"/problems/{error['code']}" for error in body.get("errors", []))}:
        page = client.get(kind)
        assert (page.status_code, page.headers["content-type"].startswith("text/html")) == (200, True), kind
    return dict(body)


def _with(asked: dict[str, str], name: str, *values: str) -> list[tuple[str, str]]:
    """The parameters with others in place of one; none = without it."""
    return [*((key, value) for key, value in asked.items() if key != name), *((name, value) for value in values)]


@pytest.mark.parametrize(
    ("report", "asked", "name", "values"),
    [
        ("overview", ASKED, "colour", ["red"]),
        ("overview", ASKED, "row", ["whole"]),
        ("overview", ASKED, "limit", ["5"]),
        ("overview", ASKED, "months", ["2025-09"]),
        ("score-tracking", TRACKING, "by", ["school"]),
        ("score-tracking", TRACKING, "bands", [BANDS]),
        ("matrix", MATRIX, "by", ["school"]),
        ("overview", ASKED, "trust", ["canopy"]),
        ("overview", ASKED, "school", []),
        ("overview", ASKED, "min_position", ["nonsense"]),
        ("overview", ASKED, "wait_seconds", ["-1"]),
        ("overview", ASKED, "wait_seconds", ["30.5"]),
        ("overview", ASKED, "measure", []),
        ("overview", ASKED, "measure", [MEASURE] * 4),
        ("overview", ASKED, "measure", ["markbook:maths:any:percent"]),
        ("overview", ASKED, "measure", ["markbook:ma ths:any:overall"]),
        ("overview", ASKED, "measure", ["markbook:maths:any:overall:more"]),
        ("overview", ASKED, "measure", ["test:ks2:maths:-"]),
        ("overview", ASKED, "measure", ["judgement:maths"]),
        ("overview", ASKED, "bands", []),
        ("overview", ASKED, "bands", [BANDS, BANDS]),
        ("overview", ASKED, "bands", ["21,36,36,66"]),
        ("overview", ASKED, "bands", ["0,36,51,66"]),
        ("overview", ASKED, "bands", ["21,36,51,101"]),
        ("overview", ASKED, "bands", ["21,36,51.5,66"]),
        ("overview", ASKED, "bands", ["21;36;51;66"]),
        ("overview", ASKED, "settings", ["set_x"]),
        ("overview", ASKED, "denominator", ["pupils"]),
        ("overview", ASKED, "as_at", ["1989-12-31"]),
        ("overview", ASKED, "as_at", ["2099-01-01"]),
        ("overview", ASKED, "as_at", ["30/11/2025"]),
        ("overview", ASKED, "by", ["characteristic"]),
        ("overview", ASKED, "by", ["characteristic:"]),
        ("overview", ASKED, "by", ["school:larch"]),
        ("overview", ASKED, "school", ["la rch"]),
        ("overview", ASKED, "group", [""]),
        ("overview/members", ASKED, "cell", ["1:at"]),
        ("overview/members", ASKED, "cell", ["at"]),
        ("overview/members", ASKED, "cell", ["combined:at"]),
        ("overview/members", ASKED, "row", ["pupil:7"]),
        ("overview/members", ASKED, "limit", ["0"]),
        ("overview/members", ASKED, "limit", ["501"]),
        ("overview/members", ASKED, "cursor", ["x"]),
        ("score-tracking", TRACKING, "measure", ["test:ks2:maths:-:scaled"]),
        ("score-tracking", TRACKING, "measure", [MEASURE, MEASURE]),
        ("score-tracking", TRACKING, "months", ["2025-09..2026-09"]),
        ("score-tracking", TRACKING, "months", ["2025-10..2025-09"]),
        ("score-tracking", TRACKING, "months", ["2025-13"]),
        ("score-tracking", TRACKING, "members", ["later"]),
        ("matrix", MATRIX, "on", ["third"]),
        ("matrix", MATRIX, "second", []),
        ("matrix", MATRIX, "first", [f"{MEASURE}@2025-11-31"]),
        ("matrix", MATRIX, "first_bands", []),
        ("matrix/members", MATRIX, "cell", ["at"]),
        ("matrix/members", MATRIX, "cell", ["at:no_data"]),
    ],
)
def test_what_cannot_be_answered_is_refused_by_the_name_of_its_parameter(client, report, asked, name, values) -> None:
    body = _refused(client, report, _with(asked, name, *values))
    assert {error["parameter"] for error in body["errors"]} == {name}
    assert all(error["detail"] for error in body["errors"])


def test_every_fault_of_a_request_is_named_at_once(client) -> None:
    parameters = {**ASKED, "bands": "1,2", "as_at": "x", "colour": "red"}
    named = {error["parameter"] for error in _refused(client, "overview", parameters)["errors"]}
    assert named == {"bands", "as_at", "colour"}


def test_bands_are_one_for_all_or_one_per_measure_in_order(client) -> None:
    measures = [("measure", MEASURE), ("measure", "test:ks2:maths:-:scaled"), ("measure", MEASURE)]
    asked = [("school", "larch"), ("as_at", AS_AT), *measures]
    one = read_report(client, "overview", [*asked, ("bands", BANDS)])
    assert [measure["bands"] for measure in one["measures"]] == [[21, 36, 51, 66]] * 3
    each = [("bands", "10,20,30,41"), ("bands", "90,100,110,115.5"), ("bands", "10,20,30,40")]
    three = read_report(client, "overview", [*asked, *each])
    assert [measure["bands"] for measure in three["measures"]][1] == [90, 100, 110, "115.5"]
    cells = three["rows"][0]["cells"]
    assert (cells[0]["counts"]["above"], cells[2]["counts"]["sig_above"]) == (1, 1)  # a cut-off starts its band
    _refused(client, "overview", [*asked, *each[:2]])


def test_a_school_asked_for_twice_counts_once(client) -> None:
    report = read_report(client, "overview", [*ASKED.items(), ("school", "larch")])
    assert report["rows"][0]["pupils"] == 2


def test_an_unknown_characteristic_to_break_down_by_has_all_pupils_not_known(client) -> None:
    report = read_report(client, "overview", [*ASKED.items(), ("by", "characteristic:shoe")])
    assert [(row["row"], row["pupils"]) for row in report["rows"]] == [
        ("whole", 2),
        ("characteristic:shoe:Not known", 2),
    ]


def test_members_of_a_row_that_there_is_not_are_none(client) -> None:
    for row in ("group:Mauve", "school:rowan", "year-group:99", "characteristic:sex:X"):
        listing = read_report(client, "overview/members", {**ASKED, "row": row}.items())
        assert (listing["total"], listing["pupils"], listing["next"]) == (0, [], None), row


# --- Keys --------------------------------------------------------------------------------------------------------


@contextmanager
def _key(client: httpx.Client, product: Product, **body: Any) -> Iterator[httpx.Client]:
    created = client.post("/v1/keys", json={"name": "examined", "can": ["read", "names"], **body})
    assert created.status_code == 201, created.text
    with product.client(created.json()["key"]) as opened:
        yield opened


def _body(client: httpx.Client, report: str = "overview", status: int = 403, **changed: str) -> dict[str, Any]:
    asked = {"overview": ASKED, "overview/members": ASKED, "score-tracking": TRACKING, "matrix": MATRIX}[report]
    asked = {name: value for name, value in {**asked, **changed}.items() if value}
    answer = client.get(f"/v1/reports/{report}", params=asked)
    assert answer.status_code == status, (asked, answer.status_code, answer.text[:300])
    body = dict(answer.json())
    body.pop("request_id", None)
    return body


def test_a_missing_or_unknown_key_is_401(client, product: Product) -> None:
    for key in ("", "ml_unknown"):
        with product.client(key) as nobody:
            for report in ("overview", "overview/members", "score-tracking", "matrix", "matrix/members"):
                answer = nobody.get(f"/v1/reports/{report}", params=ASKED)
                assert answer.status_code == 401
                assert answer.headers["content-type"].startswith("application/problem+json")
            for path in ("/healthz", "/readyz", "/metrics", "/docs"):
                assert nobody.get(path).status_code == 200


def test_a_school_outside_the_key_is_403_with_equal_bodies_whether_or_not_it_exists(client, product) -> None:
    with _key(client, product, schools=["larch"]) as limited:
        for report in ("overview", "overview/members", "score-tracking", "matrix"):
            assert _body(limited, report, school="rowan") == _body(limited, report, school="nowhere")
            assert _body(limited, report, 200)
        known = {"as_known_at": "2020-01-01T00:00:00Z"}
        assert _body(limited, school="rowan", **known) == _body(limited, school="nowhere", **known)
        both = limited.get("/v1/reports/overview", params=[*ASKED.items(), ("school", "rowan")])
        assert both.status_code == 403
        assert _body(limited, school="", trust="canopy") == _body(limited, school="", trust="nowhere")
    with _key(client, product, schools=["larch", "rowan"]) as whole:
        assert _body(whole, "overview", 200, school="", trust="canopy")["rows"][0]["pupils"] == 4


def test_an_unknown_school_is_404_for_a_key_that_may_see_all(client, product) -> None:
    with _key(client, product, all=True) as everything:
        for report in ("overview", "overview/members", "score-tracking", "matrix"):
            assert "nowhere" in _body(everything, report, 404, school="nowhere")["detail"]
        assert _body(everything, "overview", 404, school="", trust="nowhere")
        known = _body(everything, "overview", 200, as_known_at="2023-12-31T23:59:59Z")
        assert [(row["row"], row["pupils"]) for row in known["rows"]] == [("whole", 0)]


def test_a_trust_key_covers_the_members_at_the_rosters_date_as_known_now(client, product) -> None:
    with _key(client, product, trusts=["canopy"]) as trust:
        assert _body(trust, "overview", 200, school="rowan")["rows"][0]["pupils"] == 2
        before = {"as_at": "2025-10-31"}
        assert _body(trust, school="rowan", **before) == _body(trust, school="nowhere", **before)
        assert _body(trust, "overview", 200, school="", trust="canopy", **before)["rows"][0]["pupils"] == 2
        assert _body(trust, school="alone") == _body(trust, school="nowhere")
        assert _body(trust, school="", trust="hedge") == _body(trust, school="", trust="nowhere")


def test_reports_need_the_right_to_read(client, product) -> None:
    with _key(client, product, schools=["larch"], can=["write"]) as writer:
        for report in ("overview", "overview/members", "score-tracking", "matrix"):
            assert _body(writer, report)


# --- Positions and provenance ------------------------------------------------------------------------------------


def test_an_answer_says_from_what_it_was_made(client) -> None:
    provenance = read_report(client, "overview", ASKED.items())["provenance"]
    assert set(provenance) == {"as_at", "as_known_at", "position", "stale", "views", "settings"}
    assert (provenance["as_at"], provenance["as_known_at"], provenance["stale"]) == (AS_AT, None, False)
    assert provenance["settings"] == []
    assert provenance["views"] and all(isinstance(version, int) for version in provenance["views"].values())
    again = read_report(client, "overview", [*ASKED.items(), ("min_position", provenance["position"])])
    assert again["provenance"]["stale"] is False
    for report, asked in (("score-tracking", TRACKING), ("matrix", MATRIX), ("overview/members", ASKED)):
        assert read_report(client, report, asked.items())["provenance"]["as_at"] == AS_AT


def test_as_at_is_today_unless_told_otherwise(client) -> None:
    report = read_report(client, "overview", _with(ASKED, "as_at"))
    assert report["provenance"]["as_at"] == str(datetime.now(UTC).astimezone(ZoneInfo("Europe/London")).date())


def test_a_report_waits_for_the_position_and_says_if_the_views_have_not_come_that_far(client, product) -> None:
    projector = product.child("projector")
    projector.suspend()
    try:
        position = send_events(client, told_percent("larch", "larch-1", "maths", "60")).json()["position"]
        asked = [*ASKED.items(), ("min_position", position)]
        behind = read_report(client, "overview", [*asked, ("wait_seconds", "0")])
        assert behind["provenance"]["stale"] is True
        assert behind["rows"][0]["cells"][0]["no_data"] == 1
        elsewhere = [*_with(ASKED, "school", "alone"), ("min_position", position), ("wait_seconds", "0")]
        assert read_report(client, "overview", elsewhere)["rows"][0]["pupils"] == 2
    finally:
        projector.resume()
    report = read_report(client, "overview", [*asked, ("wait_seconds", "30")])
    assert report["provenance"]["stale"] is False
    assert report["rows"][0]["cells"][0]["no_data"] == 0


# --- Forms -------------------------------------------------------------------------------------------------------


def test_csv_says_what_json_says(client) -> None:
    asked = [*ASKED.items(), ("measure", "markbook:history:any:overall"), ("by", "characteristic:sex")]
    report = read_report(client, "overview", asked)
    by_accept = client.get("/v1/reports/overview", params=asked, headers={"Accept": "text/csv"})
    by_path = client.get("/v1/reports/overview.csv", params=asked)
    assert by_accept.headers["content-type"].startswith("text/csv")
    assert by_accept.content == by_path.content
    rows = list(csv.DictReader(io.StringIO(by_path.text.lstrip("\ufeff"), newline="")))
    assert list(rows[0]) == ["row", "measure", "band", "pupils", "percent"]
    told_ = {(row["row"], row["measure"], row["band"]): (row["pupils"], row["percent"]) for row in rows}
    assert len(told_) == len(rows)

    def text(percent: int | None) -> str:
        return "" if percent is None else str(percent)

    for row in report["rows"]:
        for measure, cell in zip(report["measures"], row["cells"], strict=True):
            for band, pupils in cell["counts"].items():
                assert told_[row["row"], measure["id"], band] == (str(pupils), text(cell["percents"][band]))
            assert told_[row["row"], measure["id"], "no_data"] == (str(cell["no_data"]), text(cell["no_data_percent"]))
            assert told_[row["row"], measure["id"], "not_applicable"][0] == str(cell["not_applicable"])


@pytest.mark.parametrize("report", ["overview", "overview/members", "score-tracking", "matrix", "matrix/members"])
def test_every_report_is_there_as_csv_and_as_a_workbook(client, report) -> None:
    asked = TRACKING if report == "score-tracking" else MATRIX if report.startswith("matrix") else ASKED
    text = client.get(f"/v1/reports/{report}.csv", params=asked)
    assert (text.status_code, text.headers["content-type"].split(";")[0]) == (200, "text/csv")
    assert len(text.text.splitlines()) > 1
    book = client.get(f"/v1/reports/{report}.xlsx", params=asked)
    assert book.status_code == 200
    assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(book.content)).namelist()


@pytest.mark.parametrize("report", ["overview", "overview/members", "score-tracking", "matrix", "matrix/members"])
def test_the_same_path_without_the_version_is_the_page(client, report) -> None:
    asked = TRACKING if report == "score-tracking" else MATRIX if report.startswith("matrix") else ASKED
    page = client.get(f"/reports/{report}", params=asked, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"].split(";")[0]) == (200, "text/html")
    wrong = client.get(f"/reports/{report}", params={**asked, "as_at": "x"}, headers={"Accept": "text/html"})
    assert (wrong.status_code, wrong.headers["content-type"].split(";")[0]) == (422, "text/html")


def test_an_answer_that_did_not_change_need_not_be_sent_again(client) -> None:
    first = client.get("/v1/reports/overview", params=ASKED)
    again = client.get("/v1/reports/overview", params=ASKED, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = {**ASKED, "as_at": "2025-09-30"}
    assert client.get("/v1/reports/overview", params=other, headers=again.request.headers).status_code == 200


def test_pages_of_score_tracking_follow_each_other(client) -> None:
    asked = [("trust", "canopy"), ("measure", MEASURE), ("as_at", AS_AT)]
    listing = all_members(client, "score-tracking", asked, limit=1)
    assert (listing["pages"], len({pupil["pupil"] for pupil in listing["pupils"]})) == (4, 4)
    last = read_report(client, "score-tracking", asked)
    assert (last["members"], len(last["months"]), last["next"]) == ("now", 12, None)


def test_what_is_not_there_is_a_problem_too(client) -> None:
    for method, path, status in (
        ("GET", "/v1/reports/horoscope", 404),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/reports/overview", 405),
        ("DELETE", "/v1/reports/matrix", 405),
    ):
        answer = client.request(method, path)
        assert answer.status_code == status, path
        assert answer.headers["content-type"].startswith("application/problem+json"), path
        assert answer.json()["type"].startswith("/problems/")
    refused = client.get("/v1/reports/overview", params=ASKED, headers={"Accept": "image/png"})
    assert refused.status_code == 406
    for accepted in ("", "*/*", "application/*", "text/html,*/*;q=0.8"):
        answer = client.get("/v1/reports/overview", params=ASKED, headers={"Accept": accepted})
        assert answer.headers["content-type"].startswith("application/json"), accepted
