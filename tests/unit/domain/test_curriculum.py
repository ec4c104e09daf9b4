"""Versions become rectangles of days and instants, and lanes with integer weights."""

from __future__ import annotations

from datetime import UTC, date, datetime

from schemas.documents import FOREVER
from schemas.events import CurriculumPublished, Objective, State, Subject
from services.domain.curriculum import LAST_DAY, Version, grid, lane_content, lane_months
from services.domain.periods import Periods, since

STATES = (State("not_yet", "0"), State("working", "0.5"), State("achieved", "1"), State("absent", None))


def instant(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def version(
    name: str,
    effective_on: date | None,
    told: int,
    *objectives: Objective,
    stands: Periods | None = None,
    marks_max: int | None = None,
) -> Version:
    fact = CurriculumPublished(
        event_id=name,
        school="oak",
        recorded_at=datetime.fromtimestamp(told, UTC),
        framework="nc",
        framework_version=name,
        subjects=(Subject("maths", objectives),),
        effective_on=effective_on,
        states=() if marks_max else STATES,
        marks_max=marks_max,
    )
    return Version(fact, (told, told), stands if stands is not None else since(told))


def test_weights_become_integers_over_a_common_denominator() -> None:
    fact = version("1", None, 0, Objective("m1", "Y3", "3", weight="0.25"), Objective("m2", "Y3", "3", weight="2")).fact
    content = lane_content(fact, fact.subjects[0], 9)
    assert (content.lane.weight_scale, content.lane.state_scale) == (4, 2)
    assert content.objectives == {"m1": (0, 1), "m2": (0, 8)}
    assert [content.state_worth(state) for state in ("not_yet", "working", "achieved", "absent", "other")] == [
        0,
        1,
        2,
        -1,
        -1,
    ]


def test_marks_are_worth_themselves_up_to_the_maximum() -> None:
    fact = version("1", None, 0, Objective("m1", "Y3"), marks_max=40).fact
    content = lane_content(fact, fact.subjects[0], 9)
    assert [content.state_worth(s) for s in ("40", "12.5", "0", "41", "12.", "1e2", "-1", "", "٣")] == [
        40_000,
        12_500,
        0,
        -1,
        -1,
        -1,
        -1,
        -1,
        -1,
    ]


def test_an_objective_of_weight_0_is_out_of_scope() -> None:
    fact = version("1", None, 0, Objective("m1", "Y3", weight="0")).fact
    content = lane_content(fact, fact.subjects[0], 9)
    assert (content.objectives, content.lane.cells) == ({}, ())


def test_the_largest_version_the_contract_allows_has_room_in_two_parts() -> None:
    objectives = tuple(Objective(f"m{number}", "Y3", weight="999.999") for number in range(10_000))
    fact = version("1", None, 0, *objectives, marks_max=1000).fact
    lane = lane_content(fact, fact.subjects[0], 9).lane
    assert lane.parts == 2
    assert 200 * lane.cells[0].weight_sum * lane.state_scale * lane.marks_max < 2**63


def test_a_version_told_late_is_in_force_only_as_known_after_it_was_told() -> None:
    first = version("1", None, instant(2025, 1, 1), Objective("m1", "Y3"))
    second = version("2", date(2025, 9, 1), instant(2025, 11, 5), Objective("m2", "Y3"))
    rectangles, contents = grid([first, second], [])
    lane_one, lane_two = (lane_content(v.fact, v.fact.subjects[0], 9).lane.lane for v in (first, second))
    assert {lane for r in rectangles for lane in r.lanes} == set(contents) == {lane_one, lane_two}

    def at(day: date, known_at: int) -> tuple[str, ...]:
        return next(
            r.lanes
            for r in rectangles
            if r.known_from <= known_at < r.known_to and r.starts <= day.toordinal() < r.ends
        )

    assert at(date(2025, 10, 1), instant(2025, 11, 4)) == (lane_one,)
    assert at(date(2025, 10, 1), instant(2025, 11, 5)) == (lane_two,)
    assert at(date(2025, 8, 31), instant(2026, 1, 1)) == (lane_one,)
    months = lane_months(rectangles)
    assert months[lane_one] == (1990 * 12, 2025 * 12 + 10)
    assert months[lane_two] == (2025 * 12 + 8, None)


def test_a_version_that_says_the_same_opens_no_lane() -> None:
    first = version("1", None, instant(2025, 1, 1), Objective("m1", "Y3"))
    second = version("2", date(2025, 9, 1), instant(2025, 2, 1), Objective("m1", "Y3", text="reworded"))
    rectangles, contents = grid([first, second], [])
    assert len(contents) == 1
    assert all(r.lanes == tuple(contents) for r in rectangles)
    assert rectangles[-1].ends == LAST_DAY and rectangles[-1].known_to == FOREVER


def test_a_corrected_start_of_the_year_opens_a_lane_of_its_own() -> None:
    told = instant(2025, 1, 1)
    _, contents = grid([version("1", None, told, Objective("m1", "Y3"))], [(told, 9), (told + 60, 8)])
    assert sorted(content.lane.year_starts for content in contents.values()) == [8, 9]
