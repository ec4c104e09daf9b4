"""A school small enough to count by hand, and a second one beside it; as events, sent over HTTP.

Elm: Amy (girl, pupil premium), Ben (boy), both in year 3; maths has four objectives of year 3. On 31 October 2025 Amy
has achieved two (50 %), Ben none of one that was looked at (0 %). In November Amy has three (75 %).
"""

from __future__ import annotations

from typing import Any

import httpx

from tests.end_to_end.product import read_report, send_events

MEASURE = "markbook:maths:Y3:overall"
BANDS = "35,50,70,85"
OBJECTIVES = ("m1", "m2", "m3", "m4")

Event = dict[str, Any]


def school_events(school: str) -> list[Event]:
    """The school, its two pupils and its framework."""
    pupils = [
        {"pupil": "A1", "given_name": "Amy", "family_name": "Oak", "sex": "F"},
        {"pupil": "B2", "given_name": "Ben", "family_name": "Ash", "sex": "M"},
    ]
    enrolments = [
        {"type": "PupilEnrolled", "school": school, "enrolled_on": "2025-09-01", "year_group": "3", **pupil}
        for pupil in pupils
    ]
    objectives = [{"objective": name, "ability": "Y3", "year_group": "3"} for name in OBJECTIVES]
    return [
        {"type": "SchoolRegistered", "school": school, "name": school.title(), "trust": "woods"},
        *enrolments,
        {
            "type": "CharacteristicSet",
            "school": school,
            "pupil": "A1",
            "name": "pupil-premium",
            "value": "yes",
            "starts_on": "2025-09-01",
        },
        {
            "type": "CurriculumPublished",
            "school": school,
            "framework": "primary",
            "version": "1",
            "states": [{"state": "not_yet", "weight": "0"}, {"state": "achieved", "weight": "1"}],
            "subjects": [{"subject": "maths", "objectives": objectives}],
        },
    ]


def assessed(school: str, pupil: str, objective: str, state: str, assessed_on: str) -> Event:
    """One assessment."""
    return {
        "type": "ObjectiveAssessed",
        "school": school,
        "pupil": pupil,
        "subject": "maths",
        "objective": objective,
        "state": state,
        "assessed_on": assessed_on,
    }


def assessment_events(school: str) -> list[Event]:
    """What is known of both pupils."""
    return [
        assessed(school, "A1", "m1", "achieved", "2025-10-01"),
        assessed(school, "A1", "m2", "achieved", "2025-10-20"),
        assessed(school, "A1", "m3", "achieved", "2025-11-05"),
        assessed(school, "B2", "m1", "not_yet", "2025-10-01"),
    ]


def fill(client: httpx.Client, *schools: str) -> str:
    """Send everything of the schools and wait until it shows; the position after the last."""
    position = ""
    for school in schools:
        for events in (school_events(school), assessment_events(school)):
            answer = send_events(client, *events)
            assert answer.status_code == 202, answer.text
            assert answer.json()["accepted"] == len(events), answer.text
            position = answer.json()["position"]
        report = overview(client, school, "2025-11-30", ("min_position", position), ("wait_seconds", "30"))
        assert report["provenance"]["stale"] is False
    return position


def overview(client: httpx.Client, school: str, as_at: str, *more: tuple[str, str]) -> dict[str, Any]:
    """The overview of the one measure."""
    parameters = [("school", school), ("measure", MEASURE), ("bands", BANDS), ("as_at", as_at), *more]
    return read_report(client, "overview", parameters)


def counts(report: dict[str, Any], row: str = "whole") -> dict[str, int]:
    """Pupils by band and without data, of a row, zeros left out."""
    found = next(entry for entry in report["rows"] if entry["row"] == row)
    cell = found["cells"][0]
    every = {**cell["counts"], "no_data": cell["no_data"], "not_applicable": cell["not_applicable"]}
    return {name: count for name, count in every.items() if count}
