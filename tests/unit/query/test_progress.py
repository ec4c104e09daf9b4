"""Progress between two dates: the rule, the tables of starts and ends, and who is behind them (`domain.md` 4.5)."""

from __future__ import annotations

import msgspec
import pytest

from services.access.problems import Problem
from services.domain.bands import BAND_IDS, parse_bands
from services.domain.measures import parse_measure
from services.domain.progress import DEFAULT_RULE, parse_rule
from services.query.asked.progress import read_progress, read_progress_cell, read_progress_members
from services.query.query_string import Invalid
from services.query.questions import Moment
from services.query.reports import progress
from services.query.reports.progress import Progress
from services.query.requests import (
    By,
    Clocks,
    OverviewCellRef,
    OverviewRequest,
    Population,
    ProgressCellRef,
    ProgressMembersRequest,
    ProgressRequest,
)
from tests.unit.query.hand_made import HandMadeSchool, day, reading_of
from tests.unit.query.test_parameters import GOOD, NOW, faults

CUT_OFFS = parse_bands("21,36,51,66", whole_percent=True)
OWN_YEAR, ANY = "markbook:maths:own-year:overall", "markbook:maths:any:overall"
OF_BAND = {"SB": 10, "B": 30, "At": 40, "Ab": 60, "SA": 90, "none": None}
WAYS = {
    "p0": ("B", "SA"),
    "p1": ("SA", "At"),
    "p2": ("At", "At"),
    "p3": ("none", "At"),
    "p4": ("SB", "none"),
    "p5": ("B", "Ab"),
}
"""`p3` has no start. `p4` keeps the start for an end, as a percentage does."""


def make_school() -> HandMadeSchool:
    school = HandMadeSchool("oak")
    school.teach("maths", {"o": ("Y3", "3", 1)}, marks_max=100)
    for pupil, (start, end) in WAYS.items():
        school.enrol(pupil, "3", sex="F" if pupil in ("p0", "p3") else "M")
        for on, band in (("2025-09-10", start), ("2025-11-10", end)):
            if OF_BAND[band] is not None:
                school.assess(pupil, "maths", "o", OF_BAND[band], on)
    school.enrol("p6", "5")
    school.enrol("p7", "3")
    return school


def request_of(measure: str = OWN_YEAR, **more: object) -> ProgressRequest:
    fields = {name: more.pop(name) for name in ("rule", "start_on") if name in more}
    overview = OverviewRequest(
        Population(schools=("oak",)), Clocks(day("2025-11-30")), (parse_measure(measure),), (CUT_OFFS,), **more
    )
    return ProgressRequest(
        overview, fields.get("start_on", day("2025-09-30")), (CUT_OFFS,), "", fields.get("rule", DEFAULT_RULE)
    )


def ask(**more: object) -> Progress:
    return progress.answer(reading_of(make_school().reading()), request_of(**more))


def test_counts_are_of_progress_and_the_table_of_ways() -> None:
    whole = ask().rows[0]
    cell = whole.cells[0]
    # B>SA (+3) Sig Above; SA>At (-2) Below; At>At At; SB>SB At; B>Ab (+2) Above
    assert msgspec.structs.astuple(cell.counts) == (0, 1, 2, 1, 1)
    assert cell.table == [
        [1, 0, 0, 0, 0],
        [0, 0, 0, 1, 1],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
    ]
    assert (whole.pupils, cell.of, cell.no_data, cell.not_applicable) == (8, 7, 2, 1)
    assert (cell.no_start, cell.no_end) == (2, 1)
    assert msgspec.structs.astuple(cell.percents) == (0, 14, 29, 14, 14)
    combined = whole.combined
    assert (combined.working_at_or_above, combined.not_working_at, combined.incomplete) == (4, 3, 2)


