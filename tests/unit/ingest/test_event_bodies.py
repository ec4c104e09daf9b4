"""The body of POST /v1/events, and the document form of a curriculum: strict reading, faults by pointer."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from schemas.events import Objective, State, Subject
from services.ingest import sent
from services.ingest.columns import RowContext
from services.ingest.event_bodies import BodyFault, SentEvent, decode_curriculum, decode_events
from services.ingest.event_types import EVENT_TYPES
from services.ingest.states import DEFAULT_STATES

CONTEXT = RowContext(today=date(2026, 3, 31), source="mis")
ASSESSED = {
    "type": "ObjectiveAssessed",
    "school": "elm",
    "pupil": "A1",
    "subject": "maths",
    "objective": "m1",
    "state": "achieved",
    "assessed_on": "2025-10-01",
}
DOCUMENT: dict[str, Any] = {
    "school": "elm",
    "framework": "wood",
    "version": "1",
    "effective_on": "2025-09-01",
    "title": "Wood",
    "states": [
        {"state": "no", "weight": 0},
        {"state": "yes", "weight": "1.0", "name": "Yes", "colour": "#00aa00", "meaning": "Is\nsecure"},
        {"state": "away", "weight": None},
    ],
    "subjects": [
        {
            "subject": "maths",
            "title": "Maths",
            "objectives": [
                {
                    "objective": "m1",
                    "ability": "Y3",
                    "year_group": "3",
                    "strand": "Number",
                    "text": "Adds",
                    "weight": 2,
                },
                {"objective": "m2", "ability": "Y3"},
            ],
        }
    ],
}


def body(*events: Any) -> bytes:
    return json.dumps({"events": list(events)}).encode()


def decode_one(event: Any) -> SentEvent:
    (decoded,) = decode_events(body(event), CONTEXT)
    return decoded


def faults_of(event: Any) -> dict[str, str]:
    decoded = decode_one(event)
    assert decoded.sent is None
    assert all(fault.detail.isprintable() and len(fault.detail) < 1000 for fault in decoded.faults)
    return {fault.pointer: fault.code for fault in decoded.faults}


def refusal(content: bytes) -> tuple[int, str, str]:
    with pytest.raises(BodyFault) as caught:
        decode_events(content, CONTEXT)
    (fault,) = caught.value.faults
    assert fault.detail.isprintable()
    return caught.value.status, fault.code, fault.pointer


# --- Events that are read ----------------------------------------------------------------------------------------


def test_an_event_is_read() -> None:
    event = decode_one(
        {**ASSESSED, "event_id": "e1", "source": "other", "sequence": 2, "recorded_at": "2025-10-02T10:00:00Z"}
    )
    assert (event.index, event.type_name, event.event_id, event.faults) == (0, "ObjectiveAssessed", "e1", ())
    assert event.sent == sent.SentAssessment(
        school="elm",
        source="other",
        sequence=2,
        recorded_at=datetime(2025, 10, 2, 10, tzinfo=UTC),
        event_id="e1",
        pupil="A1",
        subject="maths",
        objective="m1",
        state="achieved",
        assessed_on=date(2025, 10, 1),
    )


_SCHOOL = {"school": "elm"}
_PUPIL = {"school": "elm", "pupil": "A1"}
_DAY = "2025-10-01"
RESULT = {**_PUPIL, "test": "ks2", "subject": "maths", "score_type": "scaled", "score": "105", "sat_on": _DAY}
JUDGEMENT = {**_PUPIL, "subject": "writing", "scale": "ta", "value": "EXS", "judged_on": _DAY}


@pytest.mark.parametrize(
    ("type_name", "fields", "made"),
    [
        ("SchoolRegistered", {**_SCHOOL, "name": "Elm"}, sent.SentSchool),
        ("SchoolJoinedTrust", {**_SCHOOL, "trust": "woods"}, sent.SentTrustJoined),
        ("SchoolLeftTrust", {**_SCHOOL, "left_on": _DAY}, sent.SentTrustLeft),
        ("PupilEnrolled", {**_PUPIL, "enrolled_on": _DAY}, sent.SentPupil),
        ("PupilLeft", {**_PUPIL, "left_on": _DAY}, sent.SentPupilLeft),
        ("YearGroupSet", {**_PUPIL, "year_group": "3", "starts_on": _DAY}, sent.SentYearGroup),
        ("GroupJoined", {**_PUPIL, "group": "3A", "joined_on": _DAY}, sent.SentGroup),
        ("GroupLeft", {**_PUPIL, "group": "3A", "left_on": _DAY}, sent.SentGroupLeft),
        ("CharacteristicSet", {**_PUPIL, "name": "sen", "value": "K", "starts_on": _DAY}, sent.SentCharacteristic),
        ("CharacteristicEnded", {**_PUPIL, "name": "sen", "ends_on": _DAY}, sent.SentCharacteristicEnded),
        ("PupilsMerged", {**_PUPIL, "other": "A2"}, sent.SentMerge),
        ("PupilsSplit", {**_PUPIL, "other": "A2"}, sent.SentSplit),
        ("CurriculumPublished", DOCUMENT, sent.SentCurriculum),
        ("ObjectiveAssessed", ASSESSED, sent.SentAssessment),
        ("ResultRecorded", RESULT, sent.SentResult),
        ("JudgementRecorded", JUDGEMENT, sent.SentJudgement),
        ("FactWithdrawn", {**_SCHOOL, "withdraws": "e1", "reason": "typed twice"}, sent.SentWithdrawal),
    ],
)
def test_every_type_has_its_sent(type_name: str, fields: dict[str, Any], made: type) -> None:
    event = decode_one({**fields, "type": type_name, "event_id": "e9"})
    assert event.faults == ()
    assert type(event.sent) is made
    assert (event.sent.school, event.sent.source, event.sent.event_id) == ("elm", "mis", "e9")


def test_no_type_is_left_out() -> None:
    assert len(EVENT_TYPES) == 17


def test_the_numbers_of_a_result_may_be_sent_as_numbers() -> None:
    event = decode_one({**RESULT, "type": "ResultRecorded", "score": 99.5})
    assert isinstance(event.sent, sent.SentResult) and event.sent.score == "99.5"


def test_the_content_is_what_was_sent_without_the_id_and_in_one_order() -> None:
    first = decode_one({**ASSESSED, "event_id": "e1"})
    second = decode_one(dict(reversed(ASSESSED.items())))
    assert first.content == second.content
    assert decode_one({**ASSESSED, "state": "no"}).content != first.content
    assert decode_one({**ASSESSED, "sequence": 1}).content != first.content
    assert decode_one({**ASSESSED, "source": "x"}).content != first.content


# --- Bodies that are refused whole -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status", "code", "pointer"),
    [
        (b"", 400, "invalid_json", ""),
        (b"{events: []}", 400, "invalid_json", ""),
        (b'{"events":[{"type":"SchoolRegist', 400, "invalid_json", ""),
        (b'{"events":[{"sequence":NaN}]}', 400, "invalid_json", ""),
        (b'{"events":[]}'.decode().encode("utf-16"), 400, "encoding", ""),
        (b'{"events":[{"school":"\xff"}]}', 400, "encoding", ""),
        (b'{"events":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "too_deep", ""),
        (b'{"events":' * 90_000, 400, "too_deep", ""),
        (b'{"events":[],"events":[]}', 400, "repeated_json_key", "/events"),
        (b'{"events":[{"school":"elm","school":"oak"}]}', 400, "repeated_json_key", "/events/0/school"),
        (b'{"events":[1,{"a/b":{"~":1,"~":2}}]}', 400, "repeated_json_key", "/events/1/a~1b/~0"),
        (b"[]", 422, "not_an_object", ""),
        (b"{}", 422, "no_events", "/events"),
        (b'{"events":{}}', 422, "no_events", "/events"),
        (b'{"events":[]}', 422, "no_events", "/events"),
        (b'{"events":[],"mode":"fast"}', 422, "unknown_field", "/mode"),
        (body(*[ASSESSED] * 501), 422, "too_many_events", "/events"),
        (b" " * (1024 * 1024 + 1), 413, "body_too_large", ""),
    ],
)
def test_bodies_that_are_refused(content: bytes, status: int, code: str, pointer: str) -> None:
    assert refusal(content) == (status, code, pointer)


def test_five_hundred_events_are_not_too_many() -> None:
    assert len(decode_events(body(*[ASSESSED] * 500), CONTEXT)) == 500


@pytest.mark.parametrize("quotes", [b'\\"' * 500_000, b'\\"' * 500_000 + b"\\"])
def test_an_endless_string_is_read_in_one_pass(quotes: bytes) -> None:
    brackets = b"[" * 40  # what makes the reader count the depth
    assert refusal(b'{"a":"' + quotes + brackets) == (400, "invalid_json", "")


# --- Events that are rejected alone ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"state": None}, "/state", "missing_value"),
        ({"pupil": ""}, "/pupil", "missing_value"),
        ({"pupil": ["A1"]}, "/pupil", "wrong_type"),
        ({"pupil": {"a": 1}}, "/pupil", "wrong_type"),
        ({"pupil": True}, "/pupil", "wrong_type"),
        ({"pupil": "A\x001"}, "/pupil", "invalid_text"),
        ({"pupil": "\ud800"}, "/pupil", "invalid_text"),
        ({"mark": "10"}, "/mark", "unknown_field"),
        ({"assessed_on": "2025-02-30"}, "/assessed_on", "invalid_date"),
        ({"assessed_on": "1989-12-31"}, "/assessed_on", "date_out_of_range"),
        ({"school": "../elm"}, "/school", "invalid_identifier"),
        ({"sequence": 1.5}, "/sequence", "not_an_integer"),
        ({"type": "ObjectiveAdored"}, "/type", "unknown_type"),
        ({"type": "ResultsRecorded"}, "/type", "unknown_type"),
        ({"type": "\ud800" * 1000}, "/type", "unknown_type"),
        ({"type": 7}, "/type", "unknown_type"),
        ({"type": None}, "/type", "missing_value"),
        ({"type": ["ObjectiveAssessed"]}, "/type", "missing_value"),
        ({"type_version": 99}, "/type_version", "out_of_range"),
        ({"event_id": ""}, "/event_id", "missing_value"),
        ({"event_id": "x" * 129}, "/event_id", "text_too_long"),
        ({"event_id": "a\nb"}, "/event_id", "invalid_text"),
        ({"event_id": 17.5, "recorded_at": "2025-10-01T10:00:00"}, "/recorded_at", "invalid_instant"),
        ({"source": "a b"}, "/source", "invalid_identifier"),
    ],
)
def test_events_that_are_rejected(change: dict[str, Any], pointer: str, code: str) -> None:
    assert faults_of({**ASSESSED, **change}) == {f"/events/0{pointer}": code}


def test_a_number_without_end_is_no_integer() -> None:
    content = body({**ASSESSED, "sequence": "PLACE"}).replace(b'"PLACE"', b"1e400")
    (event,) = decode_events(content, CONTEXT)
    assert [(fault.pointer, fault.code) for fault in event.faults] == [("/events/0/sequence", "not_an_integer")]


def test_every_wrong_field_is_told_and_the_others_are_read() -> None:
    wrong = {
        "type": "ObjectiveAssessed",
        "school": "a b",
        "pupil": 1,
        "stat": "x",
        "assessed_on": "soon",
        "event_id": "e2",
    }
    events = decode_events(body(ASSESSED, wrong, 17, None, ["x"]), CONTEXT)
    assert [event.index for event in events] == [0, 1, 2, 3, 4]
    assert events[0].sent is not None
    assert events[1].event_id == "e2"
    assert {fault.pointer for fault in events[1].faults} == {
        f"/events/1/{name}" for name in ("school", "stat", "subject", "objective", "state", "assessed_on")
    }
    assert [event.faults[0].code for event in events[2:]] == ["not_an_object"] * 3


def test_an_unknown_name_comes_with_the_nearest() -> None:
    (fault,) = decode_one({**ASSESSED, "abilty": "Y3"}).faults
    assert "'abilty'" in fault.detail and "'ability'" in fault.detail
    (fault,) = decode_one({**ASSESSED, "type": "objectiveassessed"}).faults
    assert "'ObjectiveAssessed'" in fault.detail


def test_thousands_of_unknown_names_are_told_by_the_first_few() -> None:
    assert len(faults_of({**ASSESSED, **{f"x{number}": 1 for number in range(5000)}})) < 10


def test_a_pupil_is_not_merged_with_itself() -> None:
    merge = {"type": "PupilsMerged", "school": "elm", "pupil": "A1", "other": " A1"}
    assert faults_of(merge) == {"/events/0/other": "same_pupil"}


def test_an_end_before_its_start() -> None:
    enrolled = {"type": "PupilEnrolled", "school": "elm", "pupil": "A1", "enrolled_on": _DAY, "left_on": "2025-09-30"}
    assert faults_of(enrolled) == {"/events/0/left_on": "ends_before_starts"}


# --- The document form of a curriculum ---------------------------------------------------------------------------


def test_a_document_is_read() -> None:
    read = decode_curriculum(json.dumps(DOCUMENT).encode(), CONTEXT)
    assert read == sent.SentCurriculum(
        school="elm",
        source="mis",
        framework="wood",
        version="1",
        effective_on=date(2025, 9, 1),
        title="Wood",
        states=(
            State("no", "0"),
            State("yes", "1", name="Yes", colour="#00aa00", meaning="Is\nsecure"),
            State("away", None),
        ),
        subjects=(
            Subject("maths", (Objective("m1", "Y3", "3", "Number", "Adds", "2"), Objective("m2", "Y3")), title="Maths"),
        ),
    )
    assert read.row_key_parts() == ("natural", "wood", "1")


def test_states_by_marks_and_by_default() -> None:
    marks = decode_curriculum(json.dumps({**DOCUMENT, "states": {"marks": "100"}}).encode(), CONTEXT)
    assert (marks.states, marks.marks_max) == ((), 100)
    default = decode_curriculum(json.dumps({**DOCUMENT, "states": None}).encode(), CONTEXT)
    assert (default.states, default.marks_max) == (DEFAULT_STATES.states, None)


def test_the_order_of_a_curriculum_is_no_content() -> None:
    objectives = DOCUMENT["subjects"][0]["objectives"]
    turned = {**DOCUMENT, "subjects": [{**DOCUMENT["subjects"][0], "objectives": objectives[::-1]}]}
    first, second = (decode_curriculum(json.dumps(each).encode(), CONTEXT) for each in (DOCUMENT, turned))
    assert first != second
    assert first.content_parts() == second.content_parts()
    other = decode_curriculum(json.dumps({**DOCUMENT, "title": "Other"}).encode(), CONTEXT)
    assert other.content_parts() != first.content_parts()


def _with_objectives(*objectives: Any) -> dict[str, Any]:
    return {**DOCUMENT, "subjects": [{"subject": "maths", "objectives": list(objectives)}]}


_M1 = {"objective": "m1", "ability": "Y3"}


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        ({**DOCUMENT, "trust": "woods"}, "/trust", "school_and_trust"),
        ({**DOCUMENT, "framework": None}, "/framework", "missing_value"),
        ({**DOCUMENT, "subject": "maths"}, "/subject", "unknown_field"),
        ({**DOCUMENT, "subjects": {}}, "/subjects", "invalid_subjects"),
        ({**DOCUMENT, "subjects": []}, "/subjects", "invalid_subjects"),
        ({**DOCUMENT, "subjects": [7]}, "/subjects/0", "wrong_type"),
        ({**DOCUMENT, "subjects": [{"subject": "maths"}]}, "/subjects/0/objectives", "invalid_objectives"),
        ({**DOCUMENT, "subjects": DOCUMENT["subjects"] * 2}, "/subjects/1/subject", "repeated_subject"),
        (_with_objectives(_M1, _M1), "/subjects/0/objectives/1/objective", "repeated_objective"),
        (_with_objectives({**_M1, "weight": 1000.001}), "/subjects/0/objectives/0/weight", "out_of_range"),
        (_with_objectives({**_M1, "weight": "NaN"}), "/subjects/0/objectives/0/weight", "not_a_number"),
        (_with_objectives({**_M1, "weight": 1.0001}), "/subjects/0/objectives/0/weight", "too_many_decimals"),
        (_with_objectives({**_M1, "ability": "own-year"}), "/subjects/0/objectives/0/ability", "reserved_name"),
        (_with_objectives({**_M1, "text": "a\x00"}), "/subjects/0/objectives/0/text", "invalid_text"),
        (
            _with_objectives(*({**_M1, "objective": f"m{number}"} for number in range(10_001))),
            "/subjects/0/objectives",
            "out_of_range",
        ),
        ({**DOCUMENT, "states": []}, "/states", "invalid_states"),
        ({**DOCUMENT, "states": "marks:10"}, "/states", "invalid_states"),
        ({**DOCUMENT, "states": {"marks": 1001}}, "/states/marks", "out_of_range"),
        ({**DOCUMENT, "states": {"marks": "10", "x": 1}}, "/states/x", "unknown_field"),
        ({**DOCUMENT, "states": [{"state": "a", "weight": 2}]}, "/states/0/weight", "out_of_range"),
        ({**DOCUMENT, "states": [{"state": "a"}]}, "/states/0/weight", "missing_value"),
        ({**DOCUMENT, "states": [{"state": "a", "weight": 1}] * 2}, "/states/1/state", "repeated_state"),
        (
            {**DOCUMENT, "states": [{"state": "a", "weight": 1, "colour": "red;x:url(y)"}]},
            "/states/0/colour",
            "invalid_colour",
        ),
    ],
)
def test_documents_that_are_refused(document: dict[str, Any], pointer: str, code: str) -> None:
    with pytest.raises(BodyFault) as caught:
        decode_curriculum(json.dumps(document).encode(), CONTEXT)
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [(pointer, code)]
    event = faults_of({**document, "type": "CurriculumPublished"}) if len(str(document)) < 100_000 else None
    assert event in (None, {f"/events/0{pointer}": code})
