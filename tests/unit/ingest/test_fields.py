"""Each type of field of the contract: what is read, what is refused and under which code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.ingest import fields as read
from services.ingest.sent import resolve_day

TODAY = date(2026, 3, 31)


def refusal(parse: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(read.FieldError) as caught:
        parse(*arguments)
    assert caught.value.detail.isprintable(), "a detail is shown and stored"
    return caught.value.code


@pytest.mark.parametrize("text", ["a", "9", "Maths.2~x_-", "a" * 128])
def test_identifiers(text: str) -> None:
    assert read.parse_identifier(text) == text


@pytest.mark.parametrize(
    "text", ["_a", ".", "a b", "a/b", "a" * 129, "ä", "a\x00", "\ud800", "' OR 1=1 --", "a\n", "a:b", "=1+1", "../elm"]
)
def test_what_is_no_identifier(text: str) -> None:
    assert refusal(read.parse_identifier, text) == "invalid_identifier"


@pytest.mark.parametrize("text", ["own-year", "any"])
def test_names_of_abilities_that_measures_use(text: str) -> None:
    assert refusal(read.parse_ability, text) == "reserved_name"


@pytest.mark.parametrize(
    "text", ["Zoë O'Brien", "3A: red % blue", "=SUM(A1)", "日本", "a\u00a0b", "क्‍ष", "x" * 128, "👩‍🏫"]
)
def test_printable_text(text: str) -> None:
    assert read.parse_text(text) == text


@pytest.mark.parametrize(
    "text", ["a\x00b", "a\nb", "a\tb", "a\x1bb", "\ud800", "a\u202eb", "a\u2028b", "a\ufeffb", "a\x7fb"]
)
def test_text_that_is_not_printable(text: str) -> None:
    assert refusal(read.parse_text, text) == "invalid_text"


def test_text_has_at_most_128_characters() -> None:
    assert refusal(read.parse_text, "x" * 129) == "text_too_long"


def test_prose_may_have_lines_but_no_control_characters() -> None:
    assert read.parse_prose("one\r\ntwo\tthree") == "one\ntwo\tthree"
    assert refusal(read.parse_prose, "one\x00") == "invalid_text"
    assert refusal(read.parse_prose, "x" * 10_001) == "text_too_long"


@pytest.mark.parametrize("text", ["EXS", "3", "12.50", "-1", "-0.5", "2+", "A*", "GDS-secure", "x" * 128])
def test_values_of_scales_are_kept_as_sent(text: str) -> None:
    assert read.parse_judged_value(text) == text


@pytest.mark.parametrize("text", ["quite good", "=1+1", "-", "-x", "+1", "x" * 129, "ä", "a:b", "a\x00", "a@b"])
def test_what_is_no_value_of_a_scale(text: str) -> None:
    assert refusal(read.parse_judged_value, text) == "invalid_judgement"


@pytest.mark.parametrize(
    ("text", "kept"), [("0", "0"), ("-0", "0"), ("099.500", "99.5"), ("1000000", "1000000"), ("A", "A"), ("EXS", "EXS")]
)
def test_scores_have_one_way_to_be_written(text: str, kept: str) -> None:
    assert read.parse_score(text) == kept


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((text, "not_a_number") for text in ("1,5", "-A", "quite good", "=1+1")),
        *((text, "out_of_range") for text in ("1000000.001", "-0.001")),
        ("1.0001", "too_many_decimals"),
    ],
)
def test_what_is_no_score(text: str, code: str) -> None:
    assert refusal(read.parse_score, text) == code


def test_a_judgement_may_have_no_subject() -> None:
    assert (read.parse_judged_subject("-"), read.parse_judged_subject("maths")) == ("", "maths")
    assert refusal(read.parse_judged_subject, "--") == "invalid_identifier"


def test_not_known_is_no_value() -> None:
    assert refusal(read.parse_value, "Not known") == "reserved_value"
    assert read.parse_value("not sure") == "not sure"


@pytest.mark.parametrize("text", ["upn:", "trust:", "uln:", "scn:"])
def test_a_prefix_alone_is_no_pupil(text: str) -> None:
    assert refusal(read.parse_pupil, text) == "invalid_pupil"
    assert read.parse_pupil(f"{text}A123") == f"{text}A123"


# --- Days and instants -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["2025-02-29", "2025-13-01", "01/10/2025", "20251001", "2025-W01-1", "2025-1-1", "", "NaN", "2025-10-01T10:00:00"],
)
def test_what_is_no_date(text: str) -> None:
    assert refusal(read.parse_day, text, TODAY) == "invalid_date"


@pytest.mark.parametrize("text", ["1990-01-01", "2036-03-31", "2024-02-29"])
def test_the_first_and_the_last_day(text: str) -> None:
    assert read.parse_day(text, TODAY) == date.fromisoformat(text)


@pytest.mark.parametrize("text", ["1989-12-31", "2036-04-01", "0001-01-01", "9999-12-31"])
def test_days_out_of_range(text: str) -> None:
    assert refusal(read.parse_day, text, TODAY) == "date_out_of_range"


def test_ten_years_after_a_leap_day() -> None:
    assert read.parse_day("2038-02-28", date(2028, 2, 29)) == date(2038, 2, 28)
    assert refusal(read.parse_day, "2038-03-01", date(2028, 2, 29)) == "date_out_of_range"


def test_births_go_back_to_1900() -> None:
    assert read.parse_birth("1900-01-01", TODAY) == date(1900, 1, 1)
    assert refusal(read.parse_birth, "1899-12-31", TODAY) == "date_out_of_range"


@pytest.mark.parametrize(
    ("text", "zone", "local"),
    [
        ("2025-07-01T23:30:00Z", "Europe/London", date(2025, 7, 2)),
        ("2025-12-01T23:30:00Z", "Europe/London", date(2025, 12, 1)),
        ("2025-12-02T00:30:00+01:00", "Europe/London", date(2025, 12, 1)),
        ("2025-12-02T00:30:00.999+01:00", "Europe/Paris", date(2025, 12, 2)),
    ],
)
def test_an_instant_becomes_the_schools_local_date(text: str, zone: str, local: date) -> None:
    assert resolve_day(read.parse_day(text, TODAY), zone) == local


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:00"])
def test_instants_at_the_ends_of_the_calendar(text: str) -> None:
    assert refusal(read.parse_day, text, TODAY) in ("date_out_of_range", "invalid_instant")


def test_instants_are_whole_seconds_in_utc() -> None:
    assert read.parse_recorded_at("2025-10-01T10:00:00.999+01:00", TODAY) == datetime(2025, 10, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2025-10-01",
        "2025-10-01T10:00:00",
        "2025-10-01T10:00Z",
        "2025-10-01T25:00:00Z",
        "2025-02-30T10:00:00Z",
        "2025-10-01T10:00:60Z",
        "2025-10-01T10:00:00+99:00",
        "now",
    ],
)
def test_what_is_no_instant(text: str) -> None:
    assert refusal(read.parse_recorded_at, text, TODAY) == "invalid_instant"


# --- Numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("40", "40"),
        ("12.5", "12.5"),
        ("012.50", "12.5"),
        ("0.000", "0"),
        ("-0", "0"),
        ("0.125", "0.125"),
        ("40.0", "40"),
    ],
)
def test_decimals_in_their_canonical_text(text: str, canonical: str) -> None:
    assert read.parse_mark(text, 100) == canonical


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "1e400", "1E2", "+1", "1,5", "1 000", "", ".", "1.", ".5", "١", "0x1"]
)
def test_what_is_no_decimal(text: str) -> None:
    assert refusal(read.parse_mark, text, 100) == "not_a_number"


def test_three_decimals() -> None:
    assert refusal(read.parse_weight, "0.1234") == "too_many_decimals"
    assert read.parse_weight("0.1230") == "0.123"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (read.parse_weight, "1000.001"),
        (read.parse_weight, "-0.001"),
        (read.parse_weight, "9" * 40),
        (read.parse_state_weight, "1.001"),
        (read.parse_state_weight, "2"),
        (read.parse_month, "13"),
        (read.parse_month, "0"),
        (read.parse_marks_max, "1001"),
        (read.parse_marks_max, "0"),
        (read.parse_sequence, "99999999999"),
        (read.parse_type_version, "2"),
    ],
)
def test_numbers_out_of_range(parse: Callable[[str], Any], text: str) -> None:
    assert refusal(parse, text) == "out_of_range"


def test_a_mark_above_the_maximum() -> None:
    assert read.parse_mark("40", 40) == "40"
    assert refusal(read.parse_mark, "40.001", 40) == "out_of_range"


def test_a_state_that_counts_as_not_assessed() -> None:
    assert read.parse_state_weight("-") is None


@pytest.mark.parametrize("text", ["1.0", "1e400", "first", "", "9" * 5000])
def test_what_is_no_whole_number(text: str) -> None:
    assert refusal(read.parse_sequence, text) == "not_an_integer"


@pytest.mark.parametrize("text", ["Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime", "a\x00b", "x" * 5000])
def test_time_zones_that_are_none(text: str) -> None:
    assert refusal(read.parse_time_zone, text) == "invalid_time_zone"


@pytest.mark.parametrize(
    ("parse", "text"),
    [(read.parse_nation, "England"), (read.parse_nation, "atlantis"), (read.parse_group_kind, "gang")],
)
def test_words_that_are_no_choice(parse: Callable[[str], Any], text: str) -> None:
    assert refusal(parse, text) == "invalid_choice"


def test_what_is_shown_is_short_and_printable() -> None:
    assert read.shown("a\x00\ud800\n") == r"a\x00\ud800\n"
    assert len(read.shown("x" * 10_000)) < 100
