"""Results and judgements of any day as known at any instant, against a brute-force fold of the same facts."""

from __future__ import annotations

import random
from datetime import date

import numpy as np
import pytest

from schemas import blocks
from schemas.columns import column_of_judgement, column_of_test, column_stream, unpack_values
from schemas.events import AnyFact, JudgementRecorded, ObjectiveAssessed, ResultRecorded
from tests.properties import oracle
from tests.properties.histories import generate_history, generate_questions
from tests.properties.memory_views import MemoryViews
from tests.properties.test_timeline import ROUNDS, SEED, History, fold_in_batches


def as_sitting(fact: AnyFact) -> AnyFact:
    """The same telling of a sitting instead of an assessment: an objective becomes a test, or a judgement's scale."""
    if not isinstance(fact, ObjectiveAssessed):
        return fact
    envelope = {
        name: getattr(fact, name) for name in fact.__struct_fields__ if name in ResultRecorded.__struct_fields__
    }
    if fact.subject == "maths":
        return ResultRecorded(
            **envelope,
            test="ks2",
            score_type="scaled",
            component=fact.objective,
            score=fact.state,
            sat_on=fact.assessed_on,
        )
    envelope.pop("subject")
    return JudgementRecorded(
        **envelope, subject=fact.subject, scale=fact.objective, value=fact.state, judged_on=fact.assessed_on
    )


def column_of(fact: AnyFact) -> str | None:
    match fact:
        case ResultRecorded():
            return column_of_test(fact.test, fact.subject, fact.component, fact.score_type)
        case JudgementRecorded():
            return column_of_judgement(fact.subject, fact.scale)
    return None


def day_and_score(fact: ResultRecorded | JudgementRecorded) -> tuple[date, str]:
    return (fact.sat_on, fact.score) if isinstance(fact, ResultRecorded) else (fact.judged_on, fact.value)


def by_brute_force(history: History, as_at: date, known_at: int) -> dict[tuple[str, str], tuple[date, str]]:
    """(pupil, column) → the day and score of the latest sitting."""
    rows = oracle.first_of_each_id(history)
    standing = oracle.standing(rows, known_at)
    owner = {member: ids[0] for ids in oracle.who_is_who(rows, standing) for member in ids}
    sittings = [
        (day_and_score(row[1])[0], row) for row in standing if isinstance(row[1], ResultRecorded | JudgementRecorded)
    ]
    found: dict[tuple[str, str], tuple[date, str]] = {}
    for day, row in sorted(sittings, key=lambda sitting: oracle.order_of_truth(*sitting)):
        if day <= as_at:
            found[owner[row[1].pupil], column_of(row[1]) or ""] = day_and_score(row[1])
    return found


def by_the_views(views: MemoryViews, as_at: date, known_at: int) -> dict[tuple[str, str], tuple[date, str]]:
    document, found = views.document, {}
    for column in document.columns:
        block, tails = views.stored(column_stream(column), as_at, known_at)
        totals = blocks.totals_at(
            block,
            tails,
            keys=len(document.pupils),
            parts=1,
            day=as_at.toordinal(),
            known_at=known_at,
            year_start=1,
            assessed=False,
        )
        present, days, scores = unpack_values(totals[0])
        for slot in np.flatnonzero(present).tolist():
            found[document.pupils[slot], column] = (
                date.fromordinal(int(days[slot])),
                document.scores[int(scores[slot])],
            )
    return found


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_latest_sitting_of_any_day_as_known_at_any_instant_equals_the_brute_force_fold(number: int) -> None:
    print(f"MARKLEDGER_SEED={SEED + number} MARKLEDGER_PROPERTY_ROUNDS=1")
    rng = random.Random(SEED + number)
    history = [(offset, as_sitting(fact)) for offset, fact in generate_history(rng, 60)]
    views = fold_in_batches(history, rng, disturb=True)
    for as_at, known_at in generate_questions(rng, history, 25):
        assert by_the_views(views, as_at, known_at) == by_brute_force(history, as_at, known_at), (as_at, known_at)
    rebuilt = MemoryViews("oak")
    rebuilt.fold(history)
    assert views.canonical() == rebuilt.canonical()
    assert views.document_bytes == rebuilt.document_bytes
