"""From nothing to the first report: facts by HTTP, read back for any date and any state of knowledge, and as a page."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from tests.end_to_end.product import Product, import_bytes, read_report, send_events
from tests.end_to_end.small_school import BANDS, MEASURE, assessed, counts, fill, overview, school_events
from tests.servers.process import REQUIRE_VARIABLE

pytestmark = pytest.mark.end_to_end

CHROMIUM = Path("/usr/bin/chromium")
AFTER_EVERYTHING = "2025-11-30"


@pytest.fixture(scope="module")
def position(client: httpx.Client) -> str:
    """The position after the small school was sent."""
    return fill(client, "elm")


def test_a_fact_is_in_the_report_of_its_position_for_any_date(client: httpx.Client, position: str) -> None:
    waiting = ("min_position", position), ("wait_seconds", "30")
    october = overview(client, "elm", "2025-10-31", *waiting)
    assert october["provenance"]["stale"] is False
    assert counts(october) == {"at": 1, "sig_below": 1}
    assert counts(overview(client, "elm", AFTER_EVERYTHING)) == {"above": 1, "sig_below": 1}
    assert counts(overview(client, "elm", "2025-09-30")) == {"no_data": 2}
    assert overview(client, "elm", "2025-08-31")["rows"][0]["pupils"] == 0


def test_rows_and_names_come_with_the_counts(client: httpx.Client, position: str) -> None:
    report = overview(client, "elm", "2025-10-31", ("by", "characteristic:pupil-premium"), ("by", "characteristic:sex"))
    names = [row["row"] for row in report["rows"]]
    assert names == [
        "whole",
        "characteristic:pupil-premium:yes",
        "characteristic:pupil-premium:Not known",
        "characteristic:sex:F",
        "characteristic:sex:M",
    ]
    assert counts(report, "characteristic:sex:F") == {"at": 1}
    parameters = [("school", "elm"), ("measure", MEASURE), ("bands", BANDS), ("as_at", "2025-10-31")]
    members = read_report(client, "overview/members", [*parameters, ("row", "whole"), ("cell", "0:at")])
    assert members["total"] == 1
    assert members["pupils"][0]["reference"] == "A1"
    assert "Amy" in members["pupils"][0]["name"]
    value = members["pupils"][0]["values"][0]
    assert (value["percent"], value["numerator"], value["denominator"]) == (50, "2", "4")


def test_a_correction_changes_what_is_known_now_and_not_what_was_known(client: httpx.Client) -> None:
    roster = [{**event, "recorded_at": "2025-09-01T08:00:00Z"} for event in school_events("birch")]
    first = {**assessed("birch", "B2", "m1", "achieved", "2025-10-02"), "recorded_at": "2025-10-03T12:00:00Z"}
    corrected = {**assessed("birch", "B2", "m1", "not_yet", "2025-10-02"), "recorded_at": "2025-12-01T12:00:00Z"}
    answer = send_events(client, *roster, first, corrected)
    assert answer.status_code == 202, answer.text
    waiting = ("min_position", answer.json()["position"]), ("wait_seconds", "30")

    def percent(*known: tuple[str, str]) -> int | None:
        parameters = [("school", "birch"), ("measure", MEASURE), ("bands", BANDS), ("as_at", "2025-10-31")]
        members = read_report(client, "overview/members", [*parameters, ("row", "whole"), *known])
        return {pupil["reference"]: pupil["values"][0]["percent"] for pupil in members["pupils"]}["B2"]

    overview(client, "birch", "2025-10-31", *waiting)
    assert percent() == 0
    assert percent(("as_known_at", "2025-12-01T12:00:00Z")) == 0
    assert percent(("as_known_at", "2025-12-01T11:59:59Z")) == 25
    assert percent(("as_known_at", "2025-10-03T12:00:00Z")) == 25
    assert percent(("as_known_at", "2025-10-03T11:59:59Z")) is None


def test_sending_again_adds_nothing(client: httpx.Client, position: str) -> None:
    answer = send_events(client, assessed("elm", "A1", "m1", "achieved", "2025-10-01"))
    assert answer.status_code == 202
    assert answer.json()["duplicate"] == 1
    rows = b"school,pupil,subject,objective,state,assessed_on\nelm,A1,maths,m4,not_yet,2025-10-01\n"
    assert import_bytes(client, "assessments", rows)["accepted"] == 1
    again = import_bytes(client, "assessments", rows)
    assert (again["accepted"], again["duplicate"]) == (0, 1)


def test_an_import_that_is_reversed_was_never_there(client: httpx.Client, position: str) -> None:
    before = counts(overview(client, "elm", "2025-12-31"))
    rows = b"school,pupil,subject,objective,state,assessed_on\nelm,A1,maths,m4,achieved,2025-12-02\n"
    answer = import_bytes(client, "assessments", rows, source="mistake")
    waiting = ("min_position", answer["position"]), ("wait_seconds", "30")
    assert counts(overview(client, "elm", "2025-12-31", *waiting)) == {"sig_above": 1, "sig_below": 1}
    reversed_ = client.post(f"/v1/imports/{answer['import_id']}/reverse")
    assert reversed_.status_code == 200, reversed_.text
    assert reversed_.json()["withdrawn"] == 1
    waiting = ("min_position", reversed_.json()["position"]), ("wait_seconds", "30")
    assert counts(overview(client, "elm", "2025-12-31", *waiting)) == before


def test_csv_and_health(client: httpx.Client, product: Product, position: str) -> None:
    parameters = {"school": "elm", "measure": MEASURE, "bands": BANDS, "as_at": "2025-10-31"}
    text = client.get("/v1/reports/overview", params=parameters, headers={"Accept": "text/csv"})
    assert text.status_code == 200
    assert text.text.lstrip("\ufeff").splitlines()[0] == "row,measure,band,pupils,percent"
    same = client.get("/v1/reports/overview.csv", params=parameters)
    assert same.text == text.text
    with product.client("") as anonymous:
        for path in ("/healthz", "/readyz", "/metrics", "/docs"):
            assert anonymous.get(path).status_code == 200, path
        refused = anonymous.get("/v1/reports/overview", params=parameters)
    assert refused.status_code == 401
    assert refused.headers["content-type"].startswith("application/problem+json")


def test_the_page_works_in_a_browser_without_javascript(product: Product, position: str, tmp_path: Path) -> None:
    if not CHROMIUM.exists():
        wanted = os.environ.get(REQUIRE_VARIABLE, "").replace(" ", "").split(",")
        (pytest.fail if "chromium" in wanted else pytest.skip)(f"no Chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    query = urlencode({"school": "elm", "measure": MEASURE, "bands": BANDS, "as_at": "2025-10-31"})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        outside: list[str] = []
        page.on("request", lambda request: outside.append(request.url) if product.url not in request.url else None)
        page.goto(f"{product.url}/reports/overview?{query}")
        page.locator("input[name=key]").fill(product.admin_key)
        page.get_by_role("button", name="Sign in").click()
        assert "/reports/overview" in page.url
        page.screenshot(path=str(tmp_path / "overview.png"), full_page=True)
        text = page.inner_text("body")
        browser.close()
    assert "Sig Below" in text and "50" in text
    assert not outside
    print(f"\nscreenshot: {tmp_path / 'overview.png'}")
