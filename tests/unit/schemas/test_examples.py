"""Golden examples of every type and version of fact: append-only, and readable by every release from now on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import jsonschema
import msgspec
import pytest

import schemas
from schemas.audit import AUDIT_TYPES, AuditFact, decode_audit, encode_audit
from schemas.codec import FACT_TYPES, decode_fact, encode_fact
from schemas.definitions import DEFINITION_TYPES, DefinitionFact, decode_definition, encode_definition
from schemas.events import Fact
from schemas.jsonschema import current_version, generate_schemas

EXAMPLES = Path(schemas.__file__).parent / "examples"
SUMS = EXAMPLES / "SHA256SUMS"
JSON_SCHEMAS = Path(schemas.__file__).parent / "jsonschema"

FILES = sorted(EXAMPLES.rglob("*.json"))
CANONICAL = [path for path in FILES if not path.name.endswith(".tolerated.json")]


def name_of(path: Path) -> str:
    return path.relative_to(EXAMPLES).as_posix()


def decode(path: Path, value: bytes | None = None) -> Fact | AuditFact | DefinitionFact:
    """The fact in an example, or in `value`, of the catalogue that the example's type is in."""
    content = path.read_bytes() if value is None else value
    if path.parts[-3] in DEFINITION_TYPES:
        return decode_definition(content)
    return decode_audit(content) if path.parts[-3] in AUDIT_TYPES else decode_fact(content)


def encode(fact: Fact | AuditFact | DefinitionFact) -> bytes:
    if isinstance(fact, DefinitionFact):
        return encode_definition(fact)
    return encode_audit(fact) if isinstance(fact, AuditFact) else encode_fact(fact)


def test_every_type_has_an_example_of_each_of_its_versions() -> None:
    there = {(path.parts[-3], path.parts[-2]) for path in FILES}
    wanted = {
        (name, f"v{version}")
        for name, fact_type in {**FACT_TYPES, **AUDIT_TYPES, **DEFINITION_TYPES}.items()
        for version in range(1, current_version(fact_type) + 1)
    }
    assert there == wanted


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_example_decodes_to_its_type(path: Path) -> None:
    fact = decode(path)
    assert type(fact).__name__ == path.parts[-3]
    assert decode(path, encode(fact)) == fact


@pytest.mark.parametrize("path", CANONICAL, ids=name_of)
def test_a_canonical_example_is_written_again_byte_for_byte(path: Path) -> None:
    fact = decode(path)
    if path.parts[-2] == f"v{current_version(type(fact))}":
        assert msgspec.json.format(encode(fact), indent=2) + b"\n" == path.read_bytes()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_example_holds_to_the_published_json_schema(path: Path) -> None:
    published = JSON_SCHEMAS / f"{path.parts[-3]}.{path.parts[-2]}.json"
    jsonschema.validate(msgspec.json.decode(path.read_bytes()), msgspec.json.decode(published.read_bytes()))


def test_examples_are_only_added() -> None:
    """For a new example: (cd schemas/examples && sha256sum TYPE/vN/NAME.json >> SHA256SUMS). Lines never change."""
    recorded = dict(reversed(line.split(maxsplit=1)) for line in SUMS.read_text().splitlines())
    actual = {name_of(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in FILES}
    assert actual == recorded


def test_each_field_of_a_fact_stands_in_some_example() -> None:
    for name, fact_type in {**FACT_TYPES, **DEFINITION_TYPES}.items():
        told = {field for path in FILES if path.parts[-3] == name for field in msgspec.json.decode(path.read_bytes())}
        own = {field.name for field in msgspec.structs.fields(fact_type)} - ENVELOPE - HEADING
        assert own <= told, name


HEADING = {field.name for field in msgspec.structs.fields(DefinitionFact)}
ENVELOPE = {field.name for field in msgspec.structs.fields(FACT_TYPES["PupilLeft"])} - {"pupil", "left_on"}


def test_the_published_json_schemas_are_the_generated_ones() -> None:
    published = {path.name: path.read_bytes() for path in JSON_SCHEMAS.glob("*.json")}
    assert published == generate_schemas(), "run: python -m schemas.jsonschema"
