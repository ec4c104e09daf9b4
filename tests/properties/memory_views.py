"""The timeline views in memory: rows as the store would keep them, and the plainest possible reading of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import numpy as np

from schemas import blocks
from schemas.documents import Lane, RosterValue, SchoolDocument, decode_document
from schemas.events import AnyFact
from services.domain import calendar
from services.projector.projections import timeline
from services.projector.projections.timeline import BlockKey, Stored
from tests.properties.answers import Value


class MemoryViews:
    """One school's rows; `fold` takes a batch as the projector's loop does."""

    def __init__(self, school: str) -> None:
        self.school = school
        self.state = timeline.load_school(school, [])
        self.blocks: dict[BlockKey, bytes] = {}
        self.tails: dict[BlockKey, list[bytes]] = {}
        self.detail: list[bytes] = []
        self.document = SchoolDocument(school)
        self.document_bytes = b""

    def fold(self, records: Sequence[tuple[int, AnyFact]]) -> None:
        folded = timeline.fold(self.state, records)
        found = {key: Stored(self.blocks[key], tuple(self.tails.get(key, ()))) for key in folded.needs}
        changes = timeline.place(self.state, folded, found)
        for key in [key for key in self.blocks if key.stream in changes.dropped_streams]:
            del self.blocks[key]
            self.tails.pop(key, None)
        for key, data in changes.blocks:
            self.blocks[key] = data
            self.tails.pop(key, None)
        for key, data in changes.tails:
            assert key in self.blocks, key
            self.tails.setdefault(key, []).append(data)
        self.detail.append(changes.detail)
        if changes.document is not None:
            self.document_bytes = changes.document
            self.document = decode_document(changes.document)

    def restart(self) -> None:
        """Throw the state away and load it from what is stored."""
        self.state = timeline.load_school(self.school, [b"".join(self.detail)])

    def compact(self, keys: Sequence[BlockKey]) -> None:
        for key in keys:
            following = timeline.next_starts(self.state, key)
            self.blocks[key] = blocks.compact(self.blocks[key], self.tails.pop(key, []), following)

    def compact_some(self, rng: random.Random) -> None:
        self.compact([key for key in self.blocks if rng.random() < 0.3])

    def canonical(self) -> dict[BlockKey, bytes]:
        self.compact(list(self.blocks))
        return dict(self.blocks)

    # --- reading ---

    def stored(self, stream: str, as_at: date, known_at: int) -> tuple[bytes | None, list[bytes]]:
        month = min(calendar.month_number(as_at), int(blocks.months_of_instants(np.array([known_at]))[0]))
        starts = [key.starts for key in self.blocks if key.stream == stream and key.starts <= month]
        if not starts:
            return None, []
        key = BlockKey(stream, max(starts))
        return self.blocks[key], self.tails.get(key, [])

    def roster(self, as_at: date, known_at: int) -> dict[int, list[RosterValue]]:
        """Slot → what holds for the pupil."""
        block, tails = self.stored("r", as_at, known_at)
        present = blocks.present_at(block, tails, day=as_at.toordinal(), known_at=known_at)
        found: dict[int, list[RosterValue]] = {}
        for key in present.tolist():
            found.setdefault(key >> 16, []).append(self.document.values[key & 0xFFFF])
        matrix = blocks.matrix_at(
            block,
            tails,
            values=len(self.document.values),
            slots=len(self.document.pupils),
            day=as_at.toordinal(),
            known_at=known_at,
        )
        assert {(slot << 16) | value for value, slot in zip(*np.nonzero(matrix), strict=True)} == set(present.tolist())
        return found

    def lane(self, subject: str, as_at: date, known_at: int) -> Lane | None:
        day = as_at.toordinal()
        in_force = {
            lane
            for r in self.document.rectangles
            if r.known_from <= known_at < r.known_to and r.starts <= day < r.ends
            for lane in r.lanes
        }
        return next((lane for lane in self.document.lanes if lane.lane in in_force and lane.subject == subject), None)

    def value(self, slot: int, lane: Lane | None, ability: str, percent: str, at: tuple[date, int], tag: str) -> Value:
        """A pupil's value; `tag`: the pupil's year group, for own-year."""
        if lane is None:
            return Value("not_applicable")
        as_at, known_at = at
        block, tails = self.stored(timeline.lane_stream(lane.subject, lane.lane), as_at, known_at)
        totals = blocks.totals_at(
            block,
            tails,
            keys=len(self.document.pupils) * len(lane.cells),
            parts=lane.parts,
            day=as_at.toordinal(),
            known_at=known_at,
            year_start=calendar.year_start(as_at, lane.year_starts).toordinal(),
            assessed=percent == "assessed",
        )
        numerators, covered = blocks.split_totals(totals, lane.bits)
        cells = [
            index
            for index, cell in enumerate(lane.cells)
            if ability == "any"
            or (cell.year_group == tag and tag if ability == "own-year" else cell.ability == ability)
        ]
        at_slot = [slot * len(lane.cells) + cell for cell in cells]
        weight = sum(lane.cells[cell].weight_sum for cell in cells)
        if weight == 0:
            return Value("not_applicable")
        numerator, cover = int(numerators[at_slot].sum()), int(covered[at_slot].sum())
        assert 0 <= cover <= weight and 0 <= numerator <= cover * lane.state_scale * lane.marks_max
        if cover == 0:
            return Value("no_data")
        den = weight if percent == "overall" else cover
        unit = lane.state_scale * lane.marks_max
        return Value(
            "value",
            Fraction(numerator, lane.weight_scale * lane.state_scale),
            Fraction(den * lane.marks_max, lane.weight_scale),
            (200 * numerator + den * unit) // (2 * den * unit),
        )


def trust_of(document: SchoolDocument, as_at: date, known_at: int) -> str | None:
    return next(
        (
            m.trust
            for m in document.memberships
            if m.known_from <= known_at < m.known_to and m.starts <= as_at.toordinal() <= m.ends
        ),
        None,
    )
