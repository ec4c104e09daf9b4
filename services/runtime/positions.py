"""The position token: how far the log must have been read for a caller to see what it has told.

It is opaque to callers and URL-safe: base64url, unpadded, of msgpack `[log fingerprint, {partition: next
offset}]`. Whether it belongs to this log is for the reader to ask: `Position.belongs_to`.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Annotated

import msgspec

TOKEN_CHARACTERS_MAX = 8192
_FINGERPRINT_BYTES = 9

_Partition = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
_Offset = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class InvalidPosition(ValueError):
    """The text is no position token of this product."""


class Position(msgspec.Struct, frozen=True):
    """A decoded token: for each partition the offset after the last record that must have been read."""

    fingerprint: bytes
    offsets: dict[int, int]

    def belongs_to(self, log_id: str) -> bool:
        """Whether the token was made for the log (topic and cluster) that is named so."""
        return self.fingerprint == _fingerprint(log_id)


_decoder = msgspec.msgpack.Decoder(tuple[bytes, dict[_Partition, _Offset]])


def encode_position(log_id: str, offsets: Mapping[int, int]) -> str:
    """The token for these next offsets of the log; equal offsets give equal tokens."""
    packed = msgspec.msgpack.encode((_fingerprint(log_id), dict(sorted(offsets.items()))))
    return urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def decode_position(text: str) -> Position:
    """The position in a token. Raises InvalidPosition for anything that `encode_position` did not make."""
    if len(text) > TOKEN_CHARACTERS_MAX:
        raise InvalidPosition("the position is too long to be one that this product gave")
    try:
        packed = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        fingerprint, offsets = _decoder.decode(packed)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError) as error:
        raise InvalidPosition("the position is not one that this product gave") from error
    if len(fingerprint) != _FINGERPRINT_BYTES:
        raise InvalidPosition("the position is not one that this product gave")
    return Position(fingerprint, offsets)


def _fingerprint(log_id: str) -> bytes:
    return hashlib.blake2b(log_id.encode(), digest_size=_FINGERPRINT_BYTES).digest()
