"""Facts found by sixteen bytes: also those whose bytes only hash alike, and those that came several times."""

from __future__ import annotations

import random

import pytest

from services.projector.projections.timeline import references as module
from services.projector.projections.timeline.references import References

RNG = random.Random(5)
A, B = bytes(range(8)), bytes(range(8, 16))


@pytest.mark.parametrize("recent_max", [0, 4, 10_000])
def test_what_was_added_is_found_and_nothing_else(recent_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT_MAX", recent_max)
    told: list[bytes] = []
    references = References(told.__getitem__)
    while len(told) < 300:
        new = [RNG.choice([RNG.randbytes(16), A + B, B + A, *told[-3:]]) for _ in range(RNG.randint(1, 40))]
        first = len(told)
        told += new
        if len(new) == 1:
            references.add(new[0], first)
        else:
            references.add_all(b"".join(new), first)
    places = {value: [place for place, each in enumerate(told) if each == value] for value in told}
    assert {value: sorted(references.find(value)) for value in places} == places
    assert references.find(B + B) == ()
    several = [refs for refs in places.values() if len(refs) > 1]
    assert sorted(sorted(refs) for refs in references.shared()) == sorted(several)
    assert references.are_new([B + B, A + A[:4] + B[:4]])
    assert not references.are_new([told[17]])
    assert not references.are_new([B + B, B + B])
