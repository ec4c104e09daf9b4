"""`markledger demo` as a newcomer meets it: all of it loads, every link has numbers, the examples of the guide work."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.product import Product, read_report
from tests.servers.process import wait_until

pytestmark = pytest.mark.end_to_end

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "reading-reports.md"
LOADED_SECONDS = 180.0


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The demonstration, loaded."""
    with Product(tmp_path_factory.mktemp("demo") / "data", command="demo") as running:
        wait_until(lambda: "Ctrl-C stops it.\n" in running.stdout, "the demonstration to load", LOADED_SECONDS)
        yield running


def test_it_tells_where_to_look_and_what_is_there_has_numbers(demonstration: Product) -> None:
    told = "".join(demonstration.stdout)
    assert f"URL  {demonstration.url}" in told and demonstration.admin_key in told
    links = re.findall(r"^  (http\S+)$", told, re.MULTILINE)
    assert len(links) == 5
    with demonstration.client() as client:
        pages = [client.get(link) for link in links]
        assert [page.status_code for page in pages] == [200] * 5
        assert all("Ashgrove" in page.text for page in pages[:1] + pages[2:4])
        reports = [client.get(link.replace("/reports/", "/v1/reports/")).json() for link in links[:4]]
    for report in reports:
        assert report["rows"][0]["pupils"] > 300
        assert all(cell["of"] > cell["no_data"] for cell in report["rows"][0]["cells"])
    now, then = (report["rows"][0]["cells"] for report in reports[2:4])
    assert now != then, "what was told later must change the picture of that day"


def test_the_trust_has_the_schools_that_were_members_on_the_day(demonstration: Product) -> None:
    parameters = [("trust", "river-trust"), ("measure", "markbook:maths:own-year:overall"), ("bands", "35,50,70,85")]
    parameters += [("by", "school")]
    with demonstration.client() as client:
        before, after = (
            [row["row"] for row in read_report(client, "overview", [*parameters, ("as_at", day)])["rows"]]
            for day in ("2025-12-31", "2026-01-31")
        )
    assert before == ["whole", "school:ashgrove", "school:brookfield"]
    assert after == ["whole", "school:ashgrove", "school:brookfield", "school:cedar-lane"]


def test_the_examples_of_the_guide_work_on_it(demonstration: Product) -> None:
    text = GUIDE.read_text().replace("\\\n", " ")
    commands = re.findall(r"^markledger (report .*)$", text, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        done = demonstration.run_command(*shlex.split(command))
        assert done.returncode == 0, (command, done.stderr)
        assert len(done.stdout.splitlines()) > 5, (command, done.stdout)


def test_its_views_equal_a_replay(demonstration: Product) -> None:
    verified = demonstration.run_command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
