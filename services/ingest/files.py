"""signatures first; filled in within minutes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

import msgspec

from services.ingest.columns import RowFault


class RawRow(msgspec.Struct, frozen=True, gc=False):
    """One row as it stands in the file. `number` counts rows from 1 (the header is none), `line` is where it starts.

    `fault`: the row cannot be read at all (number of fields, not an object, a key twice); `fields` is then empty.
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


async def read_rows(
    chunks: AsyncIterator[bytes], content_type: str, kind: str, ignored: Collection[str] = ()
) -> AsyncIterator[list[RawRow]]:
    """Yields lists of up to about 2,000 rows. Raises HeaderFault before the first row, FileFault after the last good one.

    What `chunks` itself raises (a connection cut off) is raised again after the complete rows that came.
    """
    raise NotImplementedError
    yield []
