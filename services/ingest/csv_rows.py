"""CSV, block by block: delimiter, header, quotes that are meant strictly, records that span lines and blocks."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection

from services.ingest.columns import HeaderFault, RowFault, check_header
from services.ingest.fields import shown
from services.ingest.kinds import Shape
from services.ingest.raw_rows import (
    RECORD_BYTES_MAX,
    FileFault,
    RawRow,
    record_too_long,
    refuse_other_encodings,
    truncated,
)

_DELIMITERS = ",;\t"
_TOO_LONG = "field limit"  # what the csv module says of a field longer than its limit, 128 KiB
_Record = tuple[int, list[str]]
"""The line on which a record starts, and its fields."""


class CsvReader:
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
        """As RowReader says."""
        if self._line == 1 and not self._open_record:
            refuse_other_encodings(block)
            block = block.removeprefix(codecs.BOM_UTF8)
        is_too_long = len(block) > RECORD_BYTES_MAX and b"\n" not in block
        text, undecodable = ("", "") if is_too_long else _decode_lines(block)
        lines = [*self._open_record, *io.StringIO(text, newline=None)]
        end_line = self._line + len(lines)
        records = self._read_records(lines, is_last=is_last and not undecodable)
        if is_too_long:
            self.fault = record_too_long(end_line)
        elif undecodable and self.fault is None:
            self.fault = FileFault("undecodable", end_line, undecodable)
        if not self._names:
            records = self._take_header(records, is_last=is_last)
        is_cut = is_last and self.fault is None and bool(records) and lines[-1][-1] != "\n"
        if is_cut and len(records[-1][1]) < len(self._names):
            self.fault = truncated(records.pop()[0])
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
        goes_on = error == "unexpected end of data"
        if goes_on and not is_last and sum(map(len, rest)) <= RECORD_BYTES_MAX:
            return
        if goes_on or (_TOO_LONG in error and len(rest[0]) < csv.field_size_limit()):
            self.fault = FileFault("open_quote", line, f"A quote that opens in line {line} is never closed: close it.")
        elif _TOO_LONG in error:
            self.fault = FileFault(
                "field_too_long", line, f"Line {line} has a field that is too long: check its quotes."
            )
        else:
            self.fault = FileFault("bad_quoting", line, f"The quotes of line {line} are wrong: {error}.")

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
