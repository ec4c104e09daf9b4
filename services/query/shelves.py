"""What the query process keeps of schools between reports: documents and decoded blocks, each good for one position.

A shelf holds what was read of a school in a snapshot at one position of its partition; a report whose snapshot is at
another position finds it empty. So what is found is never older or newer than what the report would have read, and no
answer is kept. Whether a caller may see a school is asked of PostgreSQL every time, before anything is taken from here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from prometheus_client import Counter, Gauge

from services.query.school_index import BlockAt, SchoolIndex
from services.query.stored import NOTHING, Stored

BYTES_MAX = 384 * 1024 * 1024
_SHELF_BYTES = 20_000

KEPT_BYTES = Gauge("markledger_query_kept_bytes", "Decoded blocks and documents kept between reports. Unit: bytes.")
BLOCKS = Counter("markledger_query_blocks", "Blocks that reports needed, by where they came from.", ["origin"])
_KEPT, _READ = BLOCKS.labels("kept"), BLOCKS.labels("read")


class Standpoint(NamedTuple):
    """A state of the views of one partition: nothing of its schools changes without its offset."""

    version: int
    log_id: str
    partition: int
    next_offset: int


class Shelf:
    """What is kept of a school. `blocks` are those of `standpoint`."""

    def __init__(self, index: SchoolIndex, revision: int) -> None:
        self.index = index
        self.revision = revision
        self.standpoint: Standpoint | None = None
        self.blocks: dict[BlockAt, Stored] = {}
        self.by_start: dict[tuple[str, int], Stored] = {}
        self.size = _SHELF_BYTES

    def move_to(self, standpoint: Standpoint) -> None:
        """What was kept of another state of the views goes."""
        if standpoint != self.standpoint:
            self.standpoint = standpoint
            self.blocks, self.by_start = {}, {}
            self.size = _SHELF_BYTES


class Shelves:
    """The shelves of all schools, at most `bytes_max` in all; those that were not asked for longest go first."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._shelves: OrderedDict[tuple[int, str], Shelf] = OrderedDict()

    def shelf(self, version: int, school: str) -> Shelf | None:
        """The shelf of a school."""
        return self._shelves.get((version, school))

    def put(self, version: int, school: str, index: SchoolIndex, revision: int) -> Shelf:
        """A new document of a school; blocks that were read beside the old one do not outlast it."""
        old = self._shelves.pop((version, school), None)
        self._add(-old.size if old is not None else 0)
        shelf = self._shelves[version, school] = Shelf(index, revision)
        self._add(shelf.size)
        return shelf

    def take(
        self, version: int, school: str, standpoint: Standpoint | None, wanted: Iterable[BlockAt]
    ) -> tuple[dict[BlockAt, Stored], list[BlockAt]]:
        """The blocks that are kept of this very state, and those that have to be read."""
        key = (version, school)
        shelf = self._shelves.get(key)
        if shelf is not None:
            self._shelves.move_to_end(key)
        if shelf is None or standpoint is None or shelf.standpoint != standpoint:
            return {}, list(wanted)
        kept: dict[BlockAt, Stored] = {}
        missing = []
        for block in wanted:
            stored = shelf.blocks.get(block)
            if stored is None:
                missing.append(block)
            else:
                kept[block] = stored
        _KEPT.inc(len(kept))
        return kept, missing

    def keep(
        self,
        version: int,
        school: str,
        standpoint: Standpoint | None,
        wanted: Iterable[BlockAt],
        read: Mapping[BlockAt, tuple[int, Stored]],
    ) -> dict[BlockAt, Stored]:
        """Put away what was read of a state; the blocks. A block that serves several months is kept once.

        `read`: with the month in which the block starts; what is wanted and was not found has no block.
        """
        shelf = self._shelves.get((version, school))
        found = {block: read[block][1] if block in read else NOTHING for block in wanted}
        _READ.inc(len(found))
        if shelf is None or standpoint is None:
            return found
        before = shelf.size
        shelf.move_to(standpoint)
        for block in found:
            if block in read:
                starts, stored = read[block]
                kept = shelf.by_start.setdefault((block.stream, starts), stored)
                if kept is stored:
                    shelf.size += stored.size
                found[block] = kept
            shelf.blocks[block] = found[block]
        self._add(shelf.size - before)
        self._shrink()
        return found

    def _add(self, size: int) -> None:
        self._bytes += size
        KEPT_BYTES.set(self._bytes)

    def _shrink(self) -> None:
        while self._bytes > self._bytes_max and self._shelves:
            _, shelf = self._shelves.popitem(last=False)
            self._add(-shelf.size)
