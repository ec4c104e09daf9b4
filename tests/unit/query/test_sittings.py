"""Tests and judgements as measures: the latest value of the academic year, no data, not applicable, exact bands."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from schemas.documents import FOREVER, SchoolDetails
from services.domain.bands import NO_DATA, NOT_APPLICABLE, classify, classify_many, parse_bands
from services.domain.measures import parse_measure
from services.query import exports
from services.query.answers import Matrix, Members, Overview, Value
from services.query.numbers import amounts_of, thousandths
from services.query.pages.page_parts import show_value
from services.query.questions import Moment
from services.query.reports import matrix, members, overview
from services.query.requests import (
    Clocks,
    MatrixMembersRequest,
    MatrixRequest,
    MembersRequest,
    OverviewCellRef,
    OverviewRequest,
    Population,
)
from services.query.vectors import SchoolIndex, SchoolReading
from tests.unit.query.hand_made import HandMadeSchool, OneBlock, day, noon, reading_of

KS2 = "test:ks2:maths:-:scaled"
WRITING = "judgement:writing:levels"
MARKBOOK = "markbook:maths:any:overall"
SCALED = parse_bands("80,99.5,100,110", whole_percent=False)
PERCENTS = parse_bands("35,50,70,85", whole_percent=True)
LEVELS = parse_bands("1,2,3,4", whole_percent=False)


def value_of(school: SchoolReading, pupil: str, measure: str, on: str) -> int:
    values = school.values(parse_measure(measure), day(on))
    return int(values.amounts[school.index.document.pupils.index(pupil)])


def request_of(*measures: tuple[str, object], on: str = "2026-05-31", **more: object) -> OverviewRequest:
    return OverviewRequest(
        Population(schools=("oak",)),
        Clocks(day(on)),
        tuple(parse_measure(measure) for measure, _ in measures),
        tuple(bands for _, bands in measures),
        **more,
    )


def ask(school: SchoolReading, *measures: tuple[str, object], **more: object) -> Overview:
    return overview.answer(reading_of(school), request_of(*measures, **more))


def ask_members(school: SchoolReading, request: OverviewRequest, *cells: OverviewCellRef) -> Members:
    return members.answer(reading_of(school), MembersRequest(request, cells=cells)).answer


def counts(answer: Overview, measure: int = 0) -> list[int]:
    return list(msgspec.structs.astuple(answer.rows[0].cells[measure].counts))


# --- Which value counts ------------------------------------------------------------------------------------------


@pytest.fixture
def school() -> HandMadeSchool:
    """Ann sat in May 2025, November 2025 and May 2026, Bob in May 2025 only, Cat never."""
    made = HandMadeSchool("oak")
    for pupil in ("ann", "bob", "cat"):
        made.enrol(pupil, "6")
    made.sit("ann", KS2, "95", "2025-05-12")
    made.sit("ann", KS2, "104", "2025-11-20")
    made.sit("ann", KS2, "99.5", "2026-05-12", recorded="2026-07-07")
    made.sit("bob", KS2, "110", "2025-05-12")
    return made


@pytest.mark.parametrize(
    ("pupil", "on", "expected"),
    [
        ("ann", "2025-05-11", NO_DATA),
        ("ann", "2025-05-12", 95_000),
        ("ann", "2025-08-31", 95_000),
        ("ann", "2025-09-01", NO_DATA),
        ("ann", "2025-11-19", NO_DATA),
        ("ann", "2025-11-20", 104_000),
        ("ann", "2026-05-11", 104_000),
        ("ann", "2026-05-12", 99_500),
        ("bob", "2025-08-31", 110_000),
        ("bob", "2026-05-31", NO_DATA),
        ("cat", "2026-05-31", NO_DATA),
    ],
)
def test_the_latest_value_of_the_academic_year_up_to_the_day(
    school: HandMadeSchool, pupil: str, on: str, expected: int
) -> None:
    assert value_of(school.reading(), pupil, KS2, on) == expected


def test_a_value_told_later_is_not_known_before(school: HandMadeSchool) -> None:
    assert value_of(school.reading("2026-07-06"), "ann", KS2, "2026-06-30") == 104_000
    assert value_of(school.reading("2026-07-07"), "ann", KS2, "2026-06-30") == 99_500


@pytest.mark.parametrize(
    "measure",
    [
        "test:ks2:maths:-:raw",
        "test:ks2:maths:paper-1:scaled",
        "test:ks2:reading:-:scaled",
        "test:ks1:maths:-:scaled",
        "judgement:maths:scaled",
    ],
)
def test_what_was_never_recorded_applies_to_nobody(school: HandMadeSchool, measure: str) -> None:
    reading = school.reading()
    assert reading.values(parse_measure(measure), day("2026-05-31")).amounts.tolist() == [NOT_APPLICABLE] * 3


def test_a_column_not_yet_recorded_or_withdrawn_whole_is_as_if_it_was_never_there() -> None:
    school = HandMadeSchool("oak")
    school.enrol("ann", "6")
    school.sit("ann", KS2, "104", "2026-05-12", recorded="2026-07-07", withdrawn="2026-07-20")
    known = {told: value_of(school.reading(told), "ann", KS2, "2026-05-31") for told in ("2026-07-06", "2026-07-10")}
    assert known == {"2026-07-06": NOT_APPLICABLE, "2026-07-10": 104_000}
    assert value_of(school.reading("2026-07-10"), "ann", KS2, "2025-11-30") == NO_DATA
    assert value_of(school.reading("2026-07-20"), "ann", KS2, "2026-05-31") == NOT_APPLICABLE


def test_the_academic_year_is_that_of_the_school_as_known(school: HandMadeSchool) -> None:
    school.sit("cat", KS2, "101", "2025-08-20")

    def details(known_from: str, known_to: int, month: int) -> SchoolDetails:
        return SchoolDetails(noon(known_from), known_to, "Oak", "scotland", month, "Europe/London")

    document = msgspec.structs.replace(
        school.document(),
        details=(details("2024-01-01", noon("2026-03-01"), 9), details("2026-03-01", FOREVER, 8)),
    )
    blocks = OneBlock(school.blocks())
    before, after = (
        SchoolReading(SchoolIndex(document), noon(known), blocks) for known in ("2026-02-28", "2026-03-01")
    )
    assert value_of(before, "cat", KS2, "2025-11-30") == NO_DATA
    assert value_of(after, "cat", KS2, "2025-11-30") == 101_000


def test_a_corrected_file_and_its_reversal() -> None:
    """`domain.md` 4.11: three results, one corrected, then the corrected file reversed, then the first one."""
    school = HandMadeSchool("oak")
    for pupil, score in (("ann", "100"), ("bob", "101"), ("cat", "102")):
        school.enrol(pupil, "6")
        superseded = {"withdrawn": "2026-07-03"} if pupil == "bob" else {}
        school.sit(pupil, KS2, score, "2026-05-12", recorded="2026-07-01", **superseded)
    school.sit("bob", KS2, "111", "2026-05-12", recorded="2026-07-03", withdrawn="2026-07-05")
    school.sit("bob", KS2, "101", "2026-05-12", recorded="2026-07-05", withdrawn="2026-07-08")

    def bob(known: str) -> tuple[int, list[int]]:
        reading = school.reading(known)
        return value_of(reading, "bob", KS2, "2026-05-31"), counts(ask(reading, (KS2, SCALED)))

    assert bob("2026-07-02") == (101_000, [0, 0, 0, 3, 0])
    assert bob("2026-07-03") == (111_000, [0, 0, 0, 2, 1])
    assert bob("2026-07-04") == (111_000, [0, 0, 0, 2, 1])
    assert bob("2026-07-05") == (101_000, [0, 0, 0, 3, 0])
    assert bob("2026-07-08") == (NO_DATA, [0, 0, 0, 2, 0])


# --- Overview and members ----------------------------------------------------------------------------------------


def test_bands_are_of_the_unrounded_score(school: HandMadeSchool) -> None:
    for number, score in enumerate(("79.999", "80", "99.499", "99.5", "99.999", "100", "109.999", "110")):
        school.enrol(f"p{number}", "6")
        school.sit(f"p{number}", KS2, score, "2026-05-12")
    answer = ask(school.reading(), (KS2, SCALED))
    cell = answer.rows[0].cells[0]
    assert counts(answer) == [1, 2, 3, 2, 1]
    assert (cell.of, cell.no_data, cell.not_applicable) == (11, 2, 0)
    assert answer.measures[0].bands == [80, "99.5", 100, 110]


def test_members_of_a_test_hold_score_day_and_band(school: HandMadeSchool) -> None:
    answer = ask_members(school.reading(), request_of((KS2, SCALED)))
    assert [one.values for one in answer.pupils] == [
        [Value("value", score="99.5", on=day("2026-05-12"), band="at")],
        [Value("no_data")],
        [Value("no_data")],
    ]


def test_members_of_a_test_that_was_never_recorded(school: HandMadeSchool) -> None:
    answer = ask_members(school.reading(), request_of(("test:ks1:maths:-:scaled", SCALED)))
    assert [one.values for one in answer.pupils] == [[Value("not_applicable")]] * 3


@pytest.fixture
def judged() -> HandMadeSchool:
    """Levels in writing: a number, a decimal, a word, one below 0, none."""
    made = HandMadeSchool("oak")
    for pupil, level in (("ann", "4"), ("bob", "2.9999"), ("cat", "secure"), ("dan", "-1"), ("eve", None)):
        made.enrol(pupil, "6")
        if level is not None:
            made.sit(pupil, WRITING, level, "2026-03-02")
    return made


def test_members_of_a_judgement_hold_value_day_and_band(judged: HandMadeSchool) -> None:
    on = day("2026-03-02")
    answer = ask_members(judged.reading(), request_of((WRITING, LEVELS)))
    assert [one.values[0] for one in answer.pupils] == [
        Value("value", value="4", on=on, band="sig_above"),
        Value("value", value="2.9999", on=on, band="at"),
        Value("value", value="secure", on=on),
        Value("value", value="-1", on=on, band="sig_below"),
        Value("no_data"),
    ]


def test_a_value_that_is_no_number_is_counted_where_its_members_are_found(judged: HandMadeSchool) -> None:
    request = request_of((WRITING, LEVELS))
    answer = overview.answer(reading_of(judged.reading()), request)
    cell = answer.rows[0].cells[0]
    assert (counts(answer), cell.of, cell.no_data) == ([1, 0, 1, 0, 1], 5, 2)
    listed = ask_members(judged.reading(), request, OverviewCellRef(0, "no_data"))
    assert [(one.pupil, one.values[0].status) for one in listed.pupils] == [("cat", "value"), ("eve", "no_data")]
    with_data = ask(judged.reading(), (WRITING, LEVELS), denominator="with_data")
    assert with_data.rows[0].cells[0].of == 3


def test_combined_over_a_markbook_a_test_and_a_judgement(school: HandMadeSchool) -> None:
    for pupil, percent, score, level in (
        ("p1", 70, "100", "3"),
        ("p2", 69, "100", "3"),
        ("p3", 90, "99.499", "3"),
        ("p4", 90, "100", "secure"),
        ("p5", None, "120", "2"),
    ):
        school.enrol(pupil, "6")
        school.mark(pupil, "maths", percent)
        school.sit(pupil, KS2, score, "2026-05-12")
        school.sit(pupil, WRITING, level, "2026-05-12")
    levels = parse_bands("1,2.5,3,4", whole_percent=False)
    request = request_of((MARKBOOK, PERCENTS), (KS2, SCALED), (WRITING, levels))
    combined = overview.answer(reading_of(school.reading()), request).rows[0].combined
    assert (combined.working_at_or_above, combined.not_working_at, combined.incomplete) == (2, 6, 4)

    def named(part: str) -> list[str]:
        return [one.pupil for one in ask_members(school.reading(), request, OverviewCellRef(None, part)).pupils]

    assert named("working_at_or_above") == ["p1", "p2"]
    assert named("incomplete") == ["ann", "bob", "cat", "p4"]


def test_schools_count_by_their_own_columns(school: HandMadeSchool) -> None:
    other = HandMadeSchool("elm")
    other.enrol("zoe", "6")
    third = HandMadeSchool("ash", year_starts=8)
    third.enrol("ann", "6")
    third.sit("ann", KS2, "80", "2026-05-12")
    reading = reading_of(third.reading(), other.reading(), school.reading())
    cell = overview.answer(reading, request_of((KS2, SCALED))).rows[0].cells[0]
    assert msgspec.structs.astuple(cell.counts) == (0, 1, 1, 0, 0)
    assert (cell.of, cell.no_data, cell.not_applicable) == (4, 2, 1)


# --- Matrix ------------------------------------------------------------------------------------------------------


def matrix_request() -> MatrixRequest:
    return MatrixRequest(
        population=Population(schools=("oak",)),
        clocks=Clocks(day("2026-05-31")),
        first=parse_measure(MARKBOOK),
        first_on=day("2025-11-30"),
        first_bands=PERCENTS,
        second=parse_measure(KS2),
        second_on=day("2026-05-31"),
        second_bands=SCALED,
    )


def test_a_markbook_against_a_test_each_at_its_own_date(school: HandMadeSchool) -> None:
    school.mark("ann", "maths", 40, "2025-10-01")
    school.mark("bob", "maths", 90, "2025-10-01")
    answer: Matrix = matrix.answer(reading_of(school.reading()), matrix_request())
    assert answer.counts[1] == [0, 0, 1, 0, 0]
    assert [(one.first, one.second, one.pupils) for one in answer.unplotted] == [
        ("sig_above", None, 1),
        (None, None, 1),
    ]
    listing = matrix.answer_members(
        reading_of(school.reading()), MatrixMembersRequest(matrix_request(), (("below", "at"),))
    )
    assert [one.values for one in listing.answer.pupils] == [
        [
            Value("value", percent=40, numerator="40", denominator="100", band="below"),
            Value("value", score="99.5", on=day("2026-05-12"), band="at"),
        ]
    ]


def test_the_question_asks_for_the_column_on_its_day() -> None:
    assert set(matrix.question(matrix_request()).moments([])) == {
        Moment(day("2025-11-30"), "maths"),
        Moment(day("2026-05-31"), column=KS2),
    }


# --- Numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("104", 104_000),
        ("99.5", 99_500),
        ("99.25", 99_250),
        ("0.001", 1),
        ("1000000", 1_000_000_000),
        ("99.4999", 99_499),
        ("-3.5", 0),
        ("9" * 100, 10**15),
        ("secure", None),
        ("", None),
        ("1e3", None),
        ("+4", None),
        ("4.", None),
        (".5", None),
        ("4\n", None),
        ("٤", None),
    ],
)
def test_texts_as_thousandths(text: str, expected: int | None) -> None:
    assert thousandths(text) == expected
    assert amounts_of([text]).tolist() == [NO_DATA if expected is None else expected]


def test_bands_in_thousandths_are_those_of_the_exact_decimals() -> None:
    texts = [f"{whole}{decimals}" for whole in (0, 79, 80, 99, 100, 110) for decimals in ("", ".0004", ".5", ".9999")]
    expected = [classify(Decimal(text), SCALED) for text in texts]
    assert classify_many(amounts_of(texts), SCALED, per_unit=1000).tolist() == expected
    assert amounts_of([]).dtype == np.int64


# --- As tables and on the page -----------------------------------------------------------------------------------


def test_a_table_of_members_holds_score_value_and_day(school: HandMadeSchool) -> None:
    school.sit("ann", WRITING, "=1+1", "2026-03-02")
    request = request_of((KS2, SCALED), (WRITING, LEVELS))
    answer = ask_members(school.reading(), request)
    table = exports.members_table(answer, [KS2, WRITING])
    lines = exports.write_csv(table).decode().splitlines()
    assert lines[1] == "ann,,,oak,6,test:ks2:maths:-:scaled,value,,,,99.5,,,at,2026-05-12"
    assert lines[2] == "ann,,,oak,6,judgement:writing:levels,value,,,,,'=1+1,,,2026-03-02"


def test_the_page_shows_score_and_day() -> None:
    shown = show_value(Value("value", score="99.5", on=day("2026-05-12"), band="at"))
    assert (shown.text, shown.exact, shown.band.word if shown.band else None) == ("99.5", "12 May 2026", "At")
    judged = show_value(Value("value", value="secure", on=day("2026-03-02")))
    assert (judged.text, judged.exact, judged.band) == ("secure", "2 March 2026", None)
