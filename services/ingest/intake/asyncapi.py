"""The topics as an AsyncAPI 3.0 document, made from the definitions that the code itself uses.

Facts come from `schemas.events`, what may be sent from the table of event types, topics from `schemas.topics`. By hand
and not by FastStream, whose generator takes msgspec's Structs for pydantic models, and knows only topics that it reads.
"""

from __future__ import annotations

import html
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from schemas import changes
from schemas.codec import FACT_TYPES
from schemas.topics import CHANGES, FACTS, INTAKE, INTAKE_DEAD, KAFKA_PARTITIONS, Topic
from services.ingest.event_requests import EventsAnswer
from services.ingest.event_types import CURRICULUM_PUBLISHED, EVENT_TYPES
from services.ingest.kinds import Shape

VERSION: Final = "3.0.0"
DRAFT_07: Final = "application/schema+json;version=draft-07"

_SCHEMAS = "#/components/schemas/{name}"
_JSON = "application/json"
_NESTED: Mapping[str, Mapping[str, Any]] = {
    "states": {"description": 'Named states as a list of objects, or {"marks": MAX}.'},
    "subjects": {"type": "array", "items": {"type": "object"}},
}


def build_document() -> dict[str, Any]:
    """The document: four channels, who sends and who receives, and a message for every type of fact and of event."""
    schemas, facts = _schemas_of_facts()
    schemas |= _schemas_of_sent()
    messages = {f"fact.{name}": _message(f"{name} as the log keeps it", name) for name in facts}
    messages |= {
        f"event.{name}": _message(f"One {name} alone", f"Sent{name}", headers="IntakeHeaders") for name in EVENT_TYPES
    }
    messages["events"] = _message("A body of POST /v1/events", "EventsBody", headers="IntakeHeaders")
    messages["cloudEvent"] = _message(
        "A CloudEvent in the structured form (in the binary form the attributes are headers ce_…)",
        "CloudEvent",
        content_type="application/cloudevents+json",
        headers="IntakeHeaders",
    )
    messages["deadLetter"] = _message("What was set aside, as it came", "AnyValue", headers="DeadLetterHeaders")
    messages["answer"] = _message("The answer to a message that asked for one", "EventsAnswer")
    messages["change"] = _message("How far the views of a school have come", "Change")
    intake = ["events", "cloudEvent", *(f"event.{name}" for name in EVENT_TYPES)]
    channels = {
        "facts": _channel(FACTS, "The log: every fact, for ever, in the order of each school.", _names("fact", facts)),
        "intake": _channel(INTAKE, "Facts from information systems; any key, many schools in one topic.", intake),
        "dead": _channel(
            INTAKE_DEAD, "Messages of the intake that were set aside, with reason and origin.", ["deadLetter"]
        ),
        "changes": _channel(CHANGES, "Which school's views have moved, and to where. Key: the school.", ["change"]),
        "answers": {
            "address": None,
            "description": "The topic that the header reply_to of a message names.",
            "messages": _references(["answer"]),
        },
    }
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Markledger",
            "version": "1",
            "description": "What the ledger takes from Kafka and what it gives to Kafka. All values are JSON.",
        },
        "defaultContentType": _JSON,
        "channels": channels,
        "operations": _operations(),
        "components": {"messages": messages, "schemas": schemas},
    }


def _operations() -> dict[str, Any]:
    return {
        "keepFacts": _operation("send", "facts", "Ingest appends accepted facts; nobody else may."),
        "takeEvents": {
            **_operation("receive", "intake", "The intake judges every event as POST /v1/events does."),
            "reply": {
                "address": {
                    "location": "$message.header#/reply_to",
                    "description": "A topic, not one of the product's.",
                },
                "channel": {"$ref": "#/channels/answers"},
            },
        },
        "setAside": _operation("send", "dead", "What is no good, for operators: `markledger intake-letters`."),
        "announceChanges": _operation("send", "changes", "After each commit of the projector, at least once."),
    }


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _channel(topic: Topic, description: str, messages: Iterable[str]) -> dict[str, Any]:
    configuration = {
        "cleanup.policy": ["compact" if topic.compacted else "delete"],
        "retention.ms": topic.retention_ms,
    }
    binding = {"topic": topic.name, "partitions": KAFKA_PARTITIONS, "topicConfiguration": configuration}
    return {
        "address": topic.name,
        "description": description,
        "messages": _references(messages),
        "bindings": {"kafka": {**binding, "bindingVersion": "0.5.0"}},
    }


