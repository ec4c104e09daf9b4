"""An answer in which nobody is says why, in a word for programs and a sentence for people."""

from __future__ import annotations

import msgspec
import pytest

from services.domain.bands import parse_bands
from services.domain.measures import parse_measure
from services.query.reports import overview
from services.query.requests import Clocks, OverviewRequest, Population
from tests.unit.query.hand_made import HandMadeSchool, day, reading_of
from tests.unit.query.oak import make_oak

CUT_OFFS = parse_bands("21,36,51,66", whole_percent=True)
MATHS = "markbook:maths:Y3:overall"


def notes(
    *, as_at: str = "2025-11-30", measure: str = MATHS, school: HandMadeSchool | None = None, **whom: object
) -> dict:
    school = make_oak() if school is None else school
    population = Population(schools=("oak",), **whom)
    request = OverviewRequest(population, Clocks(day(as_at)), (parse_measure(measure),), (CUT_OFFS,))
    answer = overview.answer(reading_of(school.reading()), request)
    decoded = msgspec.json.decode(msgspec.json.encode(answer.provenance))
    assert ("notes" in decoded) == bool(decoded.get("notes"))
    assert all(note["detail"].endswith(".") for note in decoded.get("notes", ()))
    return {note["code"]: (note["parameter"], note["value"]) for note in decoded.get("notes", ())}


def test_an_answer_with_pupils_and_values_has_no_notes() -> None:
    assert notes() == {}
    assert notes(groups=("Oak",), year_groups=("3",), filters=(("sex", ("F", "Not known")),)) == {}


@pytest.mark.parametrize(
    ("whom", "expected"),
    [
        ({"groups": ("Elm",)}, {"unknown_group": ("group", "Elm")}),
        ({"groups": ("Elm", "Oak")}, {"unknown_group": ("group", "Elm")}),
        ({"year_groups": ("9",)}, {"unknown_year_group": ("year_group", "9")}),
        ({"filters": (("sex", ("X",)),)}, {"unknown_filter": ("filter", "sex:X")}),
        ({"filters": (("house", ("Red",)),)}, {"unknown_filter": ("filter", "house:Red")}),
        ({"year_groups": ("4",), "filters": (("sex", ("M",)),)}, {"empty_population": ("", "")}),
        ({"year_groups": ("Not known",)}, {"empty_population": ("", "")}),
    ],
)
def test_what_nobody_has(whom: dict[str, object], expected: dict[str, tuple[str, str]]) -> None:
    assert notes(**whom) == expected


def test_a_group_that_was_not_there_at_that_date() -> None:
    school = make_oak()
    school.enrol("fay", "3", starts="2024-09-01", ends="2025-08-31", groups=("Last year",))
    assert set(notes(school=school, groups=("Last year",))) == {"group_without_pupils", "empty_population"}
    assert notes(school=school, groups=("Last year",), as_at="2025-07-01") == {}


def test_a_date_before_the_first_facts() -> None:
    assert notes(as_at="2019-01-01") == {"nobody_on_roll": ("as_at", "2019-01-01")}


@pytest.mark.parametrize(
    ("measure", "code"),
    [
        ("markbook:latin:Y3:overall", "unknown_subject"),
        ("markbook:maths:Y9:overall", "unknown_ability"),
        ("test:ks2:maths:-:scaled", "no_such_results"),
        ("judgement:maths:ta", "no_such_results"),
    ],
)
def test_a_measure_that_the_school_does_not_have(measure: str, code: str) -> None:
    assert notes(measure=measure) == {code: ("measure", measure)}


def test_own_year_without_tags_or_without_the_pupils_year() -> None:
    untagged, other = HandMadeSchool("oak"), HandMadeSchool("oak")
    untagged.teach("maths", {"a": ("Stage 1", "", 1)})
    other.teach("maths", {"a": ("Y5", "5", 1)})
    for school, code in ((untagged, "not_year_tagged"), (other, "no_own_year")):
        school.enrol("ann", "3")
        assert set(notes(school=school, measure="markbook:maths:own-year:overall")) == {code}
