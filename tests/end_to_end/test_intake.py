"""The intake as those who stream into it see it: forms, refusals, answers, and the topics that others follow.

One product on a real broker for all of these tests; each has a school of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import CHANGES, INTAKE, INTAKE_DEAD
from services.console.intake_letters import NoSuchLetter, print_letter
from services.runtime.settings import read_settings
from tests.end_to_end import streams
from tests.end_to_end.product import Product, read_report
from tests.servers.backend import delete_topics
from tests.servers.kafka import KafkaBroker
from tests.servers.process import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.end_to_end]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "intake_client.py"
MEASURE = "markbook:maths:Y3:overall"
SECONDS = 30.0


class Streaming:
    """A product that takes messages, and its broker."""

    def __init__(self, product: Product, broker: KafkaBroker) -> None:
        self.product = product
        self.bootstrap = broker.bootstrap

    def events(self, school: str) -> list[dict[str, Any]]:
        """A school with one pupil and two objectives."""
        objectives = [{"objective": name, "ability": "Y3"} for name in ("o1", "o2")]
        return [
            {"type": "SchoolRegistered", "school": school, "name": school.title()},
            {"type": "PupilEnrolled", "school": school, "pupil": "P1", "enrolled_on": "2025-09-01"},
            {
                "type": "CurriculumPublished",
                "school": school,
                "framework": "nc",
                "version": "1",
                "states": [{"state": "achieved", "weight": "1"}],
                "subjects": [{"subject": "maths", "objectives": objectives}],
            },
        ]

    def wait_for(self, school: str, covered: int) -> None:
        """Until so many objectives of the school's one pupil are achieved in the views."""
        parameters = [("school", school), ("measure", MEASURE), ("bands", "20,40,60,80"), ("row", "whole")]
        with self.product.client() as client:

            def is_there() -> bool:
                if client.get("/v1/reports/overview/members", params=parameters).status_code != 200:
                    return False
                pupils = read_report(client, "overview/members", parameters)["pupils"]
                return [pupil["values"][0].get("numerator") for pupil in pupils] == [str(covered)]

            wait_until(is_there, f"{covered} objectives at {school}", SECONDS)

    def letters(self, *origins: str) -> list[Any]:
        """The dead letters of these messages, once each of them has one."""
        found: list[Any] = []

        def look() -> bool:
            records = streams.read(self.bootstrap, INTAKE_DEAD.name)
            found[:] = [record for record in records if streams.header(record, "markledger-origin") in origins]
            return {streams.header(record, "markledger-origin") for record in found} == set(origins)

        wait_until(look, "the dead letters", SECONDS)
        return sorted(found, key=lambda record: origins.index(streams.header(record, "markledger-origin")))


@pytest.fixture(scope="module")
def streaming(kafka_broker: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streaming]:
    """The product, with its intake, on a broker without topics."""
    asyncio.run(delete_topics(kafka_broker.bootstrap))
    environment = {"MARKLEDGER_KAFKA_BOOTSTRAP": kafka_broker.bootstrap}
    with Product(tmp_path_factory.mktemp("streaming") / "data", environment) as product:
        wait_until(lambda: {INTAKE.name, INTAKE_DEAD.name} <= streams.topics(kafka_broker.bootstrap), "topics", SECONDS)
        yield Streaming(product, kafka_broker)


def assessed(school: str, objective: str, **more: str) -> dict[str, str]:
    """One objective achieved."""
    event = {"type": "ObjectiveAssessed", "school": school, "pupil": "P1", "subject": "maths", "objective": objective}
    return {**event, "state": "achieved", "assessed_on": "2025-10-01", **more}


