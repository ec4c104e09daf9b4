"""What pages of the query service send to the ingest service of the same process, as if it came over HTTP.

So a form of a page is judged by the same rules and rights as a request, and the query service writes nothing itself.
"""

from __future__ import annotations

import httpx
from litestar.types import ASGIApp

from services.query.pages.settings_form import Told


def forward_to(ingest: ASGIApp) -> Told:
    """Sends requests to this application."""
    transport = httpx.ASGITransport(app=ingest)  # type: ignore[arg-type]

    async def tell(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            answer = await client.request(method, path, headers=headers, content=body)
        return answer.status_code, answer.content

    return tell
