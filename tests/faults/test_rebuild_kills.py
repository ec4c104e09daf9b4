"""SIGKILL of a rebuild at random points while an import runs: asked again it ends, is equal, and is promoted.

MARKLEDGER_TEST_KILLS is the number of kills (1); seeds are printed, MARKLEDGER_TEST_SEED repeats one.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import threading
from typing import Any

import asyncpg
import pytest

from services.runtime.postgres import EmbeddedPostgres
from tests.end_to_end.product import COMMAND, Product, import_bytes, read_report
from tests.faults.marks import BANDS, MEASURE, SCHOOLS, assert_marks_are, marks_file, send_rosters
from tests.servers.process import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.end_to_end]

KILLS = int(os.environ.get("MARKLEDGER_TEST_KILLS", "1"))
SEED = int(os.environ.get("MARKLEDGER_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
SECONDS_MAX = 120.0


def test_a_rebuild_that_is_killed_goes_on_when_it_is_asked_for_again(product: Product) -> None:
    chance = random.Random(f"{SEED} rebuild")
    with product.client() as client:
        send_rosters(client)
        position = _import(client, 0)
        for number in range(1, KILLS + 1):
            before = _versions(product)
            importing = _Importing(product, number)
            killed, delay = _kill_a_rebuild(product, chance)
            assert_marks_are(client, number - 1, position)  # the version before serves on
            done = _run(product, "rebuild") if killed == "building" else {"found": "all"}
            version = max(_versions(product))
            assert version == max(before) + 1
            position = importing.result()
            compared = _run(product, "compare", str(version))
            assert compared["equal"] is True, compared
            promoted = _run(product, "promote", str(version))
            assert promoted["version"] == version
            assert_marks_are(client, number, position)
            assert _version_read(client) == version
            _run(product, "retire", str(promoted["before"]))
            assert _version_read(client) == version
            print(
                f"\nseed {SEED}: rebuild of v{version} killed after {delay:.2f} s ({killed});"
                f" {done['found']} partitions were built by then; {compared['facts']:,} facts compared"
            )
        verified = product.run_command("verify", "--json", timeout=SECONDS_MAX)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        status = product.run_command("projector", "status")
        assert status.returncode == 0, status.stdout


def _kill_a_rebuild(product: Product, chance: random.Random) -> tuple[str, float]:
    """Start one, kill it somewhere in its work; the state in which it left its version."""
    known = set(_versions(product))
    process = subprocess.Popen(
        [str(COMMAND), "projector", "rebuild"], env=product.environment, stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: bool(set(_versions(product)) - known), "a new version", SECONDS_MAX)
        delay = chance.uniform(0, 1.0)
        threading.Event().wait(delay)
    finally:
        process.kill()
        process.wait()
    versions = _versions(product)
    return versions[max(versions)], delay


def _run(product: Product, *arguments: str) -> Any:
    """The JSON answer of `markledger projector …`, which must succeed."""
    done = product.run_command("projector", *arguments, "--json", timeout=SECONDS_MAX)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


class _Importing:
    """Sends a round of marks in a thread of its own."""

    def __init__(self, product: Product, number: int) -> None:
        self._product = product
        self._number = number
        self._position = ""
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def result(self) -> str:
        """The position after it."""
        self._thread.join(timeout=SECONDS_MAX)
        assert self._position, "the import was not answered"
        return self._position

    def _send(self) -> None:
        with self._product.client() as client:
            self._position = _import(client, self._number)


def _import(client: Any, number: int) -> str:
    answer = import_bytes(client, "assessments", marks_file(number), source="marks")
    assert answer["rejected"] == 0
    return str(answer["position"])


def _version_read(client: Any) -> int:
    parameters = [("school", SCHOOLS[0]), ("measure", MEASURE), ("bands", BANDS), ("as_at", "2025-10-01")]
    return int(read_report(client, "overview", parameters)["provenance"]["views"]["timeline"])


def _versions(product: Product) -> dict[int, str]:
    """The versions and their states, from the table."""

    async def read() -> dict[int, str]:
        url = product.environment.get("MARKLEDGER_DATABASE_URL") or EmbeddedPostgres(product.data_dir).url
        connection = await asyncpg.connect(url)
        try:
            rows = await connection.fetch("SELECT version, state FROM projection.version WHERE projection = 'timeline'")
        finally:
            await connection.close()
        return {row["version"]: row["state"] for row in rows}

    return asyncio.run(read())
