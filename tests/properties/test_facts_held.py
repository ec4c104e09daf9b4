"""Facts as packed, read for single values: what each pupil has, against the oracle, with both clocks."""

from __future__ import annotations

import random
from datetime import date
from fractions import Fraction

import pytest

from services.domain.measures import Measure
from services.query.answers import Value as Shown
from services.query.facts_held import HeldFacts
from services.query.facts_known import KnownFacts
from services.query.reports.explain import Asking, Explained, explain_value
from tests.properties import oracle
from tests.properties.answers import OracleAnswer, Value
from tests.properties.histories import generate_history, generate_questions
from tests.properties.memory_views import MemoryViews
from tests.properties.test_sittings import as_sitting, by_brute_force
from tests.properties.test_timeline import ROUNDS, SEED, History, fold_in_batches

ROUNDS_HERE = min(ROUNDS, 6)


def measure_of(subject: str, ability: str, percent: str) -> Measure:
    text = f"markbook:{subject}:{ability}:{percent}"
    return Measure(kind="markbook", text=text, subject=subject, ability=ability, percent=percent)  # type: ignore[arg-type]


def value_of(explained: Explained) -> Value:
    """What the lines add up to, as the oracle says it."""
    if explained.status != "value":
        return Value(explained.status)
    assert explained.sum.numerator is not None and explained.sum.denominator is not None
    numerator, denominator = Fraction(explained.sum.numerator), Fraction(explained.sum.denominator)
    return Value("value", numerator, denominator, int(100 * numerator / denominator + Fraction(1, 2)))


def check(known: KnownFacts, said: OracleAnswer, day: date) -> int:
    slots, compared = known.held.slot_of, 0
    for (pupil, subject, ability, percent), value in said.values.items():
        year_group = said.pupils[pupil].year_group
        asking = Asking(
            slots[pupil],
            measure_of(subject, ability, percent),
            day,
            year_group,
            said.year_starts,
        )
        explained = explain_value(known, asking, None, {})
        assert value_of(explained) == value, (pupil, subject, ability, percent)
        version = said.lanes.get(subject)
        assert (explained.framework, explained.version) == (version or (None, None))
        for line in explained.lines:
            named = [line.fact, *(before.fact for before in line.before)]
            assert all(fact is None or fact.recorded_at.timestamp() <= known.known_at for fact in named)
        compared += value.status == "value"
    return compared


def facts_before(history: History, views: MemoryViews, offset: int) -> tuple[HeldFacts, History]:
    return HeldFacts(views.detail, offset), [row for row in history if row[0] < offset]


@pytest.mark.parametrize("number", range(ROUNDS_HERE))
def test_what_a_value_is_made_of_adds_up_to_what_the_oracle_says(number: int) -> None:
    print(f"MARKLEDGER_SEED={SEED + number} MARKLEDGER_PROPERTY_ROUNDS=1")
    rng = random.Random(SEED + number)
    history = generate_history(rng, 120)
    views = fold_in_batches(history, rng, disturb=False)
    held, told = facts_before(history, views, rng.choice((history[-1][0] + 1, history[len(history) * 2 // 3][0])))
    if not told:
        return
    for as_at, known_at in generate_questions(rng, told, 12):
        check(KnownFacts(held, known_at), oracle.answer(told, as_at, known_at), as_at)


@pytest.mark.parametrize("number", range(ROUNDS_HERE))
def test_winners_are_the_latest_standing_assessments(number: int) -> None:
    print(f"MARKLEDGER_SEED={SEED + number} MARKLEDGER_PROPERTY_ROUNDS=1")
    rng = random.Random(SEED + number)
    history = generate_history(rng, 120)
    held = HeldFacts(fold_in_batches(history, rng, disturb=False).detail, history[-1][0] + 1)
    rows = oracle.first_of_each_id(history)
    for as_at, known_at in generate_questions(rng, history, 12):
        known = KnownFacts(held, known_at)
        stand = oracle.standing(rows, known_at)
        owner = {member: ids[0] for ids in oracle.who_is_who(rows, stand) for member in ids}
        expected: dict[tuple[str, str, str], str] = {}
        work = [row for row in stand if hasattr(row[1], "assessed_on") and row[1].assessed_on <= as_at]
        for _, fact in sorted(work, key=lambda row: oracle.order_of_truth(row[1].assessed_on, row)):
            expected[owner[fact.pupil], fact.subject, fact.objective] = fact.state
        found = {
            (held.pupils[slot], *held.objectives[objective]): held.state_name(row)
            for subject in {subject for subject, _ in held.objectives}
            for slot, objective, row in zip(*map(list, known.winners(subject, as_at)), strict=True)
        }
        assert found == expected


@pytest.mark.parametrize("number", range(ROUNDS_HERE))
def test_the_sitting_that_counts_is_the_latest_that_stands(number: int) -> None:
    print(f"MARKLEDGER_SEED={SEED + number} MARKLEDGER_PROPERTY_ROUNDS=1")
    rng = random.Random(SEED + number)
    history = [(offset, as_sitting(fact)) for offset, fact in generate_history(rng, 60)]
    views = fold_in_batches(history, rng, disturb=False)
    held = HeldFacts(views.detail, history[-1][0] + 1)
    for as_at, known_at in generate_questions(rng, history, 12):
        known = KnownFacts(held, known_at)
        for (pupil, column), (day, score) in by_brute_force(history, as_at, known_at).items():
            kind = column.partition(":")[0]
            shown = Shown("value", score=score, on=day) if kind == "test" else Shown("value", value=score, on=day)
            measure = _column_measure(column)
            asking = Asking(held.slot_of[pupil], measure, as_at, None, 9)
            lines = explain_value(known, asking, shown, {}).lines
            assert [(line.state, line.why) for line in lines if line.counted] == [(score, "counted")]
            assert next(line for line in lines if line.why != "replaced").counted


def _column_measure(column: str) -> Measure:
    kind, *parts = column.split(":")
    if kind == "test":
        test, subject, component, score_type = parts
        component = "" if component == "-" else component
        return Measure(kind="test", text=column, test=test, subject=subject, component=component, score_type=score_type)
    return Measure(kind="judgement", text=column, subject=parts[0], scale=parts[1])
