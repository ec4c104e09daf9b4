"""Every refusal as one shape: the exception `Problem`, its RFC 9457 body, and the handlers of faults.

Both HTTP services use it. A body never holds a stack trace, a key, a name or what the database said.
It must not know any route; the words of a code's page live with the pages of the query service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from services.access.keystore import KeyStoreUnusable
from services.runtime.log.interface import AppendOutcomeUnknown, LogUnavailable

RETRY_AFTER_SECONDS = 2
MEDIA_TYPE = "application/problem+json"

Handler = Callable[[Request[Any, Any, Any], Any], Response[Any]]


class ProblemError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault of a request: where (pointer into the body, or parameter's name), what, and its fix."""

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(Exception):
    """A request that is refused. Raised anywhere below a route; `as_response` makes the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        errors: Sequence[ProblemError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail or title}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail or title
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of `application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str = ""
    errors: tuple[ProblemError, ...] = ()


_TITLES_BY_STATUS = {
    400: ("bad_request", "The request could not be read"),
    401: ("key_required", "A key is needed"),
    403: ("forbidden", "This key may not do that"),
    404: ("not_found", "There is nothing at this address"),
    405: ("method_not_allowed", "This address does not take that method"),
    406: ("not_acceptable", "This address does not answer in the form asked for"),
    413: ("body_too_large", "The body is too large"),
    414: ("address_too_long", "The address is too long"),
    415: ("unsupported_media_type", "The body has a type that is not taken here"),
    422: ("invalid_request", "The request is not valid"),
    429: ("too_many_requests", "Too many requests"),
    431: ("headers_too_large", "The headers are too large"),
    503: ("unavailable", "A part of the product is away"),
}
_EQUAL_BODIES = frozenset({"forbidden_school"})
"""Their bodies are equal whether or not the school exists; the request id is in the header alone."""
_log = structlog.get_logger("markledger.problems")


def unavailable(
    detail: str = "The database or the log cannot be reached. Send the same request again.",
) -> Problem:
    """503 with Retry-After: nothing is wrong with the request."""
    return Problem(
        503,
        "unavailable",
        _TITLES_BY_STATUS[503][1],
        detail,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def problem_of(error: BaseException) -> Problem:
    """The problem that tells of `error`; anything not foreseen is a 500 that says nothing of the inside."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _problem_of_framework(error)
    if is_outage(error):
        return unavailable()
    if isinstance(error, AppendOutcomeUnknown):
        return unavailable(
            "The log did not say whether it kept the facts. Send the request again: nothing counts twice."
        )
    return Problem(
        500,
        "internal_error",
        "Something went wrong here",
        "The request failed because of a fault of the product, which was recorded under the request id.",
    )


def is_outage(error: BaseException) -> bool:
    """Whether `error` says that database, log or key store are of no use now, not that the request is wrong."""
    if isinstance(error, asyncpg.DataError):  # an InterfaceError too, but of the code's own making
        return False
    outages = (
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # a connection that broke in the middle of a statement, used again
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
        OSError,  # TimeoutError and ConnectionError are OSErrors
        LogUnavailable,
        KeyStoreUnusable,
    )
    return isinstance(error, outages)


def _problem_of_framework(error: HTTPException) -> Problem:
    status = error.status_code
    if status >= 500 and status != 503:
        return Problem(500, "internal_error", "Something went wrong here")
    code, title = _TITLES_BY_STATUS.get(status, ("refused", _phrase(status)))
    headers = dict(error.headers or {})
    if status == 503:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return Problem(status, code, title, _framework_details().get(status, title), headers=headers)


def _framework_details() -> Mapping[int, str]:
    """What to do about a refusal of the framework, whose own words may repeat the request."""
    return {
        400: "Check the address, its parameters and the body against /docs.",
        404: "Check the address; /docs lists all of them.",
        405: "Use one of the methods in the Allow header.",
        413: "Send less at once: an import may have any size at POST /v1/imports.",
        415: "Set the Content-Type header to one that /docs lists for this address.",
    }


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"


def encode_problem(problem: Problem, *, instance: str, request_id: str) -> bytes:
    """The JSON body of `problem`."""
    return msgspec.json.encode(
        ProblemBody(
            type=f"/problems/{problem.code}",
            title=problem.title,
            status=problem.status,
            detail=problem.detail,
            instance=instance,
            request_id=request_id,
            errors=problem.errors,
        )
    )


def as_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a request that raised `error`; a fault of ours goes to the log with its trace."""
    problem = problem_of(error)
    request_id = request_id_of(request.scope)
    if problem.status == 500:
        _log.error("request failed", request_id=request_id, exc_info=error)
    elif problem.status == 503:
        _log.warning("request not served", request_id=request_id, fault=type(error).__name__)
    request.scope.setdefault("state", {})["problem"] = problem.code
    told_id = "" if problem.code in _EQUAL_BODIES else request_id
    body = encode_problem(problem, instance=request.scope.get("path", "/"), request_id=told_id)
    headers = {**problem.headers, "Cache-Control": "no-store"}
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def request_id_of(scope: Mapping[str, Any]) -> str:
    """The id that the edge gave the request (`services.access.edge`); empty outside of it."""
    return str(scope.get("state", {}).get("request_id", ""))


PROBLEM_HANDLERS: dict[int | type[Exception], Handler] = {
    Problem: as_response,
    HTTPException: as_response,
    Exception: as_response,
}
"""For `Litestar(exception_handlers=…)`."""
