"""Names of 500 members: the same list with a key that may see names and with one that may not, in the same run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from benchmarks.figures import Figure, interleaved_medians_ms
from tests.end_to_end.product import Product, import_bytes, send_events, wait_for_position
from tests.end_to_end.telling import percent_framework, registered, told_percent

PUPILS = 500
IMPORTED = 20_000
MEASURE = "markbook:maths:Y3:overall"
ASKED = [("school", "names"), ("measure", MEASURE), ("bands", "35,50,70,85"), ("limit", str(PUPILS))]
GOAL = "≤ 50"


def measure_names(rounds: int, environment: Mapping[str, str], back_end: str) -> Iterator[Figure]:
    """What names cost: milliseconds of a list, and rows a second of an import of pupils."""
    with (
        tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory,
        Product(Path(directory) / "data", environment) as product,
        product.client() as client,
    ):
        position = _send_school(client)
        wait_for_position(client, position, ("names",), MEASURE)
        asked = {"name": "nameless", "all": True, "can": ["read", "small_numbers"]}
        with product.client(client.post("/v1/keys", json=asked).json()["key"]) as nameless:
            works = {"with names": lambda: _members(client, True), "without": lambda: _members(nameless, False)}
            medians = interleaved_medians_ms(works, rounds)
        note = f"{PUPILS} members over HTTP, {back_end}"
        yield Figure("Members with names", medians["with names"], "ms", "", note)
        yield Figure("  without", medians["without"], "ms", "", note)
        difference = medians["with names"] - medians["without"]
        yield Figure("  so names and audit", difference, "ms", GOAL, note)
        started = time.perf_counter()
        counts = import_bytes(client, "pupils", _pupils("many", IMPORTED))
        assert counts["accepted"] == IMPORTED
        rate = IMPORTED / (time.perf_counter() - started)
        yield Figure("Import of pupils", rate, "rows/s", "", f"{IMPORTED:,} names sealed, {back_end}")


def _send_school(client: httpx.Client) -> str:
    send_events(client, *(each for name in ("names", "many") for each in (registered(name), percent_framework(name))))
    import_bytes(client, "pupils", _pupils("names", PUPILS))
    marks = [told_percent("names", f"R{number}", "maths", "60") for number in range(PUPILS)]
    position: str = send_events(client, *marks).json()["position"]
    return position


def _pupils(school: str, count: int) -> bytes:
    lines = ["school,pupil,enrolled_on,year_group,given_name,family_name,date_of_birth"]
    lines += [f"{school},R{n},2024-09-01,3,Given{n},Family{n},2016-01-{n % 28 + 1:02}" for n in range(count)]
    return "\n".join(lines).encode()


def _members(client: httpx.Client, named: bool) -> None:
    pupils = client.get("/v1/reports/overview/members", params=ASKED).json()["pupils"]
    assert len(pupils) == PUPILS and all(("name" in pupil) == named for pupil in pupils)
