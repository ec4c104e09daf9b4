"""The reporting projection in PostgreSQL: its loop, its views against the brute-force oracle, and who sees what."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from schemas import events as e
from schemas.documents import FOREVER
from schemas.events import AnyFact, ObjectiveAssessed
from schemas.topics import FACTS
from services.console.reporting_check import verify_reporting
from services.domain.calendar import month_end
from services.projector.main import run_projector
from services.projector.tables import create_tables
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.settings import read_settings
from tests.projector_bench import PARTITIONS, QUICK, until
from tests.properties.answers import OracleAnswer, Value
from tests.properties.histories import generate_history
from tests.properties.oracle import answer, first_of_each_id, standing
from tests.reporting_bench import following, is_level, open_reporting, send

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
    sent = dict.fromkeys(SCHOOLS, 0)
    for number, records_max in enumerate((1, 10_000, 7)):  # another worker each time: states come from the detail
        async with following(pool, log, feed, f"w{number}", msgspec.structs.replace(QUICK, records_max=records_max)):
            for school, history in histories.items():
                upto = len(history) * (number + 1) // 3
                await send(log, [fact for _, fact in history[sent[school] : upto]])
                sent[school] = upto
        for school, history in histories.items():
            await check_school(pool, school, history[: sent[school]], rng)


# --- who sees what -----------------------------------------------------------------------------------------------


@pytest.fixture
async def two_schools(pool: asyncpg.Pool, log: EmbeddedLog) -> AsyncIterator[asyncpg.Pool]:
    """Oak, a member of woods, and elm, each with a pupil and an assessment; and the reader role `reader_one`."""
    feed = await open_reporting(pool, log)
    async with following(pool, log, feed, "w"):
        await send(log, [*small_school("oak", trust="woods"), *small_school("elm")])
    await pool.execute("DROP ROLE IF EXISTS reader_one; CREATE ROLE reader_one LOGIN")
    yield pool
    await pool.execute("DROP OWNED BY reader_one; DROP ROLE reader_one")


def small_school(school: str, trust: str | None = None) -> list[AnyFact]:
    """A school with one pupil, two objectives and one assessment."""
    told: dict[str, Any] = {"school": school, "recorded_at": datetime(2025, 9, 1, 8, tzinfo=UTC)}
    objectives = tuple(e.Objective(objective=name, ability="Y3", year_group="3") for name in ("m1", "m2"))
    return [
        e.SchoolRegistered(event_id=f"{school}-s", name=school.title(), trust=trust, **told),
        e.CurriculumPublished(
            event_id=f"{school}-c",
            framework="nc",
            framework_version="1",
            subjects=(e.Subject(subject="maths", objectives=objectives),),
            states=(e.State(state="achieved", weight="1"),),
            **told,
        ),
        e.PupilEnrolled(
            event_id=f"{school}-p",
            pupil=f"pup_{school}",
            enrolled_on=date(2025, 9, 1),
            year_groups=(e.YearGroupFrom("3", date(2025, 9, 1)),),
            **told,
        ),
        assessed(school, 1, "m1", date(2025, 10, 1)),
    ]


def assessed(school: str, number: int, objective: str, day: date, **other: Any) -> ObjectiveAssessed:
    return ObjectiveAssessed(
        event_id=f"{school}-a{number}",
        school=school,
        recorded_at=datetime(2025, 10, 1, 8, number, tzinfo=UTC),
        pupil=f"pup_{school}",
        subject="maths",
        objective=objective,
        state="achieved",
        assessed_on=day,
        **other,
    )


async def seen(pool: asyncpg.Pool, view: str, role: str = "reader_one") -> set[str]:
    """The schools that a SELECT without WHERE shows to a role."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {role}")
        return {row["school"] for row in await connection.fetch(f"SELECT DISTINCT school FROM reporting.{view}")}


