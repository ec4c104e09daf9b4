"""Rows against the table of kinds: headers, every fault of a row at once, keys and contents."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.ingest.columns import (
    HeaderFault,
    RowContext,
    RowFault,
    check_header,
    find_kind,
    key_row,
    parse_row,
    period_faults,
)
from services.ingest.kinds import KINDS
from services.ingest.sent import SentAssessment, SentPupil, SentRow

CONTEXT = RowContext(today=date(2026, 3, 31), source="mis")
ASSESSMENT = {
    "school": "elm",
    "pupil": "A1",
    "subject": "maths",
    "objective": "m1",
    "state": "achieved",
    "assessed_on": "2025-10-01",
}
PUPIL = {"school": "elm", "pupil": "A1", "enrolled_on": "2025-09-01"}
RESULT = {
    "school": "elm",
    "pupil": "A1",
    "test": "ks2",
    "subject": "maths",
    "score_type": "scaled",
    "score": "105",
    "sat_on": "2026-03-12",
}
JUDGEMENT = {
    "school": "elm",
    "pupil": "A1",
    "subject": "writing",
    "scale": "ta",
    "value": "EXS",
    "judged_on": "2026-03-12",
}


def header_fault(kind: str, header: list[str], ignored: tuple[str, ...] = ()) -> HeaderFault:
    with pytest.raises(HeaderFault) as caught:
        check_header(find_kind(kind), header, ignored)
    return caught.value


def codes(kind: str, fields: dict[str, str]) -> dict[str, str]:
    faults = parse_row(kind, fields, CONTEXT)
    assert isinstance(faults, list), f"the row was read: {faults}"
    return {fault.column: fault.code for fault in faults}


# --- The table ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "needed", "others"),
    [
        ("schools", "school name", "trust joined_on left_on nation year_starts time_zone"),
        (
            "pupils",
            "school pupil enrolled_on",
            "left_on year_group given_name family_name date_of_birth sex upn",
        ),
        ("year-groups", "school pupil year_group starts_on", ""),
        ("groups", "school group pupil joined_on", "kind left_on"),
        ("characteristics", "school pupil name value starts_on", "ends_on"),
        (
            "curriculum",
            "framework version subject ability objective",
            "effective_on year_group strand text weight school trust",
        ),
        ("assessments", "school pupil subject objective state assessed_on", "framework ability"),
        ("results", "school pupil test subject score_type score sat_on", "component date_precision"),
        ("judgements", "school pupil subject scale value judged_on", "name"),
    ],
)
def test_the_columns_of_the_contract(kind: str, needed: str, others: str) -> None:
    columns = KINDS[kind].columns
    assert {each.name for each in columns if each.required} == set(needed.split())
    always = {"reference", "sequence", "recorded_at"}
    assert {each.name for each in columns if not each.required} == set(others.split()) | always


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    with pytest.raises(HeaderFault) as caught:
        find_kind("pupil")
    assert (caught.value.code, caught.value.parameter) == ("unknown_kind", "kind")
    assert "'pupil'" in caught.value.detail and "'pupils'" in caught.value.detail


# --- Headers -----------------------------------------------------------------------------------------------------


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    fault = header_fault("pupils", ["school", "pupil", "enroled_on"])
    assert fault.code == "unknown_column"
    assert "'enroled_on'" in fault.detail and "'enrolled_on'" in fault.detail


def test_a_column_can_be_ignored() -> None:
    names = check_header(find_kind("pupils"), ["school", "surname", "pupil", "enrolled_on", " x "], ["surname", "x"])
    assert names == ("school", "", "pupil", "enrolled_on", "")


def test_an_ignored_column_is_not_there() -> None:
    assert header_fault("pupils", ["school", "pupil", "enrolled_on"], ("pupil",)).code == "missing_column"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (["school", "pupil"], "missing_column"),
        (["school", "pupil", "enrolled_on", "pupil"], "repeated_column"),
        (["school", "pupil", "enrolled_on", ""], "unknown_column"),
        (["School", "pupil", "enrolled_on"], "unknown_column"),
        (["school", "pupil", "enrolled_on", "\x00" * 100_000], "unknown_column"),
    ],
)
def test_wrong_headers(header: list[str], code: str) -> None:
    fault = header_fault("pupils", header)
    assert fault.code == code
    assert fault.detail.isprintable() and len(fault.detail) < 1000


# --- Rows --------------------------------------------------------------------------------------------------------


def test_a_row_is_read() -> None:
    sent = parse_row("assessments", {**ASSESSMENT, "pupil": "  A1 ", "sequence": "2", "ability": ""}, CONTEXT)
    assert sent == SentAssessment(
        school="elm",
        source="mis",
        sequence=2,
        pupil="A1",
        subject="maths",
        objective="m1",
        state="achieved",
        assessed_on=date(2025, 10, 1),
    )


def test_every_wrong_field_of_a_row_is_told() -> None:
    wrong = {**ASSESSMENT, "school": "e l m", "pupil": "", "assessed_on": "2025-02-29", "sequence": "1e400"}
    assert codes("assessments", wrong) == {
        "school": "invalid_identifier",
        "pupil": "missing_value",
        "assessed_on": "invalid_date",
        "sequence": "not_an_integer",
    }


@pytest.mark.parametrize(
    ("kind", "fields", "column", "code"),
    [
        ("pupils", {**PUPIL, "left_on": "2025-08-31"}, "left_on", "ends_before_starts"),
        ("pupils", {**PUPIL, "enrolled_on": "2099-09-01"}, "enrolled_on", "date_out_of_range"),
        ("pupils", {**PUPIL, "date_of_birth": "1850-01-01"}, "date_of_birth", "date_out_of_range"),
        ("pupils", {**PUPIL, "year_group": "Not known"}, "year_group", "reserved_value"),
        ("pupils", {**PUPIL, "sex": "Not known"}, "sex", "reserved_value"),
        ("pupils", {**PUPIL, "given_name": "Z\x00"}, "given_name", "invalid_text"),
        ("pupils", {**PUPIL, "family_name": "Z\ud800"}, "family_name", "invalid_text"),
        ("pupils", {**PUPIL, "recorded_at": "2025-09-01T10:00"}, "recorded_at", "invalid_instant"),
        ("pupils", {**PUPIL, "reference": "x" * 129}, "reference", "text_too_long"),
        ("schools", {"school": "elm", "name": "Elm", "nation": "atlantis"}, "nation", "invalid_choice"),
        ("schools", {"school": "elm", "name": "Elm", "year_starts": "13"}, "year_starts", "out_of_range"),
        ("schools", {"school": "elm", "name": "Elm", "time_zone": "Mars/Olympus"}, "time_zone", "invalid_time_zone"),
        ("schools", {"school": "elm", "name": " "}, "name", "missing_value"),
    ],
)
def test_wrong_rows(kind: str, fields: dict[str, str], column: str, code: str) -> None:
    assert codes(kind, fields) == {column: code}


def test_the_value_of_a_fault_can_be_stored_and_shown() -> None:
    faults = parse_row("pupils", {**PUPIL, "pupil": "A\x00\ud800" + "x" * 100_000}, CONTEXT)
    assert [fault.value.isprintable() and len(fault.value) < 200 for fault in faults] == [True]


def test_an_end_on_the_day_of_its_start_is_right() -> None:
    assert isinstance(parse_row("pupils", {**PUPIL, "left_on": "2025-09-01"}, CONTEXT), SentPupil)


def test_a_period_sent_as_instants_is_judged_by_the_local_dates() -> None:
    fields = {**PUPIL, "enrolled_on": "2025-09-01T23:30:00Z", "left_on": "2025-09-01"}
    sent = parse_row("pupils", fields, CONTEXT)
    assert sent.has_instants()
    assert [fault.code for fault in period_faults(sent.localise("Europe/London"))] == ["ends_before_starts"]
    assert period_faults(sent.localise("America/New_York")) == []


# --- Keys and contents -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "key"),
    [
        ("schools", {"school": "elm", "name": "Elm"}, ("",)),
        ("schools", {"school": "elm", "name": "Elm", "joined_on": "2020-09-01"}, ("2020-09-01",)),
        ("pupils", PUPIL, ("A1", "2025-09-01")),
        (
            "year-groups",
            {"school": "elm", "pupil": "A1", "year_group": "3", "starts_on": "2025-09-01"},
            ("A1", "2025-09-01"),
        ),
        (
            "groups",
            {"school": "elm", "group": "3A", "pupil": "A1", "joined_on": "2025-09-01", "kind": "user"},
            ("3A", "A1", "2025-09-01"),
        ),
        (
            "characteristics",
            {"school": "elm", "pupil": "A1", "name": "sen", "value": "K", "starts_on": "2025-09-01"},
            ("A1", "sen", "2025-09-01"),
        ),
        ("assessments", {**ASSESSMENT, "sequence": "3"}, ("A1", "maths", "m1", "2025-10-01", "3")),
        (
            "results",
            {**RESULT, "component": "paper-1", "sequence": "3", "date_precision": "month"},
            ("A1", "ks2", "maths", "paper-1", "scaled", "2026-03-12"),
        ),
        ("results", RESULT, ("A1", "ks2", "maths", "", "scaled", "2026-03-12")),
        ("judgements", {**JUDGEMENT, "name": "effort"}, ("A1", "writing", "ta", "effort", "2026-03-12")),
        ("judgements", JUDGEMENT, ("A1", "writing", "ta", "", "2026-03-12")),
    ],
)
def test_the_row_keys_of_the_contract(kind: str, fields: dict[str, str], key: tuple[str, ...]) -> None:
    sent = parse_row(kind, {**fields, "recorded_at": "2025-11-01T00:00:00Z"}, CONTEXT)
    assert sent.row_key_parts() == ("natural", *key)
    assert key_row(kind, fields, CONTEXT).row_key_parts() == sent.row_key_parts()  # type: ignore[union-attr]
    assert parse_row(kind, {**fields, "reference": "r7"}, CONTEXT).row_key_parts() == ("reference", "r7")


def test_a_reference_never_meets_a_natural_key() -> None:
    by_reference = parse_row("schools", {"school": "elm", "name": "Elm", "reference": "2020-09-01"}, CONTEXT)
    natural = parse_row("schools", {"school": "elm", "name": "Elm", "joined_on": "2020-09-01"}, CONTEXT)
    assert by_reference.row_key_parts() != natural.row_key_parts()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"recorded_at": "2025-11-01T00:00:00Z"}, True),
        ({"family_name": "Oak"}, False),
        ({"upn": "A123"}, False),
        ({"date_of_birth": "2017-01-01"}, False),
        ({"sex": "F"}, False),
        ({"sequence": "1"}, False),
    ],
)
def test_the_content_is_the_whole_row_but_recorded_at(change: dict[str, str], same: bool) -> None:
    before = parse_row("pupils", PUPIL, CONTEXT).content_parts()
    assert (parse_row("pupils", {**PUPIL, **change}, CONTEXT).content_parts() == before) is same


def test_values_that_move_between_columns_are_other_content() -> None:
    given = parse_row("pupils", {**PUPIL, "given_name": "Ash"}, CONTEXT).content_parts()
    assert parse_row("pupils", {**PUPIL, "family_name": "Ash"}, CONTEXT).content_parts() != given


def test_an_instant_and_its_local_date_say_the_same() -> None:
    by_date = parse_row("assessments", {**ASSESSMENT, "assessed_on": "2025-07-02"}, CONTEXT)
    by_instant = parse_row("assessments", {**ASSESSMENT, "assessed_on": "2025-07-01T23:30:00Z"}, CONTEXT)
    with pytest.raises(TypeError):
        by_instant.row_key_parts()
    local = by_instant.localise("Europe/London")
    assert (local.row_key_parts(), local.content_parts()) == (by_date.row_key_parts(), by_date.content_parts())


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"state": ""}, ("natural", "A1", "maths", "m1", "2025-10-01", "0")),
        ({"state": "a b", "framework": "/"}, ("natural", "A1", "maths", "m1", "2025-10-01", "0")),
        ({"assessed_on": "2025-02-29"}, None),
        ({"pupil": ""}, None),
        ({"school": ""}, None),
        ({"recorded_at": "soon"}, None),
        ({"assessed_on": "2025-02-29", "reference": "r7"}, ("reference", "r7")),
    ],
)
def test_a_faulty_row_still_has_its_key(change: dict[str, str], key: tuple[str, ...] | None) -> None:
    row: SentRow | None = key_row("assessments", {**ASSESSMENT, **change}, CONTEXT)
    assert (None if row is None else row.row_key_parts()) == key


@pytest.mark.parametrize(
    ("kind", "row", "change"),
    [
        ("results", RESULT, {"score": "quite good"}),
        ("results", RESULT, {"date_precision": "about"}),
        ("judgements", JUDGEMENT, {"value": "quite good"}),
    ],
)
def test_a_faulty_result_or_judgement_still_has_its_key(kind: str, row: dict[str, str], change: dict[str, str]) -> None:
    faulty: Any = key_row(kind, {**row, **change}, CONTEXT)
    assert faulty.row_key_parts() == parse_row(kind, row, CONTEXT).row_key_parts()


def test_one_score_written_in_two_ways_is_one_content() -> None:
    first, second = (parse_row("results", {**RESULT, "score": score}, CONTEXT) for score in ("105", "0105.00"))
    assert (first.score, first.content_parts()) == ("105", second.content_parts())
    assert parse_row("results", {**RESULT, "date_precision": "day"}, CONTEXT).content_parts() == first.content_parts()


@pytest.mark.parametrize(
    ("kind", "row", "change", "expected"),
    [
        ("results", RESULT, {"score": "quite good"}, {"score": "not_a_number"}),
        ("results", RESULT, {"score": "1000000.001"}, {"score": "out_of_range"}),
        ("results", RESULT, {"score": "-1"}, {"score": "out_of_range"}),
        ("results", RESULT, {"score": "1.2345"}, {"score": "too_many_decimals"}),
        ("results", RESULT, {"score": "", "test": "a:b"}, {"score": "missing_value", "test": "invalid_identifier"}),
        ("results", RESULT, {"component": "-"}, {"component": "invalid_identifier"}),
        ("results", RESULT, {"date_precision": "week"}, {"date_precision": "invalid_choice"}),
        ("judgements", JUDGEMENT, {"value": "Ann tries hard"}, {"value": "invalid_judgement"}),
        ("judgements", JUDGEMENT, {"scale": "my scale"}, {"scale": "invalid_identifier"}),
        ("judgements", JUDGEMENT, {"name": "x" * 129}, {"name": "text_too_long"}),
        (
            "judgements",
            JUDGEMENT,
            {"subject": "", "judged_on": ""},
            dict.fromkeys(["subject", "judged_on"], "missing_value"),
        ),
    ],
)
def test_wrong_results_and_judgements(
    kind: str, row: dict[str, str], change: dict[str, str], expected: dict[str, str]
) -> None:
    assert codes(kind, {**row, **change}) == expected


def test_the_key_of_a_faulty_row_knows_when_it_was_recorded() -> None:
    row: Any = key_row("assessments", {**ASSESSMENT, "state": "", "recorded_at": "2025-11-01T00:00:00Z"}, CONTEXT)
    assert row.recorded_at == datetime(2025, 11, 1, tzinfo=UTC)


def test_faults_are_plain_data() -> None:
    (fault,) = parse_row("assessments", {**ASSESSMENT, "state": "a b"}, CONTEXT)
    assert fault == RowFault("state", "a b", "invalid_identifier", fault.detail)
    assert "'a b'" in fault.detail
