"""Whole versions out of curriculum rows, all or nothing; the states of a file."""

from __future__ import annotations

from datetime import date

import pytest

from schemas.events import Objective, State, Subject
from services.ingest.columns import HeaderFault, RowContext, RowFault
from services.ingest.curriculum_rows import GatheredVersion, VersionGatherer
from services.ingest.files import FileFault, RawRow
from services.ingest.states import DEFAULT_STATES, StatesSpec, parse_states

CONTEXT = RowContext(today=date(2026, 3, 31), source="mis")


def row(**fields: str) -> dict[str, str]:
    return {"framework": "wood", "version": "1", "subject": "maths", "ability": "Y3", "objective": "m1", **fields}


def gather(*rows: dict[str, str] | RowFault, is_cut_off: bool = False) -> list[GatheredVersion]:
    gatherer = VersionGatherer(CONTEXT, DEFAULT_STATES)
    for number, each in enumerate(rows, 1):
        if isinstance(each, RowFault):
            gatherer.add(RawRow(number, number + 1, {}, each))
        else:
            gatherer.add(RawRow(number, number + 1, each))
    gathered = gatherer.gathered(is_cut_off=is_cut_off)
    counted = sorted(number for version in gathered for number in version.row_numbers)
    assert counted == list(range(1, len(rows) + 1)), "every row counts once"
    return gathered


def faults_of(version: GatheredVersion) -> list[tuple[int, str, str]]:
    assert version.sent is None
    return [(number, fault.column, fault.code) for number, fault in version.faults]


SHORT_LINE = RowFault("", "", "wrong_number_of_fields", "Line 3 has 2 fields.")


def test_rows_become_versions() -> None:
    first, second = gather(
        row(year_group="3", strand="Number", text="Adds\ntens", weight="2.50", effective_on="2025-09-01"),
        row(version="2", effective_on="2026-09-01"),
        row(subject="reading", objective="r1", effective_on="2025-09-01"),
        row(objective="m2", effective_on="2025-09-01"),
    )
    assert first.row_numbers == (1, 3, 4) and first.sent is not None
    assert first.sent.subjects == (
        Subject("maths", (Objective("m1", "Y3", "3", "Number", "Adds\ntens", "2.5"), Objective("m2", "Y3"))),
        Subject("reading", (Objective("r1", "Y3"),)),
    )
    assert (first.sent.effective_on, first.sent.states) == (date(2025, 9, 1), DEFAULT_STATES.states)
    assert (first.sent.school, first.sent.trust, first.sent.source) == ("", None, "mis")
    assert second.sent is not None and second.sent.version == "2"


def test_versions_of_several_schools_and_trusts_are_apart() -> None:
    versions = gather(row(school="elm"), row(school="oak"), row(trust="woods"), row())
    assert [(each.sent.school, each.sent.trust) for each in versions if each.sent] == [
        ("elm", None),
        ("oak", None),
        ("", "woods"),
        ("", None),
    ]


def test_a_shuffled_file_says_the_same() -> None:
    rows = [row(), row(objective="m2"), row(subject="reading")]
    (one,), (other,) = gather(*rows), gather(*rows[::-1])
    assert one.sent is not None and other.sent is not None
    assert one.sent.content_parts() == other.sent.content_parts()


@pytest.mark.parametrize(
    ("wrong", "column", "code"),
    [
        (row(objective="m2", ability="own-year"), "ability", "reserved_name"),
        (row(objective="m2", weight="1001"), "weight", "out_of_range"),
        (row(objective="m2", weight="NaN"), "weight", "not_a_number"),
        (row(objective="m2", weight="1e400"), "weight", "not_a_number"),
        (row(objective="m2", weight="1.0001"), "weight", "too_many_decimals"),
        (row(objective=""), "objective", "missing_value"),
        (row(objective="m1"), "objective", "repeated_objective"),
        (row(objective="m2", effective_on="2025-09-02"), "effective_on", "version_differs"),
        (row(objective="m2", sequence="1"), "sequence", "version_differs"),
        (row(objective="m2", version=""), "version", "missing_value"),
        (row(objective="m2", framework="a b"), "framework", "invalid_identifier"),
        (SHORT_LINE, "", "wrong_number_of_fields"),
    ],
)
def test_one_wrong_row_rejects_its_version_and_no_other(
    wrong: dict[str, str] | RowFault, column: str, code: str
) -> None:
    other, version = gather(row(version="0"), row(), wrong, row(objective="m3"))
    assert other.sent is not None
    assert faults_of(version) == [(2, "", "version_rejected"), (3, column, code), (4, "", "version_rejected")]
    assert "row 3" in version.faults[0][1].detail


