"""The matrix: the worked example (`domain.md` 4.5), each side at its own date, and its members."""

from __future__ import annotations

import msgspec
import pytest

from services.domain.bands import parse_bands
from services.domain.measures import parse_measure
from services.query.answers import Matrix
from services.query.questions import Moment
from services.query.reports import matrix
from services.query.requests import Clocks, MatrixMembersRequest, MatrixRequest, Population
from tests.unit.query.hand_made import HandMadeSchool, day, reading_of

CUT_OFFS = parse_bands("21,36,51,66", whole_percent=True)
OF_BAND = {"SB": 10, "B": 30, "At": 40, "Ab": 60, "SA": 90, "none": None}
PAIRS = "B>At, B>B, At>At, At>At, At>Ab, At>B, Ab>SA, Ab>Ab, SA>Ab, SB>SB, none>At"


def make_school(pairs: str) -> HandMadeSchool:
    school = HandMadeSchool("oak")
    for n, pair in enumerate(pairs.split(", ")):
        first, second = pair.split(">")
        school.enrol(f"p{n}", "3")
        school.mark(f"p{n}", "first", OF_BAND[first])
        school.mark(f"p{n}", "second", OF_BAND[second])
    return school


def request_of(first: str, second: str, *, on: str = "second", **dates: str) -> MatrixRequest:
    return MatrixRequest(
        population=Population(schools=("oak",)),
        clocks=Clocks(day("2025-11-30")),
        first=parse_measure(first),
        first_on=day(dates.get("first_on", "2025-11-30")),
        first_bands=CUT_OFFS,
        second=parse_measure(second),
        second_on=day(dates.get("second_on", "2025-11-30")),
        second_bands=CUT_OFFS,
        on=on,
    )


FIRST, SECOND = "markbook:first:any:overall", "markbook:second:any:overall"


def ask(school: HandMadeSchool, first: str = FIRST, second: str = SECOND, **more: str) -> Matrix:
    return matrix.answer(reading_of(school.reading()), request_of(first, second, **more))


def parts(answer: Matrix) -> list[tuple[int, int | None]]:
    overlay = answer.overlay
    return [(part.pupils, part.percent) for part in (overlay.on, overlay.above, overlay.below)]


def test_eleven_pupils_first_by_second() -> None:
    answer = ask(make_school(PAIRS))
    assert answer.counts == [
        [1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 1, 2, 1, 0],
        [0, 0, 0, 1, 1],
        [0, 0, 0, 1, 0],
    ]
    assert [(one.first, one.second, one.pupils) for one in answer.unplotted] == [(None, "at", 1)]
    assert parts(answer) == [(5, 50), (3, 30), (2, 20)]


def test_swapped_selections_swap_above_and_below() -> None:
    assert parts(ask(make_school(PAIRS), SECOND, FIRST)) == [(5, 50), (2, 20), (3, 30)]


def test_the_overlay_is_not_forced_to_100() -> None:
    seven = "B>B, At>At, Ab>Ab, B>At, At>Ab, At>B, SA>Ab"
    assert parts(ask(make_school(seven))) == [(3, 43), (2, 29), (2, 29)]


def test_nobody_plotted_has_no_percent() -> None:
    answer = ask(make_school("none>none, none>At"))
    assert parts(answer) == [(0, None)] * 3
    assert [(one.first, one.second, one.pupils) for one in answer.unplotted] == [(None, "at", 1), (None, None, 1)]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ((("at", "above"),), ["p4"]),
        ((("at", "above"), ("below", "at")), ["p0", "p4"]),
        (((None, "at"),), ["p10"]),
        ((("sig_above", "sig_above"),), []),
        ((), [f"p{n}" for n in range(11)]),
    ],
)
def test_members_of_cells(cells: tuple[tuple[str | None, str | None], ...], expected: list[str]) -> None:
    request = MatrixMembersRequest(request_of(FIRST, SECOND), cells)
    listing = matrix.answer_members(reading_of(make_school(PAIRS).reading()), request)
    assert [pupil.pupil for pupil in listing.answer.pupils] == expected
    assert listing.answer.total == len(expected)


def test_members_carry_first_then_second() -> None:
    request = MatrixMembersRequest(request_of(FIRST, SECOND), (("at", "above"),))
    listing = matrix.answer_members(reading_of(make_school(PAIRS).reading()), request)
    assert [(value.percent, value.band) for value in listing.answer.pupils[0].values] == [(40, "at"), (60, "above")]


