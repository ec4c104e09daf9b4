"""The additive changes of a chain, in small: order of truth, ends, and the assessed sum of each academic year."""

from __future__ import annotations

from datetime import date

from services.domain.periods import Periods, since
from services.domain.timeline import NOTHING, Changes, Dated, chain_changes, covering, latest


def dated(
    value: int,
    day: int,
    told: int = 1,
    *,
    sequence: int = 0,
    ends: int | None = None,
    closes: bool = False,
    stands: Periods | None = None,
) -> Dated:
    return Dated(value, day, sequence, told, told, 0, stands if stands is not None else since(told), ends, closes)


def value_at(found: Changes, day: int, known_at: int, flags: int = 1) -> dict[int, int]:
    total: dict[int, int] = {}
    for (recorded_at, from_day, _, value, flag), count in found.items():
        if flag == flags and from_day <= day and recorded_at <= known_at:
            total[value] = total.get(value, 0) + count
    return {value: count for value, count in total.items() if count}


def test_the_latest_day_governs_and_a_tie_goes_to_sequence_then_telling() -> None:
    assert latest([dated(1, 10), dated(2, 5)]) == [(5, 2), (10, 1)]
    assert latest([dated(1, 10, 5, sequence=1), dated(2, 10, 9)]) == [(10, 1)]
    assert latest([dated(1, 10, 5), dated(2, 10, 9)]) == [(10, 2)]


def test_after_its_end_there_is_nothing_even_if_an_earlier_value_had_no_end() -> None:
    assert latest([dated(1, 5), dated(2, 10, ends=12)]) == [(5, 1), (10, 2), (13, NOTHING)]


def test_spans_that_overlap_cover_once() -> None:
    assert covering([dated(7, 1, ends=5), dated(7, 4, ends=9), dated(7, 20)]) == [(1, 7), (10, NOTHING), (20, 7)]


def test_an_end_closes_the_latest_start_not_after_it_and_the_last_told_end_counts() -> None:
    assert covering([dated(7, 1, ends=30), dated(NOTHING, 9, told=5, closes=True)]) == [(1, 7), (10, NOTHING)]
    assert covering([dated(7, 1, told=9, ends=30), dated(NOTHING, 9, told=5, closes=True)]) == [(1, 7), (31, NOTHING)]
    assert covering([dated(7, 1), dated(7, 20), dated(NOTHING, 9, told=5, closes=True)])[:2] == [(1, 7), (10, NOTHING)]


def test_a_late_fact_changes_the_days_it_governs_and_no_other() -> None:
    found = chain_changes([dated(1, 10, 1), dated(2, 30, 1), dated(3, 20, 5)], latest, owner=lambda slot, _: slot)
    assert [value_at(found, day, 4) for day in (10, 20, 30)] == [{1: 1}, {1: 1}, {2: 1}]
    assert [value_at(found, day, 5) for day in (10, 20, 30)] == [{1: 1}, {3: 1}, {2: 1}]


def test_the_assessed_sum_begins_anew_each_academic_year() -> None:
    june, october = date(2025, 6, 1).toordinal(), date(2025, 10, 1).toordinal()
    september = date(2025, 9, 1).toordinal()
    found = chain_changes(
        [dated(1, june), dated(2, october)],
        latest,
        owner=lambda slot, _: slot,
        year_starts=[lambda day: september if day >= september else september - 365],
    )
    assert value_at(found, october, 9) == {2: 1}
    assert {day: count for (_, day, _, value, flags), count in found.items() if flags == 2 and value == 1} == {june: 1}


def test_a_pupil_who_is_another_from_some_instant_hands_its_values_over() -> None:
    found = chain_changes(
        [dated(1, 10, 1)], latest, owner=lambda slot, instant: 9 if instant >= 50 else slot, owner_instants=[50]
    )
    assert found == {(1, 10, 0, 1, 1): 1, (50, 10, 0, 1, 1): -1, (50, 10, 9, 1, 1): 1}
