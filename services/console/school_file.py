"""The file of a school: a manifest as its first line, then every fact as the log holds it, one a line, in their order.

Any `sha256sum` over all lines but the first gives the manifest's `sha256`. The seal, a keyed hash over the manifest, is
what tells an edited file whose sums were made anew; only an installation with the same pupil key can make it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import msgspec

from schemas.codec import InvalidFact, UnknownFactType, decode_fact
from services.console import zstd_frames
from services.ingest.adoption import as_one_line
from services.runtime.log.interface import RECORD_BYTES_MAX

FORMAT = "markledger.school/1"
SUFFIX_PACKED = ".zst"
LINE_BYTES_MAX = RECORD_BYTES_MAX + 16 * 1024
READ_BYTES = 1024 * 1024


class FileDamaged(Exception):
    """The file is not the one that was made: cut, changed, or no such file at all. Nothing of it may be used."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a file must hold. `left_out`: records under the school's key in the source that are no facts."""

    format: str = FORMAT
    school: str
    facts: int
    types: Mapping[str, int]
    content_bytes: int
    sha256: str
    first_offset: int
    last_offset: int
    first_position: str
    last_position: str
    log_id: str
    partition: int
    partitions: int
    left_out: int
    made_at: str
    product_version: str
    pupil_key: str
    seal: str = ""

    def sealed(self, pupil_key: bytes) -> Manifest:
        """The same with its seal."""
        return msgspec.structs.replace(self, seal=self._seal(pupil_key))

    def seal_is_of(self, pupil_key: bytes) -> bool:
        """Whether an installation with this pupil key made it as it is."""
        return hmac.compare_digest(self.seal, self._seal(pupil_key))

    def _seal(self, pupil_key: bytes) -> str:
        said = msgspec.json.encode(msgspec.structs.replace(self, seal=""), order="sorted")
        return hmac.digest(pupil_key, b"school file\0" + said, "sha256").hex()


class FactLine(msgspec.Struct, frozen=True, gc=False):
    """One line: a fact's bytes, and where it stood in the log that it comes from."""

    offset: int
    position: str
    fact: msgspec.Raw


_manifests = msgspec.json.Decoder(Manifest)
_lines = msgspec.json.Decoder(FactLine)


def fingerprint(pupil_key: bytes) -> str:
    """Tells whether two installations make the same ids of pupils and rows, and nothing else of the key."""
    return hmac.digest(pupil_key, b"fingerprint of the pupil key", "sha256").hex()[:32]


class Content:
    """The lines of a file in the making: packed or not, counted and summed up as they come."""

    def __init__(self, file: IO[bytes], *, packed: bool) -> None:
        self._file = file
        self._packed = packed
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._digest = hashlib.sha256()
        self.bytes = 0

    def add(self, offset: int, position: str, value: bytes) -> None:
        """One more fact."""
        line = b'{"offset":%d,"position":"%s","fact":%s}\n' % (offset, position.encode("ascii"), as_one_line(value))
        self._digest.update(line)
        self.bytes += len(line)
        self._held.append(line)
        self._held_bytes += len(line)
        if self._held_bytes >= zstd_frames.FRAME_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        content, self._held, self._held_bytes = b"".join(self._held), [], 0
        if content:
            self._file.write(zstd_frames.pack(content) if self._packed else content)

    @property
    def sha256(self) -> str:
        """The sum of all lines."""
        return self._digest.hexdigest()


def put_together(path: Path, manifest: Manifest, content: Path) -> None:
    """The file at `path`, whole or not at all, for its owner only; `content` was written by `Content`."""
    head = msgspec.json.encode(manifest) + b"\n"
    draft = path.with_name(path.name + ".part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file, content.open("rb") as lines:
        file.write(zstd_frames.pack(head) if is_packed(path) else head)
        while block := lines.read(READ_BYTES):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def is_packed(path: Path) -> bool:
    """Whether a file of this name is to be compressed."""
    return path.suffix == SUFFIX_PACKED


def read_manifest(path: Path) -> Manifest:
    """The manifest alone. Raises FileDamaged, OSError."""
    return _manifest(next(_split(path), b""))


def read_lines(path: Path, manifest: Manifest) -> Iterator[FactLine]:
    """The facts in their order; at the end the content must have been that of the manifest. Raises FileDamaged."""
    found = _split(path)
    if _manifest(next(found, b"")) != manifest:
        raise FileDamaged("the file changed while it was read")
    digest = hashlib.sha256()
    facts = size = 0
    last_offset = -1
    for line in found:
        digest.update(line)
        size += len(line)
        try:
            told = _lines.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise FileDamaged(f"line {facts + 2} is no fact: the file was cut or changed") from error
        if told.offset <= last_offset:
            raise FileDamaged(f"line {facts + 2} is out of order")
        last_offset = told.offset
        facts += 1
        yield told
    if (facts, size, digest.hexdigest()) != (manifest.facts, manifest.content_bytes, manifest.sha256):
        raise FileDamaged(
            f"the file holds {facts:,} facts with sha256 {digest.hexdigest()}, but its manifest says {manifest.facts:,}"
            f" with {manifest.sha256}: it was cut or changed"
        )


class Checked(msgspec.Struct, frozen=True):
    """A file that holds what its manifest says. `unknown`: facts of types that this release does not know."""

    manifest: Manifest
    unknown: Mapping[str, int]


def check_file(path: Path) -> Checked:
    """Read a file from beginning to end. Raises FileDamaged, OSError."""
    manifest = read_manifest(path)
    types: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for number, line in enumerate(read_lines(path, manifest), 2):
        try:
            fact = decode_fact(bytes(line.fact))
        except UnknownFactType as error:
            types[error.type_name] += 1
            unknown[error.type_name] += 1
        except InvalidFact as error:
            raise FileDamaged(f"line {number} is no fact: {error}") from error
        else:
            types[type(fact).__name__] += 1
            if fact.school != manifest.school:
                raise FileDamaged(f"line {number} is a fact of another school")
    if dict(types) != dict(manifest.types):
        raise FileDamaged("the types of the facts are not those of the manifest")
    return Checked(manifest, unknown)


def _manifest(line: bytes) -> Manifest:
    try:
        manifest = _manifests.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FileDamaged(
            "it does not begin with a manifest: this is no file of a school, or it was changed"
        ) from error
    if manifest.format != FORMAT:
        raise FileDamaged(f"it is of the format {manifest.format!r}, this release reads {FORMAT!r}")
    return manifest


def _split(path: Path) -> Iterator[bytes]:
    """The lines of a file, with their ends. Raises FileDamaged."""
    rest = b""
    for block in _blocks(path):
        rest += block
        *whole, rest = rest.split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > LINE_BYTES_MAX:
            raise FileDamaged("a line is longer than any fact")
    if rest:
        yield rest


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        packed = file.read(4) == zstd_frames.MAGIC
        file.seek(0)
        if not packed:
            while block := file.read(READ_BYTES):
                yield block
            return
        try:
            yield from zstd_frames.unpack(file)
        except zstd_frames.FrameDamaged as error:
            raise FileDamaged(str(error)) from error
