"""A small projection for tests of the projector: it counts, per pupil and month, the assessments of a school.

It stands in the tables of the real one and makes real blocks, so that everything but the rules is under test. A fact of
a pupil named in `broken` cannot be folded.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from schemas.blocks import Entries, no_base, pack, reduce_entries, start_day, totals_at
from schemas.events import AnyFact, ObjectiveAssessed
from services.projector.projection import BlockKey, Changes, Stored

STREAM = "s:maths:all"
LAST_DAY, LAST_INSTANT = 3_000_000, 2**32 - 2


class CountingState:
    def __init__(self, school: str) -> None:
        self.school = school
        self.seen: set[str] = set()
        self.slots: dict[str, int] = {}

    @property
    def facts(self) -> int:
        return len(self.seen)

    def slot_of(self, pupil: str) -> int:
        return self.slots.setdefault(pupil, len(self.slots))


class CountingFolded(msgspec.Struct):
    needs: tuple[BlockKey, ...]
    entries: dict[BlockKey, Entries]
    detail: bytes


class Document(msgspec.Struct):
    school: str
    facts: int
    pupils: list[str]


class CountingProjection:
    NAME = "timeline"
    VERSION = 1

    def __init__(self, broken: Sequence[str] = ()) -> None:
        self.broken = set(broken)
        self.loads = 0

    def load_school(self, school: str, detail: Sequence[bytes]) -> CountingState:
        self.loads += 1
        state, data, at = CountingState(school), b"".join(detail), 0
        while at < len(data):
            (size,) = struct.unpack_from("<I", data, at)
            event_id, pupil = msgspec.msgpack.decode(data[at + 4 : at + 4 + size], type=tuple[str, str])
            state.seen.add(event_id)
            state.slot_of(pupil)
            at += 4 + size
        return state

    def fold(self, state: CountingState, records: Sequence[tuple[int, AnyFact]]) -> CountingFolded:
        found: dict[BlockKey, list[tuple[int, int, int]]] = {}
        detail = []
        for _, fact in records:
            if not isinstance(fact, ObjectiveAssessed) or fact.event_id in state.seen:
                continue
            state.seen.add(fact.event_id)
            slot = state.slot_of(fact.pupil)
            if fact.pupil in self.broken:
                raise ValueError(f"cannot fold {fact.event_id}")
            key = BlockKey(STREAM, fact.assessed_on.year * 12 + fact.assessed_on.month - 1)
            day = fact.assessed_on.toordinal() - start_day(key.starts)
            found.setdefault(key, []).append((int(fact.recorded_at.timestamp()), slot, day))
            packed = msgspec.msgpack.encode((fact.event_id, fact.pupil))
            detail.append(struct.pack("<I", len(packed)) + packed)
        entries = {key: _entries(rows) for key, rows in found.items()}
        return CountingFolded(tuple(entries), entries, b"".join(detail))

    def place(self, state: CountingState, folded: CountingFolded, found: Mapping[BlockKey, Stored]) -> Changes:
        packed = {key: pack(key.starts, no_base(1), entries) for key, entries in folded.entries.items()}
        document = Document(state.school, len(state.seen), list(state.slots))
        return Changes(
            dropped_streams=(),
            blocks=tuple((key, data) for key, data in packed.items() if key not in found),
            tails=tuple((key, data) for key, data in packed.items() if key in found),
            detail=folded.detail,
            document=msgspec.json.encode(document) if folded.detail else None,
            trusts=(),
        )

    def next_starts(self, state: CountingState, key: BlockKey) -> int | None:
        return None


def counts(document: bytes, blocks: Sequence[Stored]) -> dict[str, int]:
    """How many facts of each pupil are in the views."""
    pupils = msgspec.json.decode(document, type=Document).pupils
    total = np.zeros(len(pupils), np.int64)
    for stored in blocks:
        total += totals_at(
            stored.block,
            stored.tails,
            keys=len(pupils),
            parts=1,
            day=LAST_DAY,
            known_at=LAST_INSTANT,
            year_start=0,
            assessed=False,
        )[0]
    return dict(zip(pupils, total.tolist(), strict=True))


def _entries(rows: Sequence[tuple[int, int, int]]) -> Entries:
    recorded_at, slots, days = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    ones = np.ones((1, len(rows)), np.int64)
    return reduce_entries([Entries(recorded_at, slots, days, ones, ones)])
