"""Examples for the OpenAPI document: of each report a question and what a product answered to it, of the class Oak.

They are written by `tests.end_to_end.write_examples`, never by hand. No schema stands here.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

import msgspec


class Example(msgspec.Struct, frozen=True):
    """A query string and its answer, long lists cut short."""

    query: str
    answer: dict[str, Any]

    def parameter(self, name: str) -> list[str]:
        """What the question says of a parameter; empty if nothing."""
        return parse_qs(self.query).get(name, [])


def read_examples() -> dict[str, Example]:
    """The examples by report."""
    text = files("services.query").joinpath("examples.json").read_text(encoding="utf-8")
    return {report: Example(**told) for report, told in json.loads(text).items()}
