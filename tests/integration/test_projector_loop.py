"""The projector's loop on a real database and log: exact, in order, and it stops only what it must."""

from __future__ import annotations

import random

import asyncpg
import pytest

from schemas.topics import FACTS
from services.projector import compaction
from services.projector.feed import Feed
from services.projector.status import read_status
from services.projector.verify import verify
from services.runtime.log.interface import Log, LogRecreated
from tests.counting import CountingProjection
from tests.projector_bench import (
    SCHOOLS,
    Worker,
    append,
    assessed,
    caught_up,
    expected,
    home,
    open_feed,
    partition_row,
    record,
    renamed,
    some_facts,
    until,
    viewed,
)
from tests.servers.backend import Backend


@pytest.fixture
def pool(projector_pool: asyncpg.Pool) -> asyncpg.Pool:
    return projector_pool


@pytest.fixture
def log(projector_log: Log) -> Log:
    return projector_log


async def test_what_is_appended_is_counted_once(pool: asyncpg.Pool, log: Log) -> None:
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    facts = some_facts(3_000)
    await append(log, facts[:2_000])
    async with Worker(pool, log, feed, projection) as worker:
        await append(log, facts[1_500:])  # some of them again
        await until(lambda: caught_up(pool, log), worker)
    assert await viewed(pool) == expected(facts)


async def test_a_restart_loads_the_schools_and_goes_on(pool: asyncpg.Pool, log: Log) -> None:
    facts = some_facts(1_000)
    for part in (facts[:300], facts[200:700], facts[600:]):
        projection = CountingProjection()
        feed = await open_feed(pool, log, projection)
        await append(log, part)
        async with Worker(pool, log, feed, projection) as worker:
            await until(lambda: caught_up(pool, log), worker)
    assert await viewed(pool) == expected(facts)


async def test_a_fold_that_raises_stops_its_partition_and_no_other(pool: asyncpg.Pool, log: Log) -> None:
    broken_home = home(SCHOOLS[0])
    facts = some_facts(1_200)
    culprit = next(number for number, fact in enumerate(facts) if number > 600 and fact.school == SCHOOLS[0])
    facts[culprit] = renamed(facts[culprit], "broken")
    projection = CountingProjection(broken=["broken"])
    feed = await open_feed(pool, log, projection)
    await append(log, facts)
    async with Worker(pool, log, feed, projection) as worker:
        others = [partition for partition in range(feed.partitions) if partition != broken_home]
        await until(lambda: caught_up(pool, log, others), worker)

        async def has_stopped() -> bool:
            return (await partition_row(pool, broken_home))["stopped_reason"] is not None

        await until(has_stopped, worker)
        row = await partition_row(pool, broken_home)
        before = [fact for fact in facts[:culprit] if home(fact.school) == broken_home]
        assert row["next_offset"] == len(before)  # all that stands before the culprit is in the views
        assert row["stopped_reason"].startswith(f"offset {len(before)}: ValueError at counting.py:")
        assert facts[culprit].event_id not in row["stopped_reason"]  # anybody may read it
        assert row["lag_records"] > 0
        assert await viewed(pool) == expected([fact for fact in facts if home(fact.school) != broken_home] + before)

        projection.broken.clear()  # as after a corrected release; here the retry of the same process suffices
        await until(lambda: caught_up(pool, log), worker)
        assert (await partition_row(pool, broken_home))["stopped_reason"] is None
    assert await viewed(pool) == expected(facts)


async def test_what_is_no_fact_becomes_a_dead_letter_with_its_offset(pool: asyncpg.Pool, log: Log) -> None:
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    school, other = SCHOOLS[0], next(name for name in SCHOOLS if home(name) != home(SCHOOLS[0]))
    good, stranger = assessed(school, "amy", 1), assessed(other, "ben", 2)
    dead = [b"\xff\xfe", b'{"type":"ObjectiveAssessed"}', b"null", None, record(stranger)[1]]
    unknown = b'{"type":"PupilPraised","event_id":"x","school":"a","recorded_at":"2025-09-01T00:00:00Z"}'
    await append(log, [good])
    await log.append(FACTS.name, home(school), [(school.encode(), value) for value in [*dead, unknown]])
    await log.append(FACTS.name, home(school), [(b"another key", record(assessed(school, "amy", 3))[1])])
    await append(log, [assessed(school, "amy", 4)])
    async with Worker(pool, log, feed, projection) as worker:
        await until(lambda: caught_up(pool, log), worker)
    rows = await pool.fetch("SELECT record_offset, value, reason FROM projection.dead_letter ORDER BY 1")
    assert [row["record_offset"] for row in rows] == [1, 2, 3, 4, 5, 7]
    assert [row["value"] for row in rows[:5]] == dead
    assert all(row["reason"] for row in rows)
    assert (await partition_row(pool, home(school)))["skipped"] == 1
    assert await viewed(pool) == {(school, "amy"): 2}
    result = await verify(pool, log, projection=projection, topic=FACTS.name)
    assert (result.equal, result.dead_letters, result.facts) == (True, 6, 2)


