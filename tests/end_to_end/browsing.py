"""A real Chromium for the tests of pages: signed-in contexts, what axe finds, no request that leaves the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.product import Product
from tests.servers.process import REQUIRE_VARIABLE

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = (400, 768, 1280)
_AXE = Path(__file__).parent / "assets" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_OF_LAYOUT = ["target-size", "scrollable-region-focusable", "css-orientation-lock"]


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; without one the test is skipped, unless the run requires it."""
    if not CHROMIUM.exists():
        wanted = os.environ.get(REQUIRE_VARIABLE, "").replace(" ", "").split(",")
        (pytest.fail if "chromium" in wanted else pytest.skip)(f"no Chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def signed_in(browser: Any, product: Product, *, scripts: bool, key: str = "") -> Iterator[Any]:
    """A page of somebody who has signed in; nothing may be fetched from elsewhere, and no script may fail."""
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    outside: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(product.url) else outside.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(f"{product.url}/sign-in")
    page.fill("input[name=key]", key or product.admin_key)
    page.click("main button")
    yield page
    context.close()
    assert not outside
    assert not failed


def violations(page: Any, *, every: bool = True) -> list[str]:
    """What axe finds wrong with the page as it stands; not `every`: by the rules that a narrower page can break."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(_AXE.read_text(encoding="utf-8"))
    rules = _RULES if every else {"type": "rule", "values": _OF_LAYOUT}
    found = page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules)
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]


def overflows(page: Any) -> bool:
    """Whether the page, and not only a table in it, has to be moved sideways."""
    moved: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return moved
