"""JSON Schemas of facts, audit and definitions, for who reads the log in another language; made from the Structs.

The files beside this module are what `generate_schemas` says; a test holds them to it. After a change of the
catalogue: `python -m schemas.jsonschema`.
"""

from __future__ import annotations

import inspect

import msgspec

from schemas.audit import AUDIT_TYPES
from schemas.codec import FACT_TYPES
from schemas.definitions import DEFINITION_TYPES

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def generate_schemas() -> dict[str, bytes]:
    """File name → bytes, one file for the current version of each type of fact."""
    return {
        f"{name}.v{current_version(fact_type)}.json": _schema_of(fact_type)
        for name, fact_type in sorted({**FACT_TYPES, **AUDIT_TYPES, **DEFINITION_TYPES}.items())
    }


def current_version(fact_type: type[msgspec.Struct]) -> int:
    """The version in which facts of this type are written today: the default of the field."""
    (version,) = (field.default for field in msgspec.structs.fields(fact_type) if field.name == "version")
    return int(version)


def _schema_of(fact_type: type[msgspec.Struct]) -> bytes:
    schema = {"$schema": DIALECT, **msgspec.json.schema(fact_type)}
    for definition in schema["$defs"].values():
        definition["description"] = inspect.cleandoc(definition["description"])  # alike on every Python
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2) + b"\n"
