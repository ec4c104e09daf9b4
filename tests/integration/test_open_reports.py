"""Reports asked again: what was read is taken again while nothing changes, for the same reach alone, and no longer."""

from __future__ import annotations

import os
import random
from datetime import date

import asyncpg
import msgspec
import pytest

from schemas.topics import EMBEDDED_PARTITIONS
from services.access.keys import ADMINISTRATOR, Access
from services.domain.bands import parse_bands
from services.domain.measures import parse_measure
from services.query.questions import Reading
from services.query.reader import OutsideScope, Reader, UnknownSchools
from services.query.reports import overview
from services.query.requests import By, Clocks, OverviewRequest, Population
from tests.integration.test_reader import (
    joined,
    key_of,
    member,
    names,
    partition_of,
    pool,
    put_anew,
    put_checkpoint,
    put_document,
    put_school,
)
from tests.properties.histories import SCHOOL, generate_history, generate_questions
from tests.properties.memory_views import MemoryViews
from tests.unit.query.hand_made import day

__all__ = ["pool"]  # a fixture

NORTH = Population(trust="north")
ON = day("2025-11-30")
MEASURES = tuple(parse_measure(f"markbook:maths:any:{percent}") for percent in ("overall", "assessed"))


def asking(population: Population, cuts: str = "21,36,51,66", clocks: Clocks | None = None) -> OverviewRequest:
    bands = parse_bands(cuts, whole_percent=True)
    return OverviewRequest(population, clocks or Clocks(ON), MEASURES, (bands, bands), (By("year-group"), By("group")))


async def read(reader: Reader, access: Access = ADMINISTRATOR, population: Population = NORTH) -> Reading:
    return await reader.read(access, overview.question(asking(population)))


@pytest.fixture
async def trust(pool: asyncpg.Pool) -> asyncpg.Pool:
    """Trust north: oak and ash, and elm that was a member once; folded up to 5."""
    await put_school(pool, member("oak", joined("north", "2000-01-01")))
    await put_school(pool, member("ash", joined("north", "2000-01-01")))
    await put_school(pool, member("elm", joined("north", "2000-01-01", "2020-08-31")))
    await put_checkpoint(pool, dict.fromkeys(range(EMBEDDED_PARTITIONS), 5))
    return pool


async def differences(pool: asyncpg.Pool, seed: int) -> int:
    """How many answers to the same few questions, put again with other cut-offs while facts come in, are otherwise than
    those of a reader that never read before."""
    print(f"MARKLEDGER_SEED={seed}")
    rng = random.Random(seed)
    history = generate_history(rng, 80)
    told = len(history)
    questions: list[tuple[date, int | None]] = [*generate_questions(rng, history, 3)]
    questions.append((questions[0][0], None))
    views, keeping, found = MemoryViews(SCHOOL), Reader(pool, EMBEDDED_PARTITIONS), 0
    while history:
        size = rng.randrange(1, 9)
        views.fold(history[:size])
        history = history[size:]
        await put_anew(pool, views, next_offset=told - len(history))
        for as_at, known_at in questions * 2:
            cuts = sorted(rng.sample(range(1, 101), 4))
            request = asking(Population(schools=(SCHOOL,)), ",".join(map(str, cuts)), Clocks(as_at, known_at))
            answers = []
            for reader in (keeping, Reader(pool, EMBEDDED_PARTITIONS)):
                try:
                    reading = await reader.read(ADMINISTRATOR, overview.question(request))
                    answers.append(msgspec.json.encode(overview.answer(reading, request)))
                except UnknownSchools:
                    answers.append(b"unknown")
            found += answers[0] != answers[1]
    return found


async def test_reports_asked_again_answer_as_if_for_the_first_time_while_facts_come_in(pool: asyncpg.Pool) -> None:
    seed = int(os.environ.get("MARKLEDGER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    assert await differences(pool, seed) == 0


async def test_a_reading_kept_beyond_its_state_would_be_found_out(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def holds(*_: object) -> bool:
        return True

    monkeypatch.setattr(Reader, "_still_holds", holds)
    assert await differences(pool, 20261125) > 0


async def test_nothing_is_read_again_while_nothing_changes(trust: asyncpg.Pool) -> None:
    reader = Reader(trust, EMBEDDED_PARTITIONS)
    first = await read(reader)
    assert await read(reader) is first
    assert names(first) == ["ash", "oak"]


@pytest.mark.parametrize("school", ["oak", "elm"])
async def test_a_fact_of_any_school_that_ever_was_a_member_ends_it(trust: asyncpg.Pool, school: str) -> None:
    reader = Reader(trust, EMBEDDED_PARTITIONS)
    first = await read(reader)
    await put_checkpoint(trust, {partition_of(school): 6})
    second = await read(reader)
    assert second is not first
    assert await read(reader) is second


async def test_a_school_that_joins_ends_it(trust: asyncpg.Pool) -> None:
    reader = Reader(trust, EMBEDDED_PARTITIONS)
    await read(reader)
    await put_school(trust, member("yew", joined("north", "2000-01-01")))
    assert names(await read(reader)) == ["ash", "oak", "yew"]


async def test_another_document_ends_it(trust: asyncpg.Pool) -> None:
    reader = Reader(trust, EMBEDDED_PARTITIONS)
    await read(reader)
    await put_document(trust, member("oak", joined("north", "2000-01-01", "2024-08-31")).document())
    assert names(await read(reader)) == ["ash"]


async def test_facts_of_schools_elsewhere_do_not_end_it(trust: asyncpg.Pool) -> None:
    reader = Reader(trust, EMBEDDED_PARTITIONS)
    first = await read(reader)
    elsewhere = set(range(EMBEDDED_PARTITIONS)) - {partition_of(school) for school in ("oak", "ash", "elm")}
    await put_checkpoint(trust, dict.fromkeys(elsewhere, 9))
    assert await read(reader) is first


async def test_a_key_of_another_reach_is_asked_anew(trust: asyncpg.Pool) -> None:
    reader = Reader(trust, EMBEDDED_PARTITIONS)
    first = await read(reader)
    assert await read(reader, key_of(trusts=("north",))) is not first
    for narrower in (key_of(schools=("oak",)), key_of(trusts=("south",))):
        with pytest.raises(OutsideScope):
            await read(reader, narrower)
    of_schools = key_of(schools=("oak", "ash"))
    assert names(await read(reader, of_schools)) == ["ash", "oak"]
    await put_school(trust, member("yew", joined("north", "2000-01-01")))
    with pytest.raises(OutsideScope):
        await read(reader, of_schools)


async def test_views_that_know_no_position_are_read_anew(pool: asyncpg.Pool) -> None:
    await put_school(pool, member("oak", joined("north", "2000-01-01")))
    reader = Reader(pool, EMBEDDED_PARTITIONS)
    assert await read(reader) is not await read(reader)
