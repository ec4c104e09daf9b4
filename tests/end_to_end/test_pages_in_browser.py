"""The pages in a real browser with JavaScript: accessible at every width, thresholds that move, names, paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from tests.end_to_end.browsing import WIDTHS, chromium, overflows, signed_in, violations
from tests.end_to_end.product import Product
from tests.end_to_end.telling import enrolled, percent_framework, registered, tell, told_percent, wait_until_shown
from tests.servers.process import wait_until

pytestmark = pytest.mark.end_to_end

READING, MATHS = (f"markbook:{subject}:any:overall" for subject in ("reading", "maths"))
WHO = [("school", "pages"), ("as_at", "2025-11-30")]
TWO = [*WHO, ("measure", READING), ("measure", MATHS), ("bands", "21,36,51,66"), ("by", "characteristic:sex")]
SIDES = [*WHO, ("first", READING), ("second", MATHS), ("first_bands", "21,36,51,66"), ("second_bands", "21,36,51,66")]
ASKED: dict[str, list[tuple[str, str]]] = {
    "overview": TWO,
    "overview/members": [*TWO, ("row", "whole"), ("cell", "0:at")],
    "matrix": SIDES,
    "score-tracking": [*WHO, ("measure", MATHS)],
    "progress": [*TWO, ("start", "2025-09-15")],
    "curriculum": [*WHO, ("subject", "maths"), ("ability", "any"), ("bands", "21,36,51,66")],
    "multi-ability": [*WHO, ("subject", "maths"), ("ability", "Y3")],
    "framework": WHO,
    "recording": [*WHO, ("minimum", "50")],
}
PERCENTS = ("40 60", "10 30", "- 50", "40 -", "70 90", "36 51")


@pytest.fixture(scope="module", autouse=True)
def _told(client: httpx.Client) -> None:
    events = [registered("pages", name="Pages Primary School"), percent_framework("pages", ("reading", "maths"))]
    for number, percents in enumerate(PERCENTS):
        pupil = f"r{number}"
        sex = "FM"[number % 2]
        events.append(enrolled("pages", pupil, "3", given_name=f"Pupil {number}", family_name="Page", sex=sex))
        for subject, percent in zip(("reading", "maths"), percents.split(), strict=True):
            events += [told_percent("pages", pupil, subject, percent)] if percent != "-" else []
    wait_until_shown(client, tell(client, *events), ["pages"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Any, product: Product) -> Iterator[Any]:
    with signed_in(browser, product, scripts=True) as opened:
        yield opened


def open_report(page: Any, product: Product, report: str) -> None:
    page.goto(f"{product.url}/reports/{report}?{urlencode(ASKED[report])}")


def test_every_page_can_be_used_by_everybody_at_every_width(page: Any, product: Product) -> None:
    paths = ["/", "/reports", "/settings", "/settings/edit", "/how-scores-are-calculated", "/problems"]
    paths += [f"/reports/{report}?{urlencode(asked)}" for report, asked in ASKED.items()]
    paths += ["/reports/overview?school=nowhere&measure=x&bands=5,4,3,2&as_at=soon&as_known_at=later"]
    found: dict[str, Any] = {}
    for path in paths:
        answer = page.goto(f"{product.url}{path}")
        assert answer.status == (422 if "nowhere" in path else 200), path
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            every = width == WIDTHS[-1]
            wrong = [*violations(page, every=every), *(["moves sideways"] if overflows(page) else [])]
            found |= {f"{path.partition('?')[0]} at {width}": wrong} if wrong else {}
    assert not found


def test_a_threshold_is_moved_on_the_open_report(page: Any, product: Product) -> None:
    open_report(page, product, "overview")
    page.evaluate("window.stayed = true")
    page.click("#thresholds > summary")
    whole = page.locator("#report table").first.locator("tbody tr").first
    assert whole.locator("td").nth(3).inner_text() == "3 (50%)"
    page.fill("#thresholds input[name=cut_offs_1] >> nth=1", "38")
    page.locator("#thresholds output[data-to='1']").first.get_by_text("37").wait_for()
    page.locator("#report table tbody tr td:nth-child(5)").first.get_by_text("2 (33%)").wait_for()
    assert ("bands", "21,38,51,66") in parse_qsl(page.url.partition("?")[2])
    page.fill("#thresholds input[name=cut_offs_1] >> nth=1", "60")
    page.locator("[data-live-fault]").get_by_text("above the one before").wait_for()
    assert page.locator("#thresholds input[aria-invalid]").count() == 1
    assert page.evaluate("window.stayed") is True
    assert whole.locator("td").nth(3).inner_text() == "2 (33%)", "a refused threshold leaves the report as it was"


def test_a_number_shows_its_pupils_beside_the_table_and_leads_on(page: Any, product: Product) -> None:
    open_report(page, product, "overview")
    page.locator("#report a", has_text="3 (50%)").first.click()
    panel = page.locator("dialog[open]")
    panel.get_by_text("3 pupils").first.wait_for()
    assert panel.locator("tbody th").all_inner_texts() == ["Pupil 0 Page", "Pupil 3 Page", "Pupil 5 Page"]
    assert not violations(page)
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    page.locator("#report a", has_text="3 (50%)").first.click()
    page.click("dialog >> text=Open as a page")
    assert "/reports/overview/members?" in page.url


def test_several_cells_of_a_matrix_are_ticked_for_their_names(page: Any, product: Product) -> None:
    open_report(page, product, "matrix")
    for box in page.locator("table.matrix input[type=checkbox]").all()[:2]:
        box.check()
    page.click("text=Show the pupils of the ticked cells")
    assert len([name for name, _ in parse_qsl(page.url.partition("?")[2]) if name == "cell"]) == 2
    assert page.locator("tbody tr").count() >= 2


def test_a_graph_is_saved_as_a_picture(page: Any, product: Product) -> None:
    open_report(page, product, "overview")
    page.locator("#report .graph summary").first.click()
    with page.expect_download() as download:
        page.locator("#report .graph a", has_text="Save as SVG").first.click()
    picture = download.value.path().read_text(encoding="utf-8")
    assert download.value.suggested_filename == "overview-measure-1.svg"
    assert picture.startswith("<svg ") and "● 3" in picture


def test_a_report_fits_its_paper(page: Any, product: Product) -> None:
    open_report(page, product, "overview")
    paper = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1
    open_report(page, product, "matrix")
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) == 1


def test_settings_are_saved_and_a_kept_report_goes_on_standing_when_they_change(page: Any, product: Product) -> None:
    page.goto(f"{product.url}/settings/edit")
    page.fill("input[name=name]", "Autumn")
    page.select_option("#entry-0 select[name=entry_measure]", "markbook:*:*:overall")
    page.fill("#entry-0 input[name=cut_offs] >> nth=1", "20")
    page.click("main button.go")
    assert page.locator(".errors li").all_inner_texts() == [
        "Line 1: Each cut-off lies above the one before it: bands cannot overlap."
    ]
    assert page.input_value("input[name=name]") == "Autumn"
    page.fill("#entry-0 input[name=cut_offs] >> nth=1", "38")
    page.click("main button.go")
    assert page.url == f"{product.url}/settings" and "Autumn" in page.inner_text("main")
    own = [pair for pair in TWO if pair[0] != "bands"]
    page.goto(f"{product.url}/reports/overview?{urlencode(own)}")
    assert "From the saved settings “Autumn”, version 1." in page.inner_text("main")
    page.click("text=Keep this report")
    page.locator(".banner").get_by_text("This report was kept").wait_for()
    kept, before = page.locator(".banner code").inner_text(), page.locator("#report table").first.inner_text()
    page.goto(f"{product.url}/settings")
    page.locator("main a", has_text="Change").click()
    second = datetime.now(UTC).replace(microsecond=0)
    wait_until(lambda: datetime.now(UTC) >= second + timedelta(seconds=1), "the end of the second that was kept", 5)
    page.fill("#entry-0 input[name=cut_offs] >> nth=1", "41")
    page.click("main button.go")
    page.goto(f"{product.url}{kept}")
    assert page.locator("#report table").first.inner_text() == before
    assert "would be another now" in page.locator(".banner").inner_text()
    page.click("text=The report as known now")
    assert "version 2" in page.inner_text("main") and page.locator("#report table").first.inner_text() != before


def test_without_scripts_thresholds_are_applied_and_settings_kept_typed(browser: Any, product: Product) -> None:
    with signed_in(browser, product, scripts=False) as page:
        open_report(page, product, "overview")
        page.click("#thresholds > summary")
        page.fill("#thresholds input[name=cut_offs_1] >> nth=1", "38")
        page.click("#thresholds >> text=Apply")
        assert ("bands", "21,38,51,66") in parse_qsl(page.url.partition("?")[2])
        assert "38 to 50" in page.locator(".legend").first.inner_text()
        page.click("nav >> text=All reports")
        page.click("main >> text=Score tracking")
        assert page.locator("#parameters").get_attribute("open") is not None
