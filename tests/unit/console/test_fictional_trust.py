"""The demonstration trust: the same rows every time, of the promised size, all of them facts that could be told."""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import cache

from services.console.fictional_trust import ENDS_ON, SCHOOLS, demo_files, unique_pupil_number, years_until

Row = tuple[str, str, dict[str, str]]


def _make_rows() -> list[Row]:
    return [
        (file.kind, file.title, dict(zip(file.columns, map(str, row), strict=True)))
        for file in demo_files()
        for row in file.rows
    ]


@cache
def _rows() -> list[Row]:
    return _make_rows()


def test_it_is_the_same_every_time() -> None:
    assert _make_rows() == _rows()


def test_three_schools_twelve_hundred_pupils_two_years_two_frameworks() -> None:
    rows = _rows()
    pupils = {(row["school"], row["pupil"]) for kind, _, row in rows if kind == "pupils"}
    assert len(pupils) == 1_200
    assert len({school for school, _ in pupils}) == len(SCHOOLS) == 3
    days = sorted(row["assessed_on"] for kind, _, row in rows if kind == "assessments")
    years = years_until(ENDS_ON)
    assert str(years.first) <= days[0] < str(years.second) <= days[-1] <= str(ENDS_ON)
    frameworks = {(row["framework"], row["version"]) for kind, _, row in rows if kind == "curriculum"}
    assert frameworks == {("primary", "2025"), ("primary", "2026"), ("science-tests", "1")}


def test_nothing_is_told_before_it_happened_or_after_the_last_day() -> None:
    for kind, _, row in _rows():
        told_on = date.fromisoformat(row["recorded_at"][:10])
        assert told_on <= ENDS_ON, row
        if kind == "assessments":
            assert date.fromisoformat(row["assessed_on"]) <= told_on, row


def test_some_facts_come_late_and_corrections_say_something_else() -> None:
    first: dict[tuple[str, ...], str] = {}
    late = corrected = 0
    for kind, title, row in _rows():
        if kind != "assessments":
            continue
        key = tuple(row[name] for name in ("school", "pupil", "subject", "objective", "assessed_on"))
        if title == "corrections":
            assert first[key] != row["state"]
            corrected += 1
        else:
            first[key] = row["state"]
            late += row["recorded_at"][:10] > row["assessed_on"]
    assert corrected > 500
    assert late > 5_000


def test_a_key_stands_once_in_a_file() -> None:
    keys = {
        "pupils": ("school", "pupil", "enrolled_on"),
        "year-groups": ("school", "pupil", "starts_on"),
        "groups": ("school", "group", "pupil", "joined_on"),
        "characteristics": ("school", "pupil", "name", "starts_on"),
        "assessments": ("school", "pupil", "subject", "objective", "assessed_on"),
    }
    counts = Counter((title, *(row[name] for name in keys[kind])) for kind, title, row in _rows() if kind in keys)
    assert max(counts.values()) == 1


def test_pupil_numbers_are_well_formed_and_different() -> None:
    numbers = {unique_pupil_number(number) for number in range(1_200)}
    assert len(numbers) == 1_200
    assert {len(number) for number in numbers} == {13}
    assert all(number[0] in "ABCDEFGHJKLMNPQRTUVWXYZ" and number[1:].isdigit() for number in numbers)
