"""What is known of a school itself: its details and its trusts, in both clocks (`contract.md` 3.1, schools)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.documents import FOREVER, Membership, SchoolDetails
from schemas.events import ALWAYS, Fact, SchoolJoinedTrust, SchoolLeftTrust, SchoolRegistered
from services.domain.periods import Periods, changes, holds_at
from services.domain.timeline import NOTHING, Dated, latest

LAST_DAY = 2**31
YEAR_STARTS = {"scotland": 8}
DEFAULT_NATION, DEFAULT_YEAR_STARTS, DEFAULT_TIME_ZONE = "england", 9, "Europe/London"


class SchoolFact(msgspec.Struct, frozen=True):
    """A fact about the school itself, when it was told (recorded_at, offset), and when it stands."""

    fact: Fact
    told: tuple[int, int]
    stands: Periods


def details(facts: Sequence[SchoolFact]) -> tuple[SchoolDetails, ...]:
    """The details as known in each period: each field from the standing row told last that gives it."""
    registered = [f for f in facts if isinstance(f.fact, SchoolRegistered)]
    found: list[SchoolDetails] = []
    instants = changes([f.stands for f in registered])
    for known_from, known_to in zip(instants, [*instants[1:], FOREVER], strict=True):
        standing = sorted((f for f in registered if holds_at(f.stands, known_from)), key=lambda f: f.told)
        if not standing:
            continue
        said: dict[str, object] = {}
        for known in standing:
            for field in ("name", "nation", "year_starts", "time_zone"):
                value = getattr(known.fact, field)
                if value:
                    said[field] = value
        nation = str(said.get("nation", DEFAULT_NATION))
        year_starts = said.get("year_starts", YEAR_STARTS.get(nation, DEFAULT_YEAR_STARTS))
        assert isinstance(year_starts, int)
        found.append(
            SchoolDetails(
                known_from,
                known_to,
                str(said.get("name", "")),
                nation,
                year_starts,
                str(said.get("time_zone", DEFAULT_TIME_ZONE)),
            )
        )
    return tuple(found)


def memberships(facts: Sequence[SchoolFact]) -> tuple[Membership, ...]:
    """The trusts on each day, as known in each period: the latest start governs until the next, or its end."""
    trusts: list[str] = []
    found: list[Membership] = []
    instants = changes([f.stands for f in facts])
    for known_from, known_to in zip(instants, [*instants[1:], FOREVER], strict=True):
        dated = _dated([f for f in facts if holds_at(f.stands, known_from)], trusts)
        steps = latest(dated)
        for (starts, trust), next_step in zip(steps, [*steps[1:], (LAST_DAY, NOTHING)], strict=True):
            if trust != NOTHING:
                found.append(Membership(known_from, known_to, trusts[trust], starts, next_step[0] - 1))
    return tuple(found)


def _dated(standing: Sequence[SchoolFact], trusts: list[str]) -> list[Dated]:
    joined: list[Dated] = []
    for known in standing:
        fact = known.fact
        if isinstance(fact, SchoolRegistered | SchoolJoinedTrust) and fact.trust is not None:
            if fact.trust not in trusts:
                trusts.append(fact.trust)
            joined.append(_place(known, trusts.index(fact.trust), (fact.joined_on or ALWAYS).toordinal(), False))
    for known in standing:
        fact = known.fact
        if isinstance(fact, SchoolLeftTrust):
            before = [j for j in joined if j.day <= fact.left_on.toordinal() and not j.closes]
            latest_start = max((j.order for j in before), default=None)
            governed = next((j for j in before if j.order == latest_start), None)
            if governed is not None and fact.trust in (None, trusts[governed.value]):
                joined.append(_place(known, NOTHING, fact.left_on.toordinal(), True))
    return joined


def _place(known: SchoolFact, value: int, day: int, closes: bool) -> Dated:
    left_on = getattr(known.fact, "left_on", None)
    ends = left_on.toordinal() if left_on is not None and not closes else None
    return Dated(value, day, known.fact.sequence, *known.told, 0, known.stands, ends, closes)
