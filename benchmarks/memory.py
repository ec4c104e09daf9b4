"""The memory of ingest (the web process) and projector while a large file goes through: the largest resident size."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import httpx
import psutil

from benchmarks.figures import Figure
from tests.end_to_end.product import Product, import_bytes, wait_for_position

SCHOOLS = 10
PUPILS = 500
OBJECTIVES = 200
STARTS_ON = date(2025, 9, 1)
SAMPLE_SECONDS = 0.05
GOAL = "< 500"


class Watch:
    """The largest resident size of a process inside the block, in MB."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.megabytes = 0.0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.megabytes = max(self.megabytes, self._process.memory_info().rss / 1e6)


def measure_memory(rows: int, environment: Mapping[str, str], back_end: str) -> Iterator[Figure]:
    """One import of `rows` assessments in one streamed file."""
    with (
        tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory,
        Product(Path(directory) / "data", environment) as product,
        product.client() as client,
    ):
        _send_rosters(client)
        ingest, projector = Watch(product.child("web")), Watch(product.child("projector"))
        with ingest, projector:
            started = time.monotonic()
            counts = _send_assessments(client, rows)
            seconds = time.monotonic() - started
            schools = [f"school-{number}" for number in range(SCHOOLS)]
            wait_for_position(client, str(counts["position"]), schools, "markbook:maths:any:overall")
            visible = time.monotonic() - started
    note = f"{rows:,} rows, {back_end}, {rows / seconds:,.0f} rows/s in, {rows / visible:,.0f} rows/s to the views"
    yield Figure("memory of ingest", ingest.megabytes, "MB", GOAL, note)
    yield Figure("memory of projector", projector.megabytes, "MB", GOAL, note)


def _send_rosters(client: httpx.Client) -> None:
    schools = "".join(f"school-{number},School {number}\n" for number in range(SCHOOLS))
    import_bytes(client, "schools", f"school,name\n{schools}".encode())
    pupils = "".join(f"school-{s},P{p},{STARTS_ON}\n" for s in range(SCHOOLS) for p in range(PUPILS))
    import_bytes(client, "pupils", f"school,pupil,enrolled_on\n{pupils}".encode())
    objectives = "".join(f"large,1,maths,Y{n % 6 + 1},o{n}\n" for n in range(OBJECTIVES))
    header = "framework,version,subject,ability,objective\n"
    import_bytes(client, "curriculum", (header + objectives).encode(), states="marks:100")


def _send_assessments(client: httpx.Client, rows: int) -> dict[str, object]:
    answer = client.post(
        "/v1/imports?kind=assessments&source=large",
        content=_assessments(rows),
        headers={"Content-Type": "text/csv"},
        timeout=None,
    )
    answer.raise_for_status()
    counts = answer.json()
    if counts["accepted"] != rows:
        raise RuntimeError(f"{rows} rows were sent, {counts}")
    return dict(counts)


def _assessments(rows: int) -> Iterator[bytes]:
    """Every pupil and objective in turn, a day later each time round."""
    yield b"school,pupil,subject,objective,state,assessed_on\n"
    lines = []
    for number in range(rows):
        rest, school = divmod(number, SCHOOLS)
        rest, pupil = divmod(rest, PUPILS)
        day, objective = divmod(rest, OBJECTIVES)
        assessed_on = STARTS_ON + timedelta(days=(objective + day * OBJECTIVES) % 400)
        lines.append(f"school-{school},P{pupil},maths,o{objective},{number % 101},{assessed_on}\n")
        if len(lines) == 5_000:
            yield "".join(lines).encode()
            lines = []
    yield "".join(lines).encode()
