"""Measures as requests name them."""

from __future__ import annotations

import pytest

from services.domain.measures import InvalidMeasure, Measure, parse_measure


def test_a_markbook_measure() -> None:
    text = "markbook:maths:own-year:assessed"
    assert parse_measure(text) == Measure(
        kind="markbook", text=text, subject="maths", ability="own-year", percent="assessed"
    )
    assert parse_measure("markbook:maths:any:overall").ability == "any"


def test_a_test_measure() -> None:
    text = "test:ks2:maths:paper-1:raw"
    assert parse_measure(text) == Measure(
        kind="test", text=text, test="ks2", subject="maths", component="paper-1", score_type="raw"
    )
    assert parse_measure("test:ks2:maths:-:scaled").component == ""


def test_a_judgement_measure() -> None:
    text = "judgement:writing:bronze-silver-gold"
    assert parse_measure(text) == Measure(kind="judgement", text=text, subject="writing", scale="bronze-silver-gold")


@pytest.mark.parametrize(
    ("text", "column", "per_unit"),
    [
        ("markbook:maths:Y3:overall", "", 1),
        ("test:ks2:maths:-:scaled", "test:ks2:maths:-:scaled", 1000),
        ("test:ks2:maths:paper-1:raw", "test:ks2:maths:paper-1:raw", 1000),
        ("judgement:writing:levels", "judgement:writing:levels", 1000),
    ],
)
def test_where_the_values_of_a_measure_are_and_how_they_are_counted(text: str, column: str, per_unit: int) -> None:
    measure = parse_measure(text)
    assert (measure.column, measure.per_unit) == (column, per_unit)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "unknown_measure"),
        ("maths", "unknown_measure"),
        ("Markbook:maths:Y3:overall", "unknown_measure"),
        (" markbook:maths:Y3:overall", "unknown_measure"),
        ("markbook", "malformed_measure"),
        ("markbook:maths:Y3", "malformed_measure"),
        ("markbook:maths:Y3:overall:x", "malformed_measure"),
        ("test:ks2:maths:scaled", "malformed_measure"),
        ("judgement:maths", "malformed_measure"),
        ("markbook:maths:Y3:best", "unknown_percent"),
        ("markbook:maths:Y3:", "unknown_percent"),
        ("markbook::Y3:overall", "invalid_identifier"),
        ("markbook:maths:-:overall", "invalid_identifier"),
        ("markbook:mat hs:Y3:overall", "invalid_identifier"),
        ("markbook:maths\n:Y3:overall", "invalid_identifier"),
        ("markbook:maths:Y3%3A:overall", "invalid_identifier"),
        ("markbook:" + "m" * 129 + ":Y3:overall", "invalid_identifier"),
        ("test:-:maths:-:scaled", "invalid_identifier"),
        ("test:ks2:maths:-:-", "invalid_identifier"),
        ("judgement:-:scale", "invalid_identifier"),
        ("judgement:maths:'; DROP TABLE", "invalid_identifier"),
    ],
)
def test_a_text_that_names_no_measure_is_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidMeasure) as refused:
        parse_measure(text)
    assert refused.value.code == code
    assert len(refused.value.detail) < 400


def test_the_longest_identifier_is_taken() -> None:
    assert parse_measure(f"markbook:{'m' * 128}:Y3:overall").subject == "m" * 128
