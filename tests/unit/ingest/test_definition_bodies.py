"""Documents of tests, scales, settings and saved reports: what is read, and the place of all that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.definitions import Code, Expected, ScoreType, SettingsEntry
from services.ingest.body_faults import BodyFault
from services.ingest.definition_bodies import read_report, read_scale, read_settings, read_test

TODAY = date(2026, 3, 2)
TEST: dict[str, Any] = {
    "name": "KS2",
    "scores": {"scaled": {"min": "80", "max": "120", "step": "1"}, "ta": {"values": ["EM", "EXS", "GDS"]}},
    "codes": {"A": {"name": "Absent", "counts": True}, "B": {"counts": True, "lowest": True}, "L": {"counts": False}},
    "year_groups": ["6"],
    "window": "any",
    "expected": [{"score": "scaled", "from": "2025-09-01", "at": "100"}, {"score": "ta", "at": "EXS"}],
}
SCALE: dict[str, Any] = {"name": "Medals", "values": [{"value": "bronze", "name": "Bronze"}, {"value": "gold"}]}
SETTINGS: dict[str, Any] = {
    "name": "Autumn",
    "school": "oak",
    "kind": "bands",
    "valid_from": "2025-09-01",
    "valid_to": "2026-08-31",
    "entries": [
        {"measure": "markbook:*:own-year:overall", "year_group": "6", "bands": "21,36,51,66"},
        {"measure": "test:ks2:reading:-:scaled", "bands": "80, 100,110,-"},
        {"measure": "judgement:-:ta:*", "bands": "EM,EXS,GDS,-"},
    ],
}
REPORT: dict[str, Any] = {"name": "Mine", "path": "/reports/overview?school=oak&trust=T1&school=elm", "home": True}
READERS: dict[str, tuple[dict[str, Any], Callable[[bytes], Any]]] = {
    "test": (TEST, lambda body: read_test(body, TODAY)),
    "scale": (SCALE, read_scale),
    "settings": (SETTINGS, lambda body: read_settings(body, TODAY)),
    "report": (REPORT, read_report),
}


def read(kind: str, document: Any) -> Any:
    return READERS[kind][1](json.dumps(document).encode())


def test_documents_are_read_whole() -> None:
    test = read("test", TEST)
    assert test.scores == {
        "scaled": ScoreType(min="80", max="120", step="1"),
        "ta": ScoreType(values=("EM", "EXS", "GDS")),
    }
    assert test.codes["B"] == Code(counts=True, lowest=True) and test.codes["L"] == Code(counts=False)
    assert (test.year_groups, test.window) == (("6",), "any")
    assert test.expected[0] == Expected(score="scaled", at="100", starts_on=date(2025, 9, 1))
    assert [each.value for each in read("scale", SCALE).values] == ["bronze", "gold"]
    points = read("scale", {"name": "Points", "min": -1, "max": 1, "step": 0.5})
    assert (points.min, points.max, points.step) == ("-1", "1", "0.5")
    settings = read("settings", SETTINGS)
    assert (settings.valid_from, settings.valid_to) == (date(2025, 9, 1), date(2026, 8, 31))
    assert settings.entries[1] == SettingsEntry(measure="test:ks2:reading:-:scaled", bands="80,100,110,-")
    report = read("report", REPORT)
    assert (report.schools, report.trusts, report.home, report.shared) == (("elm", "oak"), ("T1",), True, False)


def entry(**changed: Any) -> dict[str, Any]:
    return {"entries": [{"measure": "markbook:*:own-year:overall", "bands": "21,36,51,66"} | changed]}


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("settings", entry(bands="21,36,36,66"), "/entries/0/bands", "out_of_order"),
    ("settings", entry(bands="66,51,36,21"), "/entries/0/bands", "out_of_order"),
    ("settings", entry(bands="51,-,36,66"), "/entries/0/bands", "out_of_order"),
    ("settings", entry(bands="0,36,51,66"), "/entries/0/bands", "out_of_range"),
    ("settings", entry(bands="21,36,51"), "/entries/0/bands", "wrong_count"),
    ("settings", entry(bands="-,-,-,-"), "/entries/0/bands", "no_bands"),
    ("settings", entry(bands="21,36,51,101"), "/entries/0/bands", "not_whole"),
    ("settings", entry(bands="20.5,36,51,66"), "/entries/0/bands", "not_whole"),
    ("settings", entry(bands="a,b,b,c", measure="judgement:*:ta"), "/entries/0/bands", "out_of_order"),
    ("settings", entry(bands="<b>,1,2,3"), "/entries/0/bands", "invalid_judgement"),
    ("settings", entry(bands=["21"]), "/entries/0/bands", "wrong_type"),
    ("settings", entry(bands=None), "/entries/0/bands", "missing_value"),
    ("settings", entry(measure="*"), "/entries/0/measure", "unknown_measure"),
    ("settings", entry(measure="markbook:maths:Y3"), "/entries/0/measure", "malformed_measure"),
    ("settings", entry(measure="markbook:maths:Y3:both"), "/entries/0/measure", "malformed_measure"),
    ("settings", entry(measure="markbook:-:Y3:overall"), "/entries/0/measure", "malformed_measure"),
    ("settings", entry(year_group="Not known"), "/entries/0/year_group", "reserved_value"),
    ("settings", entry(band="1,2,3,4"), "/entries/0/band", "unknown_field"),
    ("settings", {"entries": entry()["entries"] * 2}, "/entries/1", "repeated_value"),
    ("settings", {"entries": "all"}, "/entries", "wrong_type"),
    ("settings", {"entries": ["x"]}, "/entries/0", "not_an_object"),
    ("settings", {"valid_from": "2026-02-30"}, "/valid_from", "invalid_date"),
    ("settings", {"valid_to": "1989-12-31"}, "/valid_to", "date_out_of_range"),
    ("settings", {"valid_to": "2025-08-31"}, "/valid_to", "ends_before_starts"),
    ("settings", {"name": " "}, "/name", "missing_value"),
    ("settings", {"name": "a\u0000b"}, "/name", "invalid_text"),
    ("settings", {"name": "x" * 129}, "/name", "text_too_long"),
    ("settings", {"kind": "colour"}, "/kind", "invalid_choice"),
    ("settings", {"trust": "T1"}, "/trust", "school_and_trust"),
    ("settings", {"school": "o/k"}, "/school", "invalid_identifier"),
    ("settings", {"rule": "34455,23445"}, "/rule", "invalid_rule"),
    ("settings", {"rule": "34455,23445,22344,12234,11226"}, "/rule", "invalid_rule"),
    ("settings", {"colour": "red"}, "/colour", "unknown_field"),
    ("test", {"name": None}, "/name", "missing_value"),
    ("test", {"scores": {}}, "/scores", "missing_value"),
    ("test", {"scores": []}, "/scores", "not_an_object"),
    ("test", {"scores": {"a b": {"min": 0, "max": 1}}, "expected": None}, "/scores/a b", "invalid_identifier"),
    ("test", {"scores": {"raw": {"min": 5, "max": 5}}, "expected": None}, "/scores/raw/max", "out_of_order"),
    ("test", {"scores": {"raw": {"min": 0}}, "expected": None}, "/scores/raw/max", "missing_value"),
    (
        "test",
        {"scores": {"raw": {"min": 0, "max": 1, "step": 0}}, "expected": None},
        "/scores/raw/step",
        "out_of_range",
    ),
    (
        "test",
        {"scores": {"raw": {"min": 0, "max": 1, "step": 0.3}}, "expected": None},
        "/scores/raw/step",
        "out_of_range",
    ),
    ("test", {"scores": {"x": {"values": ["A", "A"]}}, "expected": None}, "/scores/x/values/1", "repeated_value"),
    ("test", {"scores": {"x": {"values": ["a"], "min": 1}}, "expected": None}, "/scores/x/values", "values_and_range"),
    ("test", {"codes": {"7": {"counts": True}}}, "/codes/7", "invalid_code"),
    ("test", {"codes": {"EM": {"counts": True}}}, "/codes", "repeated_value"),
    ("test", {"codes": {"A": {}}}, "/codes/A/counts", "invalid_flag"),
    ("test", {"window": "month"}, "/window", "invalid_choice"),
    ("test", {"expected": [{"score": "raw", "at": "3"}]}, "/expected/0/score", "unknown_score_type"),
    ("test", {"expected": [{"score": "scaled", "at": "121"}]}, "/expected/0/at", "out_of_range"),
    ("test", {"expected": [{"score": "ta", "at": "PK1"}]}, "/expected/0/at", "out_of_range"),
    ("test", {"expected": [{"score": "ta", "at": "EM"}, {"score": "ta", "at": "GDS"}]}, "/expected", "repeated_value"),
    ("test", {"year_groups": ["6", "6"]}, "/year_groups/1", "repeated_value"),
    ("scale", {"values": [{"value": "a"}, {"value": "a"}]}, "/values", "repeated_value"),
    ("scale", {"values": [{"name": "a"}]}, "/values/0/value", "missing_value"),
    ("scale", {"values": None}, "/min", "missing_value"),
    ("scale", {"min": "1"}, "/values", "values_and_range"),
    ("report", {"path": "https://elsewhere.example/reports/overview?school=oak"}, "/path", "invalid_path"),
    ("report", {"path": "//elsewhere.example/reports/x?school=oak"}, "/path", "invalid_path"),
    ("report", {"path": "/reports/../v1/keys?school=oak"}, "/path", "invalid_path"),
    ("report", {"path": "/reports/overview"}, "/path", "invalid_path"),
    ("report", {"path": "/reports/overview?school=%FF"}, "/path", "invalid_path"),
    ("report", {"path": "/reports/overview?school=a%20b"}, "/path", "invalid_identifier"),
    ("report", {"shared": "yes"}, "/shared", "invalid_flag"),
]


@pytest.mark.parametrize(("kind", "changed", "pointer", "code"), WRONG)
def test_a_wrong_member_is_refused_at_its_place(kind: str, changed: dict[str, Any], pointer: str, code: str) -> None:
    with pytest.raises(BodyFault) as caught:
        read(kind, READERS[kind][0] | changed)
    assert caught.value.status == 422
    assert (pointer, code) in [(fault.pointer, fault.code) for fault in caught.value.faults]


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(BodyFault) as caught:
        read("settings", {"school": "o/k", "kind": "x", "entries": entry(bands="1")["entries"], "rule": "1"})
    assert [fault.pointer for fault in caught.value.faults] == [
        "/name",
        "/kind",
        "/school",
        "/entries/0/bands",
        "/rule",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
def test_nothing_but_a_fault_comes_of_any_document(kind: str, data: st.DataObject) -> None:
    names = sorted({*READERS[kind][0], "min", "rule", "trust"})
    changed = data.draw(st.dictionaries(st.sampled_from(names), JSON, max_size=3))
    try:
        read(kind, READERS[kind][0] | changed)
    except BodyFault as fault:
        assert all(each.code and each.detail for each in fault.faults)