async def test_a_reader_sees_its_schools_and_nothing_without_a_grant(two_schools: asyncpg.Pool) -> None:
    pool = two_schools
    grants = (
        ("school => 'elm'", {"elm"}),
        ("trust => 'woods'", {"oak", "elm"}),  # beside what was granted before
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await seen(pool, "school")
    await pool.execute("GRANT markledger_reporting TO reader_one")
    assert [await seen(pool, view) for view in sorted(PEOPLES_VIEWS)] == [set()] * len(PEOPLES_VIEWS)
    for grant, schools in grants:
        await pool.execute(f"SELECT reporting.allow('reader_one', {grant})")
        for view in sorted(PEOPLES_VIEWS):
            assert await seen(pool, view) == schools, (view, grant)
    assert await pool.fetchval("SELECT reporting.disallow('reader_one', trust => 'woods')") == 1
    assert await seen(pool, "current_percentage") == {"elm"}
    assert await pool.fetchval("SELECT reporting.disallow('reader_one')") == 1
    assert await seen(pool, "band_count") == set()
    await pool.execute("SELECT reporting.allow('reader_one', everything => true)")
    assert await seen(pool, "monthly_score") == {"oak", "elm"}


async def test_a_reader_may_only_read_and_only_for_itself(two_schools: asyncpg.Pool) -> None:
    pool = two_schools
    await pool.execute("SELECT reporting.allow('reader_one', school => 'oak')")
    refused = (
        "INSERT INTO reporting_v1.joined VALUES ('oak', 'a', 'b')",
        "UPDATE reporting_v1.score SET pupil = 'x'",
        "DELETE FROM reporting_v1.fact",
        "SELECT * FROM reporting_v1.detail",
        "SELECT * FROM reporting.reader",
        "SELECT reporting.allow('reader_one', everything => true)",
        "SELECT reporting.disallow('reader_one')",
        "SELECT * FROM timeline_v1.block",
    )
    await create_tables(pool, "timeline", 1)
    async with pool.acquire() as connection:
        user = urlsplit(await connection.fetchval("SELECT 'x://' || current_user")).hostname
        for statement in refused:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute("SET LOCAL SESSION AUTHORIZATION reader_one")
                    await connection.execute(statement)
        async with connection.transaction():
            await connection.execute("SET LOCAL SESSION AUTHORIZATION reader_one")
            assert await connection.fetch("SELECT * FROM reporting.schools_of($1)", user) == []  # another's rights
            own = await connection.fetch("SELECT * FROM reporting.schools_of('reader_one')")
            assert [row[0] for row in own] == ["oak"]


async def test_every_table_is_protected_and_every_column_is_explained(two_schools: asyncpg.Pool) -> None:
    unprotected = await two_schools.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('reporting_v1') AND relkind = 'r'"
        " AND NOT (relrowsecurity AND relforcerowsecurity AND pg_get_userbyid(relowner) = 'markledger_projector')"
    )
    assert unprotected == []
    lazy = await two_schools.fetch(
        "SELECT c.relname, a.attname FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = to_regnamespace('reporting') AND c.relkind IN ('r', 'v')"
        " AND (coalesce(col_description(c.oid, a.attnum), '') = ''"
        "      OR coalesce(obj_description(c.oid, 'pg_class'), '') = '')"
    )
    assert lazy == []
    views = {row[0] for row in await two_schools.fetch("SELECT viewname FROM pg_views WHERE schemaname = 'reporting'")}
    assert views == {*PEOPLES_VIEWS, "freshness"}
    invokers = await two_schools.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace IN (to_regnamespace('reporting'),"
        " to_regnamespace('reporting_v1')) AND NOT coalesce('security_invoker=true' = ANY(reloptions), false)"
    )
    assert [row["relname"] for row in invokers] == ["freshness"]  # it tells offsets and nothing of any school


