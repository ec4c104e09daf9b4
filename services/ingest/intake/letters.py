"""What is set aside: a message that is no good, or the events of one that were refused, with the reason and the origin.

Pure. Key and value are what was sent; the details are the standing sentences of the codes, which quote nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from services.ingest.intake.messages import CONTENT_TYPE, JSON, Headers, Message
from services.ingest.problem_codes import PROBLEM_CODES

if TYPE_CHECKING:  # the commands read letters without the way in
    from services.ingest.event_requests import ItemResult

OWN_HEADERS: Final = "markledger-"
REASON: Final = "markledger-reason"
DETAIL: Final = "markledger-detail"
ORIGIN: Final = "markledger-origin"

_REASONS_MAX = 20
_NAMES_OF_SENDERS = ("unknown_field", "repeated_json_key")


class Letter(msgspec.Struct, frozen=True):
    """A record for the dead topic. `reason` is a problem code."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str


def letter_of_message(message: Message, code: str) -> Letter:
    """The whole message, as it came."""
    return _letter(message, message.value, sent_headers(message.headers), code, PROBLEM_CODES.get(code, code))


def letter_of_events(message: Message, items: Sequence[Any], source: str, results: Sequence[ItemResult]) -> Letter:
    """The refused events of a message; the message as it came if all were refused."""
    refused = [(item, result) for item, result in zip(items, results, strict=True) if result.error is not None]
    codes = [result.error.code for _, result in refused if result.error is not None]
    value, headers = message.value, sent_headers(message.headers)
    if len(refused) < len(items):
        body = json.dumps({"events": [_with_source(item, source) for item, _ in refused]}).encode("ascii")
        if len(body) <= len(message.value or b""):  # written anew it may be longer: then the log might not take it
            value, headers = body, _plain_json(headers)
    return _letter(message, value, headers, codes[0], _detail_of_events(refused, codes))


def _detail_of_events(refused: Sequence[tuple[Any, ItemResult]], codes: Sequence[str]) -> str:
    """The code and the field of each refused event by its place in the message, and the sentences of the codes."""
    places = [_place(result) for _, result in refused]
    told = "; ".join(places[:_REASONS_MAX])
    if len(places) > _REASONS_MAX:
        told += f"; and {len(places) - _REASONS_MAX:,} more"
    sentences = " ".join(PROBLEM_CODES.get(code, code) for code in list(dict.fromkeys(codes))[:3])
    return f"{told}. {sentences}"


def _place(result: ItemResult) -> str:
    """The field, unless its name is one that the sender made up."""
    assert result.error is not None
    pointer = f"/events/{result.index}" if result.error.code in _NAMES_OF_SENDERS else result.error.pointer
    return f"{pointer} {result.error.code}"


def _plain_json(headers: Headers) -> Headers:
    """What is left of the headers when the value is a body of POST /v1/events."""
    kept = tuple((name, value) for name, value in headers if name.lower() != CONTENT_TYPE)
    kept = tuple((name, value) for name, value in kept if not name.lower().startswith("ce_"))
    return (*kept, (CONTENT_TYPE, JSON.encode()))


def _letter(message: Message, value: bytes | None, headers: Headers, code: str, detail: str) -> Letter:
    origin = f"{message.topic}/{message.partition}/{message.offset}"
    own = ((REASON, code.encode()), (DETAIL, detail.encode()), (ORIGIN, origin.encode()))
    return Letter(message.key, value, (*headers, *own), code)


def sent_headers(headers: Headers) -> Headers:
    """Those that a message came with: without ours, which it has if it was a dead letter before."""
    return tuple((name, value) for name, value in headers if not name.lower().startswith(OWN_HEADERS))


def _with_source(item: Any, source: str) -> Any:
    """An event that took its source from the message says it itself."""
    if source == "default" or not isinstance(item, dict) or item.get("source") is not None:
        return item
    return {**item, "source": source}
