"""Contract 3.1 on curriculum files: whole versions, states and marks, dates and targets; sentence by sentence."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.end_to_end.contract_sent import (
    assess,
    errors_of,
    open_school,
    reverse,
    score,
    send_rows,
    tally,
    tell,
)
from tests.end_to_end.product import import_bytes
from tests.end_to_end.small_school import assessed

pytestmark = pytest.mark.end_to_end

ROWS = "school,framework,version,effective_on,subject,ability,year_group,objective,weight"
TRUST_ROWS = ROWS.replace("school", "trust", 1)
DAY = "2025-10-01"


def open_bare(client: httpx.Client, school: str, *pupils: str, **details: str) -> None:
    """A school with pupils and no framework."""
    enrolled = [
        {"type": "PupilEnrolled", "school": school, "pupil": pupil, "enrolled_on": "2025-09-01", "year_group": "3"}
        for pupil in pupils or ("A1",)
    ]
    tell(client, {"type": "SchoolRegistered", "school": school, "name": school, **details}, *enrolled)


def version(
    school: str, name: str, effective_on: str, *objectives: str, subject: str = "maths", framework: str = "f"
) -> list[str]:
    """Rows of a version: each objective `name` or `name,weight`, of year 3."""
    rows = []
    for objective in objectives:
        code, _, weight = objective.partition(",")
        rows.append(f"{school},{framework},{name},{effective_on},{subject},Y3,3,{code},{weight}")
    return rows


def document(client: httpx.Client, body: dict[str, Any], **parameters: str) -> httpx.Response:
    """Send a curriculum as one JSON document."""
    return client.post("/v1/imports", params={"kind": "curriculum", **parameters}, json=body)


def test_a_version_is_all_or_nothing_and_others_of_the_file_stand(client: httpx.Client) -> None:
    open_bare(client, "whole")
    rows = [*version("whole", "1", "", "m1", "m2"), *version("whole", "2", "2026-01-01", "m1", "m3,1001", "m4")]
    counts = send_rows(client, "curriculum", ROWS, *rows)
    assert tally(counts) == {"accepted": 2, "rejected": 3}
    errors = errors_of(client, counts)
    assert {row for row, *_ in errors} == {3, 4, 5}
    assert (4, "weight", "1001", "out_of_range") in errors
    assess(client, "whole", f"A1,m1,achieved,{DAY}")
    assert score(client, "whole", "2026-02-01") == "1/2"


def test_the_rows_of_a_version_are_never_repeated_and_an_objective_stands_once(client: httpx.Client) -> None:
    open_bare(client, "once")
    rows = version("once", "1", "", "m1", "m2", "m1")
    counts = send_rows(client, "curriculum", ROWS, *rows)
    assert tally(counts) == {"rejected": 3}
    assert "repeated_objective" in {code for *_, code in errors_of(client, counts)}
    assert tally(send_rows(client, "curriculum", ROWS, *rows[:2])) == {"accepted": 2}
    assert tally(send_rows(client, "curriculum", ROWS, *reversed(rows[:2]))) == {"duplicate": 2}
    changed = version("once", "1", "", "m1", "m2,3")
    assert tally(send_rows(client, "curriculum", ROWS, *changed)) == {"accepted": 2, "superseded": 2}
    assess(client, "once", f"A1,m2,achieved,{DAY}")
    assert score(client, "once") == "3/4"


def test_effective_on_may_be_empty_only_for_the_first_version(client: httpx.Client) -> None:
    open_bare(client, "first")
    assert tally(send_rows(client, "curriculum", ROWS, *version("first", "1", "", "m1"))) == {"accepted": 1}
    second = send_rows(client, "curriculum", ROWS, *version("first", "2", "", "m1", "m2"))
    assert tally(second) == {"rejected": 2}
    assert {(column, code) for _, column, _, code in errors_of(client, second)} == {("effective_on", "missing_value")}
    assert tally(send_rows(client, "curriculum", ROWS, *version("first", "2", "2025-11-01", "m1", "m2"))) == {
        "accepted": 2
    }
    assert tally(send_rows(client, "curriculum", ROWS, *version("first", "1", "", "m1"))) == {"duplicate": 1}
    changed = send_rows(client, "curriculum", ROWS, *version("first", "1", "", "m1", "m3", "m4"))
    assert tally(changed) == {"accepted": 3, "superseded": 3}
    assess(client, "first", f"A1,m1,achieved,{DAY}")
    assert score(client, "first", "2025-10-31") == "1/3"
    assert score(client, "first", "2025-11-01") == "1/2"


def test_two_versions_without_day_in_one_file(client: httpx.Client) -> None:
    open_bare(client, "both")
    counts = send_rows(client, "curriculum", ROWS, *version("both", "1", "", "m1"), *version("both", "2", "", "m1"))
    assert tally(counts) == {"accepted": 1, "rejected": 1}
    rehearsed = send_rows(
        client,
        "curriculum",
        ROWS,
        *version("both", "3", "", "x1", framework="g", subject="art"),
        *version("both", "4", "", "x1", framework="g", subject="art"),
        dry_run="true",
    )
    assert tally(rehearsed) == {"accepted": 1, "rejected": 1}


def test_a_subject_belongs_to_one_framework_in_a_school(client: httpx.Client) -> None:
    open_bare(client, "one")
    send_rows(client, "curriculum", ROWS, *version("one", "1", "", "m1"))
    other = send_rows(client, "curriculum", ROWS, *version("one", "1", "", "m1", framework="g"))
    assert tally(other) == {"rejected": 1}
    assert errors_of(client, other)[0][1] == "subject"
    same_file = [
        *version("one", "1", "", "a1", subject="art", framework="h"),
        *version("one", "1", "", "a1", subject="art", framework="i"),
    ]
    assert tally(send_rows(client, "curriculum", ROWS, *same_file)) == {"accepted": 1, "rejected": 1}


def test_states_are_the_default_or_as_said(client: httpx.Client) -> None:
    open_bare(client, "states", "A1", "B2")
    assert tally(send_rows(client, "curriculum", ROWS, *version("states", "1", "", "m1", "m2"))) == {"accepted": 2}
    assess(client, "states", f"A1,m1,working_towards,{DAY}", f"B2,m1,exceeding,{DAY}", f"B2,m2,not_yet,{DAY}")
    assert score(client, "states") == "0.5/2"
    assert score(client, "states", pupil="B2") == "1/2"
    spec = "none:0,some:0.125,all:1,absent:-"
    assert tally(
        send_rows(client, "curriculum", ROWS, *version("states", "2", "2025-11-01", "m1", "m2"), states=spec)
    ) == {"accepted": 2}
    assert score(client, "states") is None, (
        "the latest state decides: where this version lacks it, nothing earlier shows"
    )
    assess(client, "states", "A1,m1,some,2025-11-02", "A1,m2,all,2025-11-02")
    assert score(client, "states") == "1.125/2"
    assess(client, "states", "A1,m2,absent,2025-11-03")
    assert score(client, "states") == "0.125/2"
    assert score(client, "states", "2025-10-31") == "0.5/2"


@pytest.mark.parametrize("spec", ["a:2", "a:0.1234", "a", "a:0,a:1", "marks:0", "marks:1001", "marks:1.5", "a b:1"])
def test_wrong_states_are_refused(client: httpx.Client, spec: str) -> None:
    params = {"kind": "curriculum", "states": spec}
    content = (ROWS + "\n" + "\n".join(version("nowhere", "1", "", "m1"))).encode()
    answer = client.post("/v1/imports", params=params, content=content, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 422 and "states" in answer.text, answer.text


def test_marks_are_numbers_up_to_the_maximum_with_three_decimals(client: httpx.Client) -> None:
    open_bare(client, "marks")
    send_rows(client, "curriculum", ROWS, *version("marks", "1", "", "m1", "m2,0.5"), states="marks:20")
    wrong = [f"A1,m1,{mark},{DAY}" for mark in ("20.001",)]
    assert tally(assess(client, "marks", *wrong)) == {"rejected": 1}
    for mark in ("achieved", "1.0001", "-1", "1e1"):
        assert tally(assess(client, "marks", f"A1,m1,{mark},{DAY}")) == {"rejected": 1}, mark
    assert tally(assess(client, "marks", f"A1,m1,12.125,{DAY}", f"A1,m2,20,{DAY}")) == {"accepted": 2}
    assert score(client, "marks") == "22.125/30"
    assess(client, "marks", f"A1,m1,0,{DAY}")
    assert score(client, "marks") == "10/30"


def test_a_json_document_says_what_the_rows_say(client: httpx.Client) -> None:
    open_bare(client, "doc")
    objectives = [
        {"objective": "m1", "ability": "Y3", "year_group": "3", "strand": "number", "text": "Counts to ten"},
        {"objective": "m2", "ability": "Y3", "year_group": "3", "weight": "2"},
    ]
    body = {
        "school": "doc",
        "framework": "f",
        "version": "1",
        "effective_on": "2025-09-01",
        "title": "Primary",
        "states": [
            {"state": "no", "weight": "0", "name": "No", "colour": "#ff0000", "meaning": "Not yet"},
            {"state": "yes", "weight": "1"},
            {"state": "away", "weight": None},
        ],
        "subjects": [{"subject": "maths", "title": "Mathematics", "objectives": objectives}],
    }
    answer = document(client, body)
    assert answer.status_code == 201, answer.text
    assert tally(answer.json()) == {"accepted": 2}
    assert tally(document(client, body).json()) == {"duplicate": 2}
    assess(client, "doc", f"A1,m2,yes,{DAY}", f"A1,m1,away,{DAY}")
    assert score(client, "doc") == "2/3"
    assert score(client, "doc", "2025-09-01") is None
    assert reverse(client, answer.json())["withdrawn"] == 2, "all counts are of rows"
    marks = {**body, "version": "2", "effective_on": "2025-11-01", "states": {"marks": "100"}}
    assert tally(document(client, marks).json()) == {"accepted": 2}
    assert document(client, {**body, "subjects": []}).status_code == 422
    broken = {**body, "subjects": [{"subject": "maths", "objectives": [{"objective": "m1", "ability": "any"}]}]}
    refused = document(client, broken)
    assert refused.status_code == 422 and "/subjects/0/objectives/0/ability" in refused.text


def test_a_version_for_a_trust_goes_to_its_members_and_a_row_counts_once(client: httpx.Client) -> None:
    for school in ("t1", "t2"):
        open_bare(client, school, trust="tees")
    rows = version("tees", "1", "", "m1", "m2")
    counts = send_rows(client, "curriculum", TRUST_ROWS, *rows)
    assert tally(counts) == {"accepted": 2}
    for school in ("t1", "t2"):
        assess(client, school, f"A1,m1,achieved,{DAY}")
        assert score(client, school) == "1/2"
    assert tally(send_rows(client, "curriculum", TRUST_ROWS, *rows)) == {"duplicate": 2}
    open_bare(client, "t3", trust="tees")
    assert tally(assess(client, "t3", f"A1,m1,achieved,{DAY}")) == {"rejected": 1}
    assert tally(send_rows(client, "curriculum", TRUST_ROWS, *rows)) == {"accepted": 2}, "it goes to the new one alone"
    assert tally(assess(client, "t3", f"A1,m1,achieved,{DAY}")) == {"accepted": 1}
    assert reverse(client, counts)["withdrawn"] == 2
    assert score(client, "t1") == "-" and score(client, "t3") == "1/2"
    assert tally(send_rows(client, "curriculum", TRUST_ROWS, *version("nobody", "1", "", "m1"))) == {"rejected": 1}


def test_a_version_for_nobody_named_goes_to_every_school_the_key_may_write(client: httpx.Client) -> None:
    for school in ("k1", "k2", "k3"):
        open_bare(client, school)
    body = {"name": "two", "schools": ["k1", "k2"], "can": ["read", "write"]}
    key = client.post("/v1/keys", json=body).json()["key"]
    rows = [row.partition(",")[2] for row in version("", "1", "", "m1", "m2")]
    limited = {"Authorization": f"Bearer {key}", "Content-Type": "text/csv"}
    content = "\n".join([ROWS.partition(",")[2], *rows, ""]).encode()
    answer = client.post("/v1/imports?kind=curriculum", content=content, headers=limited)
    assert tally(answer.json()) == {"accepted": 2}
    assert tally(assess(client, "k1", f"A1,m1,achieved,{DAY}")) == {"accepted": 1}
    assert tally(assess(client, "k2", f"A1,m1,achieved,{DAY}")) == {"accepted": 1}
    assert tally(assess(client, "k3", f"A1,m1,achieved,{DAY}")) == {"rejected": 1}


def test_what_a_version_lacks_counts_as_not_assessed_and_weight_0_is_out_of_scope(client: httpx.Client) -> None:
    open_bare(client, "lacks")
    send_rows(client, "curriculum", ROWS, *version("lacks", "1", "", "m1", "m2"))
    send_rows(client, "curriculum", ROWS, *version("lacks", "2", "2025-11-01", "m1,0", "m3"))
    assess(client, "lacks", f"A1,m1,achieved,{DAY}", f"A1,m2,achieved,{DAY}")
    assert score(client, "lacks", "2025-10-31") == "2/2"
    assert score(client, "lacks", "2025-11-01") is None
    assert tally(assess(client, "lacks", "A1,m2,not_yet,2025-11-02", "A1,m3,achieved,2025-11-02")) == {"accepted": 2}
    assert score(client, "lacks") == "1/1"


def test_objectives_of_a_reversed_version_are_unknown_again(client: httpx.Client) -> None:
    open_school(client, "unpublish", pupils="A1")
    counts = send_rows(client, "curriculum", ROWS, *version("unpublish", "9", "2025-11-01", "n1", framework="primary"))
    assert tally(assess(client, "unpublish", "A1,n1,achieved,2025-11-02")) == {"accepted": 1}
    assert reverse(client, counts)["withdrawn"] == 1
    again = assess(client, "unpublish", "A1,n1,achieved,2025-11-03")
    assert errors_of(client, again)[0][3] == "unknown_objective"


def test_ndjson_rows_and_csv_rows_are_one_version(client: httpx.Client) -> None:
    open_bare(client, "lines")
    rows = version("lines", "1", "2025-09-01", "m1,1.50", "m2")
    assert tally(send_rows(client, "curriculum", ROWS, *rows)) == {"accepted": 2}
    lines = (
        '{"school":"lines","framework":"f","version":"1","effective_on":"2025-09-01","subject":"maths","ability":"Y3",'
        '"year_group":"3","objective":"m2"}\n'
        '{"school":"lines","framework":"f","version":"1","effective_on":"2025-09-01","subject":"maths","ability":"Y3",'
        '"year_group":3,"objective":"m1","weight":1.5}\n'
    )
    assert tally(import_bytes(client, "curriculum", lines.encode(), media_type="application/x-ndjson")) == {
        "duplicate": 2
    }


def test_a_curriculum_told_as_an_event_counts_from_its_day(client: httpx.Client) -> None:
    open_bare(client, "event")
    objectives = [{"objective": "m1", "ability": "Y3"}, {"objective": "m2", "ability": "Y3"}]
    published = {
        "type": "CurriculumPublished",
        "school": "event",
        "framework": "f",
        "version": "1",
        "states": {"marks": "10"},
        "subjects": [{"subject": "maths", "objectives": objectives}],
    }
    tell(client, published, assessed("event", "A1", "m1", "7.5", DAY))
    assert score(client, "event") == "7.5/20"
    without_day = tell(client, {**published, "version": "2"}, status=422)
    assert without_day["results"][0]["error"]["code"] == "missing_value"