def test_the_answer_has_the_shape_of_an_overview_and_says_the_rule() -> None:
    decoded = msgspec.json.decode(msgspec.json.encode(ask(by=(By("characteristic", "sex"),))))
    assert decoded["report"] == "progress"
    assert (decoded["start"], decoded["rule"]) == ("2025-09-30", "34455,23445,22344,12234,11223")
    assert decoded["warning"] is None
    assert decoded["ceiling"] == "A pupil who starts in Sig Above can reach At at most."
    assert decoded["measures"] == [{"id": OWN_YEAR, "bands": [21, 36, 51, 66], "start_bands": [21, 36, 51, 66]}]
    assert [row["row"].rpartition(":")[2] for row in decoded["rows"]] == ["whole", "F", "M", "Not known"]
    assert set(decoded["rows"][0]["cells"][0]) == {
        *("counts", "percents", "of", "no_data", "no_data_percent", "not_applicable", "table", "no_start", "no_end"),
        *(set(decoded["rows"][0]["cells"][0]) & {"coded", "excluded"}),
    }
    girls = decoded["rows"][1]["cells"][0]
    assert (sum(map(sum, girls["table"])), girls["no_start"]) == (1, 1)


def test_rows_add_up_to_the_whole() -> None:
    whole, *rows = ask(by=(By("characteristic", "sex"),)).rows
    for name in ("table", "no_start", "no_end"):
        total = [getattr(row.cells[0], name) for row in rows]
        added = (
            [[sum(c) for c in zip(*r, strict=True)] for r in zip(*total, strict=True)]
            if name == "table"
            else sum(total)
        )
        assert added == getattr(whole.cells[0], name)


def test_a_rule_of_ones_own_and_its_warning() -> None:
    odd = parse_rule("54321,54321,54321,54321,54321")
    answer = ask(rule=odd)
    assert answer.warning is not None and "not monotone" in answer.warning
    assert msgspec.structs.astuple(answer.rows[0].cells[0].counts) == (1, 1, 2, 0, 1)
    assert answer.rows[0].cells[0].table == ask().rows[0].cells[0].table


def test_each_end_has_the_own_year_of_its_date_and_the_roster_is_the_ends() -> None:
    school = HandMadeSchool("oak")
    school.teach("maths", {"a": ("Y2", "2", 1), "b": ("Y3", "3", 1)}, marks_max=100)
    school.enrol("ann", "2", ends="2025-08-31")
    school.enrol("ann", "3", starts="2025-09-01")
    school.enrol("bob", "2", ends="2025-08-31")
    school.assess("ann", "maths", "a", 40, "2025-06-01")
    school.assess("ann", "maths", "b", 60, "2025-10-01")
    school.assess("bob", "maths", "a", 90, "2025-06-01")
    row = progress.answer(reading_of(school.reading()), request_of(start_on=day("2025-08-31"))).rows[0]
    assert (row.pupils, row.cells[0].table[2][3]) == (1, 1)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ((OverviewCellRef(0, "sig_above"),), ["p0"]),
        ((OverviewCellRef(0, "at"), OverviewCellRef(0, "below")), ["p1", "p2", "p4"]),
        ((ProgressCellRef(0, "below", "above"), ProgressCellRef(0, "at", "at")), ["p2", "p5"]),
        ((ProgressCellRef(0, "no_start", ""),), ["p3", "p7"]),
        ((ProgressCellRef(0, "", "no_end"),), ["p7"]),
        ((OverviewCellRef(0, "no_data"),), ["p3", "p7"]),
        ((OverviewCellRef(0, "not_applicable"),), ["p6"]),
        ((OverviewCellRef(None, "working_at_or_above"),), ["p0", "p2", "p4", "p5"]),
        ((), [f"p{n}" for n in range(8)]),
    ],
)
def test_who_is_behind_a_cell(cells: tuple, expected: list[str]) -> None:
    asked = ProgressMembersRequest(request_of(), cells=cells)
    listing = progress.answer_members(reading_of(make_school().reading()), asked)
    assert [one.pupil for one in listing.answer.pupils] == expected
    assert listing.answer.total == len(expected)


