"""The reporting projection in PostgreSQL: its loop, its views against the brute-force oracle, and who sees what."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from schemas.documents import FOREVER
from schemas.events import AnyFact, ObjectiveAssessed
from services.domain.calendar import month_end
from services.projector.feed import Feed
from services.runtime.log.embedded import EmbeddedLog
from tests.projector_bench import QUICK
from tests.properties.answers import OracleAnswer, Value
from tests.properties.histories import generate_history
from tests.properties.oracle import answer, first_of_each_id, standing
from tests.reporting_bench import following, open_reporting, send

SEED = int(os.environ.get("MARKLEDGER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
NOW = FOREVER - 1
SCHOOLS = ("oak", "elm", "ash")
PEOPLES_VIEWS = {"school", "membership", "current_percentage", "monthly_score", "band_count", "score_span", "fact"}
History = list[tuple[int, AnyFact]]


@pytest.fixture
async def pool(embedded_database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(embedded_database_url, min_size=1, max_size=6) as pool:
        yield pool


@pytest.fixture
async def log(pool: asyncpg.Pool) -> AsyncIterator[EmbeddedLog]:
    log = EmbeddedLog(pool)
    yield log
    await log.close()


def histories_of(rng: random.Random, size: int) -> dict[str, History]:
    """A history of each school, in the order in which it is sent."""
    return {
        school: [
            (n, msgspec.structs.replace(fact, school=school)) for n, (_, fact) in enumerate(generate_history(rng, size))
        ]
        for school in SCHOOLS
    }


def value_of(row: Mapping[str, Any], score: str) -> Value:
    if row[f"{score}_status"] == "no_data":
        assert row[f"{score}_percent"] is row[f"{score}_numerator"] is row[f"{score}_denominator"] is None
        return Value("no_data")
    return Value("value", row[f"{score}_numerator"], row[f"{score}_denominator"], row[f"{score}_percent"])


def values_said(said: OracleAnswer) -> dict[tuple[str, str, str, str], Value]:
    """The values of pupils on roll that apply."""
    return {
        key: value
        for key, value in said.values.items()
        if value.status != "not_applicable" and said.pupils[key[0]].on_roll
    }


def values_read(rows: list[asyncpg.Record]) -> dict[tuple[str, str, str, str], Value]:
    found = {
        (row["pupil"], row["subject"], row["ability"], score): value_of(row, score)
        for row in rows
        for score in ("overall", "assessed")
    }
    assert len(found) == 2 * len(rows)
    return found


def counts_said(said: OracleAnswer) -> Counter[tuple[object, ...]]:
    """The band counts of every group."""
    found: Counter[tuple[object, ...]] = Counter()
    for (pupil, subject, ability, score), value in values_said(said).items():
        who = said.pupils[pupil]
        groups = [("whole", "", ""), *(("group", name, "") for name in who.groups)]
        groups += [("characteristic", name, shown) for name, shown in who.characteristics.items()]
        groups += [("year-group", who.year_group, "")] if who.year_group else []
        for group in groups:
            found[(*group, subject, ability, score, value.percent)] += 1
    return found


async def check_school(pool: asyncpg.Pool, school: str, history: History, rng: random.Random) -> None:
    """Today's rows and those of some months say what the oracle says."""
    today = await pool.fetchval("SELECT today FROM reporting.school WHERE school = $1", school)
    if today is None:  # its registration was withdrawn
        assert not await pool.fetch("SELECT FROM reporting.current_percentage WHERE school = $1", school)
        assert not await pool.fetch("SELECT FROM reporting.fact WHERE school = $1", school)
        return
    said = answer(history, today, NOW)
    rows = await pool.fetch("SELECT * FROM reporting.current_percentage WHERE school = $1", school)
    assert values_read(rows) == values_said(said)
    first = date(2023, 6, 1)
    months = [first + timedelta(days=31 * number) for number in range(42)]
    for some_day in [*rng.sample(months, 5), today]:
        month, valued_on = some_day.replace(day=1), min(month_end(some_day.year, some_day.month), today)
        if month > today:
            continue
        said = answer(history, valued_on, NOW)
        of_month = "WHERE school = $1 AND month = $2"
        rows = await pool.fetch(f"SELECT * FROM reporting.monthly_score {of_month}", school, month)
        assert {row["valued_on"] for row in rows} <= {valued_on}
        assert values_read(rows) == values_said(said), (school, month)
        counts = await pool.fetch(
            "SELECT group_kind, group_name, group_value, subject, ability, score, percent, pupils"
            f"  FROM reporting.band_count {of_month}",
            *(school, month),
        )
        assert Counter({tuple(row)[:-1]: row["pupils"] for row in counts}) == counts_said(said)
    kept = [fact for _, fact in standing(first_of_each_id(history), NOW) if isinstance(fact, ObjectiveAssessed)]
    facts = await pool.fetch("SELECT * FROM reporting.fact WHERE school = $1 AND kind = 'assessment'", school)
    assert {(row["event_id"], row["told_of"], row["state"]) for row in facts} == {
        (fact.event_id, fact.pupil, fact.state) for fact in kept
    }


async def test_the_views_say_what_the_oracle_says_whatever_the_batches(pool: asyncpg.Pool, log: EmbeddedLog) -> None:
    print(f"MARKLEDGER_SEED={SEED}")
    rng = random.Random(SEED)
    feed = await open_reporting(pool, log)
    histories = histories_of(rng, 90)
    sent = {school: 0 for school in SCHOOLS}
    for number, records_max in enumerate((1, 10_000, 7)):  # another worker each time: states come from the detail
        async with following(pool, log, feed, f"w{number}", msgspec.structs.replace(QUICK, records_max=records_max)):
            for school, history in histories.items():
                upto = len(history) * (number + 1) // 3
                await send(log, [fact for _, fact in history[sent[school] : upto]])
                sent[school] = upto
        for school, history in histories.items():
            await check_school(pool, school, history[: sent[school]], rng)
