"""What is written down about names: who saw which, and whose were erased. For the topic of the audit, key = school.

No facts of the ledger: no report is made from them. They hold ids, and nothing of a person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec


class AuditFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """The envelope that each carries. `actor`: the id of the key that asked; `request_id`: as in the service's log."""

    event_id: str
    school: str
    recorded_at: Annotated[datetime, msgspec.Meta(tz=True)]
    actor: str
    version: int = 1
    request_id: str = ""


class NamesRead(AuditFact, frozen=True, kw_only=True, omit_defaults=True, tag="NamesRead"):
    """An answer told names or references of `pupils`. `query`: its parameters, without values typed freely."""

    report: str
    query: str
    pupils: tuple[str, ...]


class PupilErased(AuditFact, frozen=True, kw_only=True, omit_defaults=True, tag="PupilErased"):
    """Somebody asked for an erasure and was given its receipt: at first, or (`again`) once more."""

    erasure_id: str
    erased_at: Annotated[datetime, msgspec.Meta(tz=True)]
    pupils: tuple[str, ...]
    records: int
    again: bool = False


AnyAuditFact = NamesRead | PupilErased
AUDIT_TYPES: dict[str, type[AuditFact]] = {member.__name__: member for member in (NamesRead, PupilErased)}

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyAuditFact] = msgspec.json.Decoder(AnyAuditFact)


def encode_audit(fact: AuditFact) -> bytes:
    """The bytes of one, as they stand in the log."""
    return _encoder.encode(fact)


def decode_audit(value: bytes) -> AnyAuditFact:
    """The fact in `value`. Raises msgspec.MsgspecError."""
    return _decoder.decode(value)
