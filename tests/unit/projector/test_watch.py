"""A projector that runs alone shows that it lives, and its metrics."""

from __future__ import annotations

import httpx

from services.projector.watch import create_app
from services.runtime.observability import FACTS_FOLDED


async def test_health_and_metrics_are_served() -> None:
    transport = httpx.ASGITransport(app=create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://projector") as asking:
        alive = await asking.get("/healthz")
        metrics = await asking.get("/metrics")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert metrics.headers["content-type"].startswith("text/plain")
    assert next(iter(FACTS_FOLDED.describe())).name in metrics.text
