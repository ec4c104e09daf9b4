"""Which pupil ids of a school are one pupil, as known when (`contract.md` 2 and 3.2).

Two ids are joined while standing enrolments of both carry the same person, or a merge was told; a split that was told
later undoes that. The joined pupil has the slot first used in the school's log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from services.domain.periods import Periods, changes, holds_at

Pair = tuple[int, int]


class Enrolled(msgspec.Struct, frozen=True, gc=False):
    """An enrolment that says which person the pupil in `slot` is."""

    slot: int
    person: str
    told: tuple[int, int]
    stands: Periods


class Paired(msgspec.Struct, frozen=True, gc=False):
    """A merge (`joins`) or a split of two slots."""

    pair: Pair
    joins: bool
    told: tuple[int, int]
    stands: Periods


def ordered(one: int, other: int) -> Pair:
    """The pair of two slots, lower first."""
    return (one, other) if one < other else (other, one)


class People(msgspec.Struct, frozen=True):
    """Who is whom: from each instant on, the slot that each slot of a group of joined pupils is."""

    instants: tuple[int, ...]
    owners: tuple[Mapping[int, int], ...]

    def owner(self, slot: int, instant: int) -> int:
        """The slot of the pupil that `slot` is, as known at `instant`."""
        found = slot
        for since, owners in zip(self.instants, self.owners, strict=True):
            if since > instant:
                break
            found = owners.get(slot, slot)
        return found


NOBODY_JOINED = People((), ())


def join_people(enrolments: Sequence[Enrolled], pairs: Sequence[Paired]) -> People:
    """Who is whom at every instant, from what was told of some pupils."""
    instants = changes([e.stands for e in enrolments] + [p.stands for p in pairs])
    owners = [_owners_at(instant, enrolments, pairs) for instant in instants]
    return People(tuple(instants), tuple(owners))


def _owners_at(instant: int, enrolments: Sequence[Enrolled], pairs: Sequence[Paired]) -> dict[int, int]:
    said: dict[Pair, tuple[tuple[int, int], bool]] = {}
    first_said: dict[str, dict[int, tuple[int, int]]] = {}
    for enrolled in enrolments:
        if holds_at(enrolled.stands, instant):
            of_person = first_said.setdefault(enrolled.person, {})
            of_person[enrolled.slot] = min(enrolled.told, of_person.get(enrolled.slot, enrolled.told))
    for of_person in first_said.values():
        slots = sorted(of_person)
        for position, one in enumerate(slots):
            for other in slots[position + 1 :]:
                told = max(of_person[one], of_person[other])
                pair = (one, other)
                if pair not in said or told < said[pair][0]:
                    said[pair] = (told, True)
    for paired in pairs:
        if holds_at(paired.stands, instant) and (paired.pair not in said or paired.told > said[paired.pair][0]):
            said[paired.pair] = (paired.told, paired.joins)
    return _components(pair for pair, (_, joins) in said.items() if joins)


def _components(joined: Iterable[Pair]) -> dict[int, int]:
    owner: dict[int, int] = {}

    def root(slot: int) -> int:
        while owner.get(slot, slot) != slot:
            slot = owner[slot]
        return slot

    for one, other in joined:
        low, high = ordered(root(one), root(other))
        owner.setdefault(low, low)
        owner[high] = low
    return {slot: root(slot) for slot in owner}
