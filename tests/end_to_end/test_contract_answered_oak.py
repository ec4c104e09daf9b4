"""Contract section 4 on the class Oak of `domain.md` 4.2 to 4.6: its tables are the expected answers."""

from __future__ import annotations

import httpx
import pytest

from tests.end_to_end.product import read_report
from tests.end_to_end.telling import (
    all_members,
    assessed,
    by_reference,
    enrolled,
    percent_framework,
    published,
    registered,
    tell,
    told,
    told_percent,
    wait_until_shown,
)

pytestmark = pytest.mark.end_to_end

BANDS = ("bands", "21,36,51,66")
STATES = [
    {"state": "N", "weight": "0"},
    {"state": "W", "weight": "0.5"},
    {"state": "A", "weight": "1"},
    {"state": "X", "weight": "1"},
]
Y3 = [{"objective": f"m{n}", "ability": "Y3", "year_group": "3"} for n in range(1, 6)]
Y4 = [{"objective": f"n{n}", "ability": "Y4", "year_group": "4"} for n in range(1, 5)]
NOV, KNOWN_NOV, KNOWN_FEB = "2025-11-30", "2025-11-30T23:59:59Z", "2026-02-28T23:59:59Z"


def _amy(school):
    steps = [
        ("m1", "W", "2025-09-20"),
        ("m1", "A", "2025-10-14"),
        ("m2", "A", "2025-11-05"),
        ("m3", "W", "2025-11-20"),
        ("m3", "A", "2026-01-15"),
        ("m4", "N", "2026-02-10"),
    ]
    return [assessed(school, "Amy", "maths", *step) for step in steps]


def _oak():
    return [
        registered("oak"),
        *(enrolled("oak", name, "3") for name in ("Amy", "Ben", "Cai", "Eli")),
        enrolled("oak", "Dee", "3"),
        told("YearGroupSet", "oak", pupil="Dee", year_group="4", starts_on="2025-09-01"),
        published("oak", {"maths": [*Y3, *Y4]}, STATES),
        *_amy("oak"),
        assessed("oak", "Ben", "maths", "m1", "A", "2025-10-01"),
        assessed("oak", "Ben", "maths", "m2", "W", "2025-10-01"),
        assessed("oak", "Ben", "maths", "m2", "N", "2025-12-10"),
        assessed("oak", "Ben", "maths", "m3", "A", "2025-11-15", "2026-01-20T09:00:00Z"),
        assessed("oak", "Cai", "maths", "m1", "A", "2025-10-03", event_id="wrong-pupil"),
        told("FactWithdrawn", "oak", "2025-10-20T10:00:00Z", withdraws="wrong-pupil", reason="wrong pupil"),
        assessed("oak", "Cai", "maths", "m1", "W", "2025-11-11"),
        *(assessed("oak", "Dee", "maths", f"m{n}", "A", "2025-05-10") for n in range(1, 6)),
        assessed("oak", "Dee", "maths", "n1", "A", "2025-11-01"),
        assessed("oak", "Dee", "maths", "n2", "A", "2025-11-01"),
        assessed("oak", "Dee", "maths", "n3", "W", "2025-11-01"),
    ]


def _combined():
    percents = {"sb": "10", "b": "30", "at": "40", "ab": "60", "sa": "90"}
    pupils = {
        "p1": "at at at",
        "p2": "sa ab at",
        "p3": "sa sa sa",
        "p4": "at b ab",
        "p5": "at at -",
        "p6": "sb sb sb",
    }
    return [
        registered("ash"),
        percent_framework("ash"),
        *(enrolled("ash", pupil) for pupil in pupils),
        *(
            told_percent("ash", pupil, subject, percents[band])
            for pupil, bands in pupils.items()
            for subject, band in zip(("reading", "writing", "maths"), bands.split(), strict=True)
            if band != "-"
        ),
    ]


MATRIX_PUPILS = ["b>at", "b>b", "at>at", "at>at", "at>ab", "at>b", "ab>sa", "ab>ab", "sa>ab", "sb>sb", "->at"]


def _matrix():
    percents = {"sb": "10", "b": "30", "at": "40", "ab": "60", "sa": "90"}
    events = [registered("fir"), percent_framework("fir")]
    for number, pair in enumerate(MATRIX_PUPILS):
        pupil = f"q{number:02}"
        events.append(enrolled("fir", pupil))
        for subject, band in zip(("reading", "maths"), pair.split(">"), strict=True):
            if band != "-":
                events.append(told_percent("fir", pupil, subject, percents[band]))
    return events


