"""The projection against the brute-force oracle, and the laws of the fold (`views.md` 7, `style.md` 3.4)."""

from __future__ import annotations

import os
import random
from datetime import date

import pytest

from schemas.documents import decode_document
from schemas.events import AnyFact
from services.projector.projections.timeline import folding
from tests.properties.answers import OracleAnswer
from tests.properties.histories import SCHOOL, generate_history, generate_questions
from tests.properties.memory_views import MemoryViews, trust_of
from tests.properties.oracle import answer

ROUNDS = int(os.environ.get("MARKLEDGER_PROPERTY_ROUNDS", "12"))
SEED = int(os.environ.get("MARKLEDGER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
History = list[tuple[int, AnyFact]]


AT_ONCE, ONE_BY_ONE = 1, 10**9
"""How many assessments must follow each other to be folded at once."""


@pytest.fixture(params=range(ROUNDS))
def rng(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> random.Random:
    seed = SEED + request.param
    print(f"MARKLEDGER_SEED={seed} MARKLEDGER_PROPERTY_ROUNDS=1")
    rng = random.Random(seed)
    monkeypatch.setattr(folding, "RUN_MIN", rng.choice((AT_ONCE, AT_ONCE, folding.RUN_MIN, ONE_BY_ONE)))
    return rng


def fold_in_batches(history: History, rng: random.Random, *, disturb: bool) -> MemoryViews:
    """Fold a history in random batches; with `disturb`, compact and restart in between."""
    views = MemoryViews(SCHOOL)
    at = 0
    while at < len(history):
        size = rng.choice((1, 1, 2, 5, 20, 200))
        views.fold(history[at : at + size])
        at += size
        if disturb and rng.random() < 0.3:
            views.compact_some(rng)
        if disturb and rng.random() < 0.2:
            views.restart()
    return views


def check(views: MemoryViews, said: OracleAnswer, as_at: date, known_at: int) -> None:
    """Every cell of the views equals the oracle's answer."""
    document = views.document
    details = next((d for d in document.details if d.known_from <= known_at < d.known_to), None)
    if details is not None:
        assert (details.name, details.nation, details.year_starts, details.time_zone) == (
            said.name,
            said.nation,
            said.year_starts,
            said.time_zone,
        )
    assert trust_of(document, as_at, known_at) == said.trust
    roster = views.roster(as_at, known_at)
    slots = {pupil: slot for slot, pupil in enumerate(document.pupils)}
    subjects = {subject for _, subject, _, _ in said.values}
    lanes = {subject: views.lane(subject, as_at, known_at) for subject in subjects}
    owners = {slots[pupil] for pupil in said.pupils if pupil in slots}
    assert {slot for slot, held in roster.items() if any(v.kind == "roll" for v in held)} == {
        slots[pupil] for pupil, told in said.pupils.items() if told.on_roll
    }
    tags: dict[str, str] = {}
    for pupil, told in said.pupils.items():
        held = roster.get(slots[pupil], [])
        years = [v.name for v in held if v.kind == "year-group"]
        assert years == ([told.year_group] if told.year_group is not None else [])
        tags[pupil] = told.year_group or ""
        assert {v.name for v in held if v.kind == "group"} == told.groups
        assert {v.name: v.value for v in held if v.kind == "characteristic"} == dict(told.characteristics)
        shown = [
            a.shown_slot for a in document.aliases if a.slot == slots[pupil] and a.known_from <= known_at < a.known_to
        ]
        assert document.pupils[shown[0] if shown else slots[pupil]] == told.shown
    assert set(roster) <= owners
    for (pupil, subject, ability, percent), value in said.values.items():
        found = views.value(slots[pupil], lanes[subject], ability, percent, (as_at, known_at), tags[pupil])
        assert found == value, (pupil, subject, ability, percent)


def test_any_day_as_known_at_any_instant_equals_the_brute_force_fold(rng: random.Random) -> None:
    history = generate_history(rng, rng.choice((5, 20, 60, 120)))
    views = fold_in_batches(history, rng, disturb=True)
    for as_at, known_at in generate_questions(rng, history, 25):
        check(views, answer(history, as_at, known_at), as_at, known_at)


def test_the_bytes_are_a_function_of_the_order_whatever_batches_and_restarts(rng: random.Random) -> None:
    history = generate_history(rng, 80)
    views = fold_in_batches(history, rng, disturb=True)
    rebuilt = MemoryViews(SCHOOL)
    rebuilt.fold(history)
    assert views.canonical() == rebuilt.canonical()
    assert decode_document(views.document_bytes) == decode_document(rebuilt.document_bytes)
    assert views.document_bytes == rebuilt.document_bytes


def test_assessments_folded_at_once_give_the_bytes_of_one_by_one(
    rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = generate_history(rng, 120)
    monkeypatch.setattr(folding, "RUN_MIN", AT_ONCE)
    at_once = fold_in_batches(history, rng, disturb=True)
    monkeypatch.setattr(folding, "RUN_MIN", ONE_BY_ONE)
    one_by_one = fold_in_batches(history, rng, disturb=False)
    assert at_once.canonical() == one_by_one.canonical()
    assert at_once.document_bytes == one_by_one.document_bytes


def test_told_twice_is_told_once(rng: random.Random) -> None:
    history = generate_history(rng, 60)
    doubled = sorted([*history, *((offset + history[-1][0] + 1, fact) for offset, fact in history)], key=lambda r: r[0])
    once, twice = MemoryViews(SCHOOL), MemoryViews(SCHOOL)
    once.fold(history)
    twice.fold(doubled)
    assert once.canonical() == twice.canonical()
    assert once.document_bytes == twice.document_bytes