def test_every_form_becomes_facts_and_poison_between_them_stops_nothing(streaming: Streaming) -> None:
    send, school = streaming, "forms"
    streams.send(send.bootstrap, [streams.body(*send.events(school))])
    event = assessed(school, "o1")
    name = event.pop("type")
    structured = {
        "specversion": "1.0",
        "id": "ce-1",
        "source": "/mis/alpha",
        "type": f"uk.mis.{name}.v1",
        "data": event,
    }
    streams.send(
        send.bootstrap,
        [json.dumps(structured).encode()],
        headers=[("content-type", b"application/cloudevents+json; charset=utf-8")],
    )
    poison = streams.send(send.bootstrap, [b"\xff\xfe not json", None, b"[1]", b"{}"])
    binary = [("ce_specversion", b"1.0"), ("ce_id", b"ce-2"), ("ce_source", b"alpha"), ("ce_type", name.encode())]
    streams.send(
        send.bootstrap,
        [json.dumps({**event, "objective": "o2"}).encode()],
        headers=[*binary, ("content-type", b"application/json")],
    )
    send.wait_for(school, 2)
    letters = send.letters(*poison)
    assert [streams.header(letter, "markledger-reason") for letter in letters] == [
        "encoding",
        "tombstone",
        "not_an_object",
        "no_events",
    ]
    assert [letter.value for letter in letters] == [b"\xff\xfe not json", None, b"[1]", b"{}"]
    assert {letter.key for letter in letters} == {b"k"}


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"content-type": "text/csv"}, "unsupported_media_type"),
        ({"content-type": "application/cloudevents-batch+json"}, "unsupported_media_type"),
        ({"content-type": "application/json; charset=utf-16"}, "unsupported_media_type"),
        ({"ce_specversion": "0.3", "ce_id": "1", "ce_source": "a", "ce_type": "X"}, "unknown_cloudevents_version"),
        ({"ce_specversion": "1.0", "ce_id": "1", "ce_type": "X"}, "invalid_cloudevent"),
        ({"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/", "ce_type": "X"}, "invalid_cloudevent_source"),
    ],
)
def test_what_the_headers_spoil(streaming: Streaming, headers: Mapping[str, str], reason: str) -> None:
    value = streams.body({"type": "SchoolRegistered", "school": "never", "name": "Never"})
    sent = [(name, text.encode()) for name, text in headers.items()]
    (letter,) = streaming.letters(*streams.send(streaming.bootstrap, [value], headers=sent))
    assert streams.header(letter, "markledger-reason") == reason
    assert letter.value == value
    assert [pair for pair in letter.headers if not pair[0].startswith("markledger-")] == sent


def test_of_a_body_only_the_refused_events_are_set_aside_and_a_replay_brings_them_in(streaming: Streaming) -> None:
    school = "replayed"
    streams.send(streaming.bootstrap, [streams.body(*streaming.events(school))])
    good, early = assessed(school, "o1"), assessed("not-yet", "o1")
    (origin,) = streams.send(streaming.bootstrap, [streams.body(good, early, {**good, "given_name": "Canary"})])
    streaming.wait_for(school, 1)
    (letter,) = streaming.letters(origin)
    assert json.loads(letter.value)["events"] == [early, {**good, "given_name": "Canary"}]
    detail = streams.header(letter, "markledger-detail")
    assert "/events/1/school unknown_school; /events/2 unknown_field" in detail
    assert "Canary" not in detail

    streams.send(streaming.bootstrap, [streams.body(*streaming.events("not-yet"))])
    listed = streaming.product.run_command("intake-letters", "list", "--json")
    (letter_id,) = [each["id"] for each in json.loads(listed.stdout)["intake_letters"] if each["origin"] == origin]
    shown = streaming.product.run_command("intake-letters", "show", letter_id, "--json")
    assert json.loads(shown.stdout)["reason"] == "unknown_school"
    replayed = streaming.product.run_command("intake-letters", "replay", letter_id, letter_id, "--json")
    assert json.loads(replayed.stdout) == {"replayed": 2}, replayed.stderr
    streaming.wait_for("not-yet", 1)
    with pytest.raises(NoSuchLetter):
        print_letter(read_settings(kafka_bootstrap=streaming.bootstrap), "0:999999999", True)


