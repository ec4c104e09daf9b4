"""Which curriculum a subject has at a school, for any day and as known at any instant (`views.md` 2).

A lane is one content of a subject (objectives, tags, weights, states) under one first month of the academic year. The
grid says which lanes are in force where; scores are kept for each lane as if it had always been known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from math import lcm

import msgspec

from schemas.documents import FOREVER, Cell, Lane, Rectangle
from schemas.events import ALWAYS, CurriculumPublished, Subject
from services.domain.periods import Periods, changes, holds_at
from services.domain.schools import DEFAULT_YEAR_STARTS

LAST_DAY = date.max.toordinal()


class Version(msgspec.Struct, frozen=True):
    """A framework version as a school was told it: the fact, when it was told, and when it stands."""

    fact: CurriculumPublished
    told: tuple[int, int]
    stands: Periods

    @property
    def starts(self) -> int:
        """The ordinal of the first day on which it is in force."""
        return (self.fact.effective_on or ALWAYS).toordinal()


class LaneContent(msgspec.Struct, frozen=True):
    """A lane and what its facts are worth: for each objective (cell index, scaled weight), for each state its weight.

    `states`: scaled weight of each named state that counts; None = the states are marks 0..marks_max.
    """

    lane: Lane
    objectives: Mapping[str, tuple[int, int]]
    states: Mapping[str, int] | None

    def state_worth(self, state: str) -> int:
        """The scaled weight of a state, or -1 if this lane lacks it or it counts as not assessed."""
        if self.states is not None:
            return self.states.get(state, -1)
        mark = _mark(state)
        return int(mark * 1000) if mark is not None and mark <= self.lane.marks_max else -1


def grid(
    versions: Sequence[Version], year_starts: Sequence[tuple[int, int]]
) -> tuple[tuple[Rectangle, ...], dict[str, LaneContent]]:
    """The rectangles of days × instants with the lanes in force there, and those lanes by id.

    `year_starts`: (instant from which it is known, first month of the academic year), rising.
    """
    instants = sorted({*changes([v.stands for v in versions]), *(known for known, _ in year_starts)})
    days = sorted({v.starts for v in versions})
    contents: dict[str, LaneContent] = {}
    cache: dict[tuple[int, str, int], str] = {}
    rectangles: list[Rectangle] = []
    for known_from, known_to in pairwise([*instants, FOREVER]):
        month = _month_at(year_starts, known_from)
        known = [v for v in versions if holds_at(v.stands, known_from)]
        row: list[Rectangle] = []
        for starts, ends in pairwise([*days, LAST_DAY]):
            lanes = tuple(
                sorted(
                    _lane_id(version, subject, month, cache, contents) for version, subject in in_force(known, starts)
                )
            )
            if row and row[-1].lanes == lanes:
                row[-1] = msgspec.structs.replace(row[-1], ends=ends)
            else:
                row.append(Rectangle(known_from, known_to, starts, ends, lanes))
        rectangles += row
    return _joined(rectangles), contents


def _month_at(year_starts: Sequence[tuple[int, int]], instant: int) -> int:
    month = DEFAULT_YEAR_STARTS
    for known, value in year_starts:
        if known <= instant:
            month = value
    return month


def in_force(known: Iterable[Version], day: int) -> Iterable[tuple[Version, Subject]]:
    """The subjects on a day: each framework's latest version, and of two frameworks with one subject the later."""
    current: dict[str, Version] = {}
    for version in known:
        if version.starts <= day:
            before = current.get(version.fact.framework)
            if before is None or (version.starts, version.told) > (before.starts, before.told):
                current[version.fact.framework] = version
    subjects: dict[str, tuple[Version, Subject]] = {}
    for version in sorted(current.values(), key=lambda v: (v.starts, v.told)):
        for subject in version.fact.subjects:
            subjects[subject.subject] = (version, subject)
    return subjects.values()


def _lane_id(
    version: Version,
    subject: Subject,
    year_starts: int,
    cache: dict[tuple[int, str, int], str],
    contents: dict[str, LaneContent],
) -> str:
    key = (id(version), subject.subject, year_starts)
    if key not in cache:
        content = lane_content(version.fact, subject, year_starts)
        cache[key] = content.lane.lane
        contents.setdefault(content.lane.lane, content)
    return cache[key]


