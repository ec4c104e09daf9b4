"""The demonstration trust: the same rows every time, of the promised size, all of them facts that could be told."""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import cache

from schemas.definitions import TestDefined
from services.console.fictional_trust import ENDS_ON, SCHOOLS, demo_files, unique_pupil_number, years_until
from services.domain.built_in import BUILT_IN_TESTS

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
    persons = {row["upn"] for kind, _, row in rows if kind == "pupils"}
    assert (len(persons), len(pupils)) == (1_200, 1_209), "nine of them moved to another school of the trust"
    assert len({school for school, _ in pupils}) == len(SCHOOLS) == 3
    days = sorted(row["assessed_on"] for kind, _, row in rows if kind == "assessments")
    years = years_until(ENDS_ON)
    assert str(years.first) <= days[0] < str(years.second) <= days[-1] <= str(ENDS_ON)
    frameworks = {(row["framework"], row["version"]) for kind, _, row in rows if kind == "curriculum"}
    assert frameworks == {
        ("primary", "2025"),
        ("primary", "2026"),
        ("science-tests", "1"),
        ("early-years", "2021"),
    }


def test_every_kind_of_result_is_there_when_it_was_taken() -> None:
    taken: dict[str, set[str]] = {}
    for kind, _, row in _rows():
        if kind == "results":
            taken.setdefault(row["test"], set()).add(row["sat_on"][:4])
    assert taken["ks1"] == {"2022", "2023"}, "statutory key stage 1 ended in 2023"
    assert taken["ks2"] == {"2026"}, "of pupils who were there in the history"
    for test in ("eyfsp", "phonics", "mtc"):
        assert "2026" in taken[test] and not taken[test] & {"2020", "2021"}
    assert taken["termly"] == {"2025", "2026"}
    coded = {row["test"] for kind, _, row in _rows() if kind == "results" and row["score"] in ("A", "B")}
    assert coded >= {"eyfsp", "phonics", "mtc", "ks2", "termly"}, "some were away, or below the test"
    scales = {row["scale"] for kind, _, row in _rows() if kind == "judgements"}
    assert scales == {"progress-3", "effort"}


def test_scores_are_those_that_their_tests_declare() -> None:
    wrong = [
        row
        for kind, _, row in _rows()
        if kind == "results" and row["test"] in BUILT_IN_TESTS
        if not _is_declared(BUILT_IN_TESTS[row["test"]], row["score_type"], row["score"])
    ]
    assert not wrong, wrong[:3]


def _is_declared(test: TestDefined, score_type: str, score: str) -> bool:
    declared = test.scores[score_type]
    if score in test.codes or score in declared.values:
        return True
    return bool(declared.max) and score.isdecimal() and int(declared.min) <= int(score) <= int(declared.max)


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
        "results": ("school", "pupil", "test", "subject", "component", "score_type", "sat_on"),
        "judgements": ("school", "pupil", "subject", "scale", "name", "judged_on"),
    }
    counts = Counter((title, *(row[name] for name in keys[kind])) for kind, title, row in _rows() if kind in keys)
    assert max(counts.values()) == 1


def test_pupil_numbers_are_well_formed_and_different() -> None:
    numbers = {unique_pupil_number(number) for number in range(1_200)}
    assert len(numbers) == 1_200
    assert {len(number) for number in numbers} == {13}
    assert all(number[0] in "ABCDEFGHJKLMNPQRTUVWXYZ" and number[1:].isdigit() for number in numbers)
