"""The states in memory: loaded once, forgotten when told, dropped when they hold too much."""

from __future__ import annotations

from typing import Any

from services.projector.schools import Schools
from tests.counting import CountingProjection
from tests.projector_bench import assessed


class NoViews:
    async def read_detail(self, school: str) -> list[bytes]:
        return []


async def take_and_fold(
    schools: Schools, projection: CountingProjection, school: str, partition: int, facts: int
) -> Any:
    state = await schools.take(school, partition)
    projection.fold(state, [(number, assessed(school, "amy", number)) for number in range(facts)])
    return state


async def test_a_state_is_loaded_once_and_again_after_it_was_forgotten() -> None:
    projection = CountingProjection()
    schools = Schools(projection, NoViews())  # type: ignore[arg-type]
    oak, elm = await schools.take("oak", 1), await schools.take("elm", 2)
    assert await schools.take("oak", 1) is oak
    schools.forget([1, 3])
    assert await schools.take("oak", 1) is not oak
    assert await schools.take("elm", 2) is elm
    assert projection.loads == 3


async def test_the_states_used_least_recently_make_room() -> None:
    projection = CountingProjection()
    schools = Schools(projection, NoViews(), facts_held_max=25)  # type: ignore[arg-type]
    first = {name: await take_and_fold(schools, projection, name, 0, 10) for name in ("oak", "elm")}
    await take_and_fold(schools, projection, "ash", 0, 10)
    await schools.take("oak", 0)
    schools.shrink()
    assert schools.facts_held == 20
    assert await schools.take("oak", 0) is first["oak"]
    assert await schools.take("elm", 0) is not first["elm"]


async def test_one_school_may_be_larger_than_the_bound() -> None:
    projection = CountingProjection()
    schools = Schools(projection, NoViews(), facts_held_max=5)  # type: ignore[arg-type]
    oak = await take_and_fold(schools, projection, "oak", 0, 10)
    schools.shrink()
    assert await schools.take("oak", 0) is oak
