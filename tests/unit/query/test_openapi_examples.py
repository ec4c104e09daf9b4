"""Every report has an example in the OpenAPI document, which its own reader takes and its own answer fits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from services.query.openapi import _ANSWERS, DOCUMENT
from services.query.openapi_examples import read_examples
from services.query.routes import REPORTS, Report

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.path)
def test_each_report_has_an_example_that_fits(report: Report) -> None:
    example = read_examples()[report.path]
    assert report.read(example.query.encode(), NOW).request is not None
    assert isinstance(msgspec.convert(example.answer, _ANSWERS[report.path]), _ANSWERS[report.path])
    described: dict[str, Any] = DOCUMENT["paths"][f"/v1/reports/{report.path}"]["get"]
    assert described["responses"]["200"]["content"]["application/json"]["example"] == example.answer
    told = {each["name"]: each.get("example") for each in described["parameters"]}
    assert told["school"] == ["oak"]
    assert all(str(told[name]) in (str(values), values[0]) for name, values in parse_qs(example.query).items())
