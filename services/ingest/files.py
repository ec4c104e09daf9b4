"""Files as they stream in, cut into rows: CSV and NDJSON, in bounded memory whatever their size.

A row comes out as texts by column name; what they mean is for `columns`. Faults of the header or the encoding are
raised before any row, faults further on after the good rows before them. No more than a block and one record is held.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Protocol

import msgspec

from services.ingest.columns import HeaderFault, RowFault, check_header, find_kind, text_fields
from services.ingest.fields import shown
from services.ingest.kinds import Shape
from services.ingest.strict_json import JsonFault, parse_json

BLOCK_BYTES = 128 * 1024
RECORD_BYTES_MAX = 1024 * 1024
ROWS_AT_ONCE = 2000
CSV = "text/csv"
NDJSON = "application/x-ndjson"

_DELIMITERS = ",;\t"


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


class _RowReader(Protocol):
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


def _reader_for(content_type: str, shape: Shape, ignored: Collection[str]) -> _RowReader:
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise HeaderFault("encoding", f"The charset {shown(charset)} is not taken: send the text encoded as UTF-8.")
    if media_type.strip() == CSV:
        return _CsvReader(shape, ignored)
    if media_type.strip() == NDJSON:
        return _NdjsonReader(shape, ignored)
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


def _refuse_other_encodings(start: bytes) -> None:
    """UTF-16 and UTF-32 by their first bytes; a spreadsheet or an archive by its signature."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\x00" in start[:4]:
        raise HeaderFault("encoding", "The file is encoded as UTF-16 or UTF-32: save it as CSV in UTF-8 and send that.")
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise HeaderFault("encoding", "The file is a spreadsheet or an archive, not text: save it as CSV in UTF-8.")


# --- CSV ---------------------------------------------------------------------------------------------------------

_Record = tuple[int, list[str]]
"""The line on which a record starts, and its fields."""


class _CsvReader:
    """Reads CSV; a record may span lines and blocks. `_names` is the column of each field, once the header is read."""

    def __init__(self, shape: Shape, ignored: Collection[str]) -> None:
        self.fault: FileFault | None = None
        self._shape = shape
        self._ignored = ignored
        self._names: tuple[str, ...] = ()
        self._delimiter = ""
        self._open_record: list[str] = []
        self._line = 1
        self._rows = 0

    def read(self, block: bytes, *, is_last: bool) -> list[RawRow]:
        """As _RowReader says."""
        if self._line == 1 and not self._open_record:
            _refuse_other_encodings(block)
            block = block.removeprefix(codecs.BOM_UTF8)
        text, undecodable = _decode_lines(block)
        lines = [*self._open_record, *io.StringIO(text, newline=None)]
        end_line = self._line + len(lines)
        records = self._read_records(lines, is_last=is_last and not undecodable)
        if self.fault is None and undecodable:
            self.fault = FileFault("undecodable", end_line, undecodable)
        if self.fault is None and len(block) > RECORD_BYTES_MAX and b"\n" not in block:
            self.fault = _record_too_long(end_line)
        if not self._names:
            records = self._take_header(records, is_last=is_last)
        if is_last and records and lines[-1][-1] != "\n" and len(records[-1][1]) < len(self._names):
            self.fault = self.fault or _truncated(records.pop()[0])
        return self._make_rows(records)

    def _read_records(self, lines: list[str], *, is_last: bool) -> list[_Record]:
        if not self._delimiter:
            self._delimiter = self._find_delimiter(lines)
        records: list[_Record] = []
        complete = 0
        parser = csv.reader(lines, delimiter=self._delimiter or ",", strict=True)
        try:
            for cells in parser:
                if cells:
                    records.append((self._line + complete, cells))
                complete = parser.line_num
        except csv.Error as error:
            self._keep_open_record(str(error), lines[complete:], self._line + complete, is_last=is_last)
        else:
            self._open_record = []
        self._line += complete
        return records

    def _keep_open_record(self, error: str, rest: list[str], line: int, *, is_last: bool) -> None:
        """An open quote at the end of a block is a record that goes on; anything else is a fault of the file."""
        self._open_record = rest
        if error != "unexpected end of data":
            code = "field_too_long" if "field limit" in error else "bad_quoting"
            self.fault = FileFault(code, line, f"Line {line} cannot be read: {error}. Check the quotes of this line.")
        elif is_last or sum(map(len, rest)) > RECORD_BYTES_MAX:
            self.fault = FileFault("open_quote", line, f"A quote that opens in line {line} is never closed: close it.")

    def _find_delimiter(self, lines: list[str]) -> str:
        """The one that finds most known columns in the first line that is not blank; "" while there is none."""
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            return ""
        known = self._shape.column_names()

        def known_names(delimiter: str) -> tuple[int, int]:
            names = [name.strip(' "\r\n') for name in first.split(delimiter)]
            return sum(name in known for name in names), len(names)

        return max(_DELIMITERS, key=known_names)

    def _take_header(self, records: list[_Record], *, is_last: bool) -> list[_Record]:
        if records:
            self._names = check_header(self._shape, records[0][1], self._ignored)
        elif self.fault is not None:
            raise HeaderFault(self.fault.code, self.fault.detail)
        elif is_last:
            raise HeaderFault("empty_file", "The file is empty: its first line must name the columns.")
        return records[1:]

    def _make_rows(self, records: list[_Record]) -> list[RawRow]:
        names, width, number = self._names, len(self._names), self._rows
        rows = []
        for line, cells in records:
            number += 1
            if len(cells) == width:
                rows.append(RawRow(number, line, dict(zip(names, cells, strict=True))))
            else:
                detail = f"Line {line} has {len(cells)} fields and the header {width}: check its delimiters and quotes."
                fault = RowFault("", shown(self._delimiter.join(cells)), "wrong_number_of_fields", detail)
                rows.append(RawRow(number, line, {}, fault))
        self._rows = number
        return rows


