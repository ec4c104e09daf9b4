"""The follower gives way to a leader that is busy, goes on at once when it is not, and never starves."""

from __future__ import annotations

import asyncio

import pytest

from services.projector import turns
from services.projector.turns import Following, Leading


async def test_a_follower_waits_until_the_leader_is_idle() -> None:
    leader = Leading()
    follower = Following(leader)
    await follower.take()  # nothing to do for the leader: at once
    leader.note(busy=True)
    assert follower.share(10_000) == 2_500
    taking = asyncio.create_task(follower.take())
    leader.note(busy=False)
    await taking
    assert follower.share(10_000) == 10_000


async def test_a_follower_rests_in_proportion_to_its_last_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []

    class Watched(Leading):
        async def wait_idle(self, seconds: float) -> None:
            rests.append(seconds)

    leader = Watched()
    follower = Following(leader)
    loop = asyncio.get_running_loop()
    clock = [100.0]
    monkeypatch.setattr(loop, "time", lambda: clock[0])
    for took in (0.0, 0.5, 60.0):
        clock[0] += took
        await follower.take()
    assert rests == [turns.FIRST_REST_SECONDS, 0.5 * turns.RESTS_PER_TURN, turns.REST_SECONDS_MAX]


async def test_a_follower_never_starves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "FIRST_REST_SECONDS", 0.01)
    leader = Leading()
    leader.note(busy=True)
    await asyncio.wait_for(Following(leader).take(), 5)