def lane_content(fact: CurriculumPublished, subject: Subject, year_starts: int) -> LaneContent:
    """The lane of a subject of a framework version: integers for weights, and how wide the sums get."""
    weights = {o.objective: Fraction(o.weight) for o in subject.objectives}
    scope = sorted((o for o in subject.objectives if weights[o.objective] > 0), key=lambda o: o.objective)
    weight_scale = lcm(1, *(weights[o.objective].denominator for o in scope))
    cells = sorted({(o.ability, o.year_group) for o in scope})
    position = {cell: index for index, cell in enumerate(cells)}
    objectives = {
        o.objective: (position[o.ability, o.year_group], int(weights[o.objective] * weight_scale)) for o in scope
    }
    sums = [0] * len(cells)
    for cell, weight in objectives.values():
        sums[cell] += weight
    states: dict[str, int] | None = None
    if fact.marks_max is None:
        counted = {s.state: Fraction(s.weight) for s in fact.states if s.weight is not None}
        state_scale = lcm(1, *(weight.denominator for weight in counted.values()))
        states = {state: int(weight * state_scale) for state, weight in counted.items()}
    else:
        state_scale = 1000
    marks_max = fact.marks_max or 1
    top = max(sums, default=0)
    bits = (top * state_scale * marks_max).bit_length()
    lane = Lane(
        lane=_digest(subject, objectives, cells, states, marks_max, weight_scale, state_scale, year_starts),
        subject=subject.subject,
        framework=fact.framework,
        version=fact.framework_version,
        year_starts=year_starts,
        cells=tuple(Cell(ability, tag, sums[index]) for index, (ability, tag) in enumerate(cells)),
        weight_scale=weight_scale,
        state_scale=state_scale,
        marks_max=marks_max,
        bits=bits,
        parts=1 if bits + top.bit_length() <= 48 else 2,
    )
    return LaneContent(lane, objectives, states)


def _digest(subject: Subject, *content: object) -> str:
    encoded = msgspec.json.encode([subject.subject, *content], order="sorted")
    return hashlib.blake2b(encoded, digest_size=8).hexdigest()


def _mark(state: str) -> Fraction | None:
    """The mark that a state is, or None: digits, and up to three decimals."""
    whole, point, decimals = state.partition(".")
    digits = whole + decimals
    if not (digits.isascii() and digits.isdigit() and whole and len(decimals) <= 3 and bool(point) == bool(decimals)):
        return None
    return Fraction(int(digits), 10 ** len(decimals)) if len(whole) <= 9 else None


def _joined(rectangles: Sequence[Rectangle]) -> tuple[Rectangle, ...]:
    """Rows of rectangles that are alike in consecutive periods of knowledge, as one row."""
    rows: dict[int, list[Rectangle]] = {}
    for rectangle in rectangles:
        rows.setdefault(rectangle.known_from, []).append(rectangle)
    joined: list[list[Rectangle]] = []
    for row in rows.values():
        alike = joined and [(r.starts, r.ends, r.lanes) for r in joined[-1]] == [
            (r.starts, r.ends, r.lanes) for r in row
        ]
        if alike:
            joined[-1] = [msgspec.structs.replace(r, known_to=row[0].known_to) for r in joined[-1]]
        else:
            joined.append(list(row))
    return tuple(rectangle for row in joined for rectangle in row)


def lane_months(rectangles: Iterable[Rectangle]) -> dict[str, tuple[int, int | None]]:
    """For each lane the first and the last month (None = no last) in which a question can need it (`views.md` 2)."""
    spans: dict[str, tuple[int, int | None]] = {}
    for r in rectangles:
        first = min(_month_of_day(r.starts), _month_of_instant(r.known_from))
        last = min(
            (
                _month_of_day(r.ends - 1) if r.ends != LAST_DAY else None,
                _month_of_instant(r.known_to - 1) if r.known_to != FOREVER else None,
            ),
            key=lambda month: (month is None, month),
        )
        for lane in r.lanes:
            if lane in spans:
                old_first, old_last = spans[lane]
                spans[lane] = (min(first, old_first), None if last is None or old_last is None else max(last, old_last))
            else:
                spans[lane] = (first, last)
    return spans


def _month_of_day(day: int) -> int:
    found = date.fromordinal(day)
    return found.year * 12 + found.month - 1


def _month_of_instant(instant: int) -> int:
    return _month_of_day(date(1970, 1, 1).toordinal() + instant // 86_400)
