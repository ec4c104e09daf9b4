"""One item of POST /v1/events as it was read, before anything that the ledger knows is asked."""

from __future__ import annotations

import msgspec

from services.ingest.body_faults import Fault
from services.ingest.sent import AnySent


class SentEvent(msgspec.Struct, frozen=True, gc=False):
    """One item of the request: `sent`, or the faults why it is none.

    `type_name`: as sent, if it is known. `content`: the canonical bytes of the item as sent, without event_id, for a
    made id. `event_id`: if it was given and is well-formed (also on a faulty item).
    """

    index: int
    type_name: str
    event_id: str | None
    content: bytes
    sent: AnySent | None
    faults: tuple[Fault, ...] = ()
