"""What the roster facts say: which chains a fact belongs to, and its place in each (`views.md` 1 and 4).

Chains of a pupil: the roll, the year group, one for each group and one for each characteristic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from schemas.documents import RosterValue
from schemas.events import (
    CharacteristicEnded,
    CharacteristicSet,
    Fact,
    GroupJoined,
    GroupLeft,
    PupilEnrolled,
    PupilLeft,
    YearGroupSet,
)
from services.domain.periods import Periods
from services.domain.timeline import Dated, Step, covering, latest

Chain = tuple[str, str]
"""(kind, name): ("roll", ""), ("year-group", ""), ("group", name) or ("characteristic", name)."""

ROLL: Chain = ("roll", "")
YEAR_GROUP: Chain = ("year-group", "")
SEX = "sex"

Said = tuple[Chain, RosterValue | None, int, int | None]
"""(chain, value or None for an end, first day or day of the end, last day or None)."""


def steps_of(chain: Chain) -> Callable[[Sequence[Dated]], list[Step]]:
    """How the facts of a chain become its value on each day."""
    return covering if chain[0] in ("roll", "group") else latest


def said_by(fact: Fact) -> list[Said]:
    """All that a roster fact says, chain by chain; empty for any other fact."""
    match fact:
        case PupilEnrolled():
            said: list[Said] = [(ROLL, RosterValue("roll"), fact.enrolled_on.toordinal(), _day(fact.left_on))]
            said += [
                (YEAR_GROUP, RosterValue("year-group", entry.year_group), entry.starts_on.toordinal(), None)
                for entry in fact.year_groups
            ]
            if fact.sex:
                value = RosterValue("characteristic", SEX, fact.sex)
                said.append((("characteristic", SEX), value, fact.enrolled_on.toordinal(), None))
            return said
        case PupilLeft():
            return [(ROLL, None, fact.left_on.toordinal(), None)]
        case YearGroupSet():
            return [(YEAR_GROUP, RosterValue("year-group", fact.year_group), fact.starts_on.toordinal(), None)]
        case GroupJoined():
            value = RosterValue("group", fact.group)
            return [(("group", fact.group), value, fact.joined_on.toordinal(), _day(fact.left_on))]
        case GroupLeft():
            return [(("group", fact.group), None, fact.left_on.toordinal(), None)]
        case CharacteristicSet():
            value = RosterValue("characteristic", fact.name, fact.value)
            return [(("characteristic", fact.name), value, fact.starts_on.toordinal(), _day(fact.ends_on))]
        case CharacteristicEnded():
            return [(("characteristic", fact.name), None, fact.ends_on.toordinal(), None)]
    return []


def dated(
    fact: Fact,
    chain: Chain,
    *,
    value_index: Callable[[RosterValue], int],
    told: tuple[int, int],
    slot: int,
    stands: Periods,
) -> list[Dated]:
    """The fact's places in one of its chains; `told`: (recorded_at, offset)."""
    return [
        Dated(
            value=-1 if value is None else value_index(value),
            day=day,
            sequence=fact.sequence,
            recorded_at=told[0],
            offset=told[1],
            slot=slot,
            stands=stands,
            ends=ends,
            closes=value is None,
        )
        for of_chain, value, day, ends in said_by(fact)
        if of_chain == chain
    ]


def _day(day: date | None) -> int | None:
    return day.toordinal() if day is not None else None
