"""Bytes to facts and back: the only place that encodes or decodes a fact.

The envelope travels inside the value as JSON. Unknown fields are ignored; an unknown type is told apart from bytes
that do not decode, because a rolling deployment meets the first and only a defect makes the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from schemas.events import AnyFact, Fact
from schemas.upcasters import UPCASTERS, current_version, upcast

FIRST_INSTANT, LAST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class InvalidFact(ValueError):
    """The bytes are not a fact of this catalogue; they belong to the dead letters."""


class UnknownFactType(ValueError):
    """A well-formed envelope of a type that this release does not know; to be counted and skipped."""

    def __init__(self, type_name: str) -> None:
        super().__init__(f"unknown fact type {type_name!r}")
        self.type_name = type_name


class _Head(msgspec.Struct):
    type: str
    version: int = 1


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)
_head_decoder = msgspec.json.Decoder(_Head)
_raw_decoder = msgspec.json.Decoder(dict)

FACT_TYPES: dict[str, type[Fact]] = {member.__struct_config__.tag: member for member in AnyFact.__args__}


def encode_fact(fact: Fact) -> bytes:
    """The bytes of one fact, as they stand in the log."""
    return _encoder.encode(fact)


def decode_fact(value: bytes | None) -> AnyFact:
    """The fact in `value`, brought to the current version of its type.

    Raises InvalidFact for bytes that are none (a tombstone too), UnknownFactType for a type, or a version of one, that
    is not in the catalogue.
    """
    if value is None:
        raise InvalidFact("a tombstone holds no fact")
    try:
        fact = _decoder.decode(value) if not UPCASTERS else _decode_upcast(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _raise_for_unknown_type(value)
        raise InvalidFact(str(error)) from error
    if fact.version != 1 and fact.version != current_version(type(fact).__name__):
        raise UnknownFactType(f"{type(fact).__name__} version {fact.version}")
    if not FIRST_INSTANT <= fact.recorded_at < LAST_INSTANT:
        raise InvalidFact(f"recorded_at {fact.recorded_at} is out of range")
    return fact


def decode_facts(values: Sequence[bytes | None]) -> list[AnyFact] | None:
    """The same for many values at once; None if one of them is not plainly a fact, for whoever looks at each then."""
    if UPCASTERS:
        return None
    try:
        facts = [_decoder.decode(value) for value in values]  # type: ignore[arg-type]  # None is no fact either
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError):
        return None
    told = [fact.recorded_at for fact in facts]
    in_range = not told or (min(told) >= FIRST_INSTANT and max(told) < LAST_INSTANT)
    return facts if in_range and {fact.version for fact in facts} <= {1} else None


def _decode_upcast(value: bytes) -> AnyFact:
    head = _head_decoder.decode(value)
    if (head.type, head.version) not in UPCASTERS:
        return _decoder.decode(value)
    current: AnyFact = msgspec.convert(upcast(_raw_decoder.decode(value)), AnyFact)
    return current


def _raise_for_unknown_type(value: bytes) -> None:
    try:
        head = _head_decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if head.type not in FACT_TYPES:
        raise UnknownFactType(head.type)
