"""What the examinations of the way in (`test_contract_sent_*.py`) share: a school of one's own, files, reading back.

Each test uses schools of its own, so that the tests of a module can share one product.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx

from tests.end_to_end.product import import_bytes, read_report, send_events
from tests.end_to_end.small_school import BANDS, MEASURE, Event

ASSESSMENTS = "school,pupil,subject,objective,state,assessed_on"
DEFAULT_STATES = ["not_yet", "working_towards", "achieved", "exceeding"]
LATE = "2025-12-31"

Pupil = dict[str, Any]


def open_school(client: httpx.Client, school: str, pupils: str = "A1 B2", **details: str) -> None:
    """A school with pupils in year 3 from 1 September 2025, and four objectives of maths in its framework `primary`."""
    enrolments: list[Event] = [
        {"type": "PupilEnrolled", "school": school, "pupil": pupil, "enrolled_on": "2025-09-01", "year_group": "3"}
        for pupil in pupils.split()
    ]
    objectives = [{"objective": f"m{number}", "ability": "Y3", "year_group": "3"} for number in range(1, 5)]
    states = [
        {"state": name, "weight": weight} for name, weight in zip(DEFAULT_STATES, ("0", "0.5", "1", "1"), strict=True)
    ]
    framework: Event = {
        "type": "CurriculumPublished",
        "school": school,
        "framework": "primary",
        "version": "1",
        "states": states,
        "subjects": [{"subject": "maths", "objectives": objectives}],
    }
    registered: Event = {"type": "SchoolRegistered", "school": school, "name": school, **details}
    answer = send_events(client, registered, *enrolments, framework)
    assert answer.status_code == 202, answer.text


def send_rows(client: httpx.Client, kind: str, header: str, *rows: str, **parameters: str) -> dict[str, Any]:
    """A CSV file of these lines; its counts."""
    return import_bytes(client, kind, "\n".join([header, *rows, ""]).encode(), **parameters)


def assess(client: httpx.Client, school: str, *rows: str, **parameters: str) -> dict[str, Any]:
    """A file of assessments in maths, each `pupil,objective,state,assessed_on`; its counts."""
    lines = [f"{school},{pupil},maths,{rest}" for pupil, _, rest in (row.partition(",") for row in rows)]
    return send_rows(client, "assessments", ASSESSMENTS, *lines, **parameters)


def tally(counts: dict[str, Any]) -> dict[str, int]:
    """The counts that are not 0, without `rows`, which must be their sum."""
    names = ("accepted", "superseded", "duplicate", "rejected")
    assert counts["rows"] == counts["accepted"] + counts["duplicate"] + counts["rejected"], counts
    return {name: counts[name] for name in names if counts[name]}


def errors_of(client: httpx.Client, counts: dict[str, Any]) -> list[tuple[int, str, str, str]]:
    """(row, column, value, code) of each line of errors.csv."""
    text = client.get(counts["errors"]).text.lstrip("\ufeff")
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert all(len(line["message"]) > 10 for line in lines), lines
    return [(int(line["row"]), line["column"], line["value"], line["code"]) for line in lines]


def reverse(client: httpx.Client, counts: dict[str, Any]) -> dict[str, Any]:
    """Reverse an import; the answer."""
    answer = client.post(f"/v1/imports/{counts['import_id']}/reverse")
    assert answer.status_code == 200, answer.text
    assert answer.json()["import_id"] == counts["import_id"]
    return dict(answer.json())


def tell(client: httpx.Client, *events: Event, status: int = 202) -> dict[str, Any]:
    """Send events, which must be answered with `status`."""
    answer = send_events(client, *events)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def position_of(client: httpx.Client, school: str) -> str:
    """A position that covers all that the school was told: an event told again is a duplicate and touches it."""
    marker = {"type": "SchoolJoinedTrust", "school": school, "trust": "nobody", "joined_on": "2035-01-01"}
    return str(tell(client, {**marker, "event_id": "marker"})["position"])


def pupils_of(client: httpx.Client, school: str, as_at: str = LATE, *more: tuple[str, str]) -> dict[str, Pupil]:
    """The pupils on roll, by reference, once the views hold all that the school was told."""
    parameters = [("school", school), ("measure", MEASURE), ("bands", BANDS), ("as_at", as_at), ("row", "whole")]
    parameters += [("min_position", position_of(client, school)), ("wait_seconds", "30"), ("limit", "500"), *more]
    report = read_report(client, "overview/members", parameters)
    assert report["provenance"]["stale"] is False
    return {pupil["reference"]: pupil for pupil in report["pupils"]}


def score(client: httpx.Client, school: str, as_at: str = LATE, pupil: str = "A1", **more: str) -> str | None:
    """numerator/denominator of a pupil's value; None with no data, "-" if not applicable."""
    value = pupils_of(client, school, as_at, *more.items())[pupil]["values"][0]
    if value["status"] == "not_applicable":
        return "-"
    return None if value["status"] == "no_data" else f"{value['numerator']}/{value['denominator']}"


def rows_of(client: httpx.Client, school: str, by: str, as_at: str = LATE, *more: tuple[str, str]) -> dict[str, int]:
    """Pupils by row of a breakdown (without the whole)."""
    parameters = [("school", school), ("measure", MEASURE), ("bands", BANDS), ("as_at", as_at), ("by", by)]
    parameters += [("min_position", position_of(client, school)), ("wait_seconds", "30"), *more]
    report = read_report(client, "overview", parameters)
    assert report["provenance"]["stale"] is False
    return {row["row"]: row["pupils"] for row in report["rows"] if row["row"] != "whole"}
