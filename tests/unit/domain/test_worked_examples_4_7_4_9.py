"""Worked examples 4.7 (EYFS profile) and 4.9 (the gap in pupils) of `domain.md`."""

from __future__ import annotations

from fractions import Fraction

import pytest

from services.domain.eyfs import EYFSP, EYFSP_2013, InvalidProfile, ProfileResult, judge_profile
from services.domain.national import gap_in_pupils
from services.domain.scores import percent

CODES = [f"E{number:02}" for number in range(1, 18)]
ALL_TWO = dict.fromkeys(CODES, "2")
COHORT = [ALL_TWO, {**ALL_TWO, **dict.fromkeys(CODES[12:], "1")}, {**ALL_TWO, "E10": "1"}, dict.fromkeys(CODES, "1")]


def test_4_7_totals_and_good_level_of_development() -> None:
    results = [judge_profile(values) for values in COHORT]
    assert [(result.total, result.gld) for result in results] == [(34, "yes"), (29, "yes"), (33, "no"), (17, "no")]
    assert percent(sum(result.gld == "yes" for result in results), len(results)) == 50
    assert Fraction(sum(result.total or 0 for result in results), 4) == Fraction("28.25")
    assert Fraction(sum(result.expected or 0 for result in results), 4) == Fraction("11.25")


@pytest.mark.parametrize("values", [dict.fromkeys(CODES, "A"), {**ALL_TWO, "E17": "A"}, {"E01": "A", "E02": "1"}])
def test_4_7_any_exemption_exempts_from_all(values: dict[str, str]) -> None:
    assert judge_profile(values) == ProfileResult("exempt", None, None)


@pytest.mark.parametrize("missing", ["E01", "E12", "E13", "E17"])
def test_4_7_a_missing_goal_is_incomplete_unless_it_is_already_no(missing: str) -> None:
    values = {code: value for code, value in ALL_TWO.items() if code != missing}
    assert judge_profile(values) == ProfileResult("incomplete", None, None)
    assert judge_profile({**values, "E02": "1"}) == ProfileResult("no", None, None)
    if missing != "E16":
        assert judge_profile({**values, "E16": "1"}).gld == "incomplete"


def test_the_old_profile_has_other_goals_under_the_same_codes() -> None:
    old, new = EYFSP_2013.goals(), EYFSP.goals()
    assert list(old) == list(new) == CODES
    assert [old[code][0].area for code in CODES[3:8]] == ["physical"] * 2 + ["personal"] * 3
    assert [old[code][1] for code in CODES[8:12]] == ["Reading", "Writing", "Numbers", "Shape, space and measures"]
    assert [new[code][0].area for code in CODES[2:12]] == (
        ["personal"] * 3 + ["physical"] * 2 + ["literacy"] * 3 + ["mathematics"] * 2
    )
    assert [area.prime for area in (*EYFSP.areas, *EYFSP_2013.areas)] == [*([True] * 3), *([False] * 4)] * 2


def test_exceeding_belongs_to_the_old_profile_alone() -> None:
    assert judge_profile(dict.fromkeys(CODES, "3"), EYFSP_2013) == ProfileResult("yes", 51, 17)
    for values, code in (({"E01": "3"}, "unknown_value"), ({"E18": "2"}, "unknown_goal")):
        with pytest.raises(InvalidProfile) as refused:
            judge_profile(values)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("school", "national", "cohort", "pupils"),
    [(63, 78, 28, -4), (63, 78, 5, 0), (78, 63, 28, 4), (Fraction("68.3"), 68, 1000, 3), (50, 50, 30, 0)],
)
def test_4_9_the_gap_in_pupils_is_cut_towards_zero(
    school: int | Fraction, national: int, cohort: int, pupils: int
) -> None:
    assert gap_in_pupils(school, national, cohort) == pupils
