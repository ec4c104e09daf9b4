"""Answers to a key that may not see small numbers: null, named, alike in every table, and nothing gives them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from services.access.keys import Access
from services.domain.bands import BAND_IDS, parse_bands
from services.domain.measures import parse_measure
from services.query.questions import Question, Reading
from services.query.reports import matrix, overview
from services.query.requests import By, Clocks, MatrixRequest, OverviewRequest, Population
from services.query.suppression import Suppression
from tests.unit.query.hand_made import HandMadeSchool, day, reading_of

BANDS = parse_bands("21,36,51,66", whole_percent=True)
MATHS = "markbook:maths:any:overall"
MARK = dict(zip(BAND_IDS, (10, 30, 40, 60, 90), strict=True))
GOVERNOR = Access("key_1", "governor", False, frozenset({"ash"}), frozenset(), frozenset({"read"}))
SEX, YEARS = By("characteristic", "sex"), By("year-group")

# by (year group, sex): pupils in each band
PUPILS: Mapping[tuple[str, str], Mapping[str, int]] = {
    ("3", "F"): {"below": 2, "at": 8, "above": 9},
    ("3", "M"): {"below": 6, "at": 7, "above": 6},
    ("4", "F"): {"below": 6, "at": 18, "above": 8},
    ("4", "M"): {"below": 7, "at": 2, "above": 12, "sig_above": 5},
    ("5", "F"): {"at": 11, "sig_above": 3},
    ("5", "M"): {"at": 9, "sig_above": 8},
    ("6", "M"): {"at": 3},
}


def make_ash(*, on_trip: int = 0) -> HandMadeSchool:
    school = HandMadeSchool("ash")
    number = 0
    for (year_group, sex), of_band in PUPILS.items():
        for band, pupils in of_band.items():
            for _ in range(pupils):
                number += 1
                name = f"p{number}"
                groups = (f"Class {year_group}", *(["Trip"] if number <= on_trip else []))
                school.enrol(name, year_group, groups=groups, sex=sex)
                school.mark(name, "maths", MARK[band])
    return school


READING = reading_of(make_ash().reading())


async def answer(report: Any, name: str, request: Any, threshold: int = 5, reading: Reading = READING) -> Any:
    async def ask(asked: Any) -> Any:
        return report.answer(reading, asked)

    async def read(_: Question) -> Reading:
        return reading

    shown = await Suppression(ask, read, GOVERNOR, threshold).answer(name, request)
    return msgspec.json.decode(msgspec.json.encode(shown))


def asked(*by: By, **narrowed: Any) -> OverviewRequest:
    population = Population(schools=("ash",), **narrowed)
    return OverviewRequest(population, Clocks(day("2025-11-30")), (parse_measure(MATHS),), (BANDS,), by)


async def rows(*by: By, **narrowed: Any) -> dict[str, Any]:
    found = await answer(overview, "overview", asked(*by, **narrowed))
    return {row["row"]: row for row in found["rows"]}


def at(row: Mapping[str, Any], band: str = "at") -> int | None:
    count: int | None = row["cells"][0]["counts"][band]
    return count


async def test_small_counts_are_null_named_and_not_given_back_by_their_row_or_column() -> None:
    shown = await answer(overview, "overview", asked(SEX))
    truth = msgspec.to_builtins(overview.answer(READING, asked(SEX)))
    by_row = {row["row"]: row for row in shown["rows"]}
    assert at(by_row["whole"]) == 58
    small = [
        (row["row"], band)
        for row in truth["rows"]
        for band, count in row["cells"][0]["counts"].items()
        if 0 < count < 5
    ]
    assert small == [("characteristic:sex:F", "sig_above")]
    female, male = by_row["characteristic:sex:F"], by_row["characteristic:sex:M"]
    assert at(female, "sig_above") is None and at(male, "sig_above") is None
    assert sum(count is None for count in female["cells"][0]["counts"].values()) >= 2
    assert female["cells"][0]["percents"]["sig_above"] is None
    assert "/rows/1/cells/0/counts/sig_above" in shown["suppressed"]
    for pointer in shown["suppressed"]:
        value: Any = shown
        for step in pointer.split("/")[1:]:
            value = value[int(step)] if isinstance(value, list) else value[step]
        assert value is None
    hidden = [pointer for pointer in shown["suppressed"] if "percent" not in pointer]
    assert len(hidden) < 12, "no more than it takes"


async def test_a_row_of_few_pupils_shows_nothing() -> None:
    sixth = (await rows(YEARS))["year-group:6"]
    assert sixth["pupils"] is None and set(sixth["cells"][0]["counts"].values()) == {None}
    assert set(sixth["combined"]["percents"].values()) == {None}
    alone = (await rows(year_groups=("6",)))["whole"]
    assert alone["pupils"] is None and set(alone["cells"][0]["counts"].values()) == {None}


async def test_a_filter_hides_what_the_row_of_the_table_hides() -> None:
    """Boys of Year 4 at At are 2; the girls, 18, would give them back, whichever way they are asked for."""
    tables = [
        (await rows(SEX, year_groups=("4",)))["characteristic:sex:F"],
        (await rows(YEARS, filters=(("sex", ("F",)),)))["year-group:4"],
        (await rows(year_groups=("4",), filters=(("sex", ("F",)),)))["whole"],
    ]
    assert [at(row) for row in tables] == [None] * 3
    assert at((await rows(year_groups=("4",)))["whole"]) == 20


async def test_values_of_a_filter_together_hide_what_one_of_them_hides() -> None:
    assert (await rows(year_groups=("5", "6")))["whole"]["pupils"] is None


async def test_all_but_a_few_pupils_of_a_group_are_hidden_as_the_few_would_be() -> None:
    reading = reading_of(make_ash(on_trip=37).reading())
    shown = await answer(overview, "overview", asked(By("group"), year_groups=("3",)), reading=reading)
    trip = next(row for row in shown["rows"] if row["row"] == "group:Trip")
    assert trip["pupils"] is None, "37 of 38 are on the trip"
    named = await answer(overview, "overview", asked(year_groups=("3",), groups=("Trip",)), reading=reading)
    assert named["rows"][0]["pupils"] is None


async def test_the_threshold_is_a_setting() -> None:
    for threshold, expected in ((3, 3), (5, None)):
        found = await answer(overview, "overview", asked(YEARS), threshold)
        assert next(row for row in found["rows"] if row["row"] == "year-group:6")["pupils"] == expected


@pytest.mark.parametrize("narrowed", [{}, {"filters": (("sex", ("F",)),)}])
async def test_a_matrix_hides_cells_shares_and_what_an_overview_would_give_back(narrowed: dict[str, Any]) -> None:
    measure, when = parse_measure(MATHS), day("2025-11-30")
    population = Population(schools=("ash",), **narrowed)
    request = MatrixRequest(population, Clocks(when), measure, when, BANDS, measure, when, BANDS)
    shown = await answer(matrix, "matrix", request)
    counts = [count for line in shown["counts"] for count in line]
    assert not [count for count in counts if count is not None and 0 < count < 5]
    if narrowed:  # 3 girls are Sig Above, and so is one more count hidden, and its own band's total
        assert counts.count(None) >= 2
    assert shown["counts"][0][4] == 0
