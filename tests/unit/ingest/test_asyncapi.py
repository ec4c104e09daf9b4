"""The AsyncAPI document: whole, resolvable, and held to the code that it describes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import schemas
from schemas.codec import FACT_TYPES, decode_fact, encode_fact
from schemas.topics import CHANGES, FACTS, INTAKE, INTAKE_DEAD
from services.ingest.event_types import EVENT_TYPES
from services.ingest.intake.asyncapi import DOCUMENT, render_page

SPEC: dict[str, Any] = json.loads(DOCUMENT)
SCHEMAS = SPEC["components"]["schemas"]
MESSAGES = SPEC["components"]["messages"]


def resolve(reference: str) -> Any:
    found: Any = SPEC
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def check(schema: str, value: Any) -> None:
    jsonschema.validate(value, {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": SCHEMAS}})


def test_it_has_the_parts_that_asyncapi_3_asks_for() -> None:
    assert SPEC["asyncapi"] == "3.0.0"
    assert SPEC["info"].keys() >= {"title", "version"}
    assert {channel["address"] for channel in SPEC["channels"].values()} == {
        FACTS.name,
        INTAKE.name,
        INTAKE_DEAD.name,
        CHANGES.name,
        None,
    }
    for channel in SPEC["channels"].values():
        assert channel["messages"]
    for operation in SPEC["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["channel"]["$ref"].startswith("#/channels/")
    for message in MESSAGES.values():
        assert message["contentType"] and message["payload"]


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    found = set(references(SPEC))
    assert len(found) > 60
    for reference in found:
        assert resolve(reference)
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_type_of_fact_and_of_event_is_a_message_of_its_topic() -> None:
    facts, intake = SPEC["channels"]["facts"]["messages"], SPEC["channels"]["intake"]["messages"]
    assert facts.keys() == {f"fact.{name}" for name in FACT_TYPES}
    assert intake.keys() == {"events", "cloudEvent", *(f"event.{name}" for name in EVENT_TYPES)}
    for name, shape in EVENT_TYPES.items():
        schema = resolve(MESSAGES[f"event.{name}"]["payload"]["$ref"])
        assert schema["properties"].keys() == {"type", *shape.column_names()} | (
            {"states", "subjects"} & schema["properties"].keys()
        )
        assert set(schema["required"]) == {"type", *(column.name for column in shape.columns if column.required)}


@pytest.mark.parametrize("name", sorted(FACT_TYPES))
def test_a_fact_as_the_log_keeps_it_is_what_the_document_says(name: str) -> None:
    examples = sorted((Path(schemas.__file__).parent / "examples" / name).rglob("*.json"))
    assert examples
    for example in examples:
        check(name, json.loads(encode_fact(decode_fact(example.read_bytes()))))


def test_what_is_sent_is_what_the_document_says() -> None:
    event = {"type": "PupilLeft", "school": "oak", "pupil": "P1", "left_on": "2026-01-31"}
    check("EventsBody", {"events": [event]})
    data = {"school": "oak"}
    check("CloudEvent", {"specversion": "1.0", "id": "1", "source": "mis", "type": "PupilLeft", "data": data})
    for wrong in ({"events": [{**event, "colour": "red"}]}, {"events": []}, {"events": [{"type": "PupilLeft"}]}):
        with pytest.raises(jsonschema.ValidationError):
            check("EventsBody", wrong)


def test_the_page_names_every_topic_and_loads_nothing() -> None:
    page = render_page()
    assert all(topic.name in page for topic in (FACTS, INTAKE, INTAKE_DEAD, CHANGES))
    assert "<script" not in page and "src=" not in page and "http" not in page
