"""Which scores of a test are taken in: any number, and the values and codes that the test declares.

Pure. A number is not held against the declared range: what a source sent is kept, and reports show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.definitions import TestDefined
from services.ingest.decisions import Refused
from services.ingest.sent import SentResult


def test_to_look_up(sent: Any) -> str:
    """The test whose definition decides over a result; empty where none has to."""
    return sent.test if type(sent) is SentResult and not _is_number(sent.score) else ""


def check_score(sent: SentResult, tests: Mapping[str, TestDefined]) -> None:
    """Raise Refused for a score that is neither a number nor declared by its test."""
    if _is_number(sent.score):
        return
    test = tests.get(sent.test)
    if test is None:
        raise Refused(
            "score",
            "not_a_number",
            f"'{sent.score}' is no number, and no test {sent.test} is defined that declares it.",
        )
    if sent.score in test.codes:
        return
    declared = test.scores.get(sent.score_type)
    values = declared.values if declared is not None else tuple(v for each in test.scores.values() for v in each.values)
    if sent.score not in values:
        known = ", ".join((*values, *test.codes)) or "none"
        raise Refused(
            "score",
            "unknown_score",
            f"'{sent.score}' is no number, and not one of the values and codes of {sent.test}: {known}.",
        )


def _is_number(score: str) -> bool:
    """Whether a canonical score is a number: they alone consist of digits and a point."""
    return score.replace(".", "", 1).isdecimal() and score.isascii()