def test_members_carry_start_and_end_and_what_the_rule_makes_of_them() -> None:
    request = ProgressMembersRequest(
        request_of(), cells=(OverviewCellRef(0, "sig_above"), OverviewCellRef(0, "no_data"))
    )
    pupils = progress.answer_members(reading_of(make_school().reading()), request).answer.pupils
    assert [([value.band for value in one.values], one.progress) for one in pupils] == [
        (["below", "sig_above"], ["sig_above"]),
        ([None, "at"], [None]),
        ([None, None], [None]),
    ]


def test_every_cell_opens_as_many_pupils_as_it_shows() -> None:
    reading = reading_of(make_school().reading())
    for row in progress.answer(reading, request_of(by=(By("characteristic", "sex"),))).rows:
        for start, ends in zip(BAND_IDS, row.cells[0].table, strict=True):
            for end, count in zip(BAND_IDS, ends, strict=True):
                asked = ProgressMembersRequest(request_of(), row.row, (ProgressCellRef(0, start, end),))
                assert progress.answer_members(reading, asked).answer.total == count


def test_the_question_asks_for_both_days_and_with_settings_for_the_year_groups_of_the_start() -> None:
    start, end, plain = day("2025-09-30"), day("2025-11-30"), request_of(ANY)
    asked_for = {Moment(start, "maths"), Moment(end, "maths")}
    assert set(progress.question(plain).moments([])) == asked_for
    by_settings = msgspec.structs.replace(plain, start_bands=(), start_settings="set_1")
    assert set(progress.question(by_settings).moments([])) == asked_for | {Moment(start)}


# --- What is asked -----------------------------------------------------------------------------------------------


def asked(query: str) -> ProgressRequest:
    return read_progress(query.encode(), NOW).request


def test_what_is_said_of_the_end_holds_for_the_start_unless_it_has_its_own() -> None:
    both = asked(f"{GOOD}&start=2025-09-01")
    assert both.start_bands == both.overview.bands and both.rule == DEFAULT_RULE
    own = asked(f"{GOOD}&start=2025-09-01&start_bands=10,20,30,40&rule=33333,33333,33333,33333,33333")
    assert own.start_bands == (parse_bands("10,20,30,40", whole_percent=True),)
    assert own.rule.shown() == ",".join(["33333"] * 5)
    named = asked("school=oak&measure=markbook:m:Y3:overall&start=2025-09-01&settings=set_1@2&rule=set_9")
    assert (named.start_settings, named.rule_settings) == ("set_1@2", "set_9")
    mixed = asked("school=oak&measure=markbook:m:Y3:overall&start=2025-09-01&settings=set_1&start_settings=set_2")
    assert (mixed.start_settings, mixed.overview.settings) == ("set_2", "set_1")


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (GOOD, ("start", "missing_parameter")),
        (f"{GOOD}&start=2026-04-02", ("start", "start_after_end")),
        (f"{GOOD}&start=2025-09-01&start_bands=1,2,3", ("start_bands", "wrong_count")),
        (f"{GOOD}&start=2025-09-01&start_bands=1,2,3,4&start_settings=set_1", ("start_settings", "bands_and_settings")),
        (f"{GOOD}&start=2025-09-01&rule=34455,23445,22344,12234", ("rule", "invalid_rule")),
        (f"{GOOD}&start=2025-09-01&rule=34455,23445,22344,12234,11226", ("rule", "invalid_rule")),
    ],
)
def test_a_wrong_report_of_progress_is_refused_by_name(query: str, fault: tuple[str, str]) -> None:
    assert faults(asked, query) == [fault]


def test_cells_of_progress() -> None:
    assert read_progress_cell("1:at:above", 2) == ProgressCellRef(1, "at", "above")
    assert read_progress_cell("0:no_start", 1) == ProgressCellRef(0, "no_start", "")
    assert read_progress_cell("combined:incomplete", 1) == OverviewCellRef(None, "incomplete")
    for text in ("1:at:above", "0:at:none", "0:at:at:at", "x:no_end", "0:", "at:above", "0:no_start:no_end"):
        with pytest.raises(Invalid):
            read_progress_cell(text, 1)
    with pytest.raises(Problem):
        read_progress_members(f"{GOOD}&start=2025-09-01&cell=1:at:at".encode(), NOW)