async def test_compaction_keeps_the_tails_few_and_the_answers_right(pool: asyncpg.Pool, log: Log) -> None:
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    facts = some_facts(600, schools=SCHOOLS[:2])
    async with Worker(pool, log, feed, projection) as worker:
        for start in range(0, len(facts), 10):
            await append(log, facts[start : start + 10])
            await until(lambda: caught_up(pool, log), worker)
    crowded = "SELECT max(n) FROM (SELECT count(*) AS n FROM timeline_v1.tail GROUP BY school, stream, starts) AS t"
    assert await pool.fetchval(crowded) < 20
    assert (
        await pool.fetchval("SELECT max(n) FROM (SELECT count(*) AS n FROM timeline_v1.detail GROUP BY school) t") < 20
    )
    assert await viewed(pool) == expected(facts)
    assert (await verify(pool, log, projection=projection, topic=FACTS.name)).equal
    reloaded = CountingProjection()  # from the merged detail
    await append(log, facts[:50])
    async with Worker(pool, log, feed, reloaded) as worker:
        await until(lambda: caught_up(pool, log), worker)
    assert await viewed(pool) == expected(facts)


async def test_verify_names_what_differs(pool: asyncpg.Pool, log: Log) -> None:
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    await append(log, some_facts(500))
    async with Worker(pool, log, feed, projection) as worker:
        await until(lambda: caught_up(pool, log), worker)
    good = await verify(pool, log, projection=projection, topic=FACTS.name)
    assert good.equal
    assert good.checksum_views == good.checksum_replay
    assert (good.schools, good.facts, good.behind, good.differences) == (len(SCHOOLS), 500, 0, ())
    await pool.execute(
        "DELETE FROM timeline_v1.block WHERE (school, starts) = (SELECT school, starts FROM timeline_v1.block"
        " WHERE school = $1 ORDER BY starts LIMIT 1)",
        SCHOOLS[3],
    )
    await pool.execute("INSERT INTO timeline_v1.trust_member VALUES ('trust', 'nowhere')")
    bad = await verify(pool, log, projection=projection, topic=FACTS.name)
    assert not bad.equal
    assert bad.checksum_replay == good.checksum_replay
    assert bad.differences == ("school school-3: block s:maths:all 2025-09", "school nowhere: rows")


async def test_another_log_is_noticed_and_ends_the_worker(pool: asyncpg.Pool, log: Log) -> None:
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    async with Worker(pool, log, feed, projection) as worker:
        await append(log, some_facts(20))
        await until(lambda: caught_up(pool, log), worker)
    other = Feed(feed.projection, feed.version, feed.topic, "another", feed.partitions)
    with pytest.raises(LogRecreated):
        await Worker(pool, log, other, projection).task
    assert all("another" in (status.stopped_reason or "") for status in await read_status(pool))
    async with Worker(pool, log, feed, projection) as worker:  # the right log is back

        async def runs() -> bool:
            return all(status.stopped_reason is None for status in await read_status(pool))

        await until(runs, worker)


async def test_an_offset_outside_the_log_stops_its_partition_and_is_never_reset(pool: asyncpg.Pool, log: Log) -> None:
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    facts = some_facts(300)
    await append(log, facts)
    async with Worker(pool, log, feed, projection) as worker:
        await until(lambda: caught_up(pool, log), worker)
    beyond, others = home(SCHOOLS[0]), [p for p in range(feed.partitions) if p != home(SCHOOLS[0])]
    right = await pool.fetchval("SELECT next_offset FROM projection.partition WHERE partition = $1", beyond)
    move = "UPDATE projection.partition SET next_offset = $2 WHERE partition = $1"
    await pool.execute(move, beyond, right + 1_000)
    more = some_facts(300, first=300)
    async with Worker(pool, log, feed, projection) as worker:
        await append(log, more)
        await until(lambda: caught_up(pool, log, others), worker)

        async def has_stopped() -> bool:
            return "outside the log" in ((await partition_row(pool, beyond))["stopped_reason"] or "")

        await until(has_stopped, worker)
        assert (await partition_row(pool, beyond))["next_offset"] == right + 1_000
        await pool.execute(move, beyond, right)
        await until(lambda: caught_up(pool, log), worker)

        async def runs() -> bool:
            return (await partition_row(pool, beyond))["stopped_reason"] is None

        await until(runs, worker)
    assert await viewed(pool) == expected(facts + more)


