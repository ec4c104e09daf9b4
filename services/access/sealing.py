"""The cryptography of identities: AES-256-GCM under one key a pupil, wrapped under a key of the installation. Pure.

What is sealed is bound to its school, pupil and enrolment: moved to another place it does not open. Keys come
in as arguments; not so the nonce of each sealing, which must never be chosen by a caller.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"
"""The first byte of whatever is sealed, so that another way of sealing can be told apart one day."""


class Damaged(ValueError):
    """The bytes are not what was sealed for this place under this key; nothing of them is said."""


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose, from the installation's secret."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"markledger {purpose} v1".encode()).derive(
        secret
    )


def new_key() -> bytes:
    """A key that nobody else has."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, content: bytes, *place: str) -> bytes:
    """`content`, sealed for its place: school and pupil, and the enrolment or nothing."""
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, content, _associated(place))


def unseal(key: bytes, sealed: bytes, *place: str) -> bytes:
    """What was sealed for this place. Raises Damaged."""
    if not sealed.startswith(_VERSION):
        raise Damaged("sealed in a way that this release does not know")
    nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, rest, _associated(place))
    except (InvalidTag, ValueError, OverflowError) as error:
        raise Damaged("not sealed here, or changed since") from error


def sign(key: bytes, content: bytes) -> str:
    """A signature that only who has the key can make or check, in hex digits."""
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _associated(place: tuple[str, ...]) -> bytes:
    return b"".join(len(part).to_bytes(4) + part for part in (each.encode("utf-8") for each in place))