@pytest.fixture(scope="module", autouse=True)
def _told(client: httpx.Client) -> None:
    weights = [{"state": s, "weight": w} for s, w in (("N", "0"), ("W", "0.4"), ("A", "0.8"), ("X", "1"))]
    heavy = [
        registered("oak-weights"),
        enrolled("oak-weights", "Amy", "3"),
        published("oak-weights", {"maths": Y3}, weights),
        *_amy("oak-weights"),
    ]
    light = [
        registered("oak-light"),
        enrolled("oak-light", "Amy", "3"),
        published("oak-light", {"maths": [{**Y3[0], "weight": "0"}, *Y3[1:]]}, STATES),
        *_amy("oak-light"),
    ]
    for events in (_oak(), heavy, light, _combined(), _matrix()):
        position = tell(client, *events)
        wait_until_shown(client, position, [events[0]["school"]])


def _value(client, pupil, measure, as_at, known=None, school="oak"):
    """The displayed percent, or the status where there is none."""
    parameters = [("school", school), ("measure", measure), BANDS, ("as_at", as_at)]
    parameters += [("as_known_at", known)] if known else []
    value = by_reference(read_report(client, "overview/members", parameters))[pupil]["values"][0]
    return value["percent"] if value["status"] == "value" else value["status"]


OVERALL, ASSESSED = "markbook:maths:Y3:overall", "markbook:maths:any:assessed"


@pytest.mark.parametrize(
    ("pupil", "measure", "as_at", "known", "expected"),
    [
        ("Amy", OVERALL, "2025-09-30", None, 10),
        ("Amy", OVERALL, "2025-10-31", None, 20),
        ("Amy", OVERALL, "2025-11-30", None, 50),
        ("Amy", OVERALL, "2025-12-31", None, 50),
        ("Amy", OVERALL, "2026-01-31", None, 60),
        ("Amy", OVERALL, "2026-02-28", None, 60),
        ("Amy", ASSESSED, "2025-09-30", None, 50),
        ("Amy", ASSESSED, "2025-10-31", None, 100),
        ("Amy", ASSESSED, "2025-11-30", None, 83),
        ("Amy", ASSESSED, "2025-12-31", None, 83),
        ("Amy", ASSESSED, "2026-01-31", None, 100),
        ("Amy", ASSESSED, "2026-02-28", None, 75),
        ("Ben", OVERALL, NOV, KNOWN_NOV, 30),
        ("Ben", OVERALL, NOV, KNOWN_FEB, 50),
        ("Ben", OVERALL, "2025-12-31", "2025-12-31T23:59:59Z", 20),
        ("Ben", OVERALL, "2025-12-31", KNOWN_FEB, 40),
        ("Cai", OVERALL, "2025-10-10", "2025-10-10T23:59:59Z", 20),
        ("Cai", OVERALL, "2025-10-10", "2025-10-31T23:59:59Z", "no_data"),
        ("Cai", OVERALL, NOV, None, 10),
        ("Dee", "markbook:maths:Y4:overall", NOV, None, 63),
        ("Dee", "markbook:maths:own-year:overall", NOV, None, 63),
        ("Dee", ASSESSED, NOV, None, 83),
        ("Dee", "markbook:maths:own-year:assessed", NOV, None, 83),
        ("Dee", OVERALL, NOV, None, 100),
        ("Dee", "markbook:maths:Y3:assessed", NOV, None, "no_data"),
        ("Dee", "markbook:maths:own-year:overall", "2025-08-31", None, 100),
        ("Dee", "markbook:maths:own-year:overall", "2025-09-01", None, "no_data"),
        ("Eli", OVERALL, NOV, None, "no_data"),
        ("Eli", ASSESSED, NOV, None, "no_data"),
    ],
)
def test_values_of_the_class_oak(client, pupil, measure, as_at, known, expected) -> None:
    assert _value(client, pupil, measure, as_at, known) == expected


def test_weights_are_those_of_the_curriculum(client) -> None:
    assert _value(client, "Amy", OVERALL, NOV, school="oak-weights") == 40
    assert _value(client, "Amy", OVERALL, NOV, school="oak-light") == 38  # 37.5, half up; weight 0 = out of scope


def _cell(client, *more, measure="markbook:maths:own-year:overall"):
    report = read_report(client, "overview", [("school", "oak"), ("measure", measure), BANDS, ("as_at", NOV), *more])
    assert [row["row"] for row in report["rows"]] == ["whole"]
    return report["rows"][0]["cells"][0]


def test_bands_of_the_class_oak_and_what_percents_divide_by(client) -> None:
    known = ("as_known_at", KNOWN_FEB)
    assert _cell(client, known) == {
        "counts": {"sig_below": 1, "below": 0, "at": 2, "above": 1, "sig_above": 0},
        "percents": {"sig_below": 20, "below": 0, "at": 40, "above": 20, "sig_above": 0},
        "of": 5,
        "no_data": 1,
        "no_data_percent": 20,
        "not_applicable": 0,
    }
    with_data = _cell(client, known, ("denominator", "with_data"))
    assert list(with_data["percents"].values()) == [25, 0, 50, 25, 0]
    assert (with_data["of"], with_data["no_data"], with_data["no_data_percent"]) == (4, 1, 20)
    before = _cell(client, ("as_known_at", KNOWN_NOV))
    assert list(before["counts"].values()) == [1, 1, 1, 1, 0]
    assert before["no_data"] == 1


