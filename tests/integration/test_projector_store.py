"""The sink and the leases by themselves: who may write, and what a failed or doubtful commit leaves behind."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from services.projector.feed import Feed, Fenced
from services.projector.leases import Leases
from services.projector.projection import BlockKey, Changes
from services.projector.store import Move, SchoolChanges, Store, create_tables
from services.runtime.log.interface import Log
from services.runtime.postgres import open_pool
from tests.counting import CountingProjection
from tests.projector_bench import Worker, append, caught_up, expected, open_feed, some_facts, until, viewed

FEED = Feed("timeline", 1, "a topic", "log-1", 12)
KEY = BlockKey("r", 24300)


@pytest.fixture
async def pool(embedded_database_url: str) -> Any:
    pool = await open_pool(embedded_database_url)
    await create_tables(pool, "timeline", 1)
    yield pool
    await pool.close()


def move(expected_offset: int, next_offset: int, partition: int = 0) -> Move:
    return Move(partition, expected_offset, next_offset, next_offset, 1_000, 1, 0, 0.0)


def changes(school: str, **fields: Any) -> SchoolChanges:
    nothing: dict[str, Any] = {
        "dropped_streams": (),
        "blocks": (),
        "tails": (),
        "detail": b"",
        "document": None,
        "trusts": (),
    }
    return SchoolChanges(school, 0, 5, Changes(**{**nothing, **fields}))


async def owned_store(pool: asyncpg.Pool, worker: str = "me") -> Store:
    leases = Leases(pool, FEED, worker)
    await leases.enter()
    await leases.balance()
    return Store(pool, FEED, worker)


async def count(pool: asyncpg.Pool, table: str) -> int:
    return await pool.fetchval(f"SELECT count(*) FROM timeline_v1.{table}")


@pytest.mark.parametrize(
    ("worker", "moves"),
    [
        ("me", [move(3, 5)]),
        ("another", [move(0, 5)]),
        ("me", [move(0, 5, partition=1), move(1, 5, partition=0)]),
    ],
)
async def test_a_commit_from_another_offset_or_by_another_owner_writes_nothing(
    pool: asyncpg.Pool, worker: str, moves: list[Move]
) -> None:
    await owned_store(pool)
    with pytest.raises(Fenced):
        await Store(pool, FEED, worker).commit(moves, [changes("oak", detail=b"x")], [])
    assert await count(pool, "detail") == 0
    assert await pool.fetchval("SELECT max(next_offset) FROM projection.partition") == 0


async def test_compaction_is_fenced_as_well(pool: asyncpg.Pool) -> None:
    store = await owned_store(pool)
    for worker, offset in (("another", 0), ("me", 1)):
        with pytest.raises(Fenced):
            async with store.transaction() as connection:
                await Store(pool, FEED, worker).hold(connection, 0, offset)
    async with store.transaction() as connection:
        await store.hold(connection, 0, 0)


async def test_the_changes_of_a_batch_in_their_order(pool: asyncpg.Pool) -> None:
    store = await owned_store(pool)
    first = [
        changes("oak", blocks=((KEY, b"b1"),), tails=((KEY, b"t1"),), detail=b"d1", document=b"1", trusts=("north",)),
        changes("elm", blocks=((KEY, b"b1"), (BlockKey("s:m:l", 24300), b"b")), document=b"1"),
    ]
    await store.commit([move(0, 5)], first, [])
    second = [
        SchoolChanges(
            "oak", 0, 7, changes("", tails=((KEY, b"t2"),), document=b"2", trusts=("north", "south")).changes
        ),
        SchoolChanges("elm", 0, 7, changes("", dropped_streams=("s:m:l",), blocks=((KEY, b"b2"),)).changes),
    ]
    await store.commit([move(5, 7)], second, [])
    found = {(b.school, b.key): b.stored for b in await store.read_blocks([("oak", KEY), ("elm", KEY), ("fir", KEY)])}
    assert found.keys() == {("oak", KEY), ("elm", KEY)}
    assert (found["oak", KEY].block, found["oak", KEY].tails) == (b"b1", (b"t1", b"t2"))
    assert (found["elm", KEY].block, found["elm", KEY].tails) == (b"b2", ())
    assert await count(pool, "block") == 2
    documents = await pool.fetch("SELECT school, revision, data FROM timeline_v1.school_document ORDER BY 1")
    assert [tuple(row) for row in documents] == [("elm", 1, b"1"), ("oak", 2, b"2")]
    assert await pool.fetchval("SELECT array_agg(trust ORDER BY trust) FROM timeline_v1.trust_member") == [
        "north",
        "south",
    ]
    third = SchoolChanges("oak", 0, 9, changes("", blocks=((KEY, b"b3"),)).changes)
    await store.commit([move(7, 9)], [third], [])
    (replaced,) = await store.read_blocks([("oak", KEY)])
    assert (replaced.stored.block, replaced.stored.tails) == (b"b3", ())


async def test_shares_are_even_and_a_dead_worker_is_replaced(pool: asyncpg.Pool) -> None:
    leases = {name: Leases(pool, FEED, name) for name in "abc"}
    for one in leases.values():
        await one.enter()
    assert len(await leases["a"].balance()) == 12
    for _ in range(2):
        shares = {name: set(await one.balance()) for name, one in leases.items()}
    shares["a"] = set(await leases["a"].balance())
    assert sorted(map(len, shares.values())) == [4, 4, 4]
    assert len(set.union(*shares.values())) == 12
    await pool.execute("UPDATE projection.worker SET lease_until = now() - interval '1 second' WHERE worker = 'b'")
    assert len(await leases["a"].balance()) == 6
    assert len(await leases["c"].balance()) == 6
    await leases["c"].leave()
    assert len(await leases["a"].balance()) == 12


@pytest.mark.parametrize("goes_through", [False, True])
async def test_a_commit_whose_outcome_is_unknown_loses_and_doubles_nothing(
    projector_pool: asyncpg.Pool, projector_log: Log, goes_through: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, log = projector_pool, projector_log
    projection = CountingProjection()
    feed = await open_feed(pool, log, projection)
    facts = some_facts(400)
    faults = 0
    commit = Store.commit

    async def lose_connection(self: Store, *arguments: Any) -> None:
        nonlocal faults
        if faults == 3:
            return await commit(self, *arguments)
        faults += 1
        if goes_through:
            await commit(self, *arguments)
        raise ConnectionResetError("the server went away")

    monkeypatch.setattr(Store, "commit", lose_connection)
    async with Worker(pool, log, feed, projection) as worker:
        await append(log, facts)
        await until(lambda: caught_up(pool, log), worker)
    assert faults >= 1
    assert await viewed(pool) == expected(facts)


async def test_tables_are_made_once_by_many(embedded_database_url: str) -> None:
    pool = await open_pool(embedded_database_url)
    try:
        await asyncio.gather(*(create_tables(pool, "timeline", 1) for _ in range(4)))
        assert await pool.fetchval("SELECT version FROM projection.active WHERE projection = 'timeline'") == 1
        async with pool.acquire() as reader, reader.transaction():
            await reader.execute("SELECT * FROM timeline_v1.block")
            await asyncio.wait_for(create_tables(pool, "timeline", 1), 5)  # a start waits for no reader
    finally:
        await pool.close()
