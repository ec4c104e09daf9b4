"""`markledger demo`: `up`, then the made-up trust sent through the HTTP interface, then links to click and keys to try.

It loads what `fictional_trust` and `fictional_definitions` make, like any other client. Sending it again to the same
data directory only finds duplicates, and then nothing is defined anew and no more keys are made.
"""

from __future__ import annotations

import asyncio
import csv
import io
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from services.console import data_directory
from services.console.client import Client
from services.console.fictional_definitions import definitions
from services.console.fictional_trust import ENDS_ON, SCHOOLS, TRUST, DemoFile, demo_files, years_until
from services.console.standalone import run_up
from services.runtime.settings import Settings

SOURCE = "demonstration"
ROWS_A_CHUNK = 2_000
CURRENT_BANDS = "35,50,70,85"
SUBJECTS = ("reading", "writing", "maths")
PEOPLE: Sequence[tuple[str, dict[str, Any]]] = (
    ("a governor of Ashgrove: no pupils, no small numbers", {"schools": ["ashgrove"], "can": ["read"]}),
    ("the teacher of 4A at Ashgrove", {"schools": ["ashgrove"], "groups": ["4A"], "can": ["read", "names"]}),
    ("the trust's data lead: pupils without names", {"trusts": [TRUST], "can": ["read", "small_numbers", "settings"]}),
)
"""Who else looks at the demonstration: who it is, and what the key may see."""


class DemonstrationRejected(Exception):
    """The product did not take what was made up for it: one of the two is wrong."""


async def run_demo(settings: Settings, host: str, port: int) -> None:
    """Run everything, load the demonstration, print its links; until SIGTERM or SIGINT."""

    async def load(address: str) -> None:
        given = settings.admin_key
        key = given.get_secret_value() if given else data_directory.read_secret(settings.data_dir, "admin")
        await asyncio.to_thread(load_and_tell, address, key or "")

    await run_up(settings, host, port, load)


def load_and_tell(address: str, key: str) -> None:
    """Send every file, wait until the reports show it, print where to look. Raises RequestFailed."""
    started = time.monotonic()
    loaded = load_demonstration(address, key)
    print(f"loaded {loaded.rows:,} rows of the demonstration trust in {time.monotonic() - started:.0f} s\n")
    print(f"URL  {address}\nkey  {key}   (the pages ask for it once)\n")
    for title, path in links():
        print(f"{title}\n  {address}{path}")
    if loaded.keys:
        print("\nKeys of others, told this once")
    for who, theirs in loaded.keys:
        print(f"  {theirs}   {who}")
    print("\nCtrl-C stops it.", flush=True)


class Loaded(NamedTuple):
    """How many rows were sent, and the keys that were made: who each is for, and the key."""

    rows: int
    keys: Sequence[tuple[str, str]]


def load_demonstration(address: str, key: str) -> Loaded:
    """Send everything and wait for the views of the last file. Raises RequestFailed."""
    rows, position, keys = 0, None, []
    with Client(address, key) as client:
        for file in demo_files():
            started = time.monotonic()
            answer = _send(client, file)
            rows += answer["rows"]
            if file.kind == "schools" and answer["accepted"]:  # they are told for the first time
                keys = _define(client)
            position = answer.get("position") or position
            print(
                f"  {file.title:<20} {answer['rows']:>7,} rows in {time.monotonic() - started:.1f} s",
                file=sys.stderr,
                flush=True,
            )
        if position:
            _wait_for_views(client, position)
    return Loaded(rows, keys)


def _define(client: Client) -> list[tuple[str, str]]:
    """Send what the trust defined and saved, and make the keys of others."""
    for method, path, body in definitions(years_until(ENDS_ON)):
        (client.put if method == "PUT" else client.post)(path, body)
    asked = ((who, {"name": who, **may}) for who, may in PEOPLE)
    return [(who, client.post("/v1/keys", body).json()["key"]) for who, body in asked]


def _send(client: Client, file: DemoFile) -> dict[str, Any]:
    parameters = [("kind", file.kind), ("source", SOURCE)]
    parameters += [("states", file.states)] if file.states else []
    answer = client.upload("/v1/imports", parameters, _csv_chunks(file.columns, file.rows), "text/csv", None).json()
    assert isinstance(answer, dict)
    if answer["rejected"]:
        raise DemonstrationRejected(f"{answer['rejected']} rows of {file.title} were rejected: see {answer['errors']}")
    return answer


def _csv_chunks(columns: Sequence[str], rows: Iterator[Sequence[object]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow(row)
        if number % ROWS_A_CHUNK == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    if text.tell():
        yield text.getvalue().encode()


def _wait_for_views(client: Client, position: str) -> None:
    """Until the reports of all schools hold what was sent."""
    parameters = [*(("school", school.school) for school in SCHOOLS), ("measure", "markbook:maths:any:overall")]
    parameters += [("bands", CURRENT_BANDS), ("min_position", position), ("wait_seconds", "30")]
    while client.get("/v1/reports/overview", parameters).json()["provenance"]["stale"]:
        pass


def links() -> list[tuple[str, str]]:
    """Five pages to look at, each with what it shows."""
    years = years_until(ENDS_ON)
    overall = [("measure", f"markbook:{subject}:own-year:overall") for subject in SUBJECTS]
    assessed = [("measure", f"markbook:{subject}:own-year:assessed") for subject in SUBJECTS]
    by = [("by", "year-group"), ("by", "characteristic:pupil-premium"), ("by", "characteristic:sen")]
    bands = [("bands", CURRENT_BANDS)]
    summer = years.second.replace(month=7, day=10)
    school, trust = [("school", SCHOOLS[0].school)], [("trust", TRUST)]

    def page(*parts: list[tuple[str, str]]) -> str:
        return "/reports/overview?" + urlencode([pair for part in parts for pair in part], safe=":,")

    return [
        ("One school today, what was assessed this year", page(school, assessed, bands, by)),
        ("The trust today, school by school", page(trust, assessed, bands, [("by", "school")])),
        ("The school at the end of last summer", page(school, overall, bands, by, [("as_at", str(summer))])),
        (
            "The same day, as it was known that evening (before late facts and corrections)",
            page(school, overall, bands, by, [("as_at", str(summer)), ("as_known_at", f"{summer}T18:00:00Z")]),
        ),
        ("The HTTP interface", "/docs"),
    ]
