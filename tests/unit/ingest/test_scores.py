"""Which scores are taken in: numbers always, values and codes as their test declares them."""

from __future__ import annotations

import pytest

from schemas.events import ResultRecorded
from tests.unit.ingest.telling import Office, school_with_maths

KS2 = {"school": "oak", "pupil": "A1", "test": "ks2", "subject": "maths", "sat_on": "2026-02-12"}


@pytest.fixture
def office() -> Office:
    return school_with_maths()


@pytest.mark.parametrize(
    ("score_type", "score"), [("scaled", "100"), ("scaled", "B"), ("raw", "A"), ("other", "L"), ("ta", "EXS")]
)
def test_numbers_values_and_codes_of_a_test_are_kept(office: Office, score_type: str, score: str) -> None:
    (fact,) = office.row("results", **KS2, score_type=score_type, score=score).facts
    assert isinstance(fact, ResultRecorded) and fact.score == score


@pytest.mark.parametrize(("score_type", "score"), [("scaled", "EXS"), ("ta", "WELL"), ("raw", "a")])
def test_what_a_test_does_not_declare_is_refused(office: Office, score_type: str, score: str) -> None:
    rejection = office.row("results", **KS2, score_type=score_type, score=score).rejection
    assert rejection is not None and (rejection.field, rejection.code) == ("score", "unknown_score")


def test_without_a_definition_only_numbers_are_scores(office: Office) -> None:
    fields = KS2 | {"test": "spelling", "score_type": "raw"}
    assert office.row("results", **fields, score="12").facts
    rejection = office.row("results", **fields, score="A").rejection
    assert rejection is not None and rejection.code == "not_a_number"