@pytest.mark.parametrize("server", ["database_server", "log_server"])
async def test_a_killed_server_is_waited_for(backend: Backend, pool: asyncpg.Pool, log: Log, server: str) -> None:
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    facts = some_facts(3_000)
    await append(log, facts)
    victim = getattr(backend, server)
    async with Worker(pool, log, feed, projection) as worker:
        await until(lambda: has_begun(pool), worker)
        victim.kill()
        await until(lambda: has_noticed(worker), worker)
        victim.start()  # in this thread: the embedded server dies with the thread that started it
        await until(lambda: caught_up(pool, log), worker)
    assert await viewed(pool) == expected(facts)
    assert all(status.stopped_reason is None for status in await read_status(pool))


async def has_begun(pool: asyncpg.Pool) -> bool:
    return any(status.next_offset > 0 for status in await read_status(pool))


async def has_noticed(worker: Worker) -> bool:
    return worker.loop.failures > 0


async def test_two_workers_share_and_one_takes_over(pool: asyncpg.Pool, log: Log) -> None:
    feed = await open_feed(pool, log, CountingProjection())
    facts = some_facts(2_000)

    async def owners() -> dict[str | None, int]:
        rows = await pool.fetch("SELECT owner, count(*) AS n FROM projection.partition GROUP BY owner")
        return {row["owner"]: row["n"] for row in rows}

    async def shared() -> bool:
        return await owners() == {"a": 4, "b": 4}

    async def all_a() -> bool:
        return await owners() == {"a": 8}

    async with Worker(pool, log, feed, CountingProjection(), "a") as a:
        await until(all_a, a)
        async with Worker(pool, log, feed, CountingProjection(), "b") as b:
            await append(log, facts[:1_000])
            await until(shared, b)
            await until(lambda: caught_up(pool, log), b)
            await append(log, facts[1_000:])
        assert "b" not in await owners()  # a clean stop hands over at once
        await until(all_a, a)
        await until(lambda: caught_up(pool, log), a)
    assert await viewed(pool) == expected(facts)


async def test_random_batches_give_equal_bytes(pool: asyncpg.Pool, log: Log) -> None:
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    facts = some_facts(900)
    chance = random.Random(7)
    async with Worker(pool, log, feed, projection) as worker:
        while facts:
            size = chance.randint(1, 120)
            await append(log, facts[:size])
            facts = facts[size:]
            if chance.random() < 0.3:
                await until(lambda: caught_up(pool, log), worker)
        await until(lambda: caught_up(pool, log), worker)
    assert (await verify(pool, log, projection=projection, topic=FACTS.name)).equal


async def test_tails_that_are_old_and_heavy_go_into_their_blocks(
    pool: asyncpg.Pool, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    facts = some_facts(60, schools=SCHOOLS[:1])
    async with Worker(pool, log, feed, projection) as worker:
        for batch in (facts[:10], facts[10:]):  # a block, and then a tail
            await append(log, batch)
            await until(lambda: caught_up(pool, log), worker)
        heavy = """
            SELECT count(*) FROM (
                SELECT FROM timeline_v1.tail JOIN timeline_v1.block AS b USING (school, stream, starts)
                GROUP BY school, stream, starts HAVING 2 * sum(length(tail.data)) > max(length(b.data))) AS t"""
        assert await pool.fetchval(heavy) > 0  # too few to be crowded
        monkeypatch.setattr(compaction, "TAIL_SECONDS_MAX", 0.0)

        async def merged() -> bool:
            return bool(await pool.fetchval(heavy) == 0)

        await until(merged, worker)
    assert await viewed(pool) == expected(facts)
    assert (await verify(pool, log, projection=projection, topic=FACTS.name)).equal
