"""Ids packed, remembered and found again: nothing that was told is missed, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import ObjectiveAssessed
from services.ingest import given_ids
from services.ingest.given_ids import GivenIds, Packed, is_made_id, pack
from tests.builders import day, instant

NAMESPACE = UUID(int=1)
MADE = [str(uuid5(NAMESPACE, str(number))) for number in range(6)]
CHOSEN = [
    "e1",
    "é",
    "x" * 128,
    MADE[0].upper(),
    MADE[0].replace("-", ""),
    MADE[0][:-1] + "-",
    "f" * 36,
    MADE[1][1:] + "0",
]
IDS = st.sampled_from([*MADE, *CHOSEN])


def fact(event_id: str, content: str = "", school: str = "oak") -> ObjectiveAssessed:
    return ObjectiveAssessed(
        event_id=event_id,
        school=school,
        recorded_at=instant("2026-03-02T09:00:00"),
        content=content,
        pupil="pup_a",
        subject="maths",
        objective="m1",
        state="achieved",
        assessed_on=day("2026-02-01"),
    )


class Rows:
    """The table, as far as it is asked."""

    def __init__(self) -> None:
        self.rows: list[Packed] = []
        self.reads = 0

    async def fetch(self, statement: str, schools: Sequence[str], known: Sequence[int]) -> list[Mapping[str, Any]]:
        self.reads += 1
        asked = dict(zip(schools, known, strict=True))
        return [
            {"school": row.school, "ids": row.ids, "contents": row.contents}
            for row in self.rows
            if row.school in asked and row.through >= asked[row.school]
        ]

    def append(self, offset: int, *facts: ObjectiveAssessed) -> Packed:
        self.rows.append(pack(list(enumerate(facts, offset))))
        return self.rows[-1]

    def versions(self) -> dict[str, int]:
        versions: dict[str, int] = {}
        for row in self.rows:
            versions[row.school] = max(versions.get(row.school, 0), row.through + 1)
        return versions


@given(
    st.lists(st.lists(st.tuples(IDS, st.sampled_from(["", "ab" * 16])), min_size=1), max_size=5),
    st.lists(IDS),
    st.booleans(),
)
async def test_what_was_told_is_found_with_the_first_that_it_said(
    told: list[list[tuple[str, str]]], asked: list[str], learned: bool
) -> None:
    rows, ids = Rows(), GivenIds()
    first: dict[tuple[str, str], str | None] = {}
    offset = 0
    for chunk in told:
        assert await ids.find(rows, {"oak": asked}, rows.versions()) == {
            name: content for name, content in first.items() if name[1] in asked
        }
        row = rows.append(offset, *(fact(event_id, content) for event_id, content in chunk))
        offset += len(chunk) + 3
        for event_id, content in chunk:
            first.setdefault(("oak", event_id), content or None)
        if learned:
            ids.learn([row])
    found = await ids.find(rows, {"oak": asked, "elm": asked}, rows.versions())
    assert found == {name: content for name, content in first.items() if name[1] in asked}


async def test_a_window_that_learned_reads_nothing_but_to_look_up_what_it_knows() -> None:
    rows, ids = Rows(), GivenIds()
    ids.learn([rows.append(0, fact("e0"))])
    await ids.find(rows, {"oak": ["e1"]}, rows.versions())
    ids.learn([rows.append(1, fact("e1"))])
    rows.reads = 0
    assert await ids.find(rows, {"oak": ["e2", *MADE]}, rows.versions()) == {}
    assert rows.reads == 0
    assert await ids.find(rows, {"oak": ["e1"]}, rows.versions()) == {("oak", "e1"): None}
    assert rows.reads == 1


async def test_what_another_process_told_is_read_on_and_not_learned_twice() -> None:
    rows, ids = Rows(), GivenIds()
    rows.append(0, fact("e0"))
    await ids.find(rows, {"oak": ["e9"]}, rows.versions())
    own = rows.append(1, fact("e1"))
    rows.append(2, fact("e2"))
    assert await ids.find(rows, {"oak": ["e1", "e2"]}, rows.versions()) == {("oak", "e1"): None, ("oak", "e2"): None}
    ids.learn([own])
    rows.append(3, fact("e3"))
    assert await ids.find(rows, {"oak": ["e3"]}, rows.versions()) == {("oak", "e3"): None}


async def test_rows_that_were_lost_are_forgotten() -> None:
    """As after a crash of a database that had not yet written what it said was committed."""
    rows, ids = Rows(), GivenIds()
    rows.append(0, fact("e0"))
    rows.append(1, fact("e1"))
    await ids.find(rows, {"oak": ["e1"]}, rows.versions())
    rows.rows.pop()
    assert await ids.find(rows, {"oak": ["e1"]}, rows.versions()) == {}


async def test_schools_that_were_asked_for_longest_ago_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_ids, "REMEMBERED_MAX", 2)
    rows, ids = Rows(), GivenIds()
    for number, school in enumerate(("oak", "elm", "ash")):
        rows.append(number, fact("e1", school=school))
    for school in ("oak", "elm", "oak", "ash", "oak"):
        rows.reads = 0
        assert await ids.find(rows, {school: ["e1"]}, rows.versions()) == {(school, "e1"): None}
    assert rows.reads == 1, "only the look-up: elm went, not oak"


async def test_a_window_that_is_sorted_at_times_finds_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_ids, "UNSORTED_MAX", 4)
    rows, ids = Rows(), GivenIds()
    told = [f"e{number}" for number in range(30)]
    for offset, event_id in enumerate(told):
        rows.append(offset, fact(event_id))
        assert set(await ids.find(rows, {"oak": [*told, "other"]}, rows.versions())) == {
            ("oak", each) for each in told[: offset + 1]
        }


@pytest.mark.parametrize("event_id", CHOSEN)
def test_only_the_one_way_of_writing_is_a_made_id(event_id: str) -> None:
    assert not is_made_id(event_id)
    assert all(map(is_made_id, MADE))
    assert pack([(0, fact(MADE[0]))]).ids == UUID(MADE[0]).bytes
    packed = [pack([(0, fact(each)), (1, fact(event_id))]).ids[16:] for each in MADE[:2]]
    assert packed[0] == packed[1] != UUID(MADE[0]).bytes
    assert packed[0][6] >> 4 == 0xF, "no UUID of version 5 can be the same"
