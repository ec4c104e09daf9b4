"""Contract 3.1, "A file is what a source now says": sentence by sentence, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.end_to_end.contract_sent import (
    ASSESSMENTS,
    assess,
    errors_of,
    open_school,
    pupils_of,
    reverse,
    score,
    send_rows,
    tally,
)
from tests.end_to_end.product import import_bytes

pytestmark = pytest.mark.end_to_end

MIGRATED = ASSESSMENTS + ",recorded_at"
DAY = "2025-10-01"


def test_sending_a_file_again_adds_no_fact(client: httpx.Client) -> None:
    open_school(client, "again")
    rows = "A1,m1,achieved,2025-10-01", "A1,m2,not_yet,2025-10-01", "B2,m1,achieved,2025-10-01"
    assert tally(assess(client, "again", *rows)) == {"accepted": 3}
    assert tally(assess(client, "again", *reversed(rows))) == {"duplicate": 3}


def test_another_content_supersedes_and_the_first_again_is_a_third_fact(client: httpx.Client) -> None:
    open_school(client, "third")
    assert tally(assess(client, "third", f"A1,m1,achieved,{DAY}")) == {"accepted": 1}
    assert tally(assess(client, "third", f"A1,m1,not_yet,{DAY}")) == {"accepted": 1, "superseded": 1}
    assert score(client, "third") == "0/4"
    assert tally(assess(client, "third", f"A1,m1,not_yet,{DAY}")) == {"duplicate": 1}
    assert tally(assess(client, "third", f"A1,m1,achieved,{DAY}")) == {"accepted": 1, "superseded": 1}
    assert score(client, "third") == "1/4"


def test_missing_rows_mean_nothing_and_a_source_speaks_for_itself(client: httpx.Client) -> None:
    open_school(client, "sources")
    assess(client, "sources", f"A1,m1,achieved,{DAY}", f"A1,m2,achieved,{DAY}")
    assert tally(assess(client, "sources", f"A1,m2,achieved,{DAY}")) == {"duplicate": 1}
    assert score(client, "sources") == "2/4"
    assert tally(assess(client, "sources", f"A1,m2,achieved,{DAY}", source="other")) == {"accepted": 1}


def test_a_key_twice_is_rejected_with_the_first_rows_number(client: httpx.Client) -> None:
    open_school(client, "twice")
    rows = [
        f"twice,A1,maths,m1,achieved,{DAY}",
        f"twice,A1,maths,m2,nonsense,{DAY}",
        f"twice,A1,maths,m1,achieved,{DAY}",
        f"twice,A1,maths,m2,achieved,{DAY}",
        f"twice,Z9,maths,m1,achieved,{DAY}",
        f"twice,Z9,maths,m1,achieved,{DAY}",
        f"twice,A1,maths,m3,,{DAY}",
        f"twice,A1,maths,m3,achieved,{DAY}",
    ]
    counts = send_rows(client, "assessments", ASSESSMENTS, *rows)
    assert tally(counts) == {"accepted": 1, "rejected": 7}
    codes = {row: code for row, _, _, code in errors_of(client, counts)}
    assert codes == {
        2: "unknown_state",
        3: "repeated_key",
        4: "repeated_key",
        5: "unknown_pupil",
        6: "repeated_key",
        7: "missing_value",
        8: "repeated_key",
    }
    messages = client.get(counts["errors"]).text
    assert "Row 1 " in messages and "Row 2 " in messages and "Row 5 " in messages and "Row 7 " in messages


def test_the_key_is_the_reference_if_given(client: httpx.Client) -> None:
    open_school(client, "refs")
    header = ASSESSMENTS + ",reference"
    assert tally(send_rows(client, "assessments", header, f"refs,A1,maths,m1,achieved,{DAY},r1")) == {"accepted": 1}
    moved = send_rows(client, "assessments", header, f"refs,A1,maths,m2,achieved,{DAY},r1")
    assert tally(moved) == {"accepted": 1, "superseded": 1}
    assert score(client, "refs") == "1/4"
    same_day = send_rows(
        client, "assessments", header, f"refs,A1,maths,m3,achieved,{DAY},r2", f"refs,A1,maths,m3,not_yet,{DAY},r3"
    )
    assert tally(same_day) == {"accepted": 2}


def test_sequence_is_part_of_the_key_and_orders_a_day(client: httpx.Client) -> None:
    open_school(client, "seq")
    header = ASSESSMENTS + ",sequence"
    rows = f"seq,A1,maths,m1,achieved,{DAY},2", f"seq,A1,maths,m1,not_yet,{DAY},1", f"seq,A1,maths,m1,not_yet,{DAY},"
    assert tally(send_rows(client, "assessments", header, *rows)) == {"accepted": 3}
    assert score(client, "seq") == "1/4"
    assert tally(send_rows(client, "assessments", header, f"seq,A1,maths,m1,not_yet,{DAY},0")) == {"duplicate": 1}


def test_given_recorded_at_same_row_only_if_equal(client: httpx.Client) -> None:
    open_school(client, "moved", pupils="")
    header = "school,pupil,enrolled_on,year_group,recorded_at"
    send_rows(client, "pupils", header, "moved,A1,2025-09-01,3,2025-09-01T08:00:00Z")
    first = f"moved,A1,maths,m1,achieved,{DAY},2025-10-02T10:00:00Z"
    second = f"moved,A1,maths,m1,not_yet,{DAY},2025-10-05T10:00:00Z"
    assert tally(send_rows(client, "assessments", MIGRATED, first, second)) == {"accepted": 2}
    assert tally(send_rows(client, "assessments", MIGRATED, second, first)) == {"duplicate": 2}
    same_instant = f"moved,A1,maths,m1,achieved,{DAY},2025-10-02T11:00:00.7+01:00"
    assert tally(send_rows(client, "assessments", MIGRATED, same_instant)) == {"duplicate": 1}
    other = f"moved,A1,maths,m1,working_towards,{DAY},2025-10-02T10:00:00Z"
    assert tally(send_rows(client, "assessments", MIGRATED, other)) == {"accepted": 1, "superseded": 1}


def test_what_counts_is_decided_over_all_rows_of_the_key(client: httpx.Client) -> None:
    open_school(client, "mixed")
    assert tally(assess(client, "mixed", f"A1,m1,achieved,{DAY}")) == {"accepted": 1}
    older = f"mixed,A1,maths,m1,not_yet,{DAY},2025-10-02T10:00:00Z"
    assert tally(send_rows(client, "assessments", MIGRATED, older)) == {"accepted": 1}
    assert score(client, "mixed") == "1/4", "the row of the migration was told before"
    assert tally(assess(client, "mixed", f"A1,m1,achieved,{DAY}")) == {"duplicate": 1}
    assert tally(assess(client, "mixed", f"A1,m1,not_yet,{DAY}")) == {"accepted": 1, "superseded": 1}
    assert score(client, "mixed") == "0/4"


def test_as_known_between_migrated_rows_each_counts_in_its_time(client: httpx.Client) -> None:
    open_school(client, "times", pupils="")
    at_start = "2025-08-01T08:00:00Z"
    send_rows(client, "schools", "school,name,recorded_at", f"times,Times,{at_start}")
    header = "school,pupil,enrolled_on,year_group,recorded_at"
    send_rows(client, "pupils", header, f"times,A1,2025-09-01,3,{at_start}")
    header = "school,framework,version,subject,ability,objective,recorded_at"
    send_rows(
        client,
        "curriculum",
        header,
        *(f"times,primary,1,maths,Y3,m{number},{at_start}" for number in (1, 2, 3, 4)),
    )
    late = f"times,A1,maths,m1,achieved,{DAY},2025-11-01T10:00:00Z"
    early = f"times,A1,maths,m1,not_yet,{DAY},2025-10-02T10:00:00Z"
    send_rows(client, "assessments", MIGRATED, late)
    send_rows(client, "assessments", MIGRATED, early)
    assert score(client, "times") == "1/4"
    assert score(client, "times", as_known_at="2025-10-31T10:00:00Z") == "0/4"
    assert score(client, "times", as_known_at="2025-10-02T09:59:59Z") is None
    assert score(client, "times", as_known_at="2025-11-01T10:00:00Z") == "1/4"


def test_a_reverse_lets_what_was_superseded_stand_again(client: httpx.Client) -> None:
    open_school(client, "back")
    assess(client, "back", f"A1,m1,achieved,{DAY}")
    wrong = assess(client, "back", f"A1,m1,not_yet,{DAY}", f"A1,m2,achieved,{DAY}")
    assert score(client, "back") == "1/4"
    assert reverse(client, wrong)["withdrawn"] == 2
    assert score(client, "back") == "1/4"
    assert pupils_of(client, "back")["A1"]["values"][0]["percent"] == 25
    assert tally(assess(client, "back", f"A1,m1,achieved,{DAY}")) == {"duplicate": 1}
    assert tally(assess(client, "back", f"A1,m1,not_yet,{DAY}", f"A1,m2,achieved,{DAY}")) == {
        "accepted": 2,
        "superseded": 1,
    }
    assert score(client, "back") == "1/4"
    assert reverse(client, wrong)["withdrawn"] == 0, "a second reverse withdraws nothing more"
    assert score(client, "back") == "1/4"


def test_a_reversed_import_sent_again_is_accepted_again(client: httpx.Client) -> None:
    open_school(client, "anew")
    rows = f"A1,m1,achieved,{DAY}", f"A1,m2,achieved,{DAY}"
    first = assess(client, "anew", *rows)
    assert reverse(client, first)["withdrawn"] == 2
    assert score(client, "anew") is None
    again = assess(client, "anew", *rows)
    assert tally(again) == {"accepted": 2}
    assert score(client, "anew") == "2/4"
    assert reverse(client, again)["withdrawn"] == 2
    assert score(client, "anew") is None


def test_the_reverse_of_an_import_that_was_superseded_leaves_the_later_one(client: httpx.Client) -> None:
    open_school(client, "under")
    first = assess(client, "under", f"A1,m1,not_yet,{DAY}")
    second = assess(client, "under", f"A1,m1,achieved,{DAY}")
    assert reverse(client, first)["withdrawn"] == 1
    assert score(client, "under") == "1/4"
    assert tally(assess(client, "under", f"A1,m1,achieved,{DAY}")) == {"duplicate": 1}
    assert reverse(client, second)["withdrawn"] == 1
    assert score(client, "under") is None
    assert tally(assess(client, "under", f"A1,m1,achieved,{DAY}")) == {"accepted": 1}


def test_a_dry_run_counts_the_same_and_changes_nothing(client: httpx.Client) -> None:
    open_school(client, "dry")
    assess(client, "dry", f"A1,m1,achieved,{DAY}", f"A1,m2,achieved,{DAY}")
    rows = f"A1,m1,not_yet,{DAY}", f"A1,m2,achieved,{DAY}", f"A1,m3,achieved,{DAY}", f"A1,m9,achieved,{DAY}"
    rehearsed = assess(client, "dry", *rows, f"A1,m3,achieved,{DAY}", dry_run="true")
    assert rehearsed["position"] is None
    assert score(client, "dry") == "2/4"
    real = assess(client, "dry", *rows, f"A1,m3,achieved,{DAY}")
    assert tally(rehearsed) == tally(real) == {"accepted": 2, "superseded": 1, "duplicate": 1, "rejected": 2}
    assert errors_of(client, rehearsed) == errors_of(client, real)


def test_a_dry_run_of_rows_of_one_key_with_times_counts_the_same(client: httpx.Client) -> None:
    open_school(client, "drykey")
    rows = [
        f"drykey,A1,maths,m1,achieved,{DAY},2025-10-02T10:00:00Z",
        f"drykey,A1,maths,m1,achieved,{DAY},",
        f"drykey,A1,maths,m1,not_yet,{DAY},2025-10-03T10:00:00Z",
    ]
    rehearsed = send_rows(client, "assessments", MIGRATED, *rows, dry_run="true")
    real = send_rows(client, "assessments", MIGRATED, *rows)
    assert tally(rehearsed) == tally(real)


def test_a_row_of_another_number_of_fields_or_no_object_is_a_wrong_row(client: httpx.Client) -> None:
    open_school(client, "odd")
    counts = send_rows(client, "assessments", ASSESSMENTS, "odd,A1,maths", f"odd,A1,maths,m1,achieved,{DAY},7")
    assert tally(counts) == {"rejected": 2}, "all rejected is still 201"
    lines = b'[1]\n{"school":"odd","pupil":"A1","subject":"maths","objective":"m1","state":"achieved",'
    lines += b'"assessed_on":"2025-10-01"}\n"x"\n'
    counts = import_bytes(client, "assessments", lines, media_type="application/x-ndjson")
    assert tally(counts) == {"accepted": 1, "rejected": 2}
    assert [row for row, *_ in errors_of(client, counts)] == [1, 3]


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_separators_marks_and_lines_say_the_same(client: httpx.Client, separator: str) -> None:
    school = {",": "comma", ";": "semi", "\t": "tab"}[separator]
    open_school(client, school)
    assert tally(assess(client, school, f"A1,m1,achieved,{DAY}")) == {"accepted": 1}
    plain = f"{ASSESSMENTS}\r\n{school},A1,maths,m1,achieved,{DAY}\r\n".replace(",", separator)
    assert tally(import_bytes(client, "assessments", b"\xef\xbb\xbf" + plain.encode())) == {"duplicate": 1}
    line = f'{{"assessed_on":"{DAY}","school":"{school}","pupil":"A1","subject":"maths","objective":"m1",'
    line += '"state":"achieved","framework":null,"sequence":0}\n'
    again = import_bytes(client, "assessments", line.encode(), media_type="application/x-ndjson")
    assert tally(again) == {"duplicate": 1}


def test_an_unknown_column_is_refused_with_the_nearest_unless_ignored(client: httpx.Client) -> None:
    open_school(client, "columns")
    body = f"{ASSESSMENTS},teacher,room\ncolumns,A1,maths,m1,achieved,{DAY},x,y\n".encode()
    headers = {"Content-Type": "text/csv"}
    refused = client.post("/v1/imports?kind=assessments", content=body, headers=headers)
    assert 400 <= refused.status_code < 500 and "teacher" in refused.text
    near = client.post("/v1/imports?kind=assessments", content=body.replace(b"objective", b"objectiv"), headers=headers)
    assert "objectiv" in near.text and "'objective'" in near.json()["detail"]
    taken = client.post("/v1/imports?kind=assessments&ignore=teacher&ignore=room", content=body, headers=headers)
    assert taken.status_code == 201 and taken.json()["accepted"] == 1, taken.text


@pytest.mark.parametrize(
    ("name", "bad"),
    [("cutoff", b'cutoff,"A1,maths,m2,achieved,2025-10-01\n'), ("undecodable", b"undecodable,A\xff,maths,m2,x,y\n")],
    ids=["open quote", "not UTF-8"],
)
def test_a_fault_further_on_is_422_incomplete_and_the_rows_before_stand(
    client: httpx.Client, name: str, bad: bytes
) -> None:
    open_school(client, name)
    good = f"{ASSESSMENTS}\n{name},A1,maths,m1,achieved,{DAY}\n".encode()
    answer = client.post("/v1/imports?kind=assessments", content=good + bad, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert (told["status"], told["accepted"], told["line"]) == ("incomplete", 1, 3), told
    assert client.get(f"/v1/imports/{told['import_id']}").json()["status"] == "incomplete"
    assert score(client, name) == "1/4"
    whole = good + f"{name},A1,maths,m2,achieved,{DAY}\n".encode()
    assert tally(import_bytes(client, "assessments", whole)) == {"accepted": 1, "duplicate": 1}
    assert reverse(client, told)["withdrawn"] == 1
    assert score(client, name) == "1/4"


def test_a_client_may_choose_the_import_id_once(client: httpx.Client) -> None:
    open_school(client, "chosen")
    first = assess(client, "chosen", f"A1,m1,achieved,{DAY}", import_id="imp_Chosen1")
    assert first["import_id"] == "imp_Chosen1" and first["status"] == "completed" and first["kind"] == "assessments"
    shown = client.get("/v1/imports/imp_Chosen1").json()
    assert {name: shown[name] for name in first} == first
    params = {"kind": "assessments", "import_id": "imp_Chosen1"}
    headers = {"Content-Type": "text/csv"}
    again = client.post("/v1/imports", params=params, content=f"{ASSESSMENTS}\n".encode(), headers=headers)
    assert again.status_code == 409, again.text
    for wrong in ("imp_", "imp_a-b", "chosen", "imp_" + "a" * 61):
        params["import_id"] = wrong
        refused = client.post("/v1/imports", params=params, content=b"x", headers=headers)
        assert refused.status_code == 422, refused.text
    assert client.get("/v1/imports/imp_nothing").status_code == 404
