"""A file is what a source now says (contract 3.1): duplicates, corrections, back again, withdrawals, migrations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Fact, PupilEnrolled
from services.ingest.decisions import Decision
from tests.builders import instant
from tests.unit.ingest.telling import NOW, Office, outcome, school_with_maths

LATER = NOW + timedelta(days=1)


@pytest.fixture
def office() -> Office:
    return school_with_maths()


def assess(office: Office, state: str, now: Any = NOW, **fields: str) -> Decision:
    said = {"school": "oak", "pupil": "A1", "subject": "maths", "objective": "m1", "assessed_on": "2026-02-01"}
    return office.row("assessments", now=now, state=state, **{**said, **fields})


def fact_of(decision: Decision) -> Any:
    (fact,) = decision.facts
    return fact


def test_the_same_row_again_is_a_duplicate(office: Office) -> None:
    assess(office, "achieved")
    length = len(office.log)
    assert outcome(assess(office, "achieved", LATER)) == "duplicate"
    assert len(office.log) == length


def test_another_content_supersedes_and_the_first_may_come_back(office: Office) -> None:
    told = [assess(office, state) for state in ("not_yet", "achieved", "not_yet")]
    assert [outcome(decision) for decision in told] == ["accepted", "superseded", "superseded"]
    assert [fact_of(decision).revision for decision in told] == [1, 2, 3]
    assert len({decision.event_id for decision in told}) == 3


def test_another_source_says_its_own(office: Office) -> None:
    row = {
        "school": "oak",
        "pupil": "A1",
        "subject": "maths",
        "objective": "m1",
        "state": "achieved",
        "assessed_on": "2026-02-01",
    }
    (first,) = office.rows("assessments", row, source="mis")
    (second,) = office.rows("assessments", row, source="other")
    assert (outcome(first), outcome(second)) == ("accepted", "accepted")
    assert fact_of(first).key != fact_of(second).key


def test_after_a_withdrawal_what_it_superseded_stands_again(office: Office) -> None:
    assess(office, "not_yet")
    correction = assess(office, "achieved")
    office.withdraw(fact_of(correction))
    assert outcome(assess(office, "not_yet")) == "duplicate"
    again = assess(office, "achieved")
    assert outcome(again) == "superseded"
    assert fact_of(again).revision == 3, "one more than any fact of the key had, withdrawn or not"


def test_after_everything_was_withdrawn_a_row_is_only_accepted(office: Office) -> None:
    office.withdraw(fact_of(assess(office, "achieved")))
    again = assess(office, "achieved")
    assert outcome(again) == "accepted"
    assert fact_of(again).revision == 2


def test_a_withdrawn_withdrawal_brings_the_fact_back(office: Office) -> None:
    first = office.withdraw(fact_of(assess(office, "achieved")))
    office.withdraw(first)
    assert outcome(assess(office, "achieved")) == "duplicate"


def test_a_migrated_row_is_the_same_only_with_the_same_recorded_at(office: Office) -> None:
    told = [
        assess(office, "achieved", recorded_at="2026-02-10T00:00:00Z"),
        assess(office, "achieved", recorded_at="2026-02-11T00:00:00Z"),
        assess(office, "achieved", recorded_at="2026-02-10T01:00:00+01:00"),
        assess(office, "not_yet", recorded_at="2026-02-10T00:00:00Z"),
        assess(office, "achieved", recorded_at="2026-02-10T00:00:00Z"),
    ]
    assert [outcome(each) for each in told] == ["accepted", "accepted", "duplicate", "superseded", "superseded"]


def test_a_row_without_recorded_at_is_compared_with_what_stands_now(office: Office) -> None:
    assess(office, "achieved", recorded_at="2026-02-20T00:00:00Z")
    assess(office, "not_yet", recorded_at="2026-02-10T00:00:00Z")  # arrives later, was told earlier
    assert outcome(assess(office, "achieved")) == "duplicate"
    assert outcome(assess(office, "not_yet")) == "superseded"


def test_a_row_stamped_at_a_second_is_not_the_row_of_a_migration_that_gives_it(office: Office) -> None:
    assess(office, "achieved")
    assert outcome(assess(office, "achieved", recorded_at=NOW.isoformat())) == "accepted"


def test_the_key_of_a_reference_follows_a_corrected_day(office: Office) -> None:
    assess(office, "achieved", reference="r1")
    moved = assess(office, "achieved", reference="r1", assessed_on="2026-02-03")
    assert outcome(moved) == "superseded"


def test_ids_are_made_of_what_is_said_alone(office: Office) -> None:
    first = assess(office, "achieved", now=NOW)
    other_office = school_with_maths()
    assert assess(other_office, "achieved", now=LATER).event_id == first.event_id


def test_two_keys_of_one_chunk_are_judged_in_order(office: Office) -> None:
    row = {"school": "oak", "pupil": "A1", "subject": "maths", "objective": "m1", "assessed_on": "2026-02-01"}
    decisions = office.rows(
        "assessments",
        {**row, "state": "not_yet", "recorded_at": "2026-02-02T00:00:00Z"},
        {**row, "state": "not_yet"},
        {**row, "state": "achieved", "recorded_at": "2026-02-02T00:00:00Z"},
    )
    assert [outcome(decision) for decision in decisions] == ["accepted", "duplicate", "superseded"]


# --- Year groups of an enrolment ---------------------------------------------------------------------------------


def enrol(office: Office, now: Any = NOW, **fields: str) -> Decision:
    return office.row("pupils", now=now, school="oak", pupil="B2", enrolled_on="2025-09-01", **fields)


def year_groups(decision: Decision) -> list[tuple[str, str]]:
    fact: PupilEnrolled = fact_of(decision)
    return [(said.year_group, said.starts_on.isoformat()) for said in fact.year_groups]


def test_the_first_year_group_counts_from_the_enrolment_and_a_later_one_from_when_it_is_told(office: Office) -> None:
    assert year_groups(enrol(office, year_group="3")) == [("3", "2025-09-01")]
    assert year_groups(enrol(office, LATER, year_group="4")) == [("3", "2025-09-01"), ("4", "2026-03-03")]
    moved = enrol(office, LATER + timedelta(days=1), year_group="4", left_on="2026-07-20")
    assert year_groups(moved) == [("3", "2025-09-01"), ("4", "2026-03-03")]
    silent = enrol(office, LATER + timedelta(days=2))
    assert year_groups(silent) == [("3", "2025-09-01"), ("4", "2026-03-03")]


def test_of_two_year_groups_of_one_day_the_last_said_is_kept(office: Office) -> None:
    enrol(office, year_group="3")
    enrol(office, LATER, year_group="4")
    assert year_groups(enrol(office, LATER, year_group="5")) == [("3", "2025-09-01"), ("5", "2026-03-03")]


def test_a_year_group_told_before_the_first_day_replaces_the_one_said_before(office: Office) -> None:
    early = {"school": "oak", "pupil": "C3", "enrolled_on": "2026-09-01"}
    office.row("pupils", **early, year_group="R")
    assert year_groups(office.row("pupils", **early, year_group="1")) == [("1", "2026-09-01")]


def test_the_day_of_a_year_group_is_the_schools_own(office: Office) -> None:
    office.row("schools", school="tokyo", name="Tokyo", time_zone="Asia/Tokyo")
    row = {"school": "tokyo", "pupil": "T1", "enrolled_on": "2025-09-01"}
    office.row("pupils", **row, year_group="3")
    late = office.row("pupils", now=instant("2026-03-05T16:00:00"), **row, year_group="4")
    assert year_groups(late)[-1] == ("4", "2026-03-06")


def test_a_migrated_year_group_always_counts_from_the_enrolment(office: Office) -> None:
    enrol(office, year_group="3", recorded_at="2025-09-02T00:00:00Z")
    later = enrol(office, year_group="4", recorded_at="2025-12-02T00:00:00Z")
    assert year_groups(later) == [("4", "2025-09-01")]


def test_a_withdrawn_year_group_was_never_said(office: Office) -> None:
    enrol(office, year_group="3")
    office.withdraw(fact_of(enrol(office, LATER, year_group="4")))
    again = enrol(office, LATER + timedelta(days=3), year_group="5")
    assert year_groups(again) == [("3", "2025-09-01"), ("5", "2026-03-06")]


# --- Against the simplest model ----------------------------------------------------------------------------------


class Model:
    """The sentences of the contract, one after another, for a single key."""

    def __init__(self) -> None:
        self.facts: list[tuple[Any, int, str, bool]] = []  # recorded_at, arrival, content, migrated
        self.withdrawn: set[int] = set()

    def expect(self, content: str, recorded_at: Any, now: Any) -> str:
        alive = [fact for fact in self.facts if fact[1] not in self.withdrawn]
        if recorded_at is None:
            last = sorted(alive)[-1:]
        else:
            last = [fact for fact in alive if fact[3] and fact[0] == recorded_at][-1:]
        if last and last[0][2] == content:
            return "duplicate"
        self.facts.append((recorded_at or now, len(self.facts), content, recorded_at is not None))
        return "superseded" if last else "accepted"


steps = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.sampled_from(["not_yet", "achieved"]), st.sampled_from([None, 5, 10, 15])),
        st.tuples(st.just("withdraw"), st.integers(0, 7), st.none()),
    ),
    min_size=2,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_any_history_of_one_key_is_judged_as_the_contract_says(history: list[tuple[str, Any, Any]]) -> None:
    office, model = school_with_maths(), Model()
    told: list[Fact] = []
    for hour, (what, said, minutes) in enumerate(history):
        now = NOW + timedelta(hours=hour)
        if what == "withdraw":
            if said < len(told) and said not in model.withdrawn:
                model.withdrawn.add(said)
                office.withdraw(told[said], now)
            continue
        recorded_at = None if minutes is None else NOW - timedelta(minutes=minutes)
        given = {} if recorded_at is None else {"recorded_at": recorded_at.isoformat()}
        decision = assess(office, said, now, **given)
        assert outcome(decision) == model.expect(said, recorded_at, now)
        told.extend(decision.facts)
    assert [fact.revision for fact in told] == list(range(1, len(told) + 1))
    assert len({fact.event_id for fact in told}) == len(told)
