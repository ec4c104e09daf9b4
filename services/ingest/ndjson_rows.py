"""NDJSON, block by block: one object a line; a line that is none is a wrong row, and never more than that."""

from __future__ import annotations

import codecs
from collections.abc import Collection

from services.ingest.columns import HeaderFault, RowFault, text_fields
from services.ingest.fields import shown
from services.ingest.kinds import Shape
from services.ingest.raw_rows import FileFault, RawRow, record_too_long, refuse_other_encodings, truncated
from services.ingest.strict_json import JsonFault, parse_json


class NdjsonReader:
    """Reads one JSON object a line, with the names of the columns as keys; null is not given."""

    def __init__(self, shape: Shape, ignored: Collection[str]) -> None:
        self.fault: FileFault | None = None
        self._shape = shape
        self._ignored = frozenset(ignored)
        self._line = 0
        self._rows = 0

    def read(self, block: bytes, *, is_last: bool) -> list[RawRow]:
        """As RowReader says."""
        if self._line == 0:
            refuse_other_encodings(block)
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
            self.fault = record_too_long(self._line + 1)
        elif text.startswith(b"{") and not text.endswith(b"}"):
            self.fault = truncated(self._line + 1)
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