def make_two_years() -> HandMadeSchool:
    """Ann: year 2 then 3; Bob left in August; Cat came in September."""
    school = HandMadeSchool("oak")
    school.teach("maths", {"a": ("Y2", "2", 1), "b": ("Y3", "3", 1)}, marks_max=100)
    school.enrol("ann", "2", ends="2025-08-31")
    school.enrol("ann", "3", starts="2025-09-01")
    school.enrol("bob", "2", ends="2025-08-31")
    school.enrol("cat", "3", starts="2025-09-01")
    school.assess("ann", "maths", "a", 40, "2025-06-01")
    school.assess("bob", "maths", "a", 90, "2025-06-01")
    school.assess("ann", "maths", "b", 60, "2025-10-01")
    school.assess("cat", "maths", "b", 10, "2025-10-01")
    return school


OWN_YEAR = "markbook:maths:own-year:overall"
DATES = {"first_on": "2025-08-31", "second_on": "2025-11-30"}


def plotted(answer: Matrix) -> dict[tuple[int, int], int]:
    return {(r, c): n for r, row in enumerate(answer.counts) for c, n in enumerate(row) if n}


def test_each_side_has_the_own_year_of_its_date_and_on_says_whose_roster() -> None:
    second = ask(make_two_years(), OWN_YEAR, OWN_YEAR, **DATES)
    assert plotted(second) == {(2, 3): 1}
    assert [(one.first, one.second, one.pupils) for one in second.unplotted] == [(None, "sig_below", 1)]
    first = ask(make_two_years(), OWN_YEAR, OWN_YEAR, on="first", **DATES)
    assert plotted(first) == {(2, 3): 1}
    assert [(one.first, one.second, one.pupils) for one in first.unplotted] == [("sig_above", None, 1)]


def test_an_answer_names_both_sides() -> None:
    answer = ask(make_two_years(), OWN_YEAR, OWN_YEAR, **DATES)
    assert (answer.first.id, answer.first.on, answer.first.bands) == (OWN_YEAR, day("2025-08-31"), [21, 36, 51, 66])
    assert answer.second.on == day("2025-11-30")


def test_the_question_asks_for_both_dates_and_the_rosters_of_own_year() -> None:
    question = matrix.question(request_of(OWN_YEAR, "markbook:maths:Y3:overall", **DATES))
    assert question.on == day("2025-11-30")
    assert set(question.moments([])) == {
        Moment(day("2025-08-31"), "maths"),
        Moment(day("2025-08-31")),
        Moment(day("2025-11-30"), "maths"),
    }


def test_with_settings_the_question_asks_for_the_year_groups_of_both_dates() -> None:
    request = msgspec.structs.replace(request_of(FIRST, SECOND, **DATES), first_bands=None)
    assert {Moment(day("2025-08-31")), Moment(day("2025-11-30"))} <= set(matrix.question(request).moments([]))


# --- Expectations, and the two kinds -----------------------------------------------------------------------------


def test_those_below_at_are_counted_on_either_side_of_those_plotted() -> None:
    missed = ask(make_school(PAIRS)).not_meeting
    assert [(side.pupils, side.percent) for side in (missed.first, missed.second)] == [(3, 30), (3, 30)]
    swapped = ask(make_school("SB>SA, B>At, none>SB")).not_meeting
    assert [(side.pupils, side.percent) for side in (swapped.first, swapped.second)] == [(2, 100), (0, 0)]


def ask_kind(school: HandMadeSchool, kind: str) -> Matrix:
    request = msgspec.structs.replace(request_of(FIRST, SECOND), type=kind)
    return matrix.answer(reading_of(school.reading()), request)


def test_a_group_matrix_needs_subjects_that_are_tagged_with_year_groups() -> None:
    school = HandMadeSchool("oak")
    school.teach("first", {"a": ("Y3", "3", 1)})
    school.teach("second", {"b": ("Stage 1", "", 1)})
    school.enrol("ann", "3")
    with pytest.raises(matrix.NotYearTagged) as refused:
        ask_kind(school, "group")
    assert (refused.value.side, refused.value.subject) == ("second", "second")
    assert ask_kind(school, "ability").unplotted[0].pupils == 1
    assert ask_kind(school, "").unplotted[0].pupils == 1


def test_a_group_matrix_of_a_subject_that_nobody_teaches_is_answered() -> None:
    school = HandMadeSchool("oak")
    school.enrol("ann", "3")
    answer = ask_kind(school, "group")
    assert {note.code for note in answer.provenance.notes} == {"unknown_subject"}