def _ash(*subjects):
    measures = [("measure", f"markbook:{subject}:Y3:overall") for subject in subjects]
    return [("school", "ash"), *measures, BANDS, ("as_at", NOV)]


def test_combined_is_at_or_above_in_all_and_incomplete_is_a_part_of_not(client) -> None:
    row = read_report(client, "overview", _ash("reading", "writing", "maths"))["rows"][0]
    expected = {
        "working_at_or_above": 3,
        "not_working_at": 3,
        "incomplete": 1,
        "percents": {"working_at_or_above": 50, "not_working_at": 50},
    }
    assert row["combined"] == expected
    shares = [sum(cell["counts"][band] for band in ("at", "above", "sig_above")) for cell in row["cells"]]
    assert shares == [5, 4, 4]
    changed = read_report(client, "overview", [*_ash("reading", "writing", "maths"), ("denominator", "with_data")])
    assert changed["rows"][0]["combined"] == expected
    two = read_report(client, "overview", _ash("reading", "writing"))["rows"][0]["combined"]
    assert (two["working_at_or_above"], two["percents"]["working_at_or_above"]) == (4, 67)
    for cell, names in (
        ("working_at_or_above", {"p1", "p2", "p3"}),
        ("not_working_at", {"p4", "p5", "p6"}),
        ("incomplete", {"p5"}),
    ):
        parameters = [*_ash("reading", "writing", "maths"), ("row", "whole"), ("cell", f"combined:{cell}")]
        members = all_members(client, "overview/members", parameters, limit=1)
        assert (set(by_reference(members)), members["total"]) == (names, len(names)), cell


def test_a_pupil_not_applicable_in_any_measure_is_in_neither_part_of_combined(client) -> None:
    row = read_report(client, "overview", _ash("reading", "history"))["rows"][0]
    assert row["combined"] == {
        "working_at_or_above": 0,
        "not_working_at": 0,
        "incomplete": 0,
        "percents": {"working_at_or_above": None, "not_working_at": None},
    }
    assert row["cells"][1] == {
        "counts": dict.fromkeys(("sig_below", "below", "at", "above", "sig_above"), 0),
        "percents": dict.fromkeys(("sig_below", "below", "at", "above", "sig_above")),
        "of": 0,
        "no_data": 0,
        "no_data_percent": None,
        "not_applicable": 6,
    }


def _fir(first="reading", second="maths"):
    sides = [("first", f"markbook:{first}:Y3:overall"), ("second", f"markbook:{second}:Y3:overall")]
    return [
        ("school", "fir"),
        *sides,
        ("first_bands", "21,36,51,66"),
        ("second_bands", "21,36,51,66"),
        ("as_at", NOV),
    ]


def test_the_matrix_and_its_overlay(client) -> None:
    report = read_report(client, "matrix", _fir())
    assert report["counts"] == [
        [1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 1, 2, 1, 0],
        [0, 0, 0, 1, 1],
        [0, 0, 0, 1, 0],
    ]
    assert report["unplotted"] == [{"first": None, "second": "at", "pupils": 1}]
    assert report["overlay"] == {
        "on": {"pupils": 5, "percent": 50},
        "above": {"pupils": 3, "percent": 30},
        "below": {"pupils": 2, "percent": 20},
    }
    swapped = read_report(client, "matrix", _fir("maths", "reading"))
    assert (swapped["overlay"]["above"]["pupils"], swapped["overlay"]["below"]["pupils"]) == (2, 3)
    assert swapped["unplotted"] == [{"first": "at", "second": None, "pupils": 1}]


def test_percents_of_the_overlay_are_not_forced_to_a_hundred(client) -> None:
    # 3 on, 2 above, 2 below of 7 (at>at twice and ab>ab on; b>at, at>ab; at>b, sa>ab)
    chosen = ("q00", "q02", "q03", "q04", "q05", "q07", "q08")
    events = [told("GroupJoined", "fir", pupil=pupil, group="seven", joined_on="2024-09-01") for pupil in chosen]
    wait_until_shown(client, tell(client, *events), ["fir"])
    overlay = read_report(client, "matrix", [*_fir(), ("group", "seven")])["overlay"]
    assert [overlay[part]["percent"] for part in ("on", "above", "below")] == [43, 29, 29]


