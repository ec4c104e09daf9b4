"""What may be told: scopes, what must be known, times, curricula, and the identity of events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.events import CurriculumPublished, FactWithdrawn, ObjectiveAssessed, PupilEnrolled
from services.ingest.decisions import Decision
from tests.builders import day, instant, subject
from tests.unit.ingest.telling import NOW, Office, caller, code_of, maths, outcome, school_with_maths

ASSESSMENT = {
    "school": "oak",
    "pupil": "A1",
    "subject": "maths",
    "objective": "m1",
    "state": "achieved",
    "assessed_on": "2026-02-01",
}


@pytest.fixture
def office() -> Office:
    return school_with_maths()


def assess(office: Office, **fields: Any) -> Decision:
    by, now = fields.pop("by", None), fields.pop("now", NOW)
    given = {} if by is None else {"by": by}
    return office.row("assessments", now=now, **given, **{**ASSESSMENT, **fields})


# --- Scopes ------------------------------------------------------------------------------------------------------


def test_a_school_outside_the_key_is_refused_alike_whether_or_not_it_exists(office: Office) -> None:
    key = caller("elm")
    known, unknown = assess(office, by=key), assess(office, by=key, school="nowhere")
    assert code_of(known) == "forbidden_school"
    assert known.rejection == unknown.rejection


def test_a_key_of_a_school_may_register_it() -> None:
    office = Office()
    assert outcome(office.row("schools", by=caller("elm"), school="elm", name="Elm")) == "accepted"


def test_a_key_of_a_trust_writes_to_todays_members(office: Office) -> None:
    key = caller(trusts=["T1"])
    assert code_of(assess(office, by=key)) == "forbidden_school"
    office.event("SchoolJoinedTrust", school="oak", trust="T1", joined_on="2026-01-01")
    assert outcome(assess(office, by=key)) == "accepted"
    office.event("SchoolLeftTrust", school="oak", trust="T1", left_on="2026-03-01")
    assert code_of(assess(office, by=key, objective="m2")) == "forbidden_school"


def test_a_later_membership_ends_the_one_before(office: Office) -> None:
    office.row("schools", school="oak", name="Oak", trust="T1", joined_on="2020-01-01")
    office.row("schools", school="oak", name="Oak", trust="T2", joined_on="2026-01-01")
    assert code_of(assess(office, by=caller(trusts=["T1"]))) == "forbidden_school"
    assert outcome(assess(office, by=caller(trusts=["T2"]))) == "accepted"


def test_only_a_key_with_migrate_may_give_recorded_at(office: Office) -> None:
    given = {"recorded_at": "2026-02-02T00:00:00Z"}
    assert code_of(assess(office, by=caller("oak"), **given)) == "migrate_not_allowed"
    assert outcome(assess(office, by=caller("oak", may_migrate=True), **given)) == "accepted"


# --- What must be known ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"school": "elm"}, "unknown_school"),
        ({"pupil": "Z9"}, "unknown_pupil"),
        ({"framework": "other"}, "unknown_framework"),
        ({"subject": "music"}, "unknown_subject"),
        ({"objective": "m9"}, "unknown_objective"),
        ({"state": "brilliant"}, "unknown_state"),
    ],
)
def test_what_an_assessment_names_must_be_known(office: Office, wrong: dict[str, str], code: str) -> None:
    assert code_of(assess(office, **wrong)) == code


def test_any_version_of_the_framework_makes_its_names_known(office: Office) -> None:
    office.version(maths("2", day("2027-09-01"), school="oak", subjects=(subject("maths", {"m3": "Y3"}),)))
    assert outcome(assess(office, objective="m3")) == "accepted"
    assert outcome(assess(office, objective="m1")) == "accepted"


def test_a_withdrawn_enrolment_makes_nobody_known(office: Office) -> None:
    (enrolment,) = office.row("pupils", school="oak", pupil="B2", enrolled_on="2025-09-01").facts
    assert outcome(assess(office, pupil="B2")) == "accepted"
    office.withdraw(enrolment)
    assert code_of(assess(office, pupil="B2", objective="m2")) == "unknown_pupil"


def test_a_reference_of_a_school_is_its_own_and_a_upn_is_known_across_schools(office: Office) -> None:
    ids = office.ids
    assert ids.pupil("oak", "A1") != ids.pupil("elm", "A1")
    assert ids.pupil("oak", "upn:H801200001001") == ids.pupil("elm", "upn:H801200001001")


@pytest.mark.parametrize(
    ("state", "kept", "code"),
    [
        ("78", "78", ""),
        ("078.500", "78.5", ""),
        ("0", "0", ""),
        ("40", "40", ""),
        ("100.001", "", "out_of_range"),
        ("101", "", "out_of_range"),
        ("NaN", "", "unknown_state"),
        ("1e2", "", "unknown_state"),
        ("1.2345", "", "unknown_state"),
    ],
)
def test_marks_lie_between_nothing_and_the_most(state: str, kept: str, code: str) -> None:
    office = Office()
    office.row("schools", school="oak", name="Oak")
    office.row("pupils", school="oak", pupil="A1", enrolled_on="2025-09-01")
    office.version(maths(school="oak", states=(), marks_max=100))
    decision = office.event("ObjectiveAssessed", **{**ASSESSMENT, "state": state})
    assert code_of(decision) == code
    assert [fact.state for fact in decision.facts if isinstance(fact, ObjectiveAssessed)] == ([kept] if kept else [])


# --- Times -------------------------------------------------------------------------------------------------------


def test_nothing_is_assessed_in_the_future_of_the_school() -> None:
    office = school_with_maths(time_zone="Asia/Tokyo")
    evening = instant("2026-03-02T16:00:00")  # 3 March in Tokyo
    assert outcome(assess(office, now=evening, assessed_on="2026-03-03")) == "accepted"
    assert code_of(assess(office, now=evening, assessed_on="2026-03-04")) == "in_the_future"


def test_nothing_is_assessed_after_the_local_day_of_its_recorded_at(office: Office) -> None:
    told = {"recorded_at": "2025-07-01T23:30:00Z"}  # 2 July in London
    assert outcome(assess(office, assessed_on="2025-07-02", **told)) == "accepted"
    assert code_of(assess(office, assessed_on="2025-07-03", **told)) == "after_recorded_at"


def test_recorded_at_may_not_lie_in_the_future(office: Office) -> None:
    assert code_of(assess(office, recorded_at="2026-03-02T09:00:01Z")) == "in_the_future"
    assert outcome(assess(office, recorded_at="2026-03-02T09:00:00Z")) == "accepted"


def test_a_stamp_never_falls_behind_the_last_one_of_the_school(office: Office) -> None:
    (late,) = assess(office, now=NOW + timedelta(hours=1)).facts
    (early,) = assess(office, objective="m2").facts
    assert early.recorded_at == late.recorded_at


def test_a_day_sent_as_an_instant_becomes_the_schools_day(office: Office) -> None:
    decision = office.event("ObjectiveAssessed", **{**ASSESSMENT, "assessed_on": "2025-07-01T23:30:00Z"})
    (fact,) = decision.facts
    assert isinstance(fact, ObjectiveAssessed)
    assert fact.assessed_on == day("2025-07-02")


def test_an_end_before_its_start_is_found_in_local_days_too(office: Office) -> None:
    decision = office.event(
        "PupilEnrolled", school="oak", pupil="N1", enrolled_on="2025-07-01T23:30:00Z", left_on="2025-07-01"
    )
    assert code_of(decision) == "ends_before_starts"


# --- Curricula ---------------------------------------------------------------------------------------------------


def test_a_version_goes_to_each_member_of_the_trust_and_to_nobody_else(office: Office) -> None:
    for school in ("elm", "fir"):
        office.row("schools", school=school, name=school, trust="T1", joined_on="2020-01-01")
    decision = office.version(maths(framework="art-nc", trust="T1", subjects=(subject("art", {"a1": "Y3"}),)))
    assert [fact.school for fact in decision.facts] == ["elm", "fir"]


def test_a_version_for_all_goes_to_every_school_that_the_key_may_write(office: Office) -> None:
    office.row("schools", school="elm", name="Elm")
    art = maths(framework="art-nc", subjects=(subject("art", {"a1": "Y3"}),))
    assert [fact.school for fact in office.version(art, by=caller("elm")).facts] == ["elm"]
    assert [fact.school for fact in office.version(art).facts] == ["oak"], "elm has it already"
    assert outcome(office.version(art)) == "duplicate"


def test_a_trust_with_schools_outside_the_key_is_refused(office: Office) -> None:
    for school in ("elm", "fir"):
        office.row("schools", school=school, name=school, trust="T1", joined_on="2020-01-01")
    version = maths(framework="art-nc", trust="T1", subjects=(subject("art", {"a1": "Y3"}),))
    assert code_of(office.version(version, by=caller("elm"))) == "forbidden_school"
    assert code_of(office.version(maths(trust="T9"))) == "unknown_trust"


def test_a_subject_belongs_to_one_framework_in_a_school(office: Office) -> None:
    assert code_of(office.version(maths(framework="other", school="oak"))) == "subject_in_other_framework"
    office.row("schools", school="elm", name="Elm")
    assert outcome(office.version(maths(framework="other", school="elm"))) == "accepted"


def test_only_the_first_version_may_be_in_force_always(office: Office) -> None:
    assert code_of(office.version(maths("2", school="oak"))) == "missing_value"
    assert outcome(office.version(maths("2", day("2026-09-01"), school="oak"))) == "accepted"
    corrected = maths(school="oak", subjects=(subject("maths", {"m1": "Y3"}),))
    assert outcome(office.version(corrected)) == "superseded"


def test_a_corrected_version_no_longer_knows_what_it_dropped(office: Office) -> None:
    office.version(maths(school="oak", subjects=(subject("maths", {"m1": "Y3"}),)))
    assert code_of(assess(office, objective="m2")) == "unknown_objective"


def test_a_shuffled_version_says_the_same(office: Office) -> None:
    shuffled = maths(school="oak", subjects=(subject("maths", {"m2": "Y3", "m1": "Y3"}),))
    assert outcome(office.version(shuffled)) == "duplicate"


# --- Events ------------------------------------------------------------------------------------------------------


def test_an_event_may_name_what_an_earlier_one_of_the_request_made_known() -> None:
    office = Office()
    decisions = office.events(
        {"type": "PupilEnrolled", "school": "oak", "pupil": "A1", "enrolled_on": "2025-09-01"},
        {"type": "SchoolRegistered", "school": "oak", "name": "Oak"},
        {"type": "PupilEnrolled", "school": "oak", "pupil": "A1", "enrolled_on": "2025-09-01", "sequence": 1},
        {"type": "YearGroupSet", "school": "oak", "pupil": "A1", "year_group": "3", "starts_on": "2025-09-01"},
    )
    assert [outcome(each) for each in decisions] == ["rejected", "accepted", "accepted", "accepted"]


def test_the_same_event_again_is_a_duplicate_by_content_or_by_id(office: Office) -> None:
    first = office.event("ObjectiveAssessed", **ASSESSMENT)
    again = office.event("ObjectiveAssessed", **dict(reversed(ASSESSMENT.items())))
    assert (outcome(first), outcome(again)) == ("accepted", "duplicate")
    assert first.event_id == again.event_id
    assert outcome(office.event("ObjectiveAssessed", **ASSESSMENT, sequence=1)) == "accepted"
    assert outcome(office.event("ObjectiveAssessed", **ASSESSMENT, event_id="e-1")) == "accepted"
    assert outcome(office.event("ObjectiveAssessed", **ASSESSMENT, event_id="e-1")) == "duplicate"


def test_the_same_id_with_other_content_is_a_conflict(office: Office) -> None:
    office.event("ObjectiveAssessed", **ASSESSMENT, event_id="e-1")
    other = office.event("ObjectiveAssessed", **{**ASSESSMENT, "state": "not_yet"}, event_id="e-1")
    assert code_of(other) == "event_id_conflict"


def test_an_id_is_one_fact_in_each_school(office: Office) -> None:
    for school in ("oak", "elm"):
        assert outcome(office.event("SchoolRegistered", school=school, name="One", event_id="e-1")) == "accepted"


def test_an_event_after_its_withdrawal_needs_a_new_id(office: Office) -> None:
    first = office.event("ObjectiveAssessed", **ASSESSMENT)
    office.event("FactWithdrawn", school="oak", withdraws=first.event_id)
    assert outcome(office.event("ObjectiveAssessed", **ASSESSMENT)) == "duplicate"


def test_events_never_consult_what_files_said(office: Office) -> None:
    assess(office)
    decision = office.event("ObjectiveAssessed", **ASSESSMENT)
    assert outcome(decision) == "accepted"
    assert decision.facts[0].key == ""


def test_a_withdrawal_tells_the_key_of_the_row_it_names(office: Office) -> None:
    (told,) = assess(office).facts
    (withdrawal,) = office.event("FactWithdrawn", school="oak", withdraws=told.event_id).facts
    assert isinstance(withdrawal, FactWithdrawn)
    assert withdrawal.withdraws_key == told.key
    assert code_of(office.event("FactWithdrawn", school="oak", withdraws="w", event_id="w")) == "withdraws_itself"
    assert outcome(office.event("FactWithdrawn", school="oak", withdraws="not-told-yet")) == "accepted"


def test_an_event_may_publish_for_a_trust_one_fact_for_each_school(office: Office) -> None:
    for school in ("elm", "fir"):
        office.row("schools", school=school, name=school, trust="T1", joined_on="2020-01-01")
    said = {
        "trust": "T1",
        "framework": "nc",
        "version": "1",
        "subjects": [{"subject": "maths", "objectives": [{"objective": "m1", "ability": "Y3"}]}],
    }
    decision = office.event("CurriculumPublished", event_id="pub-1", **said)
    assert [(fact.school, fact.event_id) for fact in decision.facts] == [("elm", "pub-1"), ("fir", "pub-1")]
    assert all(isinstance(fact, CurriculumPublished) for fact in decision.facts)
    assert outcome(office.event("CurriculumPublished", event_id="pub-1", **said)) == "duplicate"


# --- What the ledger holds ---------------------------------------------------------------------------------------


def test_a_fact_holds_no_name_and_no_reference(office: Office) -> None:
    decision = office.row(
        "pupils",
        school="oak",
        pupil="REF-77",
        enrolled_on="2025-09-01",
        given_name="Canary",
        family_name="Byrd",
        date_of_birth="2017-05-05",
        upn="H801200001001",
    )
    (fact,) = decision.facts
    assert isinstance(fact, PupilEnrolled)
    for secret in ("REF-77", "Canary", "Byrd", "2017-05-05", "H801200001001"):
        assert secret not in repr(fact)
    assert fact.same_person
    assert decision.names is not None and decision.names[0].given_name == "Canary"


def test_the_name_is_part_of_what_a_row_says(office: Office) -> None:
    row = {"school": "oak", "pupil": "B2", "enrolled_on": "2025-09-01"}
    office.row("pupils", **row, given_name="Ann")
    assert outcome(office.row("pupils", **row, given_name="Anne")) == "superseded"
    again = office.row("pupils", **row, given_name="Anne")
    assert outcome(again) == "duplicate"
    assert again.names is not None, "a retry restores an identity that a crash has lost"
