"""The random histories hold what they promise: everything that the rules must withstand occurs, and often."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import events as e
from schemas.codec import FACT_TYPES, decode_fact, encode_fact
from tests.properties.histories import (
    Row,
    generate_history,
    generate_questions,
    histories,
    questions_about,
    shuffle_history,
)

SEEDS = range(150)


def features(history: list[Row]) -> Counter[str]:
    """How often what the rules must withstand occurs in a history."""
    found: Counter[str] = Counter(type(fact).__name__ for _, fact in history)
    offset_of: dict[str, int] = {}
    by_key: dict[str, list[e.AnyFact]] = {}
    stamps = [fact.recorded_at for _, fact in history]
    found["known times out of order"] += sum(later < earlier for earlier, later in pairwise(stamps))
    found["gaps in offsets"] += sum(later[0] > earlier[0] + 1 for earlier, later in pairwise(history))
    found["recorded in one day"] += len(history) > 20 and max(stamps) - min(stamps) < timedelta(days=1)
    for offset, fact in history:
        found["id again"] += fact.event_id in offset_of
        offset_of.setdefault(fact.event_id, offset)
        if fact.key:
            by_key.setdefault(fact.key, []).append(fact)
    withdrawals = [(offset, fact) for offset, fact in history if isinstance(fact, e.FactWithdrawn)]
    ids_of_withdrawals = {fact.event_id for _, fact in withdrawals}
    found["withdrawn before it came"] += sum(offset_of.get(w.withdraws, -1) > offset for offset, w in withdrawals)
    found["withdrawal withdrawn"] += sum(w.withdraws in ids_of_withdrawals for _, w in withdrawals)
    found["many withdrawn at one stamp"] += sum(n >= 5 for n in Counter(w.recorded_at for _, w in withdrawals).values())
    for facts in by_key.values():
        found["correction under a key"] += len(facts) > 1
        found["correction of pupil or day"] += (
            len({(f.pupil, f.assessed_on) for f in facts if hasattr(f, "assessed_on")}) > 1
        )
    work = [fact for _, fact in history if isinstance(fact, e.ObjectiveAssessed)]
    places = Counter((f.pupil, f.objective, f.assessed_on, f.sequence) for f in work)
    found["tie of a day"] += sum(number > 1 for number in places.values())
    found["late by 400 days"] += sum((f.recorded_at.date() - f.assessed_on).days >= 400 for f in work)
    found["mark with decimals"] += sum("." in f.state for f in work)
    found["known before its day"] += sum(f.recorded_at.date() < f.assessed_on for f in work)
    return found + _curriculum_features(history) + _person_features(history)


def _curriculum_features(history: list[Row]) -> Counter[str]:
    found: Counter[str] = Counter()
    last: dict[str, e.CurriculumPublished] = {}
    for _, fact in history:
        if not isinstance(fact, e.CurriculumPublished):
            continue
        ahead = ((fact.effective_on or e.ALWAYS) - fact.recorded_at.date()).days
        found["version told late"] += fact.effective_on is not None and ahead < -31
        found["version told ahead"] += ahead > 31
        before, last[fact.framework] = last.get(fact.framework), fact
        if before is None:
            continue
        found["states changed"] += before.states != fact.states and before.marks_max == fact.marks_max
        found["states became marks"] += before.marks_max is None and fact.marks_max is not None
        old = {(s.subject, o.objective): o for s in before.subjects for o in s.objectives}
        new = {(s.subject, o.objective): o for s in fact.subjects for o in s.objectives}
        found["objective added"] += bool(new.keys() - old.keys())
        found["objective retired"] += bool(old.keys() - new.keys())
        for both in old.keys() & new.keys():
            found["re-weighted"] += old[both].weight != new[both].weight
            found["re-tagged"] += old[both].year_group != new[both].year_group
            found["other ability"] += old[both].ability != new[both].ability
    subjects = [{s.subject for s in fact.subjects} for fact in last.values()]
    found["subject in two frameworks"] += len(subjects) == 2 and bool(subjects[0] & subjects[1])
    return found


def _person_features(history: list[Row]) -> Counter[str]:
    found: Counter[str] = Counter()
    enrolled = [fact for _, fact in history if isinstance(fact, e.PupilEnrolled)]
    persons = {(fact.same_person, fact.pupil) for fact in enrolled if fact.same_person}
    found["merged by person"] += len(persons) > len({person for person, _ in persons})
    months = {fact.year_starts for _, fact in history if isinstance(fact, e.SchoolRegistered)} - {None}
    found["year start corrected"] += len(months) > 1
    found["moved"] += len(enrolled) > len({fact.pupil for fact in enrolled})
    return found


FEATURES = sorted(
    # sittings are assessments told as results and judgements: tests/properties/test_sittings.py
    FACT_TYPES.keys() - {"ResultRecorded", "JudgementRecorded"}
    | {
        "known times out of order",
        "gaps in offsets",
        "recorded in one day",
        "id again",
        "withdrawn before it came",
        "withdrawal withdrawn",
        "many withdrawn at one stamp",
        "correction under a key",
        "correction of pupil or day",
        "tie of a day",
        "late by 400 days",
        "mark with decimals",
        "known before its day",
        "version told late",
        "version told ahead",
        "states changed",
        "states became marks",
        "objective added",
        "objective retired",
        "re-weighted",
        "re-tagged",
        "other ability",
        "subject in two frameworks",
        "merged by person",
        "year start corrected",
        "moved",
    }
)


@pytest.fixture(scope="module")
def occurrences() -> Counter[str]:
    total: Counter[str] = Counter()
    for seed in SEEDS:
        total += Counter(set(features(generate_history(random.Random(seed), 60))))
    return total


@pytest.mark.parametrize("feature", FEATURES)
def test_it_occurs_in_many_histories(occurrences: Counter[str], feature: str) -> None:
    assert occurrences[feature] >= 5


def test_a_history_is_a_function_of_its_seed() -> None:
    assert generate_history(random.Random(7), 80) == generate_history(random.Random(7), 80)
    assert generate_history(random.Random(7), 80) != generate_history(random.Random(8), 80)


@settings(max_examples=30)
@given(histories(), st.data())
def test_a_history_is_of_one_school_in_rising_offsets_and_can_be_written(
    history: list[Row], data: st.DataObject
) -> None:
    assert all(earlier[0] < later[0] for earlier, later in pairwise(history))
    assert {fact.school for _, fact in history} == {"oak"}
    assert all(decode_fact(encode_fact(fact)) == fact for _, fact in history)
    assert len(data.draw(questions_about(history, 3))) == 3


def test_questions_look_before_on_and_after_what_was_told() -> None:
    ahead, on, total = 0, 0, 0
    for seed in range(30):
        rng = random.Random(seed)
        history = generate_history(rng, 40)
        stamps = {int(fact.recorded_at.timestamp()) for _, fact in history}
        for as_at, known_at in generate_questions(rng, history, 20):
            total += 1
            on += known_at in stamps
            ahead += datetime.fromtimestamp(known_at, UTC).date() < as_at
    assert ahead >= 0.3 * total
    assert 0.2 * total <= on <= 0.8 * total


def test_shuffling_keeps_what_was_told_and_when() -> None:
    history = generate_history(random.Random(3), 40)
    shuffled = shuffle_history(random.Random(4), history)
    assert [offset for offset, _ in shuffled] == list(range(len(history)))
    assert shuffled != history
    assert Counter(encode_fact(f) for _, f in shuffled) == Counter(encode_fact(f) for _, f in history)
