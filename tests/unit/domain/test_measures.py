"""Measures as requests name them."""

from __future__ import annotations

from datetime import date

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
        ("judgement:--:scale", "invalid_identifier"),
        ("test:ks2:maths:-:scaled:worst", "unknown_choice"),
        ("test:ks2:maths:-:scaled:", "unknown_choice"),
        ("judgement:maths:effort:", "invalid_name"),
        ("eyfs:E18", "unknown_goal"),
        ("eyfs:E01:ta", "malformed_measure"),
        ("combined:ks2-rwm", "unknown_combination"),
        ("combined:ks2-rwm:most", "unknown_combination"),
        ("test:ks2:maths:-:scaled@2026-02-30", "invalid_date"),
        ("test:ks2:maths:-:scaled@1989-12-31", "date_out_of_range"),
        ("test:ks2:maths:-:scaled@2026-02-01..2026-01-31", "ends_before_starts"),
        ("markbook:maths:Y3:overall@2026-01-01..2026-01-31", "unused_window"),
        ("test:ks2:maths:-:scaled@soon", "invalid_identifier"),
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


def test_a_choice_among_sittings_a_name_and_a_date_of_its_own() -> None:
    best = parse_measure("test:ks2:maths:-:scaled:best@2026-01-01..2026-05-31")
    assert (best.choice, best.since, best.on) == ("best", date(2026, 1, 1), date(2026, 5, 31))
    assert (best.column, best.undated) == ("test:ks2:maths:-:scaled", "test:ks2:maths:-:scaled:best")
    named = parse_measure("judgement:-:effort:Class%3A work@2026-05-31")
    assert (named.subject, named.name, named.on, named.since) == ("", "Class: work", date(2026, 5, 31), None)
    assert named.column == "judgement:-:effort"
    plain = parse_measure("markbook:maths:Y3:overall@2026-05-31")
    assert plain.day(date(2025, 1, 1)) == date(2026, 5, 31)
    assert parse_measure("markbook:maths:Y3:overall").day(date(2025, 1, 1)) == date(2025, 1, 1)


@pytest.mark.parametrize(
    ("text", "kind", "item"),
    [
        ("eyfs:E01", "eyfs", "E01"),
        ("eyfs:total", "eyfs", "total"),
        ("eyfs:gld", "eyfs", "gld"),
        ("combined:ks2-rwm:higher", "combined", "ks2-rwm:higher"),
        ("combined:phonics:end-of-year-2", "combined", "phonics:end-of-year-2"),
        ("combined:acel-literacy", "combined", "acel-literacy"),
    ],
)
def test_measures_of_the_profile_and_combined_ones(text: str, kind: str, item: str) -> None:
    measure = parse_measure(text)
    assert (measure.kind, measure.item, measure.text, measure.column) == (kind, item, text, "")
