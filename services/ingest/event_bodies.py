"""signatures first; filled in within minutes."""

from __future__ import annotations

import msgspec

from services.ingest.columns import RowContext
from services.ingest.sent import AnySent, SentCurriculum


class Fault(msgspec.Struct, frozen=True):
    """One fault of a JSON body. `pointer` is a JSON pointer (RFC 6901), such as `/events/1/state`."""

    pointer: str
    code: str
    detail: str


class BodyFault(Exception):
    """The whole body is refused; `status` is 400, 413 or 422."""

    def __init__(self, status: int, faults: tuple[Fault, ...]) -> None:
        super().__init__(faults[0].detail)
        self.status, self.faults = status, faults


class SentEvent(msgspec.Struct, frozen=True):
    """One item of the request: `sent`, or the faults why it is none.

    `type_name`: as sent. `content`: the canonical bytes of the item as sent, without event_id, for a made id.
    `event_id`: if it was given and is well-formed (also on a faulty item).
    """

    index: int
    type_name: str
    event_id: str | None
    content: bytes
    sent: AnySent | None
    faults: tuple[Fault, ...] = ()


EVENTS_MAX = 500
BODY_BYTES_MAX = 1024 * 1024


def decode_events(body: bytes, context: RowContext) -> tuple[SentEvent, ...]:
    """The items of a POST /v1/events body in order. Raises BodyFault. An event's own `source` wins over the context's."""
    raise NotImplementedError


def decode_curriculum(body: bytes, context: RowContext) -> SentCurriculum:
    """The JSON document form of a curriculum import (application/json). Raises BodyFault."""
    raise NotImplementedError
