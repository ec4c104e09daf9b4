"""The OpenAPI document allows what a reader without small numbers is answered."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from services.query.hidden_schemas import allow_hidden
from services.query.openapi import DOCUMENT
from services.query.sheets import SHEETS

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
COUNTS = {"sig_below": None, "below": None, "at": 7, "above": 0, "sig_above": 0}


def check(value: Any, schema: str) -> None:
    jsonschema.validate(value, {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": SCHEMAS}})


def test_a_hidden_count_is_null_and_an_answer_may_name_it() -> None:
    check(COUNTS, "BandCounts")
    with pytest.raises(jsonschema.ValidationError):
        check({**COUNTS, "at": "7"}, "BandCounts")
    assert SCHEMAS["Overview"]["properties"]["suppressed"]["items"] == {"type": "string"}
    assert "suppressed" not in SCHEMAS["Members"]["properties"]


def test_every_report_that_hides_numbers_says_so() -> None:
    for report in SHEETS:
        path = DOCUMENT["paths"].get(f"/v1/reports/{report}")
        if path is not None:
            content = path["get"]["responses"]["200"]["content"]["application/json"]
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert "suppressed" in SCHEMAS[name]["properties"], report


def test_what_is_no_count_stays_as_it_is() -> None:
    schemas: dict[str, Any] = {
        "A": {"properties": {"n": {"type": "integer"}, "p": {"$ref": "#/components/schemas/Provenance"}}},
        "Provenance": {"properties": {"views": {"type": "integer"}}},
        "B": {"properties": {"n": {"type": "integer"}}},
    }
    allow_hidden(schemas, ["A"])
    assert schemas["A"]["properties"]["n"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert schemas["Provenance"]["properties"]["views"] == schemas["B"]["properties"]["n"] == {"type": "integer"}