def test_school_and_trust_together() -> None:
    (version,) = gather(row(school="elm", trust="woods"))
    assert faults_of(version) == [(1, "trust", "school_and_trust")]


def test_a_row_without_a_place_rejects_the_versions_on_both_sides() -> None:
    before, after, later = gather(row(), SHORT_LINE, row(version="2"), row(version="3"))
    assert faults_of(before) == [(1, "", "version_rejected"), (2, "", "wrong_number_of_fields")]
    assert faults_of(after) == [(3, "", "version_rejected")]
    assert later.sent is not None


def test_a_first_row_without_a_place_belongs_to_the_version_after_it() -> None:
    (version,) = gather(SHORT_LINE, SHORT_LINE, row())
    assert [number for number, _, _ in faults_of(version)] == [1, 2, 3]


def test_rows_without_any_version() -> None:
    (version,) = gather(SHORT_LINE, row(version=""))
    assert faults_of(version) == [(1, "", "wrong_number_of_fields"), (2, "version", "missing_value")]


def test_a_file_cut_off_rejects_the_version_it_was_in() -> None:
    first, second = gather(row(), row(version="2"), is_cut_off=True)
    assert first.sent is not None
    assert faults_of(second) == [(2, "", "version_rejected")]


def test_a_version_has_at_most_ten_thousand_objectives() -> None:
    rows = [row(objective=f"m{number}") for number in range(10_000)]
    (version,) = gather(*rows)
    assert version.sent is not None and len(version.sent.subjects[0].objectives) == 10_000
    (version,) = gather(*rows, row(objective="more"))
    assert faults_of(version)[-1] == (10_001, "objective", "out_of_range")


def test_a_reference_that_all_rows_share_is_the_versions() -> None:
    (same,) = gather(row(reference="r"), row(reference="r", objective="m2"))
    (different,) = gather(row(reference="r1"), row(reference="r2", objective="m2"))
    assert same.sent is not None and same.sent.row_key_parts() == ("reference", "r")
    assert different.sent is not None and different.sent.row_key_parts() == ("natural", "wood", "1")


def test_what_is_held_is_bounded() -> None:
    gatherer = VersionGatherer(CONTEXT, DEFAULT_STATES)
    heavy = row(text="x" * 10_000)
    with pytest.raises(FileFault) as caught:
        for number in range(10_000):
            gatherer.add(RawRow(number, number, {**heavy, "version": str(number // 5000), "objective": f"m{number}"}))
    assert caught.value.code == "curriculum_too_large"


# --- States ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [None, "", "not_yet:0,working_towards:0.5,achieved:1,exceeding:1"])
def test_the_default_states(spec: str | None) -> None:
    assert parse_states(spec) == DEFAULT_STATES


def test_states_and_marks() -> None:
    assert parse_states("low:0, high:1.000 ,away:-") == StatesSpec(
        (State("low", "0"), State("high", "1"), State("away", None))
    )
    assert parse_states("marks:40") == StatesSpec(marks_max=40)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("marks:none", "not_an_integer"),
        ("marks:0", "out_of_range"),
        ("marks:1001", "out_of_range"),
        ("marks:1e400", "not_an_integer"),
        ("low:0,high:2", "out_of_range"),
        ("low:0,high:NaN", "not_a_number"),
        ("low:0,high:0.0001", "too_many_decimals"),
        ("low:0,low:1", "repeated_state"),
        ("low", "invalid_states"),
        ("low:0,", "invalid_states"),
        ("a b:0", "invalid_identifier"),
        ("\x00:0", "invalid_identifier"),
        (",".join(f"s{number}:0" for number in range(101)), "out_of_range"),
        ("x" * 30_000, "text_too_long"),
    ],
)
def test_states_that_are_refused(spec: str, code: str) -> None:
    with pytest.raises(HeaderFault) as caught:
        parse_states(spec)
    assert (caught.value.code, caught.value.parameter) == (code, "states")
    assert caught.value.detail.isprintable()
