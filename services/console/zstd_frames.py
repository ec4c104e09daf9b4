"""Zstandard as a row of small frames: any `zstd -d` reads them, and reading one never takes more than some megabytes.

The compressor at hand knows whole frames only, so the frames are told apart here by their headers. It knows nothing of
what is inside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from cramjam import DecompressionError, zstd

MAGIC = b"\x28\xb5\x2f\xfd"
LEVEL = 6
FRAME_BYTES = 1024 * 1024
BLOCKS_MAX = 512
"""A block unpacks to at most 128 KiB, so a frame to at most 64 MiB."""

_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_DICTIONARY_BYTES = (0, 1, 2, 4)
_SIZE_BYTES = (0, 2, 4, 8)
_RUN = 1


class FrameDamaged(ValueError):
    """The bytes are no row of whole frames, or a frame is larger than what is read here."""


def pack(content: bytes) -> bytes:
    """The content as one frame."""
    return bytes(zstd.compress(content, level=LEVEL))


def unpack(file: IO[bytes]) -> Iterator[bytes]:
    """The content of each frame of a file, to its end. Raises FrameDamaged."""
    while True:
        magic = file.read(4)
        if not magic:
            return
        if int.from_bytes(magic, "little") in _SKIPPABLE:
            _exactly(file, int.from_bytes(_exactly(file, 4), "little"))
        elif magic == MAGIC:
            try:
                yield bytes(zstd.decompress(magic + _frame(file)))
            except (DecompressionError, OSError) as error:
                raise FrameDamaged(f"a compressed frame is damaged: {error}") from error
        else:
            raise FrameDamaged("what follows the compressed frames is none")


def _frame(file: IO[bytes]) -> bytes:
    """The frame after its magic number."""
    (described,) = head = _exactly(file, 1)
    single = described >> 5 & 1
    size_bytes = _SIZE_BYTES[described >> 6] or single
    parts = [head, _exactly(file, (1 - single) + _DICTIONARY_BYTES[described & 3] + size_bytes)]
    for _ in range(BLOCKS_MAX):
        block = _exactly(file, 3)
        told = int.from_bytes(block, "little")
        parts += block, _exactly(file, 1 if told >> 1 & 3 == _RUN else told >> 3)
        if told & 1:
            break
    else:
        raise FrameDamaged("a compressed frame is too large: unpack the file with `zstd -d` first")
    if described >> 2 & 1:
        parts.append(_exactly(file, 4))
    return b"".join(parts)


def _exactly(file: IO[bytes], size: int) -> bytes:
    found = file.read(size)
    if len(found) != size:
        raise FrameDamaged("the file ends in the middle of a compressed frame")
    return found
