"""Score tracking: the worked example (`domain.md` 4.6), months that have not begun, and both kinds of members."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from services.domain.calendar import parse_months
from services.domain.measures import parse_measure
from services.query.answers import PupilMonths, ScoreTracking
from services.query.questions import Moment
from services.query.reports import score_tracking
from services.query.requests import Clocks, Population, ScoreTrackingRequest
from services.query.vectors import SchoolIndex
from tests.unit.query.hand_made import HandMadeSchool, day, noon, reading_of
from tests.unit.query.oak import make_oak

Y3 = "markbook:maths:Y3:overall"


def request_of(
    *,
    months: str = "",
    as_at: str = "2026-02-28",
    measure: str = Y3,
    population: Population | None = None,
    **more: object,
) -> ScoreTrackingRequest:
    return ScoreTrackingRequest(
        population or Population(schools=("oak",)),
        Clocks(day(as_at)),
        parse_measure(measure),
        parse_months(months) if months else (),
        **more,
    )


def ask(school: HandMadeSchool, **more: object) -> ScoreTracking:
    return score_tracking.answer(reading_of(school.reading()), request_of(**more)).answer


def pupil(answer: ScoreTracking, name: str) -> PupilMonths:
    return next(one for one in answer.pupils if one.pupil == name)


def shown(row: PupilMonths) -> list[int | str | None]:
    """Percents, statuses of those without, None where there is no value."""
    return [None if value is None else value.status if value.percent is None else value.percent for value in row.values]


def test_amy_in_october_november_january_february() -> None:
    answer = ask(make_oak(), months="2025-10,2025-11,2026-01,2026-02")
    amy = pupil(answer, "amy")
    assert answer.months == [date(2025, 10, 31), date(2025, 11, 30), date(2026, 1, 31), date(2026, 2, 28)]
    assert amy.start is not None and amy.start.status == "no_data"
    assert shown(amy) == [20, 50, 60, 60]
    assert amy.variances == [None, 30, 10, 0]
    assert amy.average_variance == "13.3"


def test_dee_starts_with_last_years_work() -> None:
    dee = pupil(ask(make_oak(), months="2025-10,2025-11,2026-01,2026-02"), "dee")
    assert dee.start is not None and dee.start.percent == 100
    assert (shown(dee), dee.variances, dee.average_variance) == ([100] * 4, [0] * 4, "0.0")


def test_the_default_is_the_academic_year_and_months_not_begun_are_null() -> None:
    answer = ask(make_oak(), as_at="2025-11-10")
    amy = pupil(answer, "amy")
    assert (answer.months[0], answer.months[-1], len(answer.months)) == (date(2025, 9, 30), date(2026, 8, 31), 12)
    assert shown(amy) == [10, 20, 40] + [None] * 9
    assert amy.variances == [None, 10, 20] + [None] * 9
    assert amy.average_variance == "15.0"


def test_the_running_month_is_valued_at_as_at_not_at_its_end() -> None:
    assert shown(pupil(ask(make_oak(), as_at="2025-11-19", months="2025-11"), "amy")) == [40]
    assert shown(pupil(ask(make_oak(), as_at="2025-11-20", months="2025-11"), "amy")) == [50]


def test_a_start_not_begun_is_null() -> None:
    amy = pupil(ask(make_oak(), as_at="2025-08-31", months="2025-09,2025-10"), "amy")
    assert (amy.start, amy.values, amy.variances, amy.average_variance) == (None, [None, None], [None, None], None)


def test_the_start_is_that_of_the_academic_year_of_the_first_month() -> None:
    assessed = "markbook:maths:Y3:assessed"
    dee = pupil(ask(make_oak(), months="2025-06,2025-10", measure=assessed), "dee")
    assert dee.start is not None and dee.start.status == "no_data"
    assert shown(dee) == [100, "no_data"]
    assert (dee.variances, dee.average_variance) == ([None, None], None)


def test_values_carry_no_band() -> None:
    value = pupil(ask(make_oak(), months="2025-10"), "amy").values[0]
    assert value is not None and (value.band, value.numerator, value.denominator) == (None, "1", "5")


def make_moving_school() -> HandMadeSchool:
    school = HandMadeSchool("oak")
    school.teach("maths", {"a": ("Y3", "3", 1)}, marks_max=100)
    school.enrol("ann", "3")
    school.enrol("bob", "2", ends="2025-08-31")
    school.enrol("bob", "3", starts="2025-09-01", ends="2025-10-31")
    school.enrol("cat", "3", starts="2025-11-30")
    school.enrol("dan", "3", ends="2025-10-30")
    for name in ("ann", "bob", "cat", "dan"):
        school.assess(name, "maths", "a", 50, "2025-09-05")
    return school


MONTHS = "2025-10,2025-11"


def test_members_now_are_on_the_roster_of_as_at_and_valued_in_every_month() -> None:
    answer = ask(make_moving_school(), as_at="2025-12-05", months=MONTHS)
    assert {one.pupil: shown(one) for one in answer.pupils} == {"ann": [50, 50], "cat": [50, 50]}
    assert answer.members == "now"


def test_members_then_are_on_roll_at_a_month_end_and_null_at_the_others() -> None:
    answer = ask(make_moving_school(), as_at="2025-12-05", months=MONTHS, members="then")
    assert {one.pupil: shown(one) for one in answer.pupils} == {"ann": [50, 50], "bob": [50, None], "cat": [None, 50]}
    bob = pupil(answer, "bob")
    assert bob.start is not None and bob.start.status == "no_data"
    assert bob.year_group == "3"
    assert pupil(answer, "cat").variances == [None, None]


def test_then_looks_at_the_day_at_which_the_month_is_valued() -> None:
    answer = ask(make_moving_school(), as_at="2025-10-30", months=MONTHS, members="then")
    assert {one.pupil: shown(one) for one in answer.pupils} == {
        "ann": [50, None],
        "bob": [50, None],
        "dan": [50, None],
    }


def test_then_applies_the_filters_of_each_day() -> None:
    population = Population(schools=("oak",), year_groups=("2",))
    answer = ask(
        make_moving_school(), as_at="2025-12-05", months="2025-08,2025-09", members="then", population=population
    )
    assert {one.pupil: shown(one) for one in answer.pupils} == {"bob": ["no_data", None]}


def test_pages_are_cut_and_go_on() -> None:
    answer = ask(make_oak(), months="2025-10", limit=2)
    assert ([one.pupil for one in answer.pupils], answer.total) == (["amy", "ben"], 5)
    assert answer.next is not None


def test_schools_whose_years_start_differently_have_no_default() -> None:
    scottish = HandMadeSchool("elm", year_starts=8)
    scottish.enrol("zoe", "3")
    reading = reading_of(scottish.reading(), make_oak().reading())
    request = request_of(population=Population(schools=("elm", "oak")))
    with pytest.raises(score_tracking.DifferentYears):
        score_tracking.answer(reading, request)
    with pytest.raises(score_tracking.DifferentYears):
        list(score_tracking.question(request).moments([s.index for s in reading.schools]))
    named = request_of(population=Population(schools=("elm", "oak")), months=MONTHS)
    assert score_tracking.answer(reading, named).answer.total == 6


def test_a_school_not_yet_known_has_no_say_in_the_year() -> None:
    scottish = HandMadeSchool("elm", year_starts=8, known_from=noon("2030-01-01"))
    reading = reading_of(scottish.reading("2026-02-28"), make_oak().reading("2026-02-28"))
    request = request_of(population=Population(schools=("elm", "oak")))
    assert score_tracking.answer(reading, request).answer.months[0] == date(2025, 9, 30)


def test_the_question_needs_the_months_the_start_and_with_then_the_rosters() -> None:
    index = SchoolIndex(make_oak().document())
    now = score_tracking.question(request_of(months="2025-10,2026-03", as_at="2026-02-28"))
    assert set(now.moments([index])) == {Moment(day("2025-10-31"), "maths"), Moment(day("2025-09-01"), "maths")}
    then = score_tracking.question(request_of(months="2025-10", members="then"))
    assert Moment(day("2025-10-31")) in set(then.moments([index]))


# --- Targets -----------------------------------------------------------------------------------------------------


def targets(rise: int | None, **more: object) -> dict[str, tuple[object, object]]:
    answer = ask(make_oak(), target=rise, **more)
    decoded = msgspec.json.decode(msgspec.json.encode(answer))["pupils"]
    return {one["pupil"]: (one.get("target", "absent"), one.get("met", "absent")) for one in decoded}


def make_started() -> HandMadeSchool:
    school = HandMadeSchool("oak")
    school.teach("maths", {"o": ("Y3", "3", 1)}, marks_max=100)
    for pupil, start, end in (("ann", 40, 59), ("bob", 40, 60), ("cat", None, 60)):
        school.enrol(pupil, "3")
        for on, mark in (("2025-08-31", start), ("2025-11-10", end)):
            if mark is not None:
                school.assess(pupil, "maths", "o", mark, on)
    school.enrol("dot", "3")
    return school


def test_a_target_is_the_start_and_the_expected_rise() -> None:
    answer = ask(make_started(), target=20, as_at="2025-11-30")
    found = {one.pupil: (one.target, one.met) for one in answer.pupils}
    assert found == {"ann": (60, False), "bob": (60, True), "cat": (None, None), "dot": (None, None)}


def test_it_is_met_by_the_last_month_that_has_begun() -> None:
    early = ask(make_started(), target=0, as_at="2025-10-15")
    assert {one.pupil: one.met for one in early.pupils if one.target is not None} == {"ann": True, "bob": True}
    assert {one.met for one in ask(make_started(), target=1, as_at="2025-10-15").pupils} == {False, None}


def test_without_a_target_nothing_is_said_of_one() -> None:
    assert set(targets(None).values()) == {("absent", "absent")}
    assert targets(10)["dee"] == (110, False)


def test_by_value_is_by_the_last_month_that_has_begun() -> None:
    listing = score_tracking.answer(
        reading_of(make_started().reading()), request_of(as_at="2025-11-30", sort="value"), report="x/members"
    )
    assert [one.pupil for one in listing.answer.pupils] == ["ann", "bob", "cat", "dot"]
    assert listing.answer.report == "x/members"
