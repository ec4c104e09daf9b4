"""Files as they stream in, cut into rows: CSV and NDJSON, in bounded memory whatever their size.

A row comes out as texts by column name; what they mean is for `columns`. Faults of the header or the encoding are
raised before any row, faults further on after the good rows before them. No more than a block and one record is held.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from typing import Protocol

from services.ingest.columns import HeaderFault, find_kind
from services.ingest.csv_rows import CsvReader
from services.ingest.fields import shown
from services.ingest.kinds import Shape
from services.ingest.ndjson_rows import NdjsonReader
from services.ingest.raw_rows import RECORD_BYTES_MAX, FileFault, RawRow

__all__ = ["CSV", "NDJSON", "FileFault", "RawRow", "read_rows"]

BLOCK_BYTES = 128 * 1024
ROWS_AT_ONCE = 2000
CSV = "text/csv"
NDJSON = "application/x-ndjson"


class RowReader(Protocol):
    """Turns whole lines into rows. `fault` is set when the file cannot be read on; raises HeaderFault before rows."""

    fault: FileFault | None

    def read(self, block: bytes, *, is_last: bool) -> list[RawRow]:
        """The rows that end in `block`, which ends with a line (or with the file)."""


async def read_rows(
    chunks: AsyncIterator[bytes], content_type: str, kind: str, ignored: Collection[str] = ()
) -> AsyncIterator[list[RawRow]]:
    """Yields lists of up to ROWS_AT_ONCE rows. Raises HeaderFault before the first, FileFault after the last good one.

    What `chunks` itself raises (a connection cut off) is raised again after the complete rows that came.
    """
    reader = _reader_for(content_type, find_kind(kind), ignored)
    lines = _LineBuffer()
    try:
        async for chunk in chunks:
            for block in lines.add(chunk):
                for rows in _portions(reader.read(block, is_last=False)):
                    yield rows
                if reader.fault is not None:
                    raise reader.fault
    except (HeaderFault, FileFault):
        raise
    except Exception:
        for rows in _portions(reader.read(lines.take_whole_lines(), is_last=False)):
            yield rows
        raise
    for rows in _portions(reader.read(lines.take_rest(), is_last=True)):
        yield rows
    if reader.fault is not None:
        raise reader.fault


def _reader_for(content_type: str, shape: Shape, ignored: Collection[str]) -> RowReader:
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise HeaderFault("encoding", f"The charset {shown(charset)} is not taken: send the text encoded as UTF-8.")
    if media_type.strip() == CSV:
        return CsvReader(shape, ignored)
    if media_type.strip() == NDJSON:
        return NdjsonReader(shape, ignored)
    raise HeaderFault(
        "unsupported_media_type", f"The Content-Type '{shown(content_type)}' is not taken: send {CSV} or {NDJSON}."
    )


def _portions(rows: list[RawRow]) -> Iterator[list[RawRow]]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]


class _LineBuffer:
    """Gathers chunks of any size into blocks that end with a line."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> Iterator[bytes]:
        """The blocks that are full now. A line beyond RECORD_BYTES_MAX comes as it is, for the reader to refuse."""
        for start in range(0, len(chunk), BLOCK_BYTES):
            part = chunk[start : start + BLOCK_BYTES]
            self._parts.append(part)
            self._size += len(part)
            if self._size >= BLOCK_BYTES and (b"\n" in part or b"\r" in part or self._size > RECORD_BYTES_MAX):
                block = self.take_whole_lines()
                if not block and self._size > RECORD_BYTES_MAX:
                    block = self.take_rest()
                if block:
                    yield block

    def take_whole_lines(self) -> bytes:
        """Up to the last end of a line; a file with no \\n at all has its lines end with \\r."""
        held = b"".join(self._parts)
        end = held.rfind(b"\n") + 1 or held.rfind(b"\r", 0, len(held) - 1) + 1
        self._keep(held[end:])
        return held[:end]

    def take_rest(self) -> bytes:
        """All that is left."""
        held = b"".join(self._parts)
        self._keep(b"")
        return held

    def _keep(self, rest: bytes) -> None:
        self._parts = [rest] if rest else []
        self._size = len(rest)
