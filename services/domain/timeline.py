"""The additive changes that the facts of one chain cause: what a view block sums (`views.md` 1).

A chain is pupil × objective, pupil × group and so on. At an instant K it is a step function over days; the changes of a
chain are the second difference of that function, in days and in instants. Whatever order the facts came in, the sum of
the changes with day ≤ D and recorded_at ≤ K is the chain's value at (D, K).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import msgspec

from services.domain.periods import Periods, changes, holds_at

NOTHING = -1
"""The value of a chain before its first day, and after an end."""

AFTER_EVERY_DAY = 2**31

Step = tuple[int, int]
"""From this day (ordinal) on, the chain has this value (an index, or NOTHING)."""

Change = tuple[int, int, int, int, int]
"""(recorded_at, day, slot, value, flags): the value counts once more, or once less, for that pupil from there on."""

Changes = Counter[Change]

OVERALL = 1
"""The flag of the overall sum; 2 << i flags the assessed sum under the i-th first month of the academic year."""

Owner = Callable[[int, int], int]
"""(slot, instant) -> the slot of the pupil that this one is, as known then (`services.domain.people`)."""


class Dated(msgspec.Struct, frozen=True, gc=False):
    """A fact of a chain: what it says (an index), its place in the order of truth, whose it is, and when it stands.

    `ends`: the last day that it says, or None. With `closes` it is no value but an end: `day` is the last day of what
    started latest before it, with that `value` if it is not NOTHING.
    """

    value: int
    day: int
    sequence: int
    recorded_at: int
    offset: int
    slot: int
    stands: Periods
    ends: int | None = None
    closes: bool = False

    @property
    def order(self) -> tuple[int, int, int, int]:
        """The order of truth: of two facts that stand, the higher counts (`domain.md` 4.1)."""
        return (self.day, self.sequence, self.recorded_at, self.offset)

    @property
    def told(self) -> tuple[int, int]:
        """When it was told."""
        return (self.recorded_at, self.offset)


def latest(facts: Sequence[Dated]) -> list[Step]:
    """The latest value governs, until the next starts or it ends (assessments, year groups, characteristics)."""
    winners: dict[int, Dated] = {}
    for fact in facts:
        if not fact.closes and (fact.day not in winners or fact.order >= winners[fact.day].order):
            winners[fact.day] = fact
    days = sorted(winners)
    steps: list[Step] = []
    for day, next_day in pairwise([*days, AFTER_EVERY_DAY]):
        end = end_of(winners[day], facts)
        if end is not None and end < day:
            steps.append((day, NOTHING))
            continue
        steps.append((day, winners[day].value))
        if end is not None and end + 1 < next_day:
            steps.append((end + 1, NOTHING))
    return steps


def covering(facts: Sequence[Dated]) -> list[Step]:
    """The value holds on every day that some fact covers (roll, groups)."""
    spans = sorted(((f.day, end_of(f, facts), f.value) for f in facts if not f.closes), key=lambda span: span[0])
    steps: list[Step] = []
    covered_to: int | None = -1
    for start, end, value in spans:
        if end is not None and end < start:
            continue
        if covered_to is None:
            break
        if not steps or start > covered_to + 1:
            if steps:
                steps.append((covered_to + 1, NOTHING))
            steps.append((start, value))
            covered_to = end
        else:
            covered_to = None if end is None else max(covered_to, end)
    if steps and covered_to is not None:
        steps.append((covered_to + 1, NOTHING))
    return steps


def end_of(fact: Dated, facts: Sequence[Dated]) -> int | None:
    """The last day of what `fact` started, as the last told of its own end and of the ends that close it says it.

    An end closes the latest start not after its day (`design.md` 5).
    """
    end, told = fact.ends, fact.told if fact.ends is not None else (-1, -1)
    for closing in facts:
        if (
            closing.closes
            and closing.day >= fact.day
            and closing.told > told
            and closing.value in (NOTHING, fact.value)
        ):
            alike = [f.day for f in facts if not f.closes and closing.value in (NOTHING, f.value)]
            if max(day for day in alike if day <= closing.day) == fact.day:
                end, told = closing.day, closing.told
    return end


def chain_changes(
    facts: Sequence[Dated],
    steps: Callable[[Sequence[Dated]], list[Step]],
    *,
    owner: Owner,
    owner_instants: Iterable[int] = (),
    year_starts: Sequence[Callable[[int], int]] = (),
) -> Changes:
    """The changes of one chain of one pupil, or of several who are one pupil at some instant.

    `owner`, `owner_instants`: who is whom when, and the instants at which that changes. `year_starts`: for each first
    month of the academic year that matters, the first day of the year that holds a day; they give the assessed sums.
    """
    found: Changes = Counter()
    before: Changes = Counter()
    for instant in sorted({*changes([fact.stands for fact in facts]), *owner_instants}):
        standing: dict[int, list[Dated]] = {}
        for fact in facts:
            if holds_at(fact.stands, instant):
                standing.setdefault(owner(fact.slot, instant), []).append(fact)
        now: Changes = Counter()
        for slot, of_pupil in standing.items():
            _add_differences(now, instant, slot, steps(of_pupil), year_starts)
        for (_, day, slot, value, flags), count in now.items():
            found[instant, day, slot, value, flags] += count
        for (_, day, slot, value, flags), count in before.items():
            found[instant, day, slot, value, flags] -= count
        before = now
    return Counter({change: count for change, count in found.items() if count})


def _add_differences(
    into: Changes, instant: int, slot: int, steps: list[Step], year_starts: Sequence[Callable[[int], int]]
) -> None:
    before_day, before = 0, NOTHING
    for day, value in steps:
        if value != NOTHING:
            into[instant, day, slot, value, OVERALL] += 1
        if before != NOTHING:
            into[instant, day, slot, before, OVERALL] -= 1
        for index, year_start in enumerate(year_starts):
            into[instant, day, slot, value, 2 << index] += 1
            if before != NOTHING and before_day >= year_start(day):
                into[instant, day, slot, before, 2 << index] -= 1
        before_day, before = day, value
