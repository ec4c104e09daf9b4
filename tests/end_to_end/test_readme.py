"""What the README and the guides tell a newcomer to type works, word for word."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.end_to_end.product import Product

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_first_fact_and_the_first_report(product: Product, client: httpx.Client) -> None:
    body = re.search(r"-d '(\{.*?\})'\n", README, re.DOTALL)
    assert body is not None
    told = client.post("/v1/events", json=json.loads(body[1]))
    assert told.status_code == 202, told.text
    asked = re.search(r'curl -s "(http\S+)"', README)
    assert asked is not None
    address = urlsplit(asked[1])
    waiting = f"&min_position={told.json()['position']}&wait_seconds=30"
    report = client.get(f"{address.path}?{address.query}{waiting}")
    assert report.status_code == 200, report.text
    cell = report.json()["rows"][0]["cells"][0]
    assert (cell["counts"]["at"], cell["of"]) == (1, 1)
    command = re.search(r"^\.venv/bin/markledger (report .*)$", README, re.MULTILINE)
    assert command is not None
    printed = product.run_command(*shlex.split(command[1]))
    assert printed.returncode == 0, printed.stderr
    assert "1 (100%)" in printed.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target
