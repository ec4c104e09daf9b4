"""The pages in a real browser without JavaScript: the form, the numbers, the pupils behind each of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from tests.end_to_end.product import Product, read_report
from tests.end_to_end.telling import (
    PERCENT_SUBJECTS,
    enrolled,
    percent_framework,
    registered,
    tell,
    told_percent,
    wait_until_shown,
)
from tests.servers.process import REQUIRE_VARIABLE, wait_until

pytestmark = pytest.mark.end_to_end

CHROMIUM = Path("/usr/bin/chromium")
AS_AT = "2025-11-30"
ASKED = [
    ("school", "pages"),
    *(("measure", f"markbook:{subject}:any:overall") for subject in PERCENT_SUBJECTS),
    ("bands", "21,36,51,66"),
    ("as_at", AS_AT),
    ("by", "characteristic:sex"),
]
PUPILS = [("Ann", "F", "40 60 90"), ("Bob", "M", "10 - 30"), ("Cy", "M", "- - -"), ("<b>Di</b>", "F", "40 40 -")]


@pytest.fixture(scope="module", autouse=True)
def _told(client: httpx.Client) -> None:
    events = [registered("pages", name="Pages & Sons"), percent_framework("pages")]
    for number, (name, sex, percents) in enumerate(PUPILS):
        events.append(enrolled("pages", f"r{number}", "3", given_name=name, family_name="Page", sex=sex))
        for subject, percent in zip(PERCENT_SUBJECTS, percents.split(), strict=True):
            if percent != "-":
                events.append(told_percent("pages", f"r{number}", subject, percent))
    wait_until_shown(client, tell(client, *events), ["pages"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        wanted = os.environ.get(REQUIRE_VARIABLE, "").replace(" ", "").split(",")
        (pytest.fail if "chromium" in wanted else pytest.skip)(f"no Chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, product: Product) -> Iterator[Any]:
    """A page without scripts of somebody who has signed in with the admin key; nothing may be fetched elsewhere."""
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    outside: list[str] = []
    opened.on("request", lambda request: None if request.url.startswith(product.url) else outside.append(request.url))
    opened.goto(f"{product.url}/reports/overview?{urlencode(ASKED)}")
    assert "/sign-in" in opened.url
    opened.fill("input[name=key]", product.admin_key)
    opened.click("main button")
    assert opened.url == f"{product.url}/reports/overview?{urlencode(ASKED)}"
    yield opened
    context.close()
    assert not outside


def test_the_page_shows_the_numbers_of_the_report_and_each_leads_to_its_pupils(page, client) -> None:
    report = read_report(client, "overview", ASKED)
    tables = page.locator("main table").all()
    assert len(tables) == 4
    for index, table in enumerate(tables):
        lines = table.locator("tbody tr").all()
        assert [line.locator("th").inner_text().split("\n")[0] for line in lines] == ["All pupils", "Sex: F", "Sex: M"]
        for line, row in zip(lines, report["rows"], strict=True):
            shown = [int(re.match(r"\d+", text)[0]) for text in line.locator("a").all_inner_texts()]
            if index < 3:
                cell = row["cells"][index]
                expected = [row["pupils"], *cell["counts"].values(), cell["no_data"], cell["not_applicable"]]
            else:
                expected = [row["pupils"], *list(row["combined"].values())[:3]]
            assert shown == expected
    links = page.locator("main table a").all()
    targets = {(link.get_attribute("href"), int(re.match(r"\d+", link.inner_text())[0])) for link in links}
    assert len(targets) == 3 * (3 * 7 + 3 + 1)
    for href, pupils in sorted(targets)[::5]:
        page.goto(f"{page.url.partition('/reports')[0]}{href}")
        assert page.locator("tbody tr").count() == pupils
        assert page.locator("h1").inner_text().startswith(f"{pupils} pupil")


def test_names_are_shown_as_they_are(page, product: Product) -> None:
    page.goto(f"{product.url}/reports/overview/members?{urlencode([*ASKED, ('cell', 'combined:incomplete')])}")
    assert page.locator("tbody th").all_inner_texts() == ["Cy Page", "<b>Di</b> Page"]
    assert "Pages & Sons" in page.inner_text("main")
    page.goto(f"{product.url}/reports/overview/members?{urlencode([*ASKED, ('limit', '3')])}")
    assert "3 of 4 pupils are on this page" in page.inner_text("main")
    page.click("text=Next pupils")
    assert page.locator("tbody th").all_inner_texts() == ["<b>Di</b> Page"]


def test_the_form_changes_the_report(page) -> None:
    page.click("summary")
    page.select_option("select[name=measure_3]", "")
    page.locator("#parameters input[name=cut_offs_2]").nth(3).fill("60")
    page.check("input[name=by][value=school]")
    page.uncheck("input[name=by][value='characteristic:sex']")
    page.click("text=Show the overview")
    assert page.locator("main table").count() == 3
    assert page.locator("main table").nth(0).locator("tbody th").all_inner_texts() == [
        f"{name}\n1 pupil = 25 percentage points" for name in ("All pupils", "Pages & Sons")
    ]
    assert "66 and over" in page.locator(".legend").nth(0).inner_text()
    assert "60 and over" in page.locator(".legend").nth(1).inner_text()
    page.click("summary")
    page.select_option("select[name=measure_3]", "markbook:maths:any:overall")
    for box in page.locator("#parameters input[name=cut_offs_3]").all():
        box.fill("")
    page.click("text=Show the overview")
    assert "60 and over" in page.locator(".legend").nth(2).inner_text(), "empty boxes are those of the measure above"


def test_a_wrong_form_says_at_the_field_what_to_mend(page) -> None:
    wrong = {"markbook:reading:any:overall": "markbook:maths"}
    asked = [(name, wrong.get(value, value)) for name, value in ASKED] + [("as_known_at", "yesterday")]
    page.goto(f"{page.url.partition('?')[0]}?{urlencode(asked)}")
    problems = page.locator(".errors li a").all()
    assert len(problems) == 2
    for problem in problems:
        field = page.locator(problem.get_attribute("href"))
        assert field.count() == 1
        assert "wrong" in field.get_attribute("class")
    assert page.input_value("select[name=measure_1]") == "markbook:maths"
    assert page.input_value("input[name=as_known_at]") == "yesterday"


SIDES = {"first": "markbook:reading:any:overall", "second": "markbook:maths:any:overall"}
MATRIX = [("school", "pages"), *SIDES.items(), ("first_bands", "21,36,51,66"), ("second_bands", "21,36,51,66")]


def test_the_matrix_is_asked_for_by_its_form_and_each_number_leads_to_its_pupils(page, client) -> None:
    page.click("nav >> text=Matrix")
    page.check("input[name=school][value=pages]")
    for side, measure in SIDES.items():
        page.select_option(f"select[name={side}]", measure)
    page.fill("input[name=first_day]", "2025-10-15")
    page.fill("input[name=as_at]", AS_AT)
    page.click("text=Show the matrix")
    asked = parse_qsl(page.url.partition("?")[2])
    assert ("first", f"{SIDES['first']}@2025-10-15") in asked and "" not in dict(asked).values()
    report = read_report(client, "matrix", [*MATRIX, ("as_at", AS_AT)])
    rows = [[int(text) for text in row.locator("td").all_inner_texts()] for row in page.locator("tbody tr").all()]
    assert rows == report["counts"][::-1], "Sig Above of the first stands at the top"
    for part, share in report["overlay"].items():
        words = {"on": "in the same", "above": "in a higher", "below": "in a lower"}[part]
        assert f"{share['pupils']} ({share['percent']}%) {words} band" in page.inner_text("main")
    matrix = page.url
    links = [link.get_attribute("href") for link in page.locator("main a[href*='cell=']").all()]
    assert len(links) == 25 + len(report["unplotted"])
    for href in (link for link in links if "at%3Asig_above" in link or "none" in link):
        page.goto(f"{matrix.partition('/reports')[0]}{href}")
        assert page.locator("tbody tr").count() > 0
    page.click("text=Back to the matrix")
    assert page.url == matrix


def test_score_tracking_is_asked_for_by_its_form(page) -> None:
    page.click("nav >> text=Score tracking")
    page.check("input[name=school][value=pages]")
    page.select_option("select[name=measure]", "markbook:reading:any:overall")
    page.fill("input[name=months_from]", "2025-09")
    page.fill("input[name=months_to]", "2025-12")
    page.fill("input[name=as_at]", AS_AT)
    page.click("text=Show score tracking")
    lines = [line.split("\t") for line in page.locator("tbody").inner_text().splitlines()]
    assert lines[0] == ["Ann Page", "r0", "3", "No data", "No data", "40%", "40% 0", "", "0.0"]
    assert lines[2] == ["Cy Page", "r2", "3", *["No data"] * 4, "", ""]
    page.goto(page.url.replace("2025-12", "2025-13"))
    assert page.locator(".errors li a").get_attribute("href") == "#months"
    assert "wrong" in page.locator("#months").get_attribute("class")


def test_the_link_that_never_changes_holds_both_clocks(page, client, product: Product) -> None:
    page.click("text=Link that never changes")
    fixed, before = page.url, page.locator("main table").nth(2).inner_text()
    asked = dict(parse_qsl(fixed.partition("?")[2]))
    assert asked["as_at"] == AS_AT
    second = datetime.fromisoformat(asked["as_known_at"])
    wait_until(lambda: datetime.now(UTC) >= second + timedelta(seconds=1), "the end of that second", 5)
    news = {**told_percent("pages", "r2", "maths", "90")}
    del news["recorded_at"]
    wait_until_shown(client, tell(client, news), ["pages"])
    page.goto(fixed)
    assert page.locator("main table").nth(2).inner_text() == before
    page.goto(f"{product.url}/reports/overview?{urlencode(ASKED)}")
    assert page.locator("main table").nth(2).inner_text() != before
