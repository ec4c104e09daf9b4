"""The packed facts of a school: what the projector writes of each batch and loads on, and reports of single facts read.

A row is compressed chunks; rows one behind the other, in order, are one row again. A chunk holds what one batch added:
new indices, assessments as columns, every other fact as JSON, where blocks start. Which fact counts is not said here.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Final

import cramjam
import msgspec

COLUMNS: Final = {"slots": "I", "values": "q", "days": "i", "sequences": "q", "recorded_at": "I", "offsets": "q"}
"""The columns of assessments, in the order of a chunk, with their type codes. `values`: objective << 32 | state."""
IDENTITY_BYTES: Final = 16
"""The length of an identity and of a key (all zeros = a fact without one)."""

_LENGTH = struct.Struct("<I")
_FRAME: Final = bytes.fromhex("28b52ffd")
_LEVEL: Final = 1


class Chunk(msgspec.Struct, array_like=True):
    """What one batch added. `pupils`, `objectives`, `states` go on where the chunk before ended.

    `others`: (offset, JSON) of each fact that is no assessment.
    """

    pupils: list[str]
    objectives: list[tuple[str, str]]
    states: list[str]
    columns: list[bytes]
    identities: bytes
    keys: bytes
    others: list[tuple[int, bytes]]
    boundaries: dict[str, tuple[int, ...]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Chunk)


def pack_chunk(chunk: Chunk) -> bytes:
    """The bytes of a chunk, its length before them."""
    data = _encoder.encode(chunk)
    return _LENGTH.pack(len(data)) + data


def chunks_of(data: bytes) -> Iterator[Chunk]:
    """The chunks that stand one behind the other."""
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield _decoder.decode(memoryview(data)[at : at + length])
        at += length


def compressed(detail: bytes) -> bytes:
    """A row's data. It costs a tenth here of what PostgreSQL's own compression would."""
    return bytes(cramjam.zstd.compress(detail, _LEVEL))


def decompressed(data: bytes) -> bytes:
    """What a row holds. A row of an earlier release begins with a length, which no compressed one begins with."""
    return bytes(cramjam.zstd.decompress(data)) if data.startswith(_FRAME) else data


def identity_of(event_id: str) -> bytes:
    """Sixteen bytes that stand for an event id: the id itself if it is a UUID as made, else a digest."""
    if len(event_id) == 36:
        digits = event_id.replace("-", "")
        if len(digits) == 32 and event_id[8] == event_id[13] == event_id[18] == event_id[23] == "-":
            try:
                made = bytes.fromhex(digits)
            except ValueError:
                made = b""
            if made.hex() == digits:
                return made
    return hashlib.blake2b(event_id.encode(), digest_size=16).digest()
