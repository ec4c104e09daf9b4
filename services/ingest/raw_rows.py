"""A row as it stands in a file, before its fields are read, and the faults that end the reading of a file."""

from __future__ import annotations

import codecs

import msgspec

from services.ingest.columns import HeaderFault, RowFault

RECORD_BYTES_MAX = 1024 * 1024


class RawRow(msgspec.Struct, frozen=True, gc=False):
    """One row as it stands in the file. `number` counts rows from 1 (the header is none), `line` is where it starts.

    `fault`: the row is wrong before its fields are looked at (number of fields, no object, a key twice, an unknown
    column); `fields` then holds what could be read, perhaps nothing.
    """

    number: int
    line: int
    fields: dict[str, str]
    fault: RowFault | None = None


class FileFault(Exception):
    """The file cannot be read on from `line`; the rows yielded before it stand (422, status incomplete)."""

    def __init__(self, code: str, line: int, detail: str) -> None:
        super().__init__(detail)
        self.code, self.line, self.detail = code, line, detail


def record_too_long(line: int) -> FileFault:
    return FileFault(
        "record_too_long", line, f"Line {line} has more than {RECORD_BYTES_MAX:,} bytes: is this the right file?"
    )


def truncated(line: int) -> FileFault:
    return FileFault("truncated", line, f"The file ends in the middle of line {line}: send it again, whole.")


def refuse_other_encodings(start: bytes) -> None:
    """UTF-16 and UTF-32 by their first bytes; a spreadsheet or an archive by its signature."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\x00" in start[:4]:
        raise HeaderFault("encoding", "The file is encoded as UTF-16 or UTF-32: save it as CSV in UTF-8 and send that.")
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise HeaderFault("encoding", "The file is a spreadsheet or an archive, not text: save it as CSV in UTF-8.")
