"""Made ids and keyed hashes: what is equal for equal input, for ever, in every process.

A change of any encoding here would make every fact sent again a new one, so the tests fix golden values.
Secrets come in as arguments; nothing is random. Standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

_ROW_FACTS = UUID("6f1c7b52-5d0e-5c38-9f0b-8d3f4f6f0a01").bytes
_EVENT_FACTS = UUID("6f1c7b52-5d0e-5c38-9f0b-8d3f4f6f0a02").bytes

_KNOWN_ACROSS_SCHOOLS = ("upn:", "uln:", "scn:", "trust:")


def row_fact_id(source: str, kind: str, school: str, key: str, given_recorded_at: str, revision: int) -> str:
    """The event id of a row's fact. `given_recorded_at` is empty unless the row brings one."""
    return _named_uuid(_ROW_FACTS, _row_head(source, kind, school) + _join((key, given_recorded_at, str(revision))))


def event_fact_id(source: str, type_name: str, content: bytes) -> str:
    """The event id of an event sent without one. `content` is its `canonical_content`, as sent."""
    named = _event_name(source, type_name).copy()
    named.update(hashlib.sha256(content).hexdigest().encode())
    return _as_uuid(named.hexdigest())


def canonical_content(content: Mapping[str, object]) -> bytes:
    """The same bytes for the same JSON object, whatever the order and spacing in which it was sent."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")


def pupil_id(pupil_key: bytes, school: str, reference: str) -> str:
    """The opaque id of the pupil called `reference`; upn:, uln:, scn: and trust: hold across schools."""
    owner = "" if reference.startswith(_KNOWN_ACROSS_SCHOOLS) else school + "\0"
    return "pup_" + _keyed_name(pupil_key, owner + reference)


def person_id(pupil_key: bytes, upn: str) -> str:
    """The opaque id of a person with a UPN, written in any case."""
    return "prs_" + _keyed_name(pupil_key, "\0upn\0" + upn.strip().upper())


def row_key(pupil_key: bytes, source: str, kind: str, school: str, parts: Sequence[str]) -> str:
    """The key of a row, 32 hex digits. `parts`: its reference, or its key columns without recorded_at."""
    return _keyed_digest(pupil_key, b"row key", _row_head(source, kind, school) + _join(parts))


def row_content(pupil_key: bytes, source: str, kind: str, school: str, fields: Mapping[str, str]) -> str:
    """What a row says without recorded_at, names included, 32 hex digits. Empty fields say nothing."""
    said = [f"{len(name)}:{name}{len(value)}:{value}" for name, value in sorted(fields.items()) if value]
    return _keyed_digest(pupil_key, b"row content", _row_head(source, kind, school) + "".join(said))


@lru_cache(maxsize=10_000)
def _row_head(source: str, kind: str, school: str) -> str:
    """What the names of nearly all rows of a file begin with."""
    return _join((source, kind, school))


@lru_cache(maxsize=10_000)
def _event_name(source: str, type_name: str) -> Any:
    """The hash of what the names of nearly all events of a source begin with; what follows has 64 characters."""
    return hashlib.sha1(_EVENT_FACTS + f"{_join((source, type_name))}64:".encode(), usedforsecurity=False)


def _join(parts: Iterable[str]) -> str:
    """One text for each sequence of texts: every part is preceded by its length, so no two sequences meet."""
    return "".join([f"{len(part)}:{part}" for part in parts])


def _named_uuid(namespace: bytes, name: str) -> str:
    """The text of `uuid.uuid5`, for which making a UUID object costs most of its time."""
    return _as_uuid(hashlib.sha1(namespace + name.encode(), usedforsecurity=False).hexdigest())


def _as_uuid(digest: str) -> str:
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def _keyed_name(key: bytes, text: str) -> str:
    digest = hmac.digest(key, text.encode(), "sha256")
    return base64.b32encode(digest)[:26].decode("ascii").lower()


def _keyed_digest(key: bytes, use: bytes, text: str) -> str:
    secret = key if len(key) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.blake2b(key).digest()
    return hashlib.blake2b(text.encode(), digest_size=16, key=secret, person=use).hexdigest()
