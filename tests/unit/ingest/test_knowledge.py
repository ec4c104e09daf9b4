"""What stands, of facts that supersede and withdraw each other."""

from __future__ import annotations

import pytest

from services.ingest.knowledge import Kept, latest_of_keys
from services.ingest.recall import withdrawn_of
from tests.builders import instant

EARLY, LATE = instant("2026-01-01"), instant("2026-01-02")


def oak(*names: str) -> list[tuple[str, str]]:
    return [("oak", name) for name in names]


@pytest.mark.parametrize(
    ("withdrawals", "withdrawn"),
    [
        ({}, set()),
        ({"x": ["w"]}, {"x"}),
        ({"x": ["w"], "w": ["v"]}, {"w"}),
        ({"x": ["w", "w2"], "w": ["v"]}, {"x", "w"}),
        ({"x": ["w"], "w": ["v"], "v": ["u"]}, {"x", "v"}),
        ({"x": ["w"], "w": ["x"]}, {"x"}),
    ],
)
def test_a_withdrawal_stands_unless_one_that_stands_names_it(
    withdrawals: dict[str, list[str]], withdrawn: set[str]
) -> None:
    named = {("oak", fact): oak(*by) for fact, by in withdrawals.items()}
    found = withdrawn_of(oak("x"), named)
    assert ("x" in withdrawn) == (("oak", "x") in found)
    assert found == set(oak(*withdrawn))


@pytest.mark.parametrize("length", [1, 2, 2999, 3000])
def test_a_long_chain_of_withdrawals_is_followed_to_its_end(length: int) -> None:
    named = {("oak", str(at)): oak(str(at + 1)) for at in range(length)}
    assert (("oak", "0") in withdrawn_of(oak("0"), named)) == (length % 2 == 1)


def test_withdrawals_of_another_school_name_nothing_here() -> None:
    assert withdrawn_of(oak("x"), {("elm", "x"): [("elm", "w")]}) == set()


def test_of_a_key_the_fact_told_last_stands_and_facts_without_key_all_do() -> None:
    kept = [
        Kept("k", LATE, 0, "late"),
        Kept("k", EARLY, 5, "early but arrived after"),
        Kept("", EARLY, 1, "free"),
        Kept("", EARLY, 2, "free too"),
        Kept("j", EARLY, 3, "first"),
        Kept("j", EARLY, 4, "second of one second"),
    ]
    assert [item.said for item in latest_of_keys(kept)] == ["free", "free too", "second of one second", "late"]
