"""The load: the same school from the same recipe, and questions of which none comes twice."""

from __future__ import annotations

from benchmarks.asking import questions
from benchmarks.load import WIDE, Recipe, make
from schemas.codec import encode_fact
from schemas.events import CurriculumPublished, ObjectiveAssessed

SMALL = Recipe(0, 7, on_roll=12, years=1)


def test_a_recipe_makes_the_same_facts_in_the_order_in_which_they_were_told() -> None:
    facts = list(make(SMALL).facts())
    assert [encode_fact(fact) for fact in facts] == [encode_fact(fact) for fact in make(SMALL).facts()]
    assert facts == sorted(facts, key=lambda fact: fact.recorded_at)


def test_a_wide_framework_has_its_objectives_and_marks_with_decimals() -> None:
    facts = list(make(SMALL._replace(framework=WIDE)).facts())
    (published,) = (fact for fact in facts if isinstance(fact, CurriculumPublished))
    assert len(published.subjects[0].objectives) == 6 * 300 and published.marks_max == 100 and not published.states
    marks = [fact.state for fact in facts if isinstance(fact, ObjectiveAssessed)]
    assert all(30 <= float(mark) <= 100 for mark in marks) and any("." in mark for mark in marks)
    assert not any(mark.endswith(".0") for mark in marks)


def test_no_question_comes_twice_and_dates_come_again_only_when_all_were_asked() -> None:
    asked = list(questions(2, 60, days_back=20))
    assert len(set(asked)) == 60
    assert len({(one.schools, one.day) for one in asked[:40]}) == 40
