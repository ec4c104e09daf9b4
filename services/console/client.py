"""The HTTP client of the command: one request, one answer, and every failure as one line with an exit code.

It knows the contract's addresses and problem bodies; it prints nothing and reads no settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

EXIT_FAILED = 1
EXIT_NOT_HEALTHY = 4
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0
ERRORS_SHOWN_MAX = 5

Parameters = Sequence[tuple[str, str]]


class RequestFailed(Exception):
    """The request was refused or not answered. The message is for a person; `body` is the problem as it came."""

    def __init__(self, message: str, exit_code: int, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.body = dict(body or {})


class Client:
    """Speaks to one product with one key."""

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._url = url
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, parameters: Parameters = (), accept: str = "application/json") -> httpx.Response:
        """The answer to GET. Raises RequestFailed."""
        return self._send("GET", path, params=list(parameters) or None, headers={"Accept": accept})

    def post(self, path: str, body: Any = None) -> httpx.Response:
        """The answer to POST of a JSON body. Raises RequestFailed."""
        return self._send("POST", path, json=body)

    def put(self, path: str, body: Any) -> httpx.Response:
        """The answer to PUT of a JSON body. Raises RequestFailed."""
        return self._send("PUT", path, json=body)

    def delete(self, path: str) -> httpx.Response:
        """The answer to DELETE. Raises RequestFailed."""
        return self._send("DELETE", path)

    def upload(
        self, path: str, parameters: Parameters, content: Iterable[bytes], media_type: str, size: int | None
    ) -> httpx.Response:
        """The answer to a streamed POST, however long its work takes. Raises RequestFailed."""
        headers = {"Content-Type": media_type}
        if size is not None:
            headers["Content-Length"] = str(size)
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        return self._send("POST", path, params=list(parameters), content=content, headers=headers, timeout=timeout)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise RequestFailed(f"{self._url} does not answer: {reason}", EXIT_NOT_HEALTHY) from error
        if answer.is_success:
            return answer
        raise _failure(answer)


def _failure(answer: httpx.Response) -> RequestFailed:
    exit_code = EXIT_NOT_HEALTHY if answer.status_code >= 500 else EXIT_FAILED
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return RequestFailed(f"refused with status {answer.status_code}", exit_code)
    return RequestFailed(_told(body, answer.status_code), exit_code, body)


def _told(body: Mapping[str, Any], status: int) -> str:
    """A problem, or the counts of a cut-off import, in one line."""
    if "title" not in body:
        return f"refused with status {status}: {body}"
    detail = str(body.get("detail") or "")
    told = str(body["title"]) if detail in ("", body["title"]) else f"{body['title']}: {detail}"
    for error in list(body.get("errors") or ())[:ERRORS_SHOWN_MAX]:
        place = error.get("parameter") or error.get("pointer") or error.get("code")
        told += f" [{place}: {error.get('detail')}]"
    return told
