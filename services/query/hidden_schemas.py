"""What the schemas of answers say to a reader who may not see small numbers: any count may be null, and is then named.

Pure, over the component schemas of the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_REF = "#/components/schemas/"
_SUPPRESSED = {
    "type": "array",
    "items": {"type": "string"},
    "description": "Only for a key with neither small_numbers nor names: JSON pointers to the numbers that are null "
    "because they are small, or would give a small one back.",
}
_UNHIDDEN = ("Provenance", "Wait")
_STRINGS = ("numerator", "denominator")


def allow_hidden(schemas: dict[str, Any], answers: Iterable[str]) -> None:
    """Change the schemas of these answers, and of what they refer to."""
    reached: dict[str, None] = {}
    waiting = list(answers)
    for name in waiting:
        schemas[name]["properties"]["suppressed"] = _SUPPRESSED
    while waiting:
        name = waiting.pop()
        if name not in reached and name not in _UNHIDDEN:
            reached[name] = None
            schemas[name] = _with_null(schemas[name], waiting)


def _with_null(schema: Any, waiting: list[str]) -> Any:
    """The schema with null beside integers and the exact sums of a mean; `waiting` gets what it refers to."""
    if isinstance(schema, list):
        return [_with_null(each, waiting) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        waiting.append(schema["$ref"].removeprefix(_REF))
        return schema
    if schema.get("type") == "integer":
        return {"anyOf": [schema, {"type": "null"}]}
    found = {name: _with_null(each, waiting) for name, each in schema.items()}
    for name, each in found.get("properties", {}).items() if isinstance(found.get("properties"), dict) else ():
        if name in _STRINGS and each == {"type": "string"}:
            found["properties"][name] = {"anyOf": [each, {"type": "null"}]}
    return found