def test_members_of_every_cell_of_the_matrix_are_as_many_as_it_says(client) -> None:
    bands = ("sig_below", "below", "at", "above", "sig_above")
    counts = read_report(client, "matrix", _fir())["counts"]
    for row, first in enumerate(bands):
        for column, second in enumerate(bands):
            members = all_members(client, "matrix/members", [*_fir(), ("cell", f"{first}:{second}")], limit=1)
            assert members["total"] == len(members["pupils"]) == counts[row][column]
            for pupil in members["pupils"]:
                assert [value["band"] for value in pupil["values"]] == [first, second]
    unplotted = all_members(client, "matrix/members", [*_fir(), ("cell", "none:at")])
    assert list(by_reference(unplotted)) == ["q10"]
    assert [value["status"] for value in unplotted["pupils"][0]["values"]] == ["no_data", "value"]
    two = all_members(client, "matrix/members", [*_fir(), ("cell", "at:at"), ("cell", "below:at")])
    assert set(by_reference(two)) == {"q00", "q02", "q03"}
    assert all_members(client, "matrix/members", _fir())["total"] == 11


def test_end_of_last_year_against_now(client) -> None:
    parameters = [
        ("school", "oak"),
        ("first", "markbook:maths:own-year:overall@2025-08-31"),
        ("second", "markbook:maths:own-year:overall"),
        ("first_bands", "21,36,51,66"),
        ("second_bands", "21,36,51,66"),
        ("as_at", NOV),
    ]
    report = read_report(client, "matrix", parameters)
    assert report["counts"][4][3] == 1  # Dee: 100 in year 3 then, 63 in year 4 now
    assert {(cell["first"], cell["second"]): cell["pupils"] for cell in report["unplotted"]} == {
        (None, None): 1,
        (None, "sig_below"): 1,
        (None, "at"): 2,
    }
    members = all_members(client, "matrix/members", [*parameters, ("cell", "sig_above:above")])
    assert by_reference(members)["Dee"]["year_group"] == "4"
    then = all_members(client, "matrix/members", [*parameters, ("cell", "sig_above:above"), ("on", "first")])
    assert by_reference(then)["Dee"]["year_group"] == "3"


def _track(client, measure, months, as_at="2026-07-31", **more):
    parameters = [("school", "oak"), ("measure", measure), ("as_at", as_at), *more.items()]
    parameters += [("months", months)] if months else []
    return read_report(client, "score-tracking", parameters)


def test_score_tracking_of_the_class_oak(client) -> None:
    months = "2025-10,2025-11,2026-01,2026-02"
    report = _track(client, OVERALL, months)
    assert report["months"] == ["2025-10-31", "2025-11-30", "2026-01-31", "2026-02-28"]
    pupils = by_reference(report)
    amy = pupils["Amy"]
    assert amy["start"]["status"] == "no_data"
    assert [value["percent"] for value in amy["values"]] == [20, 50, 60, 60]
    assert (amy["variances"], amy["average_variance"]) == ([None, 30, 10, 0], "13.3")
    dee = pupils["Dee"]
    assert dee["start"]["percent"] == 100
    assert [value["percent"] for value in dee["values"]] == [100] * 4
    assert (dee["variances"], dee["average_variance"]) == ([0, 0, 0, 0], "0.0")
    eli = pupils["Eli"]
    assert [value["status"] for value in eli["values"]] == ["no_data"] * 4
    assert (eli["variances"], eli["average_variance"]) == ([None] * 4, None)
    year = by_reference(_track(client, OVERALL, "2025-09..2026-08"))["Amy"]
    percents = [value and value["percent"] for value in year["values"]]
    assert percents == [10, 20, 50, 50, 60, 60, 60, 60, 60, 60, 60, None]  # a month without news carries the last
    assert _track(client, OVERALL, None)["months"] == _track(client, OVERALL, "2025-09..2026-08")["months"]


def test_a_month_not_begun_is_null_and_the_running_month_is_valued_at_as_at(client) -> None:
    amy = by_reference(_track(client, OVERALL, "2025-10..2026-01", as_at="2025-11-10"))["Amy"]
    assert [value and value["percent"] for value in amy["values"]] == [20, 40, None, None]
    assert amy["variances"] == [None, 20, None, None]
    before = by_reference(_track(client, OVERALL, "2025-10..2025-12", as_at="2025-08-31"))["Amy"]
    assert before["start"] is None
    assert before["values"] == [None, None, None]
    assert before["average_variance"] is None


def test_assessed_starts_again_on_the_first_day_of_the_year(client) -> None:
    dee = by_reference(_track(client, ASSESSED, "2025-08..2025-11"))["Dee"]
    statuses = [value["percent"] if value["status"] == "value" else value["status"] for value in dee["values"]]
    assert statuses == [100, "no_data", "no_data", 83]
    assert dee["start"]["status"] == "no_data"  # 1 September 2024: nothing yet
    assert dee["variances"] == [None, None, None, None]
