"""The forms of a message, CloudEvents among them, and what becomes of one that is set aside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.ingest.event_requests import ItemError, ItemResult
from services.ingest.intake.bad_messages import BadMessage
from services.ingest.intake.letters import letter_of_events, letter_of_message, sent_headers
from services.ingest.intake.messages import Message, read_events
from services.ingest.problem_codes import PROBLEM_CODES

EVENT = {"type": "PupilLeft", "school": "oak", "pupil": "P1", "left_on": "2026-01-31"}
DATA = {"school": "oak", "pupil": "P1", "left_on": "2026-01-31"}
ENVELOPE = {"specversion": "1.0", "id": "id-1", "source": "/trusts/t1/mis", "type": "PupilLeft", "data": DATA}
STRUCTURED = "application/cloudevents+json"


def message(value: Any, **headers: str) -> Message:
    content = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    named = tuple((name.replace("__", "-"), text.encode()) for name, text in headers.items())
    return Message("markledger.intake.v1", 3, 14, 0, b"key", content, named)


def refused(sent: Message) -> str:
    with pytest.raises(BadMessage) as caught:
        read_events(sent)
    assert caught.value.code in PROBLEM_CODES
    return caught.value.code


@pytest.mark.parametrize(
    "headers", [{}, {"content__type": "application/json"}, {"Content__Type": "application/JSON; charset=UTF-8"}]
)
def test_a_body_or_one_event_alone(headers: dict[str, str]) -> None:
    assert read_events(message({"events": [EVENT, EVENT]}, **headers)).items == [EVENT, EVENT]
    assert read_events(message(EVENT, **headers)).items == [EVENT]
    assert read_events(message(EVENT, **headers)).source == "default"


@pytest.mark.parametrize(
    ("type_name", "version"),
    [("PupilLeft", None), ("PupilLeft.v1", "1"), ("uk.org.some-mis.PupilLeft", None), ("uk.mis.PupilLeft.v12", "12")],
)
def test_a_cloud_event_in_both_forms(type_name: str, version: str | None) -> None:
    expected = {**DATA, "type": "PupilLeft", "event_id": "id-1", **({"type_version": version} if version else {})}
    structured = read_events(message({**ENVELOPE, "type": type_name}, content__type=STRUCTURED))
    attributes = {"ce_specversion": "1.0", "ce_id": "id-1", "ce_source": "/trusts/t1/mis", "ce_type": type_name}
    binary = read_events(message(DATA, content__type="application/json", **attributes))
    for read in (structured, binary):
        assert (read.items, read.source) == ([expected], "mis")


def test_a_cloud_event_of_many_events_gives_them_its_source_alone() -> None:
    read = read_events(
        message({**ENVELOPE, "type": "any.thing", "data": {"events": [EVENT]}}, content__type=STRUCTURED)
    )
    assert (read.items, read.source) == ([EVENT], "mis")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"specversion": "0.3"}, "unknown_cloudevents_version"),
        ({"specversion": "1.1"}, "unknown_cloudevents_version"),
        ({"specversion": 1.0}, "invalid_cloudevent"),
        ({"id": 7}, "invalid_cloudevent"),
        ({"specversion": None}, "invalid_cloudevent"),
        ({"id": ""}, "invalid_cloudevent"),
        ({"id": ["1"]}, "invalid_cloudevent"),
        ({"source": None}, "invalid_cloudevent"),
        ({"type": None}, "invalid_cloudevent"),
        ({"source": "https://mis.example/"}, None),
        ({"source": "urn:a b"}, "invalid_cloudevent_source"),
        ({"source": "/"}, "invalid_cloudevent_source"),
        ({"type": "Pupil Left"}, "unknown_type"),
        ({"datacontenttype": "application/xml"}, "unsupported_media_type"),
        ({"data": "text"}, "not_an_object"),
        ({"data": None}, "not_an_object"),
        ({"data_base64": "e30="}, "unsupported_media_type"),
        ({"data": {**DATA, "type": "PupilEnrolled"}}, "conflicting_cloudevent"),
        ({"data": {**DATA, "event_id": "other"}}, "conflicting_cloudevent"),
    ],
)
def test_what_is_no_good_in_an_envelope(changed: dict[str, Any], code: str | None) -> None:
    sent = message({**ENVELOPE, **changed}, content__type=STRUCTURED)
    if code is None:
        assert read_events(sent).source == "mis.example"
    else:
        assert refused(sent) == code


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (message(None), "tombstone"),
        (message(b""), "invalid_json"),
        (message(b"\xff"), "encoding"),
        (message(b"[" * 100_000), "too_deep"),
        (message(b'{"type": "A", "type": "B"}'), "repeated_json_key"),
        (message([EVENT]), "not_an_object"),
        (message({}), "no_events"),
        (message({"events": []}), "no_events"),
        (message({"events": [EVENT], "school": "oak"}), "unknown_field"),
        (message(b" " * (8 * 1024 * 1024 + 1)), "body_too_large"),
        (message(EVENT, content__type="text/csv"), "unsupported_media_type"),
        (message(EVENT, content__type="application/json;charset=latin-1"), "unsupported_media_type"),
        (message([ENVELOPE], content__type="application/cloudevents-batch+json"), "unsupported_media_type"),
        (message(EVENT, ce_specversion="2.0", ce_id="1", ce_source="a", ce_type="b"), "unknown_cloudevents_version"),
    ],
)
def test_what_is_no_message(sent: Message, code: str) -> None:
    assert refused(sent) == code


def test_a_header_that_is_no_text_spoils_only_what_it_says() -> None:
    named = (("content-type", b"application/json"), ("trace", b"\xff"))
    assert read_events(Message("t", 0, 0, 0, None, json.dumps(EVENT).encode(), named)).items == [EVENT]
    with pytest.raises(BadMessage):
        read_events(Message("t", 0, 0, 0, None, b"{}", (("ce_id", b"\xff"),)))


# --- Letters -----------------------------------------------------------------------------------------------------


def test_a_letter_is_the_message_with_reason_and_origin_and_gives_the_message_back() -> None:
    sent = message(b"\xff", content__type="text/csv", correlation_id="c")
    letter = letter_of_message(sent, "encoding")
    assert (letter.key, letter.value) == (b"key", b"\xff")
    told = dict(letter.headers)
    assert told["markledger-reason"] == b"encoding"
    assert told["markledger-origin"] == b"markledger.intake.v1/3/14"
    assert told["markledger-detail"].decode() == PROBLEM_CODES["encoding"]
    assert sent_headers(letter.headers) == sent.headers
    again = letter_of_message(Message("markledger.intake.v1", 0, 99, 0, b"key", b"\xff", letter.headers), "encoding")
    assert [name for name, _ in again.headers].count("markledger-origin") == 1


def rejected(index: int, code: str) -> ItemResult:
    return ItemResult(index, "rejected", None, ItemError(f"/events/{index}/pupil", code, "Ann Canary is unknown"))


def test_only_the_refused_events_are_kept_and_say_the_source_that_the_message_gave() -> None:
    items = [{**EVENT, "pupil": name} for name in ("P1", "Canary", "P3")]
    results = [ItemResult(0, "accepted", "a"), rejected(1, "unknown_pupil"), ItemResult(2, "duplicate", "b")]
    sent = message({**ENVELOPE, "data": {"events": items}}, content__type=STRUCTURED, ce_id="x", trace="t")
    letter = letter_of_events(sent, items, "mis", results)
    assert json.loads(letter.value or b"") == {"events": [{**items[1], "source": "mis"}]}
    assert sent_headers(letter.headers) == (("trace", b"t"), ("content-type", b"application/json"))
    detail = dict(letter.headers)["markledger-detail"].decode()
    assert detail.startswith("/events/1/pupil unknown_pupil. ") and "Canary" not in detail


def test_a_message_of_refused_events_alone_stays_as_it_was() -> None:
    sent = message(b'{ "events" : [ {} ] }', content__type="application/json")
    letter = letter_of_events(sent, [{}], "default", [rejected(0, "unknown_pupil")])
    assert (letter.value, sent_headers(letter.headers)) == (sent.value, sent.headers)


def test_a_detail_is_bounded_and_names_no_field_that_the_sender_made_up() -> None:
    results = [
        ItemResult(n, "rejected", None, ItemError(f"/events/{n}/Ann Ash", "unknown_field", "Ann Ash"))
        for n in range(5_000)
    ]
    letter = letter_of_events(message({"events": [{}] * 5_000}), [{}] * 5_000, "default", results)
    detail = dict(letter.headers)["markledger-detail"].decode()
    assert "Ann" not in detail and "and 4,980 more" in detail and len(detail) < 2_000