def _names(group: str, names: Iterable[str]) -> list[str]:
    return [f"{group}.{name}" for name in names]


def _references(messages: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _message(title: str, schema: str, *, content_type: str = _JSON, headers: str | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {
        "title": title,
        "contentType": content_type,
        "payload": {"$ref": _SCHEMAS.format(name=schema)},
    }
    if headers is not None:
        message["headers"] = {"$ref": _SCHEMAS.format(name=headers)}
    return message


# --- Schemas -----------------------------------------------------------------------------------------------------


def _schemas_of_facts() -> tuple[dict[str, Any], list[str]]:
    types = [*FACT_TYPES.values(), EventsAnswer, changes.Change]
    _, schemas = msgspec.json.schema_components(types, ref_template=_SCHEMAS)
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return schemas, sorted(FACT_TYPES)


def _schemas_of_sent() -> dict[str, Any]:
    """What may be sent: the fields of each type, from the table that they are read against."""
    sent = {f"Sent{name}": _sent_schema(shape) for name, shape in EVENT_TYPES.items()}
    any_event = {"oneOf": [{"$ref": _SCHEMAS.format(name=name)} for name in sent]}
    text = {"type": "string", "minLength": 1}
    events = {
        "type": "object",
        "required": ["events"],
        "additionalProperties": False,
        "properties": {"events": {"type": "array", "minItems": 1, "items": {"$ref": _SCHEMAS.format(name="AnyEvent")}}},
    }
    cloud_event = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**text, "description": "The event_id."},
            "source": {**text, "description": "A source id, or a path that ends with one."},
            "type": {**text, "description": "TYPE, perhaps with a prefix of dotted names and a suffix .vVERSION."},
            "datacontenttype": {"type": "string"},
            "data": {"type": "object", "description": 'The fields of the event, or {"events": […]}.'},
        },
    }
    return {
        **sent,
        "AnyEvent": any_event,
        "EventsBody": events,
        "CloudEvent": cloud_event,
        "AnyValue": {"description": "Any bytes, or none."},
        "IntakeHeaders": _headers("content-type", "reply_to", "correlation_id"),
        "DeadLetterHeaders": _headers("markledger-reason", "markledger-detail", "markledger-origin"),
    }


def _sent_schema(shape: Shape) -> dict[str, Any]:
    value = {"type": ["string", "number"]}
    properties: dict[str, Any] = {"type": {"const": shape.name}}
    properties |= {column.name: value for column in shape.columns}
    required = ["type", *(column.name for column in shape.columns if column.required)]
    if shape.name == CURRICULUM_PUBLISHED:
        properties |= _NESTED
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _headers(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}}


# --- The page ----------------------------------------------------------------------------------------------------


def render_page() -> str:
    """The document as a page without scripts."""
    document = build_document()
    parts = [f"<h1>{document['info']['title']}: topics</h1><p>{html.escape(document['info']['description'])}</p>"]
    parts.append('<p><a href="/docs/asyncapi.json">The same as AsyncAPI 3</a></p>')
    for name, channel in document["channels"].items():
        parts.append(f"<h2 id='{name}'><code>{html.escape(channel['address'] or name)}</code></h2>")
        parts.append(f"<p>{html.escape(channel['description'])}</p><ul>")
        for message in channel["messages"]:
            title = document["components"]["messages"][message]["title"]
            parts.append(f"<li><code>{html.escape(message)}</code>: {html.escape(title)}</li>")
        parts.append("</ul>")
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Markledger: topics</title>'
    return head + "\n".join(parts) + "</html>\n"


DOCUMENT: Final = msgspec.json.format(msgspec.json.encode(build_document()), indent=2) + b"\n"
