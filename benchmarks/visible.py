"""From sending a fact to a report that holds it, while a thousand facts a second come in: p50 and p95 over HTTP."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.claims import Scale
from benchmarks.figures import Figure
from benchmarks.intake import _event, _send_rosters
from tests.end_to_end.product import Product

FACTS_A_SECOND, A_REQUEST = 1_000, 50
MEASURE = "markbook:maths:Y3:overall"


def measure(scale: Scale) -> Iterator[Figure]:
    """Requests at a fixed pace; each is followed by a report of its school that waits for it."""
    requests = FACTS_A_SECOND // A_REQUEST * (30 if scale.full else 8)
    with (
        tempfile.TemporaryDirectory(prefix="markledger-bench-") as directory,
        Product(Path(directory) / "data") as product,
        product.client() as client,
    ):
        _send_rosters(client)
        seconds = asyncio.run(_send(product.url, product.admin_key, requests))
    cuts = statistics.quantiles([1000 * each for each in seconds], n=20)
    note = f"{FACTS_A_SECOND:,} facts/s in requests of {A_REQUEST}, {len(seconds)} reports, embedded, whole product"
    yield Figure("fact to visible in a report, p50", cuts[9], "ms", "≤ 50", note)
    yield Figure("fact to visible in a report, p95", cuts[18], "ms", "≤ 250", note)


async def _send(url: str, key: str, requests: int) -> list[float]:
    """The seconds from sending to seeing, of each request after the first second."""
    seconds: list[float] = []
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:

        async def one(number: int) -> None:
            # `_event` changes the school every 200 events: four requests for each in turn.
            events = [_event(number * A_REQUEST + place, "2026-05-") for place in range(A_REQUEST)]
            started = time.perf_counter()
            sent = await client.post("/v1/events", json={"events": events})
            position = sent.raise_for_status().json()["position"]
            asked = {"school": events[0]["school"], "measure": MEASURE, "bands": "35,50,70,85"}
            asked |= {"min_position": position, "wait_seconds": "10"}
            report = await client.get("/v1/reports/overview", params=asked)
            if report.raise_for_status().json()["provenance"]["stale"]:
                raise RuntimeError("not visible within ten seconds")
            if number >= FACTS_A_SECOND // A_REQUEST:
                seconds.append(time.perf_counter() - started)

        begun = time.perf_counter()
        tasks = []
        for number in range(requests):
            await asyncio.sleep(max(0.0, begun + number * A_REQUEST / FACTS_A_SECOND - time.perf_counter()))
            tasks.append(asyncio.create_task(one(number)))
        await asyncio.gather(*tasks)
    return seconds