async def test_a_late_fact_a_withdrawal_and_a_new_version_rewrite_what_they_touch(
    pool: asyncpg.Pool, log: EmbeddedLog
) -> None:
    feed = await open_reporting(pool, log)
    months = (
        "SELECT array_agg(overall_percent ORDER BY month) FROM reporting.monthly_score"
        " WHERE ability = 'any' AND month BETWEEN '2025-09-01' AND '2026-01-01'"
    )
    told: dict[str, Any] = {"school": "oak", "recorded_at": datetime(2025, 12, 1, tzinfo=UTC)}
    steps: tuple[tuple[AnyFact, list[int | None]], ...] = (
        (assessed("oak", 2, "m2", date(2025, 9, 20)), [50, 100, 100, 100, 100]),  # late: before what was there
        (e.FactWithdrawn(event_id="w1", withdraws="oak-a1", **told), [50, 50, 50, 50, 50]),
        (e.FactWithdrawn(event_id="w2", withdraws="w1", **told), [50, 100, 100, 100, 100]),
        (version("oak", date(2025, 12, 15), "m1", "m2", "m3", "m4"), [50, 100, 100, 50, 50]),
        (e.PupilLeft(event_id="left", pupil="pup_oak", left_on=date(2025, 12, 31), **told), [50, 100, 100, 50]),
    )
    async with following(pool, log, feed, "w0"):
        await send(log, small_school("oak"))
    assert await pool.fetchval(months) == [None, 50, 50, 50, 50]
    for number, (fact, expected) in enumerate(steps, 1):
        async with following(pool, log, feed, f"w{number}"):
            await send(log, [fact])
        assert await pool.fetchval(months) == expected, fact
    facts = await pool.fetch("SELECT event_id FROM reporting.fact ORDER BY 1")
    assert [row["event_id"] for row in facts] == ["oak-a1", "oak-a2"]


def version(school: str, starts: date, *objectives: str) -> e.CurriculumPublished:
    return e.CurriculumPublished(
        event_id=f"{school}-c-{starts}",
        school=school,
        recorded_at=datetime(2025, 12, 1, tzinfo=UTC),
        framework="nc",
        framework_version="2",
        effective_on=starts,
        subjects=(
            e.Subject(subject="maths", objectives=tuple(e.Objective(objective=n, ability="Y3") for n in objectives)),
        ),
        states=(e.State(state="achieved", weight="1"),),
    )


# --- the rows and the reports -------------------------------------------------------------------------------------


async def test_verify_finds_the_rows_equal_to_the_reports_and_a_row_that_is_not(
    embedded_database_url: str, pool: asyncpg.Pool, log: EmbeddedLog
) -> None:
    rng = random.Random(SEED)
    print(f"MARKLEDGER_SEED={SEED}")
    settings = read_settings(database_url=embedded_database_url)
    await log.create_topic(FACTS.name, PARTITIONS, retention_ms=-1, compacted=False)
    await send(log, [fact for history in histories_of(rng, 60).values() for _, fact in history])
    await send(log, small_school("fir"))
    stop = asyncio.Event()
    projector = asyncio.create_task(run_projector(settings, stop=stop, pace=QUICK))
    try:

        async def level() -> bool:
            if projector.done():
                projector.result()
            return await is_level(pool, log)

        await until(level)
        result = await verify_reporting(pool)
        assert result.equal, result
        assert result.schools == len(SCHOOLS) + 1
        assert result.rows > 0
    finally:
        stop.set()
        await projector
    await pool.execute(
        "UPDATE reporting_v1.score SET overall_percents = array_replace(overall_percents, 50::smallint, 49::smallint)"
        " WHERE school = 'fir'"
    )
    result = await verify_reporting(pool)
    assert not result.equal
    assert result.differences[0] == (
        "school fir: pup_fir maths Y3 overall: rows say (49, Fraction(1, 1), Fraction(2, 1)),"
        " reports say (50, Fraction(1, 1), Fraction(2, 1))"
    )


async def test_workers_that_are_killed_count_every_fact_once(
    embedded_database_url: str, pool: asyncpg.Pool, log: EmbeddedLog
) -> None:
    rng = random.Random(SEED)
    print(f"MARKLEDGER_SEED={SEED}")
    await open_reporting(pool, log)
    histories = histories_of(rng, 30)
    await send(log, [fact for history in histories.values() for _, fact in history])

    async def come_to(records: int) -> None:
        async def there() -> bool:
            return (await pool.fetchval("SELECT coalesce(sum(next_offset), 0) FROM projection.partition")) >= records

        await until(there)

    for number in (1, 2):
        with start_worker(embedded_database_url, f"w{number}") as worker:
            await come_to(len(SCHOOLS) * 30 * number // 3)
            worker.kill()
    async with following(pool, log, await open_reporting(pool, log), "last"):
        pass
    for school, history in histories.items():
        await check_school(pool, school, history, rng)


def start_worker(url: str, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.reporting_process", url, name])
