"""Chains of assessments: found again whether they came one by one, many at a time, or were sorted in since."""

from __future__ import annotations

import numpy as np
import pytest

from services.projector.projections.timeline import chains as module
from services.projector.projections.timeline.chains import ABSENT, Chains, by_chain

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("recent_max", [0, 3, 10_000])
def test_rows_of_a_chain_in_the_order_they_came(recent_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT_MAX", recent_max)
    chains, expected, row = Chains(), {}, 0
    for _ in range(40):
        told = RNG.integers(0, 30, RNG.integers(1, 20)) << 32 | RNG.integers(0, 3)
        if RNG.random() < 0.4:
            chains.add(int(told[0]), row, straight=True)
            told = told[:1]
        else:
            order = by_chain(told >> 32, told & 0xFFFFFFFF)
            chains.add_all(told[order], row + order, np.ones(told.size, bool))
        for chain in told.tolist():
            expected.setdefault(chain, []).append(row)
            row += 1
    assert {chain: list(chains.of(chain)) for chain in expected} == expected
    every = np.array(sorted(expected))
    assert chains.find(every).tolist() == [expected[chain][-1] for chain in sorted(expected)]
    assert chains.find(np.array([1 << 40])).tolist() == [ABSENT]
    assert chains.objectives_of({3}) == {chain & 0xFFFFFFFF for chain in expected if chain >> 32 == 3}


def test_a_chain_that_was_bent_stays_so() -> None:
    chains = Chains()
    chains.add_all(np.array([5, 5, 9]), np.array([0, 1, 2]), np.array([True, False, True]))
    assert (chains.last(5), chains.last(9)) == (~1, 2)
    chains.add_all(np.array([5, 9]), np.array([3, 4]), np.ones(2, bool))
    assert (chains.last(5), chains.last(9)) == (~3, 4)
    chains.bend(9)
    chains.add(9, 5, straight=False)
    assert (chains.last(9), chains.of(9)) == (~5, (2, 4, 5))
