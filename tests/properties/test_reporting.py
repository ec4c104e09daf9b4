"""The reporting rows against the brute-force oracle, as known now, and the same rows whatever the batches."""

from __future__ import annotations

import os
import random
from datetime import date

import pytest

from schemas.documents import FOREVER
from schemas.events import AnyFact, JudgementRecorded, ObjectiveAssessed, ResultRecorded
from tests.properties.answers import OracleAnswer
from tests.properties.histories import SCHOOL, generate_history, generate_questions
from tests.properties.memory_reporting import MemoryReporting
from tests.properties.oracle import answer, first_of_each_id, standing

ROUNDS = int(os.environ.get("MARKLEDGER_PROPERTY_ROUNDS", "12"))
SEED = int(os.environ.get("MARKLEDGER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
NOW = FOREVER - 1
History = list[tuple[int, AnyFact]]


@pytest.fixture(params=range(ROUNDS))
def rng(request: pytest.FixtureRequest) -> random.Random:
    seed = SEED + request.param
    print(f"MARKLEDGER_SEED={seed} MARKLEDGER_PROPERTY_ROUNDS=1")
    return random.Random(seed)


def fold_in_batches(history: History, rng: random.Random) -> MemoryReporting:
    """Fold a history in random batches, with restarts in between."""
    rows = MemoryReporting(SCHOOL)
    at = 0
    while at < len(history):
        size = rng.choice((1, 1, 2, 5, 20, 200))
        rows.fold(history[at : at + size])
        at += size
        if rng.random() < 0.2:
            rows.restart()
    return rows


def check(rows: MemoryReporting, said: OracleAnswer, as_at: date) -> None:
    """Every value and every place of every pupil is the oracle's."""
    day = as_at.toordinal()
    owners = {pupil: owner for owner, told in said.pupils.items() for pupil in told.members if pupil != owner}
    assert rows.joined == owners
    for pupil, told in said.pupils.items():
        held = rows.held(pupil, day)
        assert any(stay.kind == "enrolment" for stay in held) == told.on_roll
        assert [s.name for s in held if s.kind == "year-group"] == ([told.year_group] if told.year_group else [])
        assert {stay.name for stay in held if stay.kind == "group"} == told.groups
        assert {s.name: s.value for s in held if s.kind == "characteristic"} == dict(told.characteristics)
    for (pupil, subject, ability, percent), value in said.values.items():
        found = rows.value(pupil, subject, ability, percent, day)
        assert found == value, (pupil, subject, ability, percent, as_at)
    if rows.school is not None and rows.school.is_known:
        school = rows.school
        assert (school.name, school.nation, school.time_zone, school.year_starts) == (
            said.name,
            said.nation,
            said.time_zone,
            said.year_starts,
        )
        assert next((name for name, starts, ends in school.trusts if starts <= day <= ends), None) == said.trust


def test_rows_equal_the_oracle_on_any_day(rng: random.Random) -> None:
    history = generate_history(rng, rng.choice((60, 120)))
    rows = fold_in_batches(history, rng)
    days = {as_at for as_at, _ in generate_questions(rng, history, 12)}
    for as_at in sorted(days):
        check(rows, answer(history, as_at, NOW), as_at)
    kinds = (ObjectiveAssessed, ResultRecorded, JudgementRecorded)
    stand = [(offset, fact) for offset, fact in standing(first_of_each_id(history), NOW) if isinstance(fact, kinds)]
    assert {(n, row.event_id) for n, row in rows.facts.items() if row.stands} == {(n, f.event_id) for n, f in stand}


def test_rows_are_the_same_whatever_the_batches_and_restarts(rng: random.Random) -> None:
    history = generate_history(rng, 80)
    whole = MemoryReporting(SCHOOL)
    whole.fold(history)
    assert fold_in_batches(history, rng).everything() == whole.everything()
