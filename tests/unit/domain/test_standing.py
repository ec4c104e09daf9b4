"""When a fact stands: known, not withdrawn, the last told of its key; and who is whom."""

from __future__ import annotations

from schemas.documents import FOREVER
from services.domain.people import Enrolled, Paired, join_people
from services.domain.periods import changes, since, union, without
from services.domain.standing import Told, alive, standing

FACT = Told(b"fact", 10, 1)


def test_periods_are_cut_and_joined() -> None:
    assert without(((0, 10), (20, 30)), ((5, 22),)) == ((0, 5), (22, 30))
    assert without(since(3), since(3)) == ()
    assert union([((0, 5),), ((5, 7),), ((9, 10),)]) == ((0, 7), (9, 10))
    assert changes([((1, 4),), since(4)]) == [1, 4]


def test_a_withdrawn_fact_is_gone_from_the_moment_the_withdrawal_is_known() -> None:
    assert alive(FACT, {b"fact": [Told(b"w", 20, 2)]}) == ((10, 20),)


def test_a_withdrawn_withdrawal_gives_the_fact_back() -> None:
    assert alive(FACT, {b"fact": [Told(b"w", 20, 2)], b"w": [Told(b"v", 30, 3)]}) == ((10, 20), (30, FOREVER))


def test_a_withdrawal_that_was_told_first_waits_for_its_fact() -> None:
    assert alive(FACT, {b"fact": [Told(b"w", 5, 0)]}) == ()


def test_a_circle_of_withdrawals_ends() -> None:
    assert alive(FACT, {b"fact": [Told(b"fact", 20, 2)]}) == since(10)
    alive(Told(b"w", 20, 2), {b"w": [Told(b"v", 30, 3)], b"v": [Told(b"w", 20, 2)]})


def test_a_long_chain_of_withdrawals_is_followed() -> None:
    names = [f"w{number}".encode() for number in range(1_500)]
    withdrawals = {b"fact": [Told(names[0], 100, 2)]}
    withdrawals |= {name: [Told(names[at + 1], 101 + at, 3 + at)] for at, name in enumerate(names[:-1])}
    assert alive(FACT, withdrawals)[0] == (10, 100)


def test_the_last_told_of_a_key_stands_and_its_withdrawal_reveals_the_one_before() -> None:
    correction = Told(b"correction", 20, 2)
    assert standing(FACT, [correction], {}) == ((10, 20),)
    assert standing(FACT, [correction], {b"correction": [Told(b"w", 30, 3)]}) == ((10, 20), (30, FOREVER))


def test_knowledge_times_out_of_order_decide_by_when_it_was_known_not_by_arrival() -> None:
    migrated = Told(b"migrated", 5, 2)
    assert standing(FACT, [migrated], {}) == since(10)
    assert standing(migrated, [FACT], {}) == ((5, 10),)


def test_equal_persons_are_one_pupil_while_both_rows_stand() -> None:
    people = join_people([Enrolled(0, "prs", (10, 1), since(10)), Enrolled(1, "prs", (20, 2), ((20, 30),))], [])
    assert [people.owner(1, instant) for instant in (19, 20, 29, 30)] == [1, 0, 0, 1]


def test_a_split_undoes_what_was_told_before_it_and_a_later_merge_joins_again() -> None:
    people = join_people(
        [Enrolled(0, "prs", (10, 1), since(10)), Enrolled(1, "prs", (10, 2), since(10))],
        [Paired((0, 1), False, (20, 3), since(20)), Paired((0, 1), True, (30, 4), since(30))],
    )
    assert [people.owner(1, instant) for instant in (10, 20, 30)] == [0, 1, 0]


def test_three_joined_in_a_row_are_the_first_of_them() -> None:
    people = join_people([], [Paired((1, 2), True, (10, 1), since(10)), Paired((0, 2), True, (20, 2), since(20))])
    assert [people.owner(2, instant) for instant in (9, 10, 20)] == [2, 1, 0]
    assert people.owner(1, 20) == 0
