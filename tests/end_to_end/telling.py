"""Small schools told over HTTP, and the questions asked of them, for the tests that hold sentences of the contract.

Everything is sent with a `recorded_at`, so that a test may ask what was known when. Percents are told directly where
that is clearer: a subject of one objective with marks up to 100 (`told_percent`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import httpx

from tests.end_to_end.product import Parameters, read_report, send_events

Event = dict[str, Any]

LONG_AGO = "2024-01-01T00:00:00Z"
PERCENT_SUBJECTS = ("reading", "writing", "maths")


def told(type_: str, school: str, recorded_at: str = LONG_AGO, **fields: Any) -> Event:
    """An event of a school with the moment at which it was told."""
    return {"type": type_, "school": school, "recorded_at": recorded_at, **fields}


def registered(school: str, recorded_at: str = LONG_AGO, **fields: Any) -> Event:
    """A school."""
    return told("SchoolRegistered", school, recorded_at, **{"name": school.title(), **fields})


def enrolled(school: str, pupil: str, year_group: str | None = None, **fields: Any) -> Event:
    """A pupil on roll from September 2024 unless told otherwise."""
    group = {} if year_group is None else {"year_group": year_group}
    return told("PupilEnrolled", school, pupil=pupil, **{"enrolled_on": "2024-09-01", **group, **fields})


def published(school: str, subjects: dict[str, Sequence[Event]], states: Any, **fields: Any) -> Event:
    """A framework: for each subject its objectives."""
    framework = {"framework": "primary", "version": "1", "states": states, **fields}
    listed = [{"subject": subject, "objectives": list(objectives)} for subject, objectives in subjects.items()]
    return told("CurriculumPublished", school, subjects=listed, **framework)


def percent_framework(school: str, subjects: Iterable[str] = PERCENT_SUBJECTS) -> Event:
    """Subjects of one objective (ability Y3) with marks up to 100, so that the marks are the percent."""
    objective = {"objective": "mark", "ability": "Y3"}
    return published(school, {subject: [objective] for subject in subjects}, {"marks": "100"}, framework="percents")


def assessed(
    school: str,
    pupil: str,
    subject: str,
    objective: str,
    state: str,
    on: str,
    recorded_at: str | None = None,
    **fields: Any,
) -> Event:
    """An assessment, told on its day unless told later."""
    content = {"pupil": pupil, "subject": subject, "objective": objective, "state": state, "assessed_on": on}
    return told("ObjectiveAssessed", school, recorded_at or f"{on}T15:00:00Z", **content, **fields)


def told_percent(school: str, pupil: str, subject: str, percent: str, on: str = "2025-10-01") -> Event:
    """A percent in a subject of `percent_framework`."""
    return assessed(school, pupil, subject, "mark", percent, on)


def tell(client: httpx.Client, *events: Event) -> str:
    """Send the events, all of which must be accepted; the position."""
    position = ""
    for start in range(0, len(events), 500):
        answer = send_events(client, *events[start : start + 500])
        assert answer.status_code == 202, answer.text
        position = answer.json()["position"]
    return position


def wait_until_shown(client: httpx.Client, position: str, schools: Sequence[str]) -> None:
    """Until the views of the schools hold everything up to a position."""
    parameters = [("school", school) for school in schools]
    parameters += [("measure", "markbook:x:any:overall"), ("bands", "35,50,70,85")]
    parameters += [("min_position", position), ("wait_seconds", "30")]
    assert read_report(client, "overview", parameters)["provenance"]["stale"] is False


def all_members(client: httpx.Client, report: str, parameters: Parameters, limit: int = 500) -> dict[str, Any]:
    """Every page of a report of pupils put together: `total`, `pupils`, and how many `pages` there were."""
    pupils: list[dict[str, Any]] = []
    pages, more = 0, []  # type: int, list[tuple[str, str]]
    while True:
        page = read_report(client, report, [*parameters, ("limit", str(limit)), *more])
        pages += 1
        pupils += page["pupils"]
        if page["next"] is None:
            return {"total": page["total"], "pupils": pupils, "pages": pages}
        more = [("cursor", page["next"])]


def by_reference(listing: dict[str, Any]) -> dict[str, Any]:
    """The pupils of a listing by the school's own reference."""
    return {pupil["reference"]: pupil for pupil in listing["pupils"]}
