"""What is known of a school itself: its details and its trusts, in both clocks (`contract.md` 3.1, schools)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from schemas.documents import FOREVER, Membership, SchoolDetails
from schemas.events import ALWAYS, Fact, SchoolJoinedTrust, SchoolLeftTrust, SchoolRegistered
from services.domain.periods import Periods, changes, holds_at
from services.domain.timeline import AFTER_EVERY_DAY, NOTHING, Dated, latest

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
    for known_from, known_to in pairwise([*instants, FOREVER]):
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
    for known_from, known_to in pairwise([*instants, FOREVER]):
        dated = _dated([f for f in facts if holds_at(f.stands, known_from)], trusts)
        for (starts, trust), (next_starts, _) in pairwise([*latest(dated), (AFTER_EVERY_DAY, NOTHING)]):
            if trust != NOTHING:
                found.append(Membership(known_from, known_to, trusts[trust], starts, next_starts - 1))
    return tuple(found)


def _dated(standing: Sequence[SchoolFact], trusts: list[str]) -> list[Dated]:
    placed: list[Dated] = []
    for known in standing:
        trust = getattr(known.fact, "trust", None)
        if trust is not None and trust not in trusts:
            trusts.append(trust)
        value = NOTHING if trust is None else trusts.index(trust)
        match known.fact:
            case (SchoolRegistered() | SchoolJoinedTrust()) as fact if trust is not None:
                placed.append(_place(known, value, (fact.joined_on or ALWAYS).toordinal(), False))
            case SchoolLeftTrust() as fact:
                placed.append(_place(known, value, fact.left_on.toordinal(), True))
    return placed


def _place(known: SchoolFact, value: int, day: int, closes: bool) -> Dated:
    left_on = getattr(known.fact, "left_on", None)
    ends = left_on.toordinal() if left_on is not None and not closes else None
    return Dated(value, day, known.fact.sequence, *known.told, 0, known.stands, ends, closes)
