"""Schools made by hand for the tests of reports: a few pupils and facts, as a document and real block bytes.

One block serves all months, and a chain is folded by brute force, so that nothing here depends on the projector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import pairwise

import msgspec
import numpy as np

from schemas.blocks import Entries, no_base, pack, reduce_entries, start_day
from schemas.columns import PRESENT, column_stream, pack_value
from schemas.documents import (
    FOREVER,
    Alias,
    Cell,
    Lane,
    Membership,
    Rectangle,
    RosterValue,
    SchoolDetails,
    SchoolDocument,
)
from services.domain.calendar import year_start
from services.query.answers import Provenance
from services.query.questions import Reading
from services.query.vectors import NOW, ROSTER, BlockAt, SchoolIndex, SchoolReading, Stored, score_stream

BLOCK_STARTS = 2024 * 12 + 8
NAMED_STATES = {"N": 0, "W": 5, "A": 10}
NAMED_SCALE, MARKS_SCALE = 10, 1000


def day(text: str) -> date:
    """`2025-11-30`."""
    return date.fromisoformat(text)


def noon(text: str) -> int:
    """Noon of a day, UTC, in seconds since the epoch."""
    return int(datetime.fromisoformat(text + "T12:00:00").replace(tzinfo=UTC).timestamp())


def reading_of(*schools: SchoolReading) -> Reading:
    """What the reader would hand to a report."""
    return Reading(schools, Provenance(date(2025, 1, 1), None, None, False, {"timeline": 1}))


class Assessed(msgspec.Struct, frozen=True):
    """One assessment: its worth as (numerator, covered)."""

    on: date
    recorded_at: int
    withdrawn_at: int
    numerator: int
    covered: int


class Sitting(msgspec.Struct, frozen=True):
    """One sitting or judgement: its packed value."""

    on: date
    recorded_at: int
    withdrawn_at: int
    packed: int


class Subject(msgspec.Struct):
    """A subject with its lane and the cell and weight of each objective."""

    lane: Lane
    objectives: dict[str, tuple[int, int]]
    states: dict[str, int]
    chains: dict[tuple[int, str], list[Assessed]] = {}


class OneBlock(Mapping[BlockAt, Stored]):
    """The same block for every month."""

    def __init__(self, blocks: dict[str, bytes]) -> None:
        self._blocks = blocks

    def __getitem__(self, wanted: BlockAt) -> Stored:
        return Stored(self._blocks[wanted.stream], ())

    def __iter__(self) -> Iterator[BlockAt]:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._blocks)


class HandMadeSchool:
    """A school to be filled; `reading` gives it as known at an instant."""

    def __init__(self, school: str, *, year_starts: int = 9, known_from: int = 0) -> None:
        self.school = school
        self._year_starts = year_starts
        self._known_from = known_from
        self._pupils: list[str] = []
        self._values: list[RosterValue] = [RosterValue("roll")]
        self._roster: list[tuple[int, int, int, int]] = []
        self._subjects: dict[str, Subject] = {}
        self._columns: dict[str, dict[int, list[Sitting]]] = {}
        self._scores: list[str] = []
        self.aliases: list[Alias] = []
        self.memberships: list[Membership] = []

    def enrol(
        self,
        pupil: str,
        year_group: str | None = None,
        *,
        starts: str = "2024-09-01",
        ends: str | None = None,
        recorded: str = "2024-09-01",
        groups: tuple[str, ...] = (),
        **characteristics: str,
    ) -> None:
        """A pupil on roll, with all that is said of the pupil holding for the same days."""
        values = [RosterValue("roll")]
        values += [RosterValue("year-group", year_group)] if year_group else []
        values += [RosterValue("group", name) for name in groups]
        values += [RosterValue("characteristic", name, value) for name, value in characteristics.items()]
        for value in values:
            self.hold(pupil, value, starts=starts, ends=ends, recorded=recorded)

    def hold(
        self, pupil: str, value: RosterValue, *, starts: str, ends: str | None = None, recorded: str = "2024-09-01"
    ) -> None:
        """A roster value that holds from `starts` to `ends`, inclusive."""
        if value not in self._values:
            self._values.append(value)
        key = self._slot(pupil) << 16 | self._values.index(value)
        self._roster.append((noon(recorded), key, day(starts).toordinal(), 1))
        if ends is not None:
            self._roster.append((noon(recorded), key, day(ends).toordinal() + 1, -1))

    def teach(
        self,
        subject: str,
        objectives: dict[str, tuple[str, str, int]],
        *,
        states: dict[str, int] | None = None,
        marks_max: int = 1,
    ) -> None:
        """A subject: objective → (ability, tag, weight). With `marks_max` above 1 a state is a mark."""
        cells = list(dict.fromkeys((ability, tag) for ability, tag, _ in objectives.values()))
        sums = [sum(w for *cell, w in objectives.values() if tuple(cell) == one) for one in cells]
        scale = NAMED_SCALE if marks_max == 1 else MARKS_SCALE
        lane = Lane(
            lane="L1",
            subject=subject,
            framework="F",
            version="1",
            year_starts=self._year_starts,
            cells=tuple(Cell(ability, tag, total) for (ability, tag), total in zip(cells, sums, strict=True)),
            weight_scale=1,
            state_scale=scale,
            marks_max=marks_max,
            bits=(max(sums) * scale * marks_max).bit_length(),
            parts=1,
        )
        placed = {name: (cells.index((ability, tag)), w) for name, (ability, tag, w) in objectives.items()}
        self._subjects[subject] = Subject(lane, placed, states or NAMED_STATES)

    def assess(
        self,
        pupil: str,
        subject: str,
        objective: str,
        state: str | int,
        on: str,
        *,
        recorded: str | None = None,
        withdrawn: str | None = None,
    ) -> None:
        """One assessment, recorded on its day unless told, and perhaps withdrawn later."""
        taught = self._subjects[subject]
        cell, weight = taught.objectives[objective]
        worth = taught.states[state] if isinstance(state, str) else state * MARKS_SCALE
        fact = Assessed(
            day(on), noon(recorded or on), noon(withdrawn) if withdrawn else FOREVER, weight * worth, weight
        )
        key = self._slot(pupil) * len(taught.lane.cells) + cell
        taught.chains.setdefault((key, objective), []).append(fact)

    def mark(self, pupil: str, subject: str, percent: int | None, on: str = "2025-10-01") -> None:
        """A percent in a subject of one objective with marks up to 100; None = nothing assessed."""
        if subject not in self._subjects:
            self.teach(subject, {"o": ("any-ability", "", 1)}, marks_max=100)
        self._slot(pupil)
        if percent is not None:
            self.assess(pupil, subject, "o", percent, on)

    def sit(
        self,
        pupil: str,
        column: str,
        score: str,
        on: str,
        *,
        recorded: str | None = None,
        withdrawn: str | None = None,
    ) -> None:
        """A sitting of a test or a judgement, recorded on its day unless told, and perhaps withdrawn later."""
        if score not in self._scores:
            self._scores.append(score)
        packed = PRESENT + pack_value(day(on).toordinal(), self._scores.index(score))
        sitting = Sitting(day(on), noon(recorded or on), noon(withdrawn) if withdrawn else FOREVER, packed)
        self._columns.setdefault(column, {}).setdefault(self._slot(pupil), []).append(sitting)

    def document(self) -> SchoolDocument:
        """The school document."""
        lanes = tuple(subject.lane for subject in self._subjects.values())
        return SchoolDocument(
            school=self.school,
            pupils=tuple(self._pupils),
            values=tuple(self._values),
            details=(
                SchoolDetails(self._known_from, FOREVER, self.school, "england", self._year_starts, "Europe/London"),
            ),
            memberships=tuple(self.memberships),
            lanes=tuple(msgspec.structs.replace(lane, lane=f"{lane.subject}-1") for lane in lanes),
            rectangles=(Rectangle(0, FOREVER, 0, FOREVER, tuple(f"{lane.subject}-1" for lane in lanes)),),
            aliases=tuple(self.aliases),
            columns=tuple(self._columns),
            scores=tuple(self._scores),
        )

    def blocks(self) -> dict[str, bytes]:
        """The block of each stream."""
        blocks = {ROSTER: _pack([(r, key, d, change, 0) for r, key, d, change in self._roster])}
        for lane in self.document().lanes:
            subject = self._subjects[lane.subject]
            entries = [
                (r, key, d, overall, assessed)
                for (key, _), facts in subject.chains.items()
                for r, d, overall, assessed in _fold(facts, lane)
            ]
            blocks[score_stream(lane)] = _pack(entries)
        for column, chains in self._columns.items():
            changes = [(slot, change) for slot, sittings in chains.items() for change in _fold_sittings(sittings)]
            blocks[column_stream(column)] = _pack([(r, slot, d, change, 0) for slot, (r, d, change) in changes])
        return blocks

    def reading(self, known: str | None = None) -> SchoolReading:
        """The school as known at noon of a day."""
        known_at = NOW if known is None else noon(known)
        return SchoolReading(SchoolIndex(self.document()), known_at, OneBlock(self.blocks()))

    def _slot(self, pupil: str) -> int:
        if pupil not in self._pupils:
            self._pupils.append(pupil)
        return self._pupils.index(pupil)


def _fold(facts: list[Assessed], lane: Lane) -> Iterator[tuple[int, int, int, int]]:
    """The entries (recorded_at, day, overall, assessed) of one pupil and objective."""
    instants = sorted({fact.recorded_at for fact in facts} | {fact.withdrawn_at for fact in facts} - {FOREVER})
    days = sorted({fact.on for fact in facts})
    before = dict.fromkeys(days, (0, 0))
    for instant in instants:
        after = _steps(facts, days, instant, lane)
        for d in days:
            yield instant, d.toordinal(), after[d][0] - before[d][0], after[d][1] - before[d][1]
        before = after


def _steps(facts: list[Assessed], days: list[date], instant: int, lane: Lane) -> dict[date, tuple[int, int]]:
    """By how much either sum changes on each day, as known at an instant."""

    def worth(d: date) -> tuple[int, int]:
        standing = [f for f in facts if f.recorded_at <= instant < f.withdrawn_at and f.on <= d]
        if not standing:
            return 0, 0
        winner = max(standing, key=lambda f: (f.on, f.recorded_at))
        packed = winner.numerator + (winner.covered << lane.bits)
        return packed, packed if winner.on >= year_start(d, lane.year_starts) else 0

    values = {d: worth(d) for d in days}
    steps = {days[0]: values[days[0]]}
    for earlier, later in pairwise(days):
        same_year = year_start(earlier, lane.year_starts) == year_start(later, lane.year_starts)
        carried = values[earlier][1] if same_year else 0
        steps[later] = values[later][0] - values[earlier][0], values[later][1] - carried
    return steps


def _fold_sittings(sittings: list[Sitting]) -> Iterator[tuple[int, int, int]]:
    """The entries (recorded_at, day, change) of one pupil in a column."""
    instants = sorted({one.recorded_at for one in sittings} | {one.withdrawn_at for one in sittings} - {FOREVER})
    days = sorted({one.on for one in sittings})
    before = [0] * len(days)
    for instant in instants:
        standing = [one for one in sittings if one.recorded_at <= instant < one.withdrawn_at]
        worth = [
            max((one for one in standing if one.on <= d), key=lambda one: (one.on, one.recorded_at), default=None)
            for d in days
        ]
        after = [0 if one is None else one.packed for one in worth]
        after = [later - earlier for earlier, later in pairwise([0, *after])]
        for d, old, new in zip(days, before, after, strict=True):
            yield instant, d.toordinal(), new - old
        before = after


def _pack(entries: list[tuple[int, int, int, int, int]]) -> bytes:
    columns = np.array(entries or np.zeros((0, 5)), np.int64).T
    recorded_at, keys, days, overall, assessed = columns
    packed = Entries(recorded_at, keys, days - start_day(BLOCK_STARTS), overall[None, :], assessed[None, :])
    return pack(BLOCK_STARTS, no_base(1), reduce_entries([packed]))
