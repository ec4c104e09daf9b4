"""Reports of single facts over class Oak: explain, multi-ability, framework, recording, the pupils behind a cell."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec import UNSET

from schemas.events import FactWithdrawn, PupilEnrolled, PupilsMerged, ResultRecorded, State
from services.access.problems import Problem
from services.domain.measures import parse_measure
from services.query.answers import Value
from services.query.asked.curriculum import read_curriculum
from services.query.fact_requests import (
    ColumnAsked,
    CurriculumCellRef,
    CurriculumMembersRequest,
    CurriculumRequest,
    FrameworkRequest,
    MultiAbilityRequest,
    RecordingRequest,
)
from services.query.reports import curriculum, curriculum_members, framework, multi_ability, recording
from services.query.reports.explain import Asking, Explained, explain_value, offsets_named, origin_of
from services.query.reports.listing import Column, Listed, Paging, cut_page, list_chosen, values_of
from services.query.reports.multi_ability import MultiAbility
from services.query.requests import Clocks, Population
from tests.builders import Book, day, subject
from tests.unit.query.told import STATES, enrol, read, tell_oak

NOVEMBER = "2025-11-30"
OAK = Population(schools=("oak",))


# --- Explain -----------------------------------------------------------------------------------------------------


def explain(
    book: Book, pupil: str, measure: str, on: str = NOVEMBER, known: str = "2026-02-28"
) -> tuple[Explained, Value]:
    """The lines, and the value that every report shows."""
    reading, facts = read(book, known=known)
    (school,), known_facts = reading.schools, facts[book.school]
    slot = int(known_facts.owners[school.index.document.pupils.index(pupil)])
    asked, when = parse_measure(measure), day(on)
    asking = Asking(slot, asked, when, school.year_group(slot, when), 9)
    listed = Listed(school, slot, slot, pupil, None, ("", ""))
    school.learn(known_facts)
    value = values_of((listed,), (Column(asked, when),))[0][0]
    told = dict(book.history)
    origins = {offset: origin_of(told[offset], when) for offset in offsets_named(known_facts, asking)}
    return explain_value(known_facts, asking, value, origins), value


@pytest.mark.parametrize("measure", ["own-year:overall", "Y3:assessed", "any:overall", "Y4:overall", "Y9:overall"])
@pytest.mark.parametrize("pupil", ["amy", "ben", "cai", "dee", "eli"])
@pytest.mark.parametrize("known", ["2025-10-15", "2025-11-30", "2026-02-28"])
def test_the_lines_add_up_to_the_value_that_every_report_shows(measure: str, pupil: str, known: str) -> None:
    explained, value = explain(tell_oak(), pupil, f"markbook:maths:{measure}", known=known)
    assert (explained.status, explained.sum.numerator, explained.sum.denominator) == (
        value.status,
        value.numerator,
        value.denominator,
    )


def test_amy_in_november_line_by_line() -> None:
    explained, _ = explain(tell_oak(), "amy", "markbook:maths:Y3:overall")
    assert (explained.framework, explained.version) == ("nc", "1")
    assert [(line.objective, line.state, line.state_weight, line.counted, line.why) for line in explained.lines] == [
        ("m1", "A", "1", True, "counted"),
        ("m2", "A", "1", True, "counted"),
        ("m3", "W", "0.5", True, "counted"),
        ("m4", None, None, False, "not_assessed"),
        ("m5", None, None, False, "not_assessed"),
    ]
    first = explained.lines[0]
    assert first.fact is not None and first.fact.source == "default"
    assert [(before.state, before.status) for before in first.before] == [("W", "earlier")]


def test_what_was_withdrawn_or_corrected_stands_behind_the_line() -> None:
    explained, _ = explain(tell_oak(), "cai", "markbook:maths:Y3:overall")
    assert [(before.state, before.status) for before in explained.lines[0].before] == [("A", "withdrawn")]
    book = tell_oak()
    row = {"key": "0" * 31 + "1"}
    book.assess("eli", "m1", "A", "2025-11-01", revision=1, **row)
    book.assess("eli", "m1", "W", "2025-11-01", told="2025-11-02", revision=2, **row)
    (line, *_) = explain(book, "eli", "markbook:maths:Y3:overall")[0].lines
    assert (line.state, [(before.state, before.status) for before in line.before]) == ("W", [("A", "superseded")])


def test_work_of_an_earlier_year_and_states_that_do_not_count_say_why() -> None:
    explained, _ = explain(tell_oak(), "dee", "markbook:maths:Y3:assessed")
    assert {(line.state, line.why) for line in explained.lines} == {("A", "earlier_year")}
    book = Book("oak")
    book.publish("2024-09-01", subject("maths", {"m1": "Y3", "m2": "Y3"}, weight={"m2": "0"}), states=STATES[:2])
    enrol(book, "amy", "3")
    for objective in ("m1", "m2"):
        book.assess("amy", objective, "A" if objective == "m1" else "W", "2025-11-01")
    assert [line.why for line in explain(book, "amy", "markbook:maths:Y3:overall")[0].lines] == [
        "state_not_counted",
        "weight_zero",
    ]


def test_the_lines_of_a_merged_pupil_are_those_of_both_references() -> None:
    book = tell_oak()
    book.tell(PupilEnrolled, "2025-12-01", pupil="amy2", enrolled_on="2025-12-01")
    book.assess("amy2", "m5", "A", "2025-11-25", told="2025-12-01")
    book.tell(PupilsMerged, "2025-12-02", pupil="amy", other="amy2")
    explained, value = explain(book, "amy2", "markbook:maths:Y3:overall")
    assert (explained.sum.numerator, value.numerator) == ("3.5", "3.5")


def test_a_test_shows_its_sittings_and_the_one_that_counts() -> None:
    book = tell_oak()
    for score, on in (("98", "2025-10-01"), ("104", "2025-11-02"), ("101", "2025-12-09")):
        sitting = {"test": "ks2", "subject": "reading", "score_type": "scaled", "score": score, "sat_on": on}
        book.tell(ResultRecorded, "2026-01-05", pupil="amy", **sitting)
    explained, value = explain(book, "amy", "test:ks2:reading:-:scaled")
    assert (value.score, explained.status) == ("104", "value")
    assert [(line.state, line.counted, line.why) for line in explained.lines] == [
        ("104", True, "counted"),
        ("98", False, "outside"),
    ]


def test_a_goal_of_the_profile_shows_results_and_the_markbook_of_the_profile() -> None:
    book = tell_oak()
    goals = subject("literacy", {"E08": "ELG", "E09": "ELG"})
    states = (State("1", "0"), State("2", "1"))
    book.publish("2025-09-01", goals, framework="eyfsp", states=states)
    book.assess("eli", "E08", "2", "2025-11-01", subject="literacy")
    told = {"test": "eyfsp", "subject": "literacy", "component": "E09", "score_type": "raw", "score": "1"}
    book.tell(ResultRecorded, "2025-11-02", pupil="eli", sat_on="2025-11-02", **told)
    assert [(line.objective, line.state) for line in explain(book, "eli", "eyfs:E08")[0].lines] == [("E08", "2")]
    assert [(line.objective, line.state) for line in explain(book, "eli", "eyfs:total")[0].lines] == [
        (None, "1"),
        ("E08", "2"),
        ("E09", None),
    ]


# --- Multi-ability -----------------------------------------------------------------------------------------------


def ask_abilities(*abilities: str, **more: Any) -> MultiAbility:
    reading, _ = read(tell_oak(), known="2026-02-28")
    request = MultiAbilityRequest(OAK, Clocks(day(NOVEMBER)), "maths", abilities, **more)
    chosen = multi_ability.choose(reading, request, ())
    listing = list_chosen(reading.provenance, chosen, Paging(request.limit, request.cursor, request.sort))
    return multi_ability.answer(reading, chosen, request, listing.answer, ())


def test_4_10_multi_ability_of_dee() -> None:
    answer = ask_abilities("Y3", "Y4")
    values = {pupil.pupil: [value.percent for value in pupil.values] for pupil in answer.pupils}
    assert values == {"amy": [50, None], "ben": [50, None], "cai": [10, None], "dee": [100, 63], "eli": [None, None]}
    # (50 + 50 + 10 + 100) / 4 = 52.5
    assert [(mean.percent, mean.pupils) for mean in answer.means] == [(53, 4), (63, 1)]
    assert (answer.total, answer.bands) == (5, None)
    assert answer.provenance.notes is UNSET
    (note,) = ask_abilities("Y3", "Y9").provenance.notes  # type: ignore[misc]
    assert note.value == "markbook:maths:Y9:overall"


def test_multi_ability_by_value_and_in_pages_keeps_the_means_of_everyone() -> None:
    answer = ask_abilities("Y3", limit=2, sort="value")
    assert [pupil.pupil for pupil in answer.pupils] == ["cai", "amy"]
    assert (answer.total, answer.means[0].pupils, answer.next is None) == (5, 4, False)


# --- The pupils behind a cell ------------------------------------------------------------------------------------


def members(row: str, *cells: tuple[int, str], **more: Any) -> dict[str, list[tuple[str, str | None]]]:
    reading, facts = read(tell_oak(), known="2026-02-28")
    columns = (ColumnAsked(f"@{NOVEMBER}", day(NOVEMBER)),)
    request = CurriculumRequest(OAK, Clocks(day(NOVEMBER)), "maths", "Y3", columns, "objective", **more)
    asked = CurriculumMembersRequest(request, row, tuple(CurriculumCellRef(*cell) for cell in cells))
    laid = curriculum.lay_columns(reading, facts, request)
    cohort = curriculum_members.cohort_of(reading, asked, laid)
    positions = curriculum_members.positions_of(cohort, asked, laid, None)
    page = cut_page(cohort, positions, asked.limit, None, curriculum_members.sort_keys(cohort, asked, laid))
    found = curriculum_members.list_page(reading.provenance, page, asked, laid, None).answer
    assert found.total == len(found.pupils)
    return {pupil.pupil: [(value.status, value.value) for value in pupil.values] for pupil in found.pupils}


def test_the_pupils_behind_a_cell_with_their_state() -> None:
    assert members("objective:m1", (0, "A")) == {"amy": [("value", "A")], "ben": [("value", "A")]}
    assert members("objective:m1", (0, "W"), (0, "none")) == {"cai": [("value", "W")], "eli": [("no_data", None)]}
    assert set(members("objective:m1")) == {"amy", "ben", "cai", "eli"}
    assert members("objective:m1", (0, "outside")) == {"dee": [("not_applicable", None)]}
    assert set(members("strand:Number", (0, "W"))) == {"amy", "ben", "cai"}
    assert set(members("objective:nothing")) == set()


# --- Framework and recording -------------------------------------------------------------------------------------


def test_the_framework_with_states_strands_and_one_worked_percentage() -> None:
    reading, facts = read(tell_oak())
    (maths,) = framework.answer(reading, facts, FrameworkRequest(OAK, Clocks(day(NOVEMBER)))).subjects
    assert (maths.framework, maths.version, maths.schools, maths.abilities) == ("nc", "1", ["oak"], ["Y3", "Y4"])
    assert [(state.name, state.weight) for state in maths.states][1:] == [("Working towards", "0.5"), ("Achieved", "1")]
    assert [(strand.strand, len(strand.objectives)) for strand in maths.strands] == [("Number", 5), ("Number: more", 4)]
    worked = maths.worked
    assert worked is not None
    assert [(line.objective, line.state, line.points) for line in worked.lines] == [
        ("m1", "A", "1"),
        ("m2", "W", "0.5"),
        ("m3", "N", "0"),
    ]
    assert (worked.overall.numerator, worked.overall.denominator, worked.overall.percent) == ("1.5", "5", 30)
    assert (worked.assessed.denominator, worked.assessed.percent) == ("3", 50)


def test_frameworks_that_schools_share_stand_once() -> None:
    elm = Book("elm")
    elm.history = [row for row in tell_oak().history if type(row[1]).__name__ == "CurriculumPublished"]
    reading, facts = read(elm, tell_oak())
    population = Population(schools=("elm", "oak"))
    (maths,) = framework.answer(reading, facts, FrameworkRequest(population, Clocks(day(NOVEMBER)))).subjects
    assert maths.schools == ["elm", "oak"]


def test_recording_of_class_and_subject() -> None:
    reading, facts = read(tell_oak(), known="2026-02-28")
    request = RecordingRequest(OAK, Clocks(day(NOVEMBER)), minimum=70)
    whole, oak = recording.answer(reading, facts, request).rows
    assert (whole.row, oak.row, oak.subject) == ("whole", "group:Oak", "maths")
    assert (oak.pupils, oak.assessed, oak.assessed_percent) == (5, 4, 80)
    assert oak.last_assessed_on == date(2025, 11, 20)
    assert (oak.covered.objectives, oak.covered.of, oak.covered.percent) == (6, 9, 67)  # m1 m2 m3 n1 n2 n3
    assert oak.below_minimum is True
    reached = recording.answer(reading, facts, RecordingRequest(OAK, Clocks(day(NOVEMBER)), minimum=67))
    assert [row.below_minimum for row in reached.rows] == [False, False]


def test_recording_counts_what_stands_from_the_day_on() -> None:
    reading, facts = read(tell_oak(), known="2026-02-28")
    request = RecordingRequest(OAK, Clocks(day(NOVEMBER)), since=day("2025-11-15"))
    whole, _ = recording.answer(reading, facts, request).rows
    assert (whole.assessed, whole.covered.objectives, whole.below_minimum) == (2, 1, None)
    book = tell_oak()
    late = book.assess("eli", "m5", "A", "2025-11-28")
    book.tell(FactWithdrawn, "2025-11-29", withdraws=late.event_id)
    assert recording.answer(*read(book), RecordingRequest(OAK, Clocks(day(NOVEMBER)))).rows[0].assessed == 4


def test_several_groups_need_the_pupils_own_years() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    asked = "school=oak&subject=maths&column=group:a&column=group:b"
    assert read_curriculum(f"{asked}&ability=own-year".encode(), now).request.columns[1].group == "b"
    with pytest.raises(Problem) as refused:
        read_curriculum(f"{asked}&ability=Y3".encode(), now)
    assert [error.code for error in refused.value.errors] == ["own_year_needed"]
