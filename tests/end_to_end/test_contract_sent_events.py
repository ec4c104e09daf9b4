"""Contract 3.2, events: answers, ids, retries and what a fact names; sentence by sentence."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.end_to_end.contract_sent import open_school, pupils_of, score, send_rows, tally, tell
from tests.end_to_end.product import send_events
from tests.end_to_end.small_school import assessed

pytestmark = pytest.mark.end_to_end

DAY = "2025-10-01"


def test_202_207_422_are_the_same_body(client: httpx.Client) -> None:
    open_school(client, "body")
    good, bad = assessed("body", "A1", "m1", "achieved", DAY), assessed("body", "A1", "m2", "splendid", DAY)
    mixed = tell(client, good, bad, status=207)
    assert (mixed["accepted"], mixed["duplicate"], mixed["rejected"]) == (1, 0, 1)
    first, second = mixed["results"]
    assert (first["index"], first["status"]) == (0, "accepted") and first["event_id"]
    assert (second["index"], second["status"]) == (1, "rejected")
    assert second["error"]["pointer"] == "/events/1/state" and second["error"]["code"] == "unknown_state"
    assert second["error"]["detail"]
    none = tell(client, bad, bad, status=422)
    assert none["rejected"] == 2 and set(none) == set(mixed)
    repeated = tell(client, good)
    assert repeated["duplicate"] == 1 and repeated["results"][0]["event_id"] == first["event_id"]
    assert tell(client, good, bad, status=207)["duplicate"] == 1


def test_an_event_may_name_what_an_earlier_one_of_the_request_made_known(client: httpx.Client) -> None:
    framework = {
        "type": "CurriculumPublished",
        "school": "fresh",
        "framework": "f",
        "version": "1",
        "subjects": [{"subject": "maths", "objectives": [{"objective": "m1", "ability": "Y3"}]}],
    }
    school = {"type": "SchoolRegistered", "school": "fresh", "name": "Fresh"}
    pupil = {"type": "PupilEnrolled", "school": "fresh", "pupil": "A1", "enrolled_on": "2025-09-01"}
    mark = assessed("fresh", "A1", "m1", "achieved", DAY)
    answer = tell(client, mark, school, pupil, framework, mark, status=207)
    assert [result["status"] for result in answer["results"]] == ["rejected", *["accepted"] * 4]
    assert answer["results"][0]["error"]["code"] == "unknown_school"
    assert score(client, "fresh") == "1/1"


def test_a_rejected_event_makes_nothing_known(client: httpx.Client) -> None:
    open_school(client, "nothing")
    wrong = {"type": "PupilEnrolled", "school": "nothing", "pupil": "C3", "enrolled_on": "2025-13-01"}
    answer = tell(client, wrong, assessed("nothing", "C3", "m1", "achieved", DAY), status=422)
    assert answer["results"][1]["error"]["code"] == "unknown_pupil"


def test_the_same_content_after_another_state_changes_nothing_without_a_new_id(client: httpx.Client) -> None:
    open_school(client, "made")
    first, other = assessed("made", "A1", "m1", "achieved", DAY), assessed("made", "A1", "m1", "not_yet", DAY)
    tell(client, first, other)
    assert score(client, "made") == "0/4"
    assert tell(client, first)["duplicate"] == 1
    assert score(client, "made") == "0/4"
    assert tell(client, {**first, "sequence": 1})["accepted"] == 1
    assert score(client, "made") == "1/4"
    assert tell(client, {**other, "sequence": 1})["accepted"] == 1
    assert tell(client, {**first, "sequence": 1, "event_id": "new"})["accepted"] == 1
    assert score(client, "made") == "1/4"


def test_the_same_content_after_its_withdrawal_changes_nothing(client: httpx.Client) -> None:
    open_school(client, "withdrawn")
    event = assessed("withdrawn", "A1", "m1", "achieved", DAY)
    event_id = tell(client, event)["results"][0]["event_id"]
    tell(client, {"type": "FactWithdrawn", "school": "withdrawn", "withdraws": event_id})
    assert tell(client, event)["duplicate"] == 1
    assert score(client, "withdrawn") is None


def test_source_and_type_are_part_of_a_made_id(client: httpx.Client) -> None:
    open_school(client, "two-sources")
    event = assessed("two-sources", "A1", "m1", "achieved", DAY)
    answer = tell(client, event, {**event, "source": "other"}, {**event, "source": "other"})
    assert (answer["accepted"], answer["duplicate"]) == (2, 1)


def test_one_id_is_one_fact_of_a_school_and_other_content_is_a_conflict(client: httpx.Client) -> None:
    open_school(client, "ids")
    open_school(client, "ids2")
    event = {**assessed("ids", "A1", "m1", "achieved", DAY), "event_id": "mine 1"}
    assert tell(client, event)["results"][0]["event_id"] == "mine 1"
    reordered = json.dumps({"events": [dict(reversed(event.items()))]}, indent=2).encode()
    again = client.post("/v1/events", content=reordered, headers={"Content-Type": "application/json"})
    assert (again.status_code, again.json()["duplicate"]) == (202, 1), again.text
    conflict = tell(client, {**event, "state": "not_yet"}, status=422)
    assert conflict["results"][0]["error"]["code"] == "event_id_conflict"
    assert score(client, "ids") == "1/4"
    assert tell(client, {**event, "school": "ids2"})["accepted"] == 1, "one fact per school"
    within = tell(client, {**event, "event_id": "x"}, {**event, "event_id": "x", "state": "not_yet"}, status=207)
    assert within["results"][1]["error"]["code"] == "event_id_conflict"
    for wrong in ("", "a" * 129, "a\nb", 7.5):
        answer = send_events(client, {**event, "event_id": wrong})
        assert answer.status_code == 422 or wrong == 7.5, (wrong, answer.text)


def test_the_id_that_was_made_may_be_sent_with_the_same_content(client: httpx.Client) -> None:
    open_school(client, "echo")
    event = assessed("echo", "A1", "m1", "achieved", DAY)
    event_id = tell(client, event)["results"][0]["event_id"]
    assert tell(client, {**event, "event_id": event_id})["duplicate"] == 1
    conflict = tell(client, {**event, "event_id": event_id, "state": "not_yet"}, status=422)
    assert conflict["results"][0]["error"]["code"] == "event_id_conflict"


def test_an_idempotency_key_repeats_the_first_answer(client: httpx.Client) -> None:
    open_school(client, "idem")
    body = {"events": [assessed("idem", "A1", "m1", "achieved", DAY), assessed("idem", "A1", "m2", "odd", DAY)]}
    first = client.post("/v1/events", json=body, headers={"Idempotency-Key": "idem-1"})
    again = client.post("/v1/events", json=body, headers={"Idempotency-Key": "idem-1"})
    assert first.status_code == again.status_code == 207
    assert first.json() == again.json() and again.json()["accepted"] == 1
    assert client.post("/v1/events", json=body).json()["duplicate"] == 1
    other = {"events": body["events"][:1]}
    assert client.post("/v1/events", json=other, headers={"Idempotency-Key": "idem-1"}).status_code == 422


def test_at_most_500_events_and_1_mib(client: httpx.Client) -> None:
    open_school(client, "many")
    event = assessed("many", "A1", "m1", "achieved", DAY)
    assert send_events(client, *[event] * 501).status_code == 422
    assert tell(client, *[{**event, "sequence": number} for number in range(500)])["accepted"] == 500
    assert send_events(client).status_code == 422
    large = send_events(client, {**event, "reference": "x" * (1024 * 1024)})
    assert large.status_code == 413 and large.headers["content-type"].startswith("application/problem+json")


def test_events_never_consult_what_files_said(client: httpx.Client) -> None:
    open_school(client, "files")
    header = "school,pupil,subject,objective,state,assessed_on,reference"
    assert tally(send_rows(client, "assessments", header, f"files,A1,maths,m1,achieved,{DAY},r1")) == {"accepted": 1}
    event = {**assessed("files", "A1", "m1", "not_yet", DAY), "reference": "r1"}
    assert tell(client, event)["accepted"] == 1
    assert score(client, "files") == "0/4", "told later on the same day"
    assert tally(send_rows(client, "assessments", header, f"files,A1,maths,m1,achieved,{DAY},r1")) == {"duplicate": 1}


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"school": "nowhere"}, "school", "unknown_school"),
        ({"pupil": "Z9"}, "pupil", "unknown_pupil"),
        ({"subject": "music"}, "subject", "unknown_subject"),
        ({"framework": "other"}, "framework", "unknown_framework"),
        ({"objective": "m99"}, "objective", "unknown_objective"),
        ({"state": "Achieved"}, "state", "unknown_state"),
        ({"assessed_on": "2099-01-01"}, "assessed_on", "date_out_of_range"),
        ({"type": "ObjectivAssessed"}, "type", "unknown_type"),
        ({"teacher": "x"}, "teacher", "unknown_field"),
        ({"assessed_on": None}, "assessed_on", "missing_value"),
        ({"type_version": 9}, "type_version", "out_of_range"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_a_fact_names_must_be_known(
    client: httpx.Client, change: dict[str, object], field: str, code: str
) -> None:
    open_school(client, "names")
    event = {**assessed("names", "A1", "m1", "achieved", DAY), "framework": "primary", "ability": "Y3", **change}
    error = tell(client, event, status=422)["results"][0]["error"]
    assert (error["pointer"], error["code"]) == (f"/events/0/{field}", code), error


@pytest.mark.parametrize(
    "event",
    [
        {"type": "PupilLeft", "pupil": "Z9", "left_on": DAY},
        {"type": "YearGroupSet", "pupil": "Z9", "year_group": "3", "starts_on": DAY},
        {"type": "GroupJoined", "pupil": "Z9", "group": "3A", "joined_on": DAY},
        {"type": "CharacteristicSet", "pupil": "Z9", "name": "sen", "value": "K", "starts_on": DAY},
        {"type": "PupilsMerged", "pupil": "A1", "other": "Z9"},
        {"type": "PupilsSplit", "pupil": "Z9", "other": "A1"},
    ],
    ids=lambda event: event["type"],
)
def test_a_pupil_must_be_known_for_every_kind(client: httpx.Client, event: dict[str, str]) -> None:
    open_school(client, "nobody")
    error = tell(client, {"school": "nobody", **event}, status=422)["results"][0]["error"]
    assert error["code"] == "unknown_pupil"


def test_known_from_the_moment_of_the_answer(client: httpx.Client) -> None:
    open_school(client, "moment")
    for number in range(20):
        enrolled = {"type": "PupilEnrolled", "school": "moment", "pupil": f"N{number}", "enrolled_on": "2025-09-01"}
        tell(client, enrolled)
        assert tell(client, assessed("moment", f"N{number}", "m1", "achieved", DAY))["accepted"] == 1


def test_a_position_covers_the_schools_touched_duplicates_too(client: httpx.Client) -> None:
    open_school(client, "here")
    open_school(client, "there")
    here, there = assessed("here", "A1", "m1", "achieved", DAY), assessed("there", "A1", "m1", "achieved", DAY)
    tell(client, here, there)
    position = tell(client, here, there)["position"]
    assert all(each.isalnum() or each in "-_.~" for each in position), position
    for school in ("here", "there"):
        parameters = {
            "school": school,
            "measure": "markbook:maths:Y3:overall",
            "bands": "35,50,70,85",
            "as_at": "2025-10-31",
            "min_position": position,
            "wait_seconds": "30",
        }
        report = client.get("/v1/reports/overview", params=parameters).json()
        assert report["provenance"]["stale"] is False
        assert report["rows"][0]["cells"][0]["counts"]["sig_below"] == 1, report


def test_an_event_in_a_newer_order_of_arrival_wins_a_tie_of_one_day(client: httpx.Client) -> None:
    open_school(client, "tie")
    tell(client, assessed("tie", "A1", "m1", "achieved", DAY))
    tell(client, assessed("tie", "A1", "m1", "working_towards", DAY))
    assert score(client, "tie") == "0.5/4"
    tell(client, assessed("tie", "A1", "m1", "achieved", "2025-09-20"))
    assert score(client, "tie") == "0.5/4", "never the order of arrival before the day"
    assert score(client, "tie", "2025-09-25") == "1/4"


def test_a_pupil_enrolled_by_event_without_year_group_is_not_known(client: httpx.Client) -> None:
    open_school(client, "plain", pupils="")
    tell(client, {"type": "PupilEnrolled", "school": "plain", "pupil": "A1", "enrolled_on": "2025-09-01"})
    assert pupils_of(client, "plain")["A1"]["year_group"] in (None, "Not known")