def _decode_lines(block: bytes) -> tuple[str, str]:
    """The text of the block; or of its lines before one that is no UTF-8, and what is wrong with that one."""
    try:
        return block.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        good = block[: max(block.rfind(b"\n", 0, error.start), block.rfind(b"\r", 0, error.start)) + 1]
        return good.decode("utf-8"), (
            f"Byte 0x{block[error.start]:02x} is not UTF-8 here: save the file as UTF-8 and send it again."
        )


def _record_too_long(line: int) -> FileFault:
    return FileFault(
        "record_too_long", line, f"Line {line} has more than {RECORD_BYTES_MAX:,} bytes: is this the right file?"
    )


def _truncated(line: int) -> FileFault:
    return FileFault("truncated", line, f"The file ends in the middle of line {line}: send it again, whole.")


# --- NDJSON ------------------------------------------------------------------------------------------------------


class _NdjsonReader:
    """Reads one JSON object a line, with the names of the columns as keys; null is not given."""

    def __init__(self, shape: Shape, ignored: Collection[str]) -> None:
        self.fault: FileFault | None = None
        self._shape = shape
        self._ignored = frozenset(ignored)
        self._line = 0
        self._rows = 0

    def read(self, block: bytes, *, is_last: bool) -> list[RawRow]:
        """As _RowReader says."""
        if self._line == 0:
            _refuse_other_encodings(block)
            block = block.removeprefix(codecs.BOM_UTF8)
        lines = block.split(b"\n")
        rest = lines.pop()
        rows = self._make_rows(lines)
        if rest and self.fault is None:
            rows.extend(self._read_last(rest, is_last=is_last))
        return rows

    def _read_last(self, rest: bytes, *, is_last: bool) -> list[RawRow]:
        """The line without an end: the file's last one, cut off or not, or one too long."""
        text = rest.strip()
        if not is_last:
            self.fault = _record_too_long(self._line + 1)
        elif text.startswith(b"{") and not text.endswith(b"}"):
            self.fault = _truncated(self._line + 1)
        return [] if self.fault is not None else self._make_rows([rest])

    def _make_rows(self, lines: list[bytes]) -> list[RawRow]:
        rows = []
        for line in lines:
            self._line += 1
            if not line or line.isspace():
                continue
            try:
                row = self._make_row(parse_json(line), line)
            except JsonFault as error:
                if error.code == "encoding":
                    self._refuse_line(error)
                    break
                column = error.pointer[1:].partition("/")[0]
                row = RawRow(self._rows + 1, self._line, {}, RowFault(column, _shown(line), error.code, error.detail))
            self._rows += 1
            rows.append(row)
        return rows

    def _refuse_line(self, error: JsonFault) -> None:
        if self._rows == 0:
            raise HeaderFault("encoding", f"Line {self._line}: {error.detail}")
        self.fault = FileFault("undecodable", self._line, f"Line {self._line}: {error.detail}")

    def _make_row(self, value: object, line: bytes) -> RawRow:
        number = self._rows + 1
        if not isinstance(value, dict):
            detail = f"Line {self._line} is no JSON object: send one object a line, with the columns as keys."
            return RawRow(number, self._line, {}, RowFault("", _shown(line), "not_an_object", detail))
        fields, faults = text_fields(self._shape, value, self._ignored)
        return RawRow(number, self._line, fields, faults[0] if faults else None)


def _shown(line: bytes) -> str:
    return shown(line[:400].decode("utf-8", "replace"))
