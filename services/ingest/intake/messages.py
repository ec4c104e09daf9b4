"""What a message of the intake topic says: its form, the events in it, and why it is none.

Pure. A form only says where the events stand; what an event is, `event_bodies` reads, and what it may tell, `accept`
decides. Nothing here looks into a key, and no detail repeats what somebody sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.ingest import event_bodies
from services.ingest.event_bodies import BodyFault
from services.ingest.intake import cloud_events
from services.ingest.intake.bad_messages import BadMessage
from services.runtime.log.interface import RECORD_BYTES_MAX

JSON: Final = "application/json"
STRUCTURED: Final = "application/cloudevents"
CONTENT_TYPE: Final = "content-type"

Headers = tuple[tuple[str, bytes], ...]


class Message(msgspec.Struct, frozen=True):
    """One record of a topic, as it came. `appended_ms` is the broker's clock."""

    topic: str
    partition: int
    offset: int
    appended_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    def header(self, name: str) -> str:
        """The last header of that name, whatever its case; "" if there is none or it is no text."""
        found = ""
        for each, value in self.headers:
            if each.lower() == name:
                found = value.decode("utf-8", "replace").strip()
        return found


class ReadEvents(msgspec.Struct, frozen=True):
    """The events of a message as JSON values, and the source of those that name none."""

    items: list[Any]
    source: str = "default"


def read_events(message: Message) -> ReadEvents:
    """The events in a message: a body of POST /v1/events, one event, or a CloudEvent. Raises BadMessage."""
    if message.value is None:
        raise BadMessage("tombstone")
    if len(message.value) > RECORD_BYTES_MAX:
        raise BadMessage("body_too_large")
    media_type, _, parameters = message.header(CONTENT_TYPE).partition(";")
    media_type = media_type.strip().lower()
    _check_charset(parameters)
    if media_type.startswith(STRUCTURED):
        if media_type != cloud_events.STRUCTURED_JSON:
            raise BadMessage("unsupported_media_type")
        event = cloud_events.read_structured(_read_object(message.value))
        return _of_cloud_event(event)
    attributes = cloud_events.binary_attributes(message.headers)
    if media_type not in ("", JSON):
        raise BadMessage("unsupported_media_type")
    members = _read_object(message.value)
    if attributes:
        return _of_cloud_event(cloud_events.read_binary(attributes, members))
    return ReadEvents(_events_in(members))


def _of_cloud_event(event: cloud_events.CloudEvent) -> ReadEvents:
    if "events" in event.data and "type" not in event.data:
        return ReadEvents(_events_in(event.data), event.source)
    return ReadEvents([cloud_events.event_of(event)], event.source)


def _events_in(members: Mapping[str, Any]) -> list[Any]:
    if "type" in members and "events" not in members:
        return [members]
    try:
        return event_bodies.events_of(members)
    except BodyFault as fault:
        raise BadMessage(fault.faults[0].code) from fault


def _read_object(value: bytes) -> dict[str, Any]:
    try:
        return event_bodies.read_object(value, RECORD_BYTES_MAX)
    except BodyFault as fault:
        raise BadMessage(fault.faults[0].code) from fault


def _check_charset(parameters: str) -> None:
    """JSON is UTF-8; a message that says otherwise would be misread."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
            raise BadMessage("unsupported_media_type")