def test_large_messages_are_split_and_one_event_that_is_too_large_is_set_aside(streaming: Streaming) -> None:
    school = "large"
    streams.send(streaming.bootstrap, [streams.body(*streaming.events(school))])
    many = [assessed(school, "o1", reference=f"r{number}", framework="nc") for number in range(12_000)]
    value = streams.body(*many, assessed(school, "o2"))
    assert len(value) > 2_000_000
    two = [streams.body(assessed(school, "o2", reference="x" * 2_000_000)), b'{"events": [' + b" " * 2_000_000]
    origins = streams.send(streaming.bootstrap, [*two, value])
    streaming.wait_for(school, 2)
    first, second = streaming.letters(*origins[:2])
    assert streams.header(first, "markledger-reason") == "body_too_large"
    assert streams.header(second, "markledger-reason") == "invalid_json"
    assert [first.value, second.value] == two


def test_the_example_client_gets_the_answer_of_http(streaming: Streaming) -> None:
    streams.make_topic(streaming.bootstrap, "example.answers")
    command = [sys.executable, str(EXAMPLE), streaming.bootstrap, "example.answers"]
    for status in ("accepted", "duplicate"):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert [result["status"] for result in answer["results"]] == [status, status]
        assert answer["position"]


def test_the_topics_are_documented_where_the_api_is(streaming: Streaming) -> None:
    with streaming.product.client("") as client:
        document = client.get("/docs/asyncapi.json").json()
        assert document["channels"]["intake"]["address"] == INTAKE.name
        assert "/docs/asyncapi.json" in client.get("/docs").text


def test_an_answer_is_never_written_where_facts_are_kept_nor_waited_for(streaming: Streaming) -> None:
    school = "forged"
    streams.send(streaming.bootstrap, [streams.body(*streaming.events(school))])
    for topic in (b"markledger.facts.v1", b"no.such.topic", b"../etc", b"\xff"):
        streams.send(streaming.bootstrap, [streams.body(assessed(school, "o1"))], headers=[("reply_to", topic)])
    streams.send(streaming.bootstrap, [streams.body(assessed(school, "o2"))])
    streaming.wait_for(school, 2)
    facts = [json.loads(record.value) for record in streams.read(streaming.bootstrap, "markledger.facts.v1")]
    assert all("event_id" in fact for fact in facts)


def test_followers_are_told_which_school_has_come_how_far(streaming: Streaming) -> None:
    school = "followed"
    streams.send(streaming.bootstrap, [streams.body(*streaming.events(school), assessed(school, "o1"))])
    streaming.wait_for(school, 1)
    changes: list[Any] = []

    def is_told() -> bool:
        records = [each for each in streams.read(streaming.bootstrap, CHANGES.name) if each.key == school.encode()]
        changes[:] = [json.loads(record.value) for record in records]
        return bool(changes)

    wait_until(is_told, "the change", SECONDS)
    last = changes[-1]
    assert (last["school"], last["projection"], last["version"]) == (school, "timeline", 1)
    parameters = [("school", school), ("measure", MEASURE), ("bands", "20,40,60,80")]
    with streaming.product.client() as client:
        report = read_report(client, "overview", [*parameters, ("min_position", last["position"])])
        assert report["provenance"]["stale"] is False
    told = len(changes)
    streaming.product.child("projector").kill()

    def is_told_again() -> bool:
        is_told()
        return len(changes) > told

    wait_until(is_told_again, "what a killed projector may not have told", SECONDS)
    assert changes[-1]["position"] == last["position"]


def test_a_topic_made_anew_is_read_from_its_beginning(streaming: Streaming) -> None:
    """The old offset is one, and what counts is the very first message of the new topic."""
    school = "anew"
    streams.send(streaming.bootstrap, [streams.body(*streaming.events(school), assessed(school, "o1"))], key=school)
    streaming.wait_for(school, 1)
    streams.delete_topic(streaming.bootstrap, INTAKE.name)
    wait_until(lambda: INTAKE.name in streams.topics(streaming.bootstrap), "the topic made anew", SECONDS)
    again = [streams.body(assessed(school, "o1", reference=f"r{number}")) for number in range(40)]
    streams.send(streaming.bootstrap, [streams.body(assessed(school, "o2")), *again], key=school)
    streaming.wait_for(school, 2)
