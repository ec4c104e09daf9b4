"""Results and judgements at the desk: what they become, what must be known, their days, their keys."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events import Fact, JudgementRecorded, ResultRecorded
from services.ingest.decisions import Decision
from tests.builders import day
from tests.unit.ingest.telling import Office, caller, code_of, outcome, school_with_maths

RESULT: dict[str, Any] = {
    "school": "oak",
    "pupil": "A1",
    "test": "ks2",
    "subject": "reading",
    "score_type": "scaled",
    "score": "105",
    "sat_on": "2026-02-01",
}
JUDGEMENT: dict[str, Any] = {
    "school": "oak",
    "pupil": "A1",
    "subject": "writing",
    "scale": "ta",
    "value": "EXS",
    "judged_on": "2026-02-01",
}
BOTH = [("results", "ResultRecorded", RESULT, "sat_on"), ("judgements", "JudgementRecorded", JUDGEMENT, "judged_on")]
each_kind = pytest.mark.parametrize(("kind", "type_name", "row", "on"), BOTH)


@pytest.fixture
def office() -> Office:
    return school_with_maths()


def fact_of(decision: Decision) -> Fact:
    (fact,) = decision.facts
    return fact


def test_a_result_becomes_a_fact_without_the_reference(office: Office) -> None:
    more = {"component": "paper-1", "score": "099.50", "date_precision": "month", "sequence": "2", "reference": "r7"}
    fact = fact_of(office.row("results", **{**RESULT, **more}))
    assert isinstance(fact, ResultRecorded)
    assert fact.pupil == office.ids.pupil("oak", "A1")
    assert (fact.test, fact.subject, fact.component, fact.score_type) == ("ks2", "reading", "paper-1", "scaled")
    assert (fact.score, fact.sat_on, fact.date_precision, fact.sequence) == ("99.5", day("2026-02-01"), "month", 2)


def test_a_result_has_no_component_and_an_exact_day_unless_told(office: Office) -> None:
    fact = fact_of(office.row("results", **RESULT))
    assert isinstance(fact, ResultRecorded) and (fact.component, fact.date_precision) == ("", "day")


def test_a_judgement_becomes_a_fact_without_the_reference(office: Office) -> None:
    fact = fact_of(office.row("judgements", **JUDGEMENT, name="effort"))
    assert isinstance(fact, JudgementRecorded)
    assert fact.pupil == office.ids.pupil("oak", "A1")
    assert (fact.subject, fact.scale, fact.value, fact.name) == ("writing", "ta", "EXS", "effort")
    assert fact.judged_on == day("2026-02-01")


@each_kind
def test_an_event_becomes_the_fact_that_a_row_becomes(
    office: Office, kind: str, type_name: str, row: dict[str, Any], on: str
) -> None:
    by_row, by_event = fact_of(office.row(kind, **row)), fact_of(office.event(type_name, **row))
    assert type(by_row) is type(by_event) and type(by_row).__name__ == type_name
    envelope = set(Fact.__struct_fields__)
    said = [name for name in by_row.__struct_fields__ if name not in envelope]
    assert [getattr(by_row, name) for name in said] == [getattr(by_event, name) for name in said]
    assert outcome(office.event(type_name, **row)) == "duplicate"


@each_kind
def test_only_the_school_and_the_pupil_must_be_known(
    office: Office, kind: str, type_name: str, row: dict[str, Any], on: str
) -> None:
    assert code_of(office.row(kind, **{**row, "school": "elm"})) == "unknown_school"
    assert code_of(office.row(kind, **{**row, "pupil": "Z9"})) == "unknown_pupil"
    assert code_of(office.event(type_name, **{**row, "pupil": "Z9"})) == "unknown_pupil"
    assert code_of(office.row(kind, by=caller("elm"), **row)) == "forbidden_school"
    assert outcome(office.row(kind, **{**row, "subject": "no-subject-of-the-curriculum"})) == "accepted"


@each_kind
def test_the_day_lies_neither_ahead_nor_after_its_recording(
    office: Office, kind: str, type_name: str, row: dict[str, Any], on: str
) -> None:
    """Today is 2 March 2026 in London."""

    def row_told(on_day: str, **more: Any) -> str:
        return code_of(office.row(kind, **{**row, on: on_day}, **more))

    def event_told(on_day: str, **more: Any) -> str:
        return code_of(office.event(type_name, **{**row, on: on_day}, **more))

    for told in (row_told, event_told):
        assert told("2026-03-02") == ""
        assert told("2026-03-03") == "in_the_future"
        assert told("2026-02-02", recorded_at="2026-02-01T23:30:00Z") == "after_recorded_at"
        assert told("2026-02-01", recorded_at="2026-02-01T00:00:00Z") == ""
    assert event_told("2026-03-02T23:30:00Z") == ""
    assert event_told("2026-03-03T00:30:00Z") == "in_the_future"
    assert event_told("2026-02-02T00:30:00Z", recorded_at="2026-02-01T23:30:00Z") == "after_recorded_at"


@each_kind
def test_an_instant_becomes_the_local_day(
    office: Office, kind: str, type_name: str, row: dict[str, Any], on: str
) -> None:
    fact = fact_of(office.event(type_name, **{**row, on: "2025-07-01T23:30:00Z"}))
    assert getattr(fact, on) == day("2025-07-02")


@pytest.mark.parametrize(
    ("kind", "row", "change", "expected"),
    [
        ("results", RESULT, {}, "duplicate"),
        ("results", RESULT, {"score": "105.000"}, "duplicate"),
        ("results", RESULT, {"date_precision": "day"}, "duplicate"),
        ("results", RESULT, {"score": "106"}, "superseded"),
        ("results", RESULT, {"sequence": "1"}, "superseded"),
        ("results", RESULT, {"date_precision": "year"}, "superseded"),
        ("results", RESULT, {"sat_on": "2026-02-02"}, "accepted"),
        ("results", RESULT, {"component": "paper-1"}, "accepted"),
        ("results", RESULT, {"score_type": "raw"}, "accepted"),
        ("results", RESULT, {"test": "ks1"}, "accepted"),
        ("results", RESULT, {"subject": "maths"}, "accepted"),
        ("results", RESULT, {"reference": "r1"}, "accepted"),
        ("judgements", JUDGEMENT, {}, "duplicate"),
        ("judgements", JUDGEMENT, {"value": "GDS"}, "superseded"),
        ("judgements", JUDGEMENT, {"name": "effort"}, "accepted"),
        ("judgements", JUDGEMENT, {"scale": "effort"}, "accepted"),
        ("judgements", JUDGEMENT, {"subject": "maths"}, "accepted"),
        ("judgements", JUDGEMENT, {"judged_on": "2026-02-02"}, "accepted"),
        ("judgements", JUDGEMENT, {"reference": "r1"}, "accepted"),
    ],
)
def test_a_second_file_says_the_same_another_or_more(
    office: Office, kind: str, row: dict[str, Any], change: dict[str, Any], expected: str
) -> None:
    assert outcome(office.row(kind, **row)) == "accepted"
    assert outcome(office.row(kind, **{**row, **change})) == expected


def test_what_is_recorded_elsewhere_needs_the_right_and_is_a_row_of_its_own(office: Office) -> None:
    moved = {**RESULT, "recorded_at": "2026-02-03T00:00:00Z"}
    assert code_of(office.row("results", by=caller("oak"), **moved)) == "migrate_not_allowed"
    assert outcome(office.row("results", **moved)) == "accepted"
    assert outcome(office.row("results", **moved)) == "duplicate"
    assert outcome(office.row("results", **{**moved, "score": "99"})) == "superseded"
    assert outcome(office.row("results", **{**moved, "recorded_at": "2026-02-04T00:00:00Z"})) == "accepted"
