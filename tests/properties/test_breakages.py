"""The property tests can fail: each rule of the views, broken on purpose, is found out within a few histories."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas import blocks
from services.domain import standing as standing_rules
from services.domain import timeline as timeline_rules
from services.domain.periods import since
from services.projector.projections import timeline
from services.projector.projections.timeline import folding, placement, reach, runs, school, stays
from services.projector.projections.timeline.folding import SchoolFold
from services.projector.projections.timeline.lanes import LaneWorth
from tests.properties.histories import SCHOOL, generate_history, generate_questions
from tests.properties.memory_views import MemoryViews
from tests.properties.oracle import answer
from tests.properties.test_timeline import check

Breakage = Callable[[pytest.MonkeyPatch], None]
HISTORIES = 60


def without_base_patches(patch: pytest.MonkeyPatch) -> None:
    right = placement.tail_of

    def wrong(starts: int, next_starts: int | None, dealt: Any, year_month: int | None) -> bytes | None:
        taken = dealt.later >= starts
        kept = placement.Dealt(blocks.select(dealt.entries, taken), dealt.earlier[taken], dealt.later[taken])
        return right(starts, next_starts, kept, year_month)

    patch.setattr(timeline, "tail_of", wrong)


def without_carries(patch: pytest.MonkeyPatch) -> None:
    right = placement.tail_of

    def wrong(starts: int, next_starts: int | None, dealt: Any, year_month: int | None) -> bytes | None:
        taken = (dealt.later < starts) | (dealt.earlier >= starts)
        kept = placement.Dealt(blocks.select(dealt.entries, taken), dealt.earlier[taken], dealt.later[taken])
        return right(starts, next_starts, kept, year_month)

    patch.setattr(timeline, "tail_of", wrong)


def without_the_year_reset_when_read(patch: pytest.MonkeyPatch) -> None:
    right = blocks.totals_at

    def wrong(*args: Any, **named: Any) -> Any:
        return right(*args, **{**named, "year_start": 1})

    patch.setattr(blocks, "totals_at", wrong)


def without_the_year_reset_of_the_next_block(patch: pytest.MonkeyPatch) -> None:
    right = placement.next_block
    patch.setattr(timeline, "next_block", lambda stored, tails, starts, year_month: right(stored, tails, starts, None))


def assessed_as_overall(patch: pytest.MonkeyPatch) -> None:
    right = LaneWorth.entries

    def wrong(self: LaneWorth, emitted: Any, year_index: int) -> Any:
        entries = right(self, emitted, year_index)
        return msgspec.structs.replace(entries, assessed=entries.overall)

    patch.setattr(LaneWorth, "entries", wrong)


def without_the_order_of_a_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(school, "standing", lambda told, family, withdrawals: standing_rules.alive(told, withdrawals))


def withdrawn_withdrawals_count(patch: pytest.MonkeyPatch) -> None:
    def wrong(told: Any, withdrawals: Any) -> Any:
        dead = [since(w.recorded_at) for w in withdrawals.get(told.identity, ())]
        return standing_rules.without(since(told.recorded_at), standing_rules.union(dead))

    patch.setattr(standing_rules, "alive", wrong)


def without_the_sequence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timeline_rules.Dated, "order", property(lambda self: (self.day, 0, self.recorded_at, self.offset)))


def known_before_rather_than_by(patch: pytest.MonkeyPatch) -> None:
    right = blocks.totals_at

    def wrong(*args: Any, **named: Any) -> Any:
        return right(*args, **{**named, "known_at": named["known_at"] - 1})

    patch.setattr(blocks, "totals_at", wrong)


def the_last_told_counts_on_the_short_cut(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SchoolFold, "_comes_last", lambda *_: True)


def the_last_told_counts_in_a_run(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(folding, "RUN_MIN", 1)
    patch.setattr(runs, "_comes_last", lambda columns, before: before.there | True)


def a_key_told_twice_in_a_run_counts_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(folding, "RUN_MIN", 1)
    patch.setattr(runs, "key_of", lambda key: runs.NO_KEY)


def a_run_goes_on_across_whatever_comes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(folding, "RUN_MIN", 1)
    patch.setattr(reach, "ends_run", lambda *_: False)


def without_the_year_reset_in_a_run(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(folding, "RUN_MIN", 1)
    patch.setattr(runs, "_year_starts", lambda days, month: days * 0)


def every_stay_is_the_first_of_its_chain(patch: pytest.MonkeyPatch) -> None:
    def wrong(state: Any, slot: int, recorded_at: int, said: Any) -> Any:
        found = [stays.first_changes(each) for each in said]
        return None if None in found else [change for changes in found for change in changes or ()]

    patch.setattr(folding, "short_changes", wrong)


BREAKAGES: tuple[Breakage, ...] = (
    without_base_patches,
    without_carries,
    without_the_year_reset_when_read,
    without_the_year_reset_of_the_next_block,
    assessed_as_overall,
    without_the_order_of_a_key,
    withdrawn_withdrawals_count,
    without_the_sequence,
    known_before_rather_than_by,
    the_last_told_counts_on_the_short_cut,
    the_last_told_counts_in_a_run,
    a_key_told_twice_in_a_run_counts_twice,
    a_run_goes_on_across_whatever_comes,
    without_the_year_reset_in_a_run,
    every_stay_is_the_first_of_its_chain,
)


def found_out(seed: int) -> bool:
    rng = random.Random(seed)
    history = generate_history(rng, 60)
    views = MemoryViews(SCHOOL)
    at = 0
    while at < len(history):
        size = rng.choice((1, 5, 20))
        views.fold(history[at : at + size])
        at += size
    try:
        for as_at, known_at in generate_questions(rng, history, 15):
            check(views, answer(history, as_at, known_at), as_at, known_at)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_a_broken_rule_is_found_out(breakage: Breakage, monkeypatch: pytest.MonkeyPatch) -> None:
    breakage(monkeypatch)
    assert any(found_out(seed) for seed in range(HISTORIES))


def test_nothing_broken_is_not_found_out() -> None:
    assert not any(found_out(seed) for seed in range(10))
