"""The short cuts of POST /v1/events say what the rules say: reading a plain body, and accepting at sight."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import event_bodies
from services.ingest.columns import RowContext
from services.ingest.decisions import Event
from services.ingest.event_bodies import BodyFault, SentEvent, decode_events
from services.ingest.plain_bodies import read_assessments, read_texts
from services.ingest.strict_json import parse_json
from tests.unit.ingest.telling import EVERYTHING, NOW, Office, caller

CONTEXT = RowContext(today=date(2026, 3, 31), source="mis")
PLAIN = {
    "type": "ObjectiveAssessed",
    "school": "elm",
    "pupil": "A1",
    "subject": "maths",
    "objective": "m1",
    "state": "achieved",
    "assessed_on": "2025-10-01",
}
TEXTS = st.sampled_from(["elm", "m1", "é", "a b", " a", "b ", "", "\x7f", "\u200d", '"', "\\", "2025-10-01", "x" * 129])
VALUES = st.one_of(TEXTS, st.none(), st.integers(), st.floats(0, 9), st.booleans(), st.just([]), st.just({"a": "b"}))
NAMES = (
    *PLAIN,
    "event_id",
    "framework",
    "ability",
    "reference",
    "source",
    "sequence",
    "recorded_at",
    "other",
    " school",
)
CHANGES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bodies that are nearly plain, as texts: with a key twice now and then, and any spaces."""
    items = draw(st.lists(CHANGES.map(lambda changes: {**PLAIN, **changes}), max_size=3))
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
    text = json.dumps({"events": items}, separators=spaced, ensure_ascii=draw(st.booleans()))
    place = draw(st.integers(0, len(text)))
    inserted = draw(
        st.sampled_from(["", "", "", '"state":"x",', '"events":[],', "]", "}", " ", '"', "\\", "\x01", "x", "\ufeff"])
    )
    if inserted.endswith(",") and "{" in text[place:]:
        place = text.index("{", place) + 1
    return (text[:place] + inserted + text[place:]).encode()


def by_the_rule(body: bytes) -> Any:
    """What the strict reading says, item by item."""
    try:
        items = event_bodies.events_of(event_bodies.read_object(body, event_bodies.BODY_BYTES_MAX))
    except BodyFault as fault:
        return fault.status, fault.faults
    return tuple(event_bodies.decode_item(index, item, CONTEXT) for index, item in enumerate(items))


def short(body: bytes) -> Any:
    """The same by the way that requests go."""
    try:
        return decode_events(body, CONTEXT)
    except BodyFault as fault:
        return fault.status, fault.faults


@given(bodies())
def test_a_body_is_read_as_the_rule_reads_it(body: bytes) -> None:
    assert short(body) == by_the_rule(body)
    texts = read_texts(body)
    assert texts is None or texts == parse_json(body)


@pytest.mark.parametrize(
    "members",
    [
        PLAIN,
        {**PLAIN, "source": "other", "framework": "f", "ability": "Y3", "reference": "r 1"},
        {**PLAIN, "event_id": "e 1"},
    ],
)
def test_plain_bodies_take_the_short_way(members: dict[str, str]) -> None:
    body = json.dumps({"events": [members, PLAIN]}).encode()
    read = read_assessments(body, CONTEXT, 500)
    assert read is not None and read == by_the_rule(body)
    assert read_texts(json.dumps({"events": [{**members, "type": "Other"}]}).encode()) is not None


@pytest.mark.parametrize(
    "text",
    [
        '{"events":[{"state":"first",%s]}',
        '{"events":[],"events":[{%s]}',
        '{"events":[{"state":"fir\\u0073t",%s]}',
        '{"other":[],"events":[{%s]}',
    ],
)
def test_what_a_decoder_would_pass_over_is_left_to_the_rule(text: str) -> None:
    body = (text % json.dumps(PLAIN)[1:]).encode()
    assert read_assessments(body, CONTEXT, 500) is None
    assert "other" in text or read_texts(body) is None


def test_too_many_events_are_left_to_the_rule() -> None:
    body = json.dumps({"events": [PLAIN] * 3}).encode()
    assert read_assessments(body, CONTEXT, 3) is not None
    assert read_assessments(body, CONTEXT, 2) is None


# --- Accepting at sight ------------------------------------------------------------------------------------------

ASSESSMENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ObjectiveAssessed", "ObjectiveAssessed", "ObjectiveAssessed", "YearGroupSet"]),
        "school": st.sampled_from(["oak", "oak", "elm", "nowhere"]),
        "pupil": st.sampled_from(["A1", "A1", "A2", "who"]),
    },
    optional={
        "subject": st.sampled_from(["maths", "art", "none"]),
        "objective": st.sampled_from(["m1", "m2", "a1"]),
        "state": st.sampled_from(["achieved", "7.50", "7", "good"]),
        "assessed_on": st.sampled_from(["2026-02-01", "2026-03-02", "2026-03-03", "2026-03-02T23:30:00-05:00"]),
        "framework": st.sampled_from(["wood", "marked", "no"]),
        "event_id": st.sampled_from(["e1", "e2"]),
        "recorded_at": st.just("2026-03-01T09:00:00Z"),
        "year_group": st.just("3"),
        "starts_on": st.just("2025-09-01"),
    },
)
DEFAULTS = {"subject": "maths", "objective": "m1", "state": "achieved", "assessed_on": "2026-02-01"}


def office() -> Office:
    """Two schools, three pupils; maths has states, art has marks."""
    made = Office()
    for school in ("oak", "elm"):
        made.event("SchoolRegistered", school=school, name=school)
        for pupil in ("A1", "A2") if school == "oak" else ("A1",):
            made.event("PupilEnrolled", school=school, pupil=pupil, enrolled_on="2025-09-01")
        for framework, subject, states in (
            ("wood", "maths", [{"state": "achieved", "weight": "1"}]),
            ("marked", "art", {"marks": "10"}),
        ):
            objectives = [{"objective": f"{subject[0]}{number}", "ability": "Y3"} for number in (1, 2)]
            subjects = [{"subject": subject, "objectives": objectives}]
            made.event(
                "CurriculumPublished", school=school, framework=framework, version="1", states=states, subjects=subjects
            )
    return made


OFFICE = office()


@given(st.lists(ASSESSMENTS, min_size=1, max_size=6), st.sampled_from([EVERYTHING, caller("elm")]))
def test_what_is_accepted_at_sight_is_what_the_rule_accepts(sent: list[dict[str, str]], by: Any) -> None:
    members = [_fitting({**DEFAULTS, **each}) for each in sent]
    items: tuple[SentEvent, ...] = decode_events(msgspec.json.encode({"events": members}), RowContext(NOW.date()))
    events = [Event(item.sent, item.type_name, item.content) for item in items if item.sent is not None]
    at_sight, one_by_one = OFFICE._desk(by, NOW, ""), OFFICE._desk(by, NOW, "")
    assert at_sight.decide_events(events) == [one_by_one.decide_event(event) for event in events]
    assert at_sight._knowledge.given == one_by_one._knowledge.given


def _fitting(members: dict[str, str]) -> dict[str, str]:
    """Without the fields that the type does not have."""
    others = ("year_group", "starts_on") if members["type"] == "ObjectiveAssessed" else (*DEFAULTS, "framework")
    kept = {name: value for name, value in members.items() if name not in others}
    return {"year_group": "3", "starts_on": "2025-09-01", **kept} if members["type"] == "YearGroupSet" else kept
