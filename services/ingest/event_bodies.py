"""The body of POST /v1/events read strictly: for each item what was sent, or every fault of it by its JSON pointer.

It decides nothing about what the ledger knows: schools, pupils and objectives that are unknown are `accept`'s to find.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from services.ingest.body_faults import BodyFault, Fault, faults_at, refuse_body, unreadable
from services.ingest.columns import RowContext, nearest, parse_members
from services.ingest.curriculum_documents import read_document
from services.ingest.event_types import CURRICULUM_PUBLISHED, EVENT_TYPES
from services.ingest.fields import FieldError, parse_text, shown
from services.ingest.kinds import Shape
from services.ingest.plain_bodies import read_assessments, read_texts
from services.ingest.sent import AnySent, SentCurriculum, SentMerge, SentSplit
from services.ingest.sent_events import SentEvent
from services.ingest.strict_json import JsonFault, escape_pointer, parse_json

__all__ = [
    "BODY_BYTES_MAX",
    "DOCUMENT_BYTES_MAX",
    "EVENTS_MAX",
    "BodyFault",
    "Fault",
    "SentEvent",
    "decode_curriculum",
    "decode_events",
    "decode_item",
    "events_of",
    "read_object",
]

EVENTS_MAX = 500
BODY_BYTES_MAX = 1024 * 1024
DOCUMENT_BYTES_MAX = 8 * 1024 * 1024


_READ_BEFORE = frozenset({"type"})


def decode_events(body: bytes, context: RowContext) -> tuple[SentEvent, ...]:
    """The items of the body, in order; an item's own `source` wins over the context's. Raises BodyFault."""
    short = len(body) <= BODY_BYTES_MAX
    read = read_assessments(body, context, EVENTS_MAX) if short else None
    if read is not None:
        return read
    items = events_of((read_texts(body) if short else None) or read_object(body, BODY_BYTES_MAX))
    if len(items) > EVENTS_MAX:
        detail = f"The request has {len(items):,} events: send at most {EVENTS_MAX} at once, or a file to /v1/imports."
        raise refuse_body(422, "too_many_events", detail, "/events")
    return tuple(decode_item(index, item, context) for index, item in enumerate(items))


def events_of(members: Mapping[str, Any]) -> list[Any]:
    """The list under `events`, the only member there is. Raises BodyFault."""
    unknown = [name for name in members if name != "events"]
    if unknown:
        detail = f"The body has no member '{shown(unknown[0])}': its only one is 'events'."
        raise refuse_body(422, "unknown_field", detail, f"/{escape_pointer(unknown[0])}")
    items = members.get("events")
    if not isinstance(items, list) or not items:
        raise refuse_body(422, "no_events", f"'events' is a list of 1 to {EVENTS_MAX} events.", "/events")
    return items


def decode_curriculum(body: bytes, context: RowContext) -> SentCurriculum:
    """The JSON document form of a curriculum import (application/json). Raises BodyFault."""
    read = read_document(read_object(body, DOCUMENT_BYTES_MAX), context)
    if isinstance(read, list):
        raise BodyFault(422, tuple(read))
    return read


def read_object(body: bytes, bytes_max: int) -> dict[str, Any]:
    """The JSON object that a body is, read strictly. Raises BodyFault."""
    if len(body) > bytes_max:
        detail = f"The body has {len(body):,} bytes: send at most {bytes_max:,} at once."
        raise refuse_body(413, "body_too_large", detail)
    try:
        value = parse_json(body)
    except JsonFault as error:
        raise unreadable(error) from error
    if not isinstance(value, dict):
        raise refuse_body(422, "not_an_object", "The body is no JSON object: see /docs for its form.")
    return value


def decode_item(index: int, item: Any, context: RowContext) -> SentEvent:
    """One event of a body: what was sent, or all that is wrong with it."""
    pointer = f"/events/{index}"
    if not isinstance(item, dict):
        fault = Fault(pointer, "not_an_object", "An event is a JSON object with a type and its fields.")
        return SentEvent(index, "", None, _canonical(item), None, (fault,))
    event_id = _given_id(item.get("event_id"))
    content = _canonical(_without(item, "event_id"))
    shape = EVENT_TYPES.get(item["type"]) if isinstance(item.get("type"), str) else None
    if shape is None:
        return SentEvent(index, "", event_id, content, None, (_unknown_type(item.get("type"), pointer),))
    read = _read_members(shape, item, context, pointer)
    faults = read if isinstance(read, list) else []
    if event_id is None and isinstance(item.get("event_id"), str) and not item["event_id"].strip():
        detail = "event_id is empty: leave it out, or give 1 to 128 printable characters."
        faults = [*faults, Fault(f"{pointer}/event_id", "missing_value", detail)]
    if faults or isinstance(read, list):
        return SentEvent(index, shape.name, event_id, content, None, tuple(faults))
    return SentEvent(index, shape.name, event_id, content, read)


def _read_members(shape: Shape, members: Mapping[str, Any], context: RowContext, pointer: str) -> AnySent | list[Fault]:
    if shape.name == CURRICULUM_PUBLISHED:
        return read_document(_without(members, "type"), context, pointer, shape)
    read = parse_members(shape, members, context, _READ_BEFORE)
    if isinstance(read, list):
        return faults_at(pointer, read)
    if type(read) in (SentMerge, SentSplit) and read.pupil == read.other:
        return [Fault(f"{pointer}/other", "same_pupil", "pupil and other are the same reference: name two.")]
    sent: AnySent = read
    return sent


def _without(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return {each: value for each, value in members.items() if each != name} if name in members else members


def _unknown_type(sent_type: Any, pointer: str) -> Fault:
    if not isinstance(sent_type, str) or not sent_type:
        return Fault(f"{pointer}/type", "missing_value", f"type is missing: it is one of {', '.join(EVENT_TYPES)}.")
    detail = f"There is no event type '{shown(sent_type)}'; did you mean '{nearest(sent_type, EVENT_TYPES)}'?"
    return Fault(f"{pointer}/type", "unknown_type", detail)


def _given_id(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        return parse_text(value.strip())
    except FieldError:
        return None


def _canonical(value: Any) -> bytes:
    """The same bytes whatever the order of keys and the spaces between them; numbers as the text that was sent.

    msgspec writes what the standard library would, in a tenth of the time; it refuses half of a surrogate pair.
    """
    try:
        return _canonical_encoder.encode(value)
    except UnicodeEncodeError:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode(errors="surrogatepass")


def _as_text(value: Any) -> str:
    """For `NumberText`, which to msgspec is no text."""
    return str(value)


_canonical_encoder = msgspec.json.Encoder(order="sorted", enc_hook=_as_text)
