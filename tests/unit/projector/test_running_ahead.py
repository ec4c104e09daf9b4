"""Reading ahead and writing behind: what overlaps, and what becomes of it when something goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from services.projector.commits import Commits
from services.projector.decoding import Decoded
from services.projector.feed import Fenced
from services.projector.folding import Step
from services.projector.reading import ReadAhead
from services.runtime.log.interface import Batch, Record


class Numbers:
    """A reader of one partition of which every poll brings two records; it says what it was asked."""

    def __init__(self) -> None:
        self.next_offset = 0
        self.polls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def assign(self, start: Mapping[int, int]) -> None:
        self.next_offset = start[0]

    async def poll(self, records_max: int, wait_ms: int) -> dict[int, Batch]:
        self.polls += 1
        await self.gate.wait()
        records = [Record(self.next_offset + n, 0, b"k", b"v") for n in range(2)]
        self.next_offset += 2
        return {0: Batch(records, self.next_offset, 100)}

    async def close(self) -> None:
        pass


class Written:
    """A store that keeps what is committed, and refuses or loses what it was told to."""

    def __init__(self, errors: Mapping[int, Exception]) -> None:
        self.errors = errors
        self.partitions: list[int] = []

    async def commit(self, moves: Any, schools: Any, dead_letters: Any) -> None:
        for move in moves:
            if move.partition in self.errors:
                raise self.errors[move.partition]
        self.partitions += [move.partition for move in moves]


def step(partition: int) -> Step:
    return Step(partition, 0, Batch([], 7, 7), Decoded({}, [], {}, 0))


async def test_what_was_read_ahead_comes_next_and_in_order() -> None:
    numbers = Numbers()
    reader = ReadAhead(numbers)
    await reader.assign({0: 0})
    reader.begin(10)
    await asyncio.sleep(0)
    assert numbers.polls == 1
    first, second = (await reader.poll(10, 0))[0], (await reader.poll(10, 0))[0]
    assert [record.offset for record in first.records + second.records] == [0, 1, 2, 3]


async def test_an_assignment_gives_up_what_was_read_ahead_of_it() -> None:
    numbers = Numbers()
    numbers.gate.clear()
    reader = ReadAhead(numbers)
    reader.begin(10)
    assigning = asyncio.create_task(reader.assign({0: 40}))
    await asyncio.sleep(0)
    numbers.gate.set()
    await assigning
    assert (await reader.poll(10, 0))[0].records[0].offset == 40


async def test_a_commit_goes_on_while_its_outcome_is_not_asked_for() -> None:
    store = Written({})
    commits = Commits(store)  # type: ignore[arg-type]
    commits.begin([step(1), step(2)])
    assert commits.next_offsets == {1: 7, 2: 7}
    settled = await commits.settle()
    assert [one.partition for one in settled.committed] == store.partitions == [1, 2]
    assert commits.next_offsets == {} and (await commits.settle()).committed == ()


async def test_what_is_refused_does_not_keep_the_others_back() -> None:
    store = Written({2: ValueError("no such row")})
    commits = Commits(store)  # type: ignore[arg-type]
    commits.begin([step(1), step(2), step(3)])
    settled = await commits.settle()
    assert store.partitions == [1, 3]
    assert [one.partition for one in settled.committed] == [1, 3]
    assert [one.partition for one, _ in settled.refused] == [2]


async def test_a_fenced_commit_is_told_to_whoever_asks() -> None:
    commits = Commits(Written({1: Fenced("another owner")}))  # type: ignore[arg-type]
    commits.begin([step(1), step(2)])
    with pytest.raises(Fenced):
        await commits.settle()
    assert commits.next_offsets == {}
