"""Writes the generated JSON Schemas beside this module and removes those of types that are gone."""

from __future__ import annotations

from pathlib import Path

from schemas.jsonschema import generate_schemas


def write_schemas(directory: Path) -> None:
    """Make the `*.json` files of `directory` exactly the generated ones."""
    schemas = generate_schemas()
    for stale in directory.glob("*.json"):
        if stale.name not in schemas:
            stale.unlink()
    for name, content in schemas.items():
        (directory / name).write_bytes(content)


if __name__ == "__main__":
    write_schemas(Path(__file__).parent)
