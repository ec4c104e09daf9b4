"""POST /v1/permalinks keeps a report; GET /v1/permalinks/ID and /r/ID open it, with the rights of who asks.

A browser that opens /r/ID is led to the report's page with both clocks fixed, which says what came later.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from services.access.keys import Access, Keyring
from services.access.problems import Problem, ProblemError, request_id_of
from services.query.pages import sessions
from services.query.pages.page import KEPT
from services.query.permalinks import ROOT, OpenedPermalink, Permalinks
from services.query.requests import Occasion

BODY_BYTES_MAX = 16 * 1024
_encoder = msgspec.json.Encoder()


class PermalinkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent: the path of a report with its parameters."""

    path: str


_decoder = msgspec.json.Decoder(PermalinkBody)


def permalink_handlers(permalinks: Permalinks, keyring: Keyring) -> list[HTTPRouteHandler]:
    """The routes of permalinks."""

    @post("/v1/permalinks", name="make a permalink", status_code=201)
    async def make(request: Request[Any, Any, Any]) -> Response[bytes]:
        access = await sessions.access_of_request(request, keyring)
        made = await permalinks.make(access, await _path_of(request))
        headers = {"Location": made.permalink, "Cache-Control": "private, no-store"}
        return Response(_encoder.encode(made), status_code=201, media_type="application/json", headers=headers)

    @get("/v1/permalinks/{permalink:str}", name="permalink")
    async def open_kept(request: Request[Any, Any, Any]) -> Response[bytes]:
        access = await sessions.access_of_request(request, keyring)
        return _answer(await permalinks.open(access, request.path_params["permalink"], _occasion_of(request)))

    @get(f"{ROOT}{{permalink:str}}", name="open a permalink")
    async def open_link(request: Request[Any, Any, Any]) -> Response[bytes] | Redirect:
        access: Access = await sessions.access_of_request(request, keyring)
        opened = await permalinks.open(access, request.path_params["permalink"], _occasion_of(request))
        if "text/html" in request.headers.get("accept", ""):
            return Redirect(
                f"{opened.address}&{urlencode({KEPT: opened.made.permalink.removeprefix(ROOT)})}", status_code=303
            )
        return _answer(opened)

    return [make, open_kept, open_link]


async def _path_of(request: Request[Any, Any, Any]) -> str:
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        detail = f"Send at most {BODY_BYTES_MAX} bytes."
        raise Problem(413, "body_too_large", "The body is too large", detail)
    try:
        return _decoder.decode(body).path
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        detail = f'Send {{"path": "/v1/reports/overview?…"}} as JSON: {error}.'
        errors = [ProblemError("invalid_body", detail, pointer="/path")]
        raise Problem(422, "invalid_body", "The body cannot be read", detail, errors) from None


def _answer(opened: OpenedPermalink) -> Response[bytes]:
    """The report's own answer, with the permalink and what came later."""
    tree = msgspec.to_builtins(opened.answer)
    tree |= {
        "permalink": msgspec.to_builtins(opened.made),
        "later": msgspec.to_builtins(opened.later),
        "as_kept": opened.as_kept,
    }
    headers = {"Cache-Control": "private, no-store", "Vary": "Accept, Authorization"}
    return Response(_encoder.encode(tree), media_type="application/json", headers=headers)


def _occasion_of(request: Request[Any, Any, Any]) -> Occasion:
    return Occasion(request_id_of(request.scope), b"")
