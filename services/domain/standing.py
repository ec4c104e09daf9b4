"""When a fact stands: known, not withdrawn, and the last told of its key (`domain.md` 5, `views.md` 1).

Nothing here knows what a fact says; a fact is an id, the instant and the offset at which it was told, and its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from services.domain.periods import Periods, since, union, without


class Told(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a fact was told: its identity, instant (seconds) and offset in the log."""

    identity: bytes
    recorded_at: int
    offset: int


Withdrawals = Mapping[bytes, Sequence[Told]]
"""The withdrawals that name an identity; a withdrawal is a fact, and may be withdrawn itself."""


def alive(told: Told, withdrawals: Withdrawals) -> Periods:
    """When the fact is known and no standing withdrawal names it.

    A withdrawal that is reached again through itself counts for nothing, so a circle of ids ends.
    """
    if told.identity not in withdrawals:
        return since(told.recorded_at)
    chain, seen = [told], {told.identity}
    for fact in chain:  # grows while it is walked: each withdrawal names one fact, so this is a tree
        for withdrawal in withdrawals.get(fact.identity, ()):
            if withdrawal.identity not in seen:
                seen.add(withdrawal.identity)
                chain.append(withdrawal)
    found: dict[bytes, Periods] = {}
    for fact in reversed(chain):
        dead = union(found.get(w.identity, ()) for w in withdrawals.get(fact.identity, ()))
        found[fact.identity] = without(since(fact.recorded_at), dead)
    return found[told.identity]


def standing(told: Told, family: Iterable[Told], withdrawals: Withdrawals) -> Periods:
    """When the fact stands: alive, and no other fact of its key (`family`) that was told later is alive."""
    periods = alive(told, withdrawals)
    later = [
        alive(other, withdrawals)
        for other in family
        if (other.recorded_at, other.offset) > (told.recorded_at, told.offset)
    ]
    return without(periods, union(later)) if later else periods
