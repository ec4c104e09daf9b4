"""What every route of ingest does with a request: its key, the type of its body, the body, what is wrong with it.

Bodies are read raw, and no longer than what is asked for allows. What is refused is a Problem.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Request

from services.access.keys import Access
from services.access.problems import Problem, ProblemError
from services.ingest.event_bodies import BodyFault
from services.ingest.imports import ConnectionCut
from services.ingest.serving import Serving

HttpRequest = Request[Any, Any, Any]

JSON = "application/json"


async def authenticate(serving: Serving, request: HttpRequest, *rights: str) -> Access:
    """The access of the request's key, which has one of `rights`, if any is named. Raises Problem 401 or 403."""
    access = await serving.keyring.authenticate(request.headers.get("authorization"))
    request.scope["state"]["key_id"] = access.key_id
    if rights:
        access.require(*rights)
    return access


def require_json(request: HttpRequest) -> None:
    """Raise Problem 415 for a body of another type."""
    media_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if media_type != JSON:
        raise Problem(415, "unsupported_media_type", "The body has a type that is not taken here", f"Send {JSON}.")


async def body_of(request: HttpRequest) -> AsyncIterator[bytes]:
    """The body as it comes in. Raises ConnectionCut."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ConnectionCut
        if message["type"] != "http.request":
            continue
        if chunk := message.get("body", b""):
            yield chunk
        if not message.get("more_body", False):
            return


async def read_body(request: HttpRequest, bytes_max: int) -> bytes:
    """The whole body, or enough of it to see that it is too large."""
    body = bytearray()
    try:
        async for chunk in body_of(request):
            body += chunk
            if len(body) > bytes_max:
                break
    except ConnectionCut as cut:
        raise Problem(400, "connection_cut", "The connection was cut", "Send the request again.") from cut
    return bytes(body)


def refused_body(fault: BodyFault) -> Problem:
    """The answer to a body that was refused."""
    first = fault.faults[0]
    errors = [ProblemError(code=each.code, detail=each.detail, pointer=each.pointer) for each in fault.faults]
    return Problem(fault.status, first.code, "The body was refused", first.detail, errors)
