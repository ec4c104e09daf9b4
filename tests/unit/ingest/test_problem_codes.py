"""The table of codes is held to the code: every refusal of ingest has its sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import services.ingest
from services.ingest.problem_codes import PROBLEM_CODES

PLACE_OF_CODE = {
    "FieldError": 0,
    "JsonFault": 0,
    "HeaderFault": 0,
    "FileFault": 0,
    "Fault": 1,
    "refuse": 1,
    "refused": 1,
    "fail": 1,
    "_at": 1,
    "refuse_body": 1,
    "Refused": 1,
    "Problem": 1,
    "_refuse_parameter": 1,
    "RowFault": 2,
}
"""Which argument of what makes a refusal is its code."""

ROOM = Path(services.ingest.__path__[0])


def codes_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = PLACE_OF_CODE.get(name)
        if place is not None and place < len(node.args):
            argument = node.args[place]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value


def test_every_code_has_its_sentence() -> None:
    used = {code for module in ROOM.glob("*.py") for code in codes_in(module.read_text("utf-8"))}
    assert len(used) > 40, "the codes are found"
    assert used - PROBLEM_CODES.keys() == set()


@pytest.mark.parametrize(("code", "sentence"), PROBLEM_CODES.items())
def test_codes_and_sentences_are_well_formed(code: str, sentence: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert sentence.endswith(".") and 30 < len(sentence) < 300
