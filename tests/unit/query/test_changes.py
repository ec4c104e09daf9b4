"""What changed between two states of knowledge: counts by row and cell, pupils, and the facts told in between."""

from __future__ import annotations

from typing import Any

from schemas.events import FactWithdrawn, GroupLeft, YearGroupSet
from services.domain.measures import parse_measure
from services.query.counts import Place, counts_by_pointer, counts_of
from services.query.fact_requests import ColumnAsked, CurriculumRequest
from services.query.reports.changes import Sides, compare_counts, find_changed
from services.query.requests import Clocks, MatrixRequest, OverviewRequest, Population, ScoreTrackingRequest
from services.query.told_between import Window, told_between
from services.query.watched import Watched, known_at, population_of, roster_on, watched
from tests.builders import Book, day, instant, seconds
from tests.unit.query.told import read, tell_oak

NOVEMBER = day("2025-11-30")
OAK = Population(schools=("oak",))
MATHS = parse_measure("markbook:maths:own-year:overall")
LATEST = "2026-03-01"

OVERVIEW: dict[str, Any] = {
    "report": "overview",
    "provenance": {"position": 4},
    "measures": [{"id": "m", "bands": [21, 36]}],
    "rows": [
        {
            "row": "whole",
            "pupils": 5,
            "cells": [{"counts": {"at": 2}, "percents": {"at": 40}, "of": 5, "no_data": 1, "not_applicable": 0}],
            "combined": {"working_at_or_above": 3, "not_working_at": 2, "incomplete": None},
        },
        {"row": "characteristic:sex:F", "in": "year-group:3", "pupils": 2, "cells": []},
    ],
}


def test_counts_by_row_and_cell() -> None:
    counts = counts_of(OVERVIEW)
    assert counts[Place("", "whole", "0:at")] == 2
    assert counts[Place("", "whole", "combined:working_at_or_above")] == 3
    assert counts[Place("", "whole", "combined:incomplete")] is None
    assert counts[Place("year-group:3", "characteristic:sex:F", "pupils")] == 2
    matrix = {"counts": [[0] * 5 for _ in range(5)], "unplotted": [{"first": None, "second": "at", "pupils": 1}]}
    matrix["counts"][2][3] = 7  # type: ignore[index]
    assert counts_of(matrix)[Place("", "whole", "at:above")] == 7
    assert counts_of(matrix)[Place("", "whole", "none:at")] == 1


def test_counts_by_pointer_hold_nothing_of_single_pupils_or_of_how_it_was_made() -> None:
    tree = {**OVERVIEW, "rows": [{"a/b": 3, "flag": True}, {"pupils": [{"values": [7]}]}], "pupils": [{"percent": 9}]}
    assert counts_by_pointer(tree) == {"/rows/0/a~1b": 3}
    assert counts_by_pointer(OVERVIEW)["/rows/0/cells/0/counts/at"] == 2
    assert counts_by_pointer(OVERVIEW)["/rows/0/pupils"] == 5


def test_counts_that_differ_or_are_gone_or_new() -> None:
    before = {Place("", "a", "0:at"): 1, Place("", "b", "0:at"): 2}
    after = {Place("", "a", "0:at"): 1, Place("x", "c", "0:at"): 3}
    found = [(each.row, each.cell, each.before, each.after) for each in compare_counts(before, after)]
    assert found == [("c", "0:at", None, 3), ("b", "0:at", 2, None)]


def test_what_each_report_watches() -> None:
    clocks = Clocks(NOVEMBER, seconds(LATEST))
    overview = OverviewRequest(OAK, clocks, (MATHS, parse_measure("markbook:maths:Y3:overall@2025-10-31")))
    assert [each.on for each in watched(overview)] == [NOVEMBER, day("2025-10-31")]
    matrix = MatrixRequest(OAK, clocks, MATHS, day("2025-09-30"), None, MATHS, NOVEMBER, None, on="first")
    assert ([each.on for each in watched(matrix)], roster_on(matrix)) == (
        [day("2025-09-30"), NOVEMBER],
        day("2025-09-30"),
    )
    months = ScoreTrackingRequest(OAK, clocks, MATHS, (day("2025-10-31"), NOVEMBER, day("2025-12-31")))
    assert [each.on for each in watched(months)] == [day("2025-10-31"), NOVEMBER]
    curriculum = CurriculumRequest(OAK, clocks, "maths", "Y3", (ColumnAsked("@2025-10-31", day("2025-10-31")),))
    assert [(each.measure.text, each.on) for each in watched(curriculum)] == [
        ("markbook:maths:Y3:overall", day("2025-10-31"))
    ]
    assert known_at(overview, 7).clocks == Clocks(NOVEMBER, 7)
    assert population_of(overview) == OAK


def sides_of(book: Book, before: str, after: str) -> tuple[Sides, Any]:
    (one, _), (other, facts) = read(book, known=before), read(book, known=after)
    return Sides(one, other, OAK, NOVEMBER), facts["oak"]


def changed_in(book: Book, before: str, after: str = LATEST) -> set[str]:
    sides, _ = sides_of(book, before, after)
    pupils = sides.after.schools[0].index.document.pupils
    return {pupils[each.slot] for each in find_changed(sides, [Watched(MATHS, NOVEMBER)])}


def test_the_pupils_whose_value_or_place_is_another() -> None:
    book = tell_oak()
    assert changed_in(book, "2025-12-15") == {"ben"}
    assert changed_in(book, "2026-02-01") == set()
    book.tell(YearGroupSet, "2026-02-05", pupil="eli", year_group="4", starts_on="2025-09-01")
    book.tell(GroupLeft, "2026-02-05", pupil="amy", group="Oak", left_on="2025-10-01")
    assert changed_in(book, "2026-02-01") == set(), "Eli has no data as before, and the class is not asked for"
    book.assess("dee", "n4", "A", "2025-11-02", told="2026-02-06")
    book.assess("dee", "n4", "N", "2025-12-02", told="2026-02-06")
    assert changed_in(book, "2026-02-01") == {"dee"}


def test_the_facts_told_in_between() -> None:
    book = tell_oak()
    late = next(fact for _, fact in book.history if getattr(fact, "recorded_at", None) == instant("2026-01-20"))
    withdrawal = book.tell(FactWithdrawn, "2026-02-20", withdraws=late.event_id)
    _, known = sides_of(book, "2025-12-15", LATEST)
    ben = known.held.slot_of["ben"]
    between = told_between(known, ben, MATHS, NOVEMBER, Window(seconds("2025-12-15"), seconds(LATEST)))
    assert [known.held.objective_name(row) for row in between.rows] == ["m3"]
    assert [(known.held.objective_name(row), each.fact.event_id) for row, each in between.withdrawn] == [
        ("m3", withdrawal.event_id)
    ]
    later = told_between(known, ben, MATHS, NOVEMBER, Window(seconds("2026-02-01"), seconds(LATEST)))
    assert (later.rows, len(later.withdrawn)) == ([], 1)
    amy = known.held.slot_of["amy"]
    none = told_between(known, amy, MATHS, NOVEMBER, Window(seconds("2025-12-15"), seconds(LATEST)))
    assert (none.rows, none.withdrawn, none.others) == ([], [], []), "what is dated after November concerns it not"
