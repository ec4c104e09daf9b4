"""The reader of reports on real tables: one snapshot, the right block, scopes, trusts, positions, documents kept."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Mapping
from datetime import date

import asyncpg
import msgspec
import numpy as np
import pytest

from schemas.documents import FOREVER, Membership, SchoolDocument, encode_document
from schemas.events import FactWithdrawn, PupilEnrolled, ResultRecorded, SchoolRegistered
from schemas.topics import EMBEDDED_PARTITIONS, FACTS, partition_for
from services.access.keys import ADMINISTRATOR, Access
from services.domain.bands import parse_bands
from services.domain.calendar import year_start
from services.domain.measures import parse_measure
from services.domain.schools import DEFAULT_YEAR_STARTS
from services.projector.store import create_tables
from services.query.answers import Value as ValueShown
from services.query.population import cohort_of
from services.query.questions import Question, Reading, moments_of
from services.query.reader import (
    ForeignPosition,
    OutsideScope,
    Reader,
    UnknownSchools,
    UnknownTrust,
)
from services.query.reports import members, overview
from services.query.reports.listing import Column, cut_page, value_of
from services.query.requests import By, Clocks, MembersRequest, OverviewRequest, Population
from services.query.scope import ViewsUnavailable
from services.query.shelves import Standpoint
from services.runtime.positions import decode_position, encode_position
from tests.builders import Book
from tests.properties import oracle
from tests.properties.answers import OracleAnswer, Value
from tests.properties.histories import SCHOOL, generate_history, generate_questions
from tests.properties.memory_views import MemoryViews
from tests.properties.test_sittings import as_sitting, by_brute_force
from tests.unit.query.hand_made import BLOCK_STARTS, HandMadeSchool, day, noon
from tests.unit.query.oak import make_oak

LOG = "log-1"
OWN_YEAR = parse_measure("markbook:maths:own-year:overall")
BANDS = parse_bands("21,36,51,66", whole_percent=True)
AS_AT = day("2025-11-30")


@pytest.fixture
async def pool(embedded_database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(embedded_database_url, min_size=1, max_size=4) as pool:
        await create_tables(pool, "timeline", 1)
        yield pool


@pytest.fixture
def reader(pool: asyncpg.Pool) -> Reader:
    return Reader(pool, EMBEDDED_PARTITIONS)


def key_of(*, schools: tuple[str, ...] = (), trusts: tuple[str, ...] = ()) -> Access:
    return Access("key_1", "test", False, frozenset(schools), frozenset(trusts), frozenset({"read"}))


def question_of(*schools: str, trust: str | None = None, on: date = AS_AT, known: str | None = None) -> Question:
    population = Population(schools=None if trust else schools, trust=trust)
    clocks = Clocks(on, None if known is None else noon(known))
    return Question(population, clocks, on, lambda _: moments_of(OWN_YEAR, on))


async def put_document(pool: asyncpg.Pool | asyncpg.Connection, document: SchoolDocument) -> None:
    await pool.execute(
        "INSERT INTO timeline_v1.school_document AS d VALUES ($1, $2, 1, $3)"
        " ON CONFLICT (school) DO UPDATE SET data = excluded.data, revision = d.revision + 1",
        document.school,
        partition_for(document.school.encode(), EMBEDDED_PARTITIONS),
        encode_document(document),
    )
    members = {(membership.trust, document.school) for membership in document.memberships}
    await pool.executemany("INSERT INTO timeline_v1.trust_member VALUES ($1, $2) ON CONFLICT DO NOTHING", members)


async def put_school(pool: asyncpg.Pool, school: HandMadeSchool) -> None:
    await put_document(pool, school.document())
    await pool.executemany(
        "INSERT INTO timeline_v1.block (school, stream, starts, data) VALUES ($1, $2, $3, $4)",
        [(school.school, stream, BLOCK_STARTS, data) for stream, data in school.blocks().items()],
    )


async def put_views(pool: asyncpg.Pool, views: MemoryViews) -> None:
    await put_document(pool, views.document)
    await put_blocks(pool, views)


async def put_blocks(pool: asyncpg.Pool | asyncpg.Connection, views: MemoryViews) -> None:
    await pool.executemany(
        "INSERT INTO timeline_v1.block (school, stream, starts, data) VALUES ($1, $2, $3, $4)",
        [(views.school, key.stream, key.starts, data) for key, data in views.blocks.items()],
    )
    await pool.executemany(
        "INSERT INTO timeline_v1.tail (school, stream, starts, seq, data) VALUES ($1, $2, $3, $4, $5)",
        [
            (views.school, key.stream, key.starts, n, data)
            for key, tails in views.tails.items()
            for n, data in enumerate(tails)
        ],
    )


async def put_checkpoint(pool: asyncpg.Pool | asyncpg.Connection, offsets: Mapping[int, int]) -> None:
    await pool.executemany(
        "INSERT INTO projection.partition (projection, version, topic, partition, log_id, next_offset)"
        " VALUES ('timeline', 1, $1, $2, $3, $4)"
        " ON CONFLICT (projection, version, topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
        [(FACTS.name, partition, LOG, offset) for partition, offset in offsets.items()],
    )


def names(reading: Reading) -> list[str]:
    return [school.index.school for school in reading.schools]


def partition_of(school: str) -> int:
    return partition_for(school.encode(), EMBEDDED_PARTITIONS)


# --- what is read ------------------------------------------------------------------------------------------------


async def test_the_worked_example_comes_out_of_the_tables(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_school(pool, make_oak())
    request = OverviewRequest(
        Population(schools=("oak",)), Clocks(AS_AT, noon("2026-02-28")), (OWN_YEAR,), (BANDS,), (By("school"),)
    )
    answer = overview.answer(await reader.read(ADMINISTRATOR, overview.question(request)), request)
    assert [(row.row, row.pupils) for row in answer.rows] == [("whole", 5), ("school:oak", 5)]
    assert answer.rows[0].cells[0].counts.at == 2
    assert (answer.provenance.as_at, answer.provenance.views) == (AS_AT, {"timeline": 1})
    assert str(answer.provenance.as_known_at) == "2026-02-28 12:00:00+00:00"


async def test_schools_come_once_and_in_natural_order(pool: asyncpg.Pool, reader: Reader) -> None:
    for name in ("s10", "s9", "oak"):
        await put_school(pool, HandMadeSchool(name))
    assert names(await reader.read(ADMINISTRATOR, question_of("s10", "oak", "s9", "s10"))) == ["oak", "s9", "s10"]


async def test_a_changed_document_is_read_again(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_document(pool, SchoolDocument("oak"))
    before = await reader.read(ADMINISTRATOR, question_of("oak"))
    again = await reader.read(ADMINISTRATOR, question_of("oak"))
    assert again.schools[0].index is before.schools[0].index
    await put_document(pool, make_oak().document())
    after = await reader.read(ADMINISTRATOR, question_of("oak"))
    assert (before.schools[0].index.slots, after.schools[0].index.slots) == (0, 5)


async def test_every_value_and_roster_equals_the_brute_force_fold(pool: asyncpg.Pool, reader: Reader) -> None:
    seed = int(os.environ.get("MARKLEDGER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"MARKLEDGER_SEED={seed}")
    rng = random.Random(seed)
    history = generate_history(rng, 80)
    views = MemoryViews(SCHOOL)
    for start in range(0, len(history), 10):
        views.fold(history[start : start + 10])
    await put_views(pool, views)
    for as_at, known_at in generate_questions(rng, history, 15):
        said = oracle.answer(history, as_at, known_at)
        await check_against(reader, said, as_at, known_at)


async def read_unless_withdrawn(reader: Reader, question: Question, said: OracleAnswer) -> Reading | None:
    """The reading; None if the school is unknown, as one whose registration was withdrawn then and now should be."""
    try:
        return await reader.read(ADMINISTRATOR, question)
    except UnknownSchools:
        assert not said.name
        return None


async def check_against(reader: Reader, said: OracleAnswer, as_at: date, known_at: int) -> None:
    measures = {key[1:]: parse_measure(":".join(("markbook", *key[1:]))) for key in said.values}
    question = Question(
        Population(schools=(SCHOOL,)),
        Clocks(as_at, known_at),
        as_at,
        lambda _: [moment for measure in measures.values() for moment in moments_of(measure, as_at)],
    )
    reading = await read_unless_withdrawn(reader, question, said)
    if reading is None:
        return
    school = reading.schools[0]
    slots = {pupil: slot for slot, pupil in enumerate(school.index.document.pupils)}
    presence = school.presence(as_at)
    for pupil, told in said.pupils.items():
        slot = slots[pupil]
        held = [school.index.values[value] for value in presence.values[presence.slots == slot].tolist()]
        assert bool(presence.on_roll[slot]) is told.on_roll
        assert {v.name for v in held if v.kind == "group"} == told.groups
        assert {v.name: v.value for v in held if v.kind == "characteristic"} == dict(told.characteristics)
        assert school.index.shown_pupil(slot, known_at) == told.shown
    for (pupil, *name), expected in said.values.items():
        values = school.values(measures[tuple(name)], as_at)
        shown = int(values.amounts[slots[pupil]])
        found = Value({-1: "no_data", -2: "not_applicable"}.get(shown, "value"), percent=shown if shown >= 0 else None)
        assert (found.status, found.percent) == (expected.status, expected.percent), (pupil, name)


async def put_anew(pool: asyncpg.Pool, views: MemoryViews, next_offset: int) -> None:
    """The views in place of what was there, in one transaction with how far they go, as the projector does it."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("DELETE FROM timeline_v1.block")
        await connection.execute("DELETE FROM timeline_v1.tail")
        if await connection.fetchval("SELECT data FROM timeline_v1.school_document") != views.document_bytes:
            await put_document(connection, views.document)
        await put_blocks(connection, views)
        await put_checkpoint(connection, {partition_of(views.school): next_offset})


async def differences_of_kept_blocks(pool: asyncpg.Pool, seed: int) -> int:
    """How many of the questions put between the batches of a history a reader that keeps blocks answers otherwise than
    one that never read before; the seed is printed."""
    print(f"MARKLEDGER_SEED={seed}")
    rng = random.Random(seed)
    history = generate_history(rng, 80)
    told = len(history)
    questions = list(generate_questions(rng, history, 12))
    measures = [parse_measure(f"markbook:maths:any:{percent}") for percent in ("overall", "assessed")]
    views, keeping, differences = MemoryViews(SCHOOL), Reader(pool, EMBEDDED_PARTITIONS), 0
    while history:
        size = rng.randrange(1, 6)
        views.fold(history[:size])
        history = history[size:]
        await put_anew(pool, views, next_offset=told - len(history))
        for as_at, known_at in rng.sample(questions, 4):
            request = OverviewRequest(
                Population(schools=(SCHOOL,)),
                Clocks(as_at, known_at),
                tuple(measures),
                (BANDS, BANDS),
                (By("year-group"), By("group")),
            )
            answers = []
            for reader in (keeping, Reader(pool, EMBEDDED_PARTITIONS)):
                try:
                    reading = await reader.read(ADMINISTRATOR, overview.question(request))
                    answers.append(msgspec.json.encode(overview.answer(reading, request)))
                except UnknownSchools:
                    answers.append(b"unknown")
            differences += answers[0] != answers[1]
    return differences


async def test_kept_blocks_answer_as_blocks_read_anew_while_facts_come_in(pool: asyncpg.Pool) -> None:
    seed = int(os.environ.get("MARKLEDGER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    assert await differences_of_kept_blocks(pool, seed) == 0


async def test_blocks_kept_beyond_their_position_would_be_found_out(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The property above fails if a shelf does not look at the position."""
    monkeypatch.setattr(
        "services.query.reader.Standpoint",
        lambda version, log_id, partition, _: Standpoint(version, log_id, partition, 0),
    )
    assert await differences_of_kept_blocks(pool, 20261125) > 0


async def test_every_sitting_equals_the_brute_force_fold(pool: asyncpg.Pool, reader: Reader) -> None:
    seed = int(os.environ.get("MARKLEDGER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"MARKLEDGER_SEED={seed}")
    rng = random.Random(seed)
    history = [(offset, as_sitting(fact)) for offset, fact in generate_history(rng, 80)]
    views = MemoryViews(SCHOOL)
    for start in range(0, len(history), 10):
        views.fold(history[start : start + 10])
    await put_views(pool, views)
    measures = [parse_measure(column) for column in (*views.document.columns, "test:ks1:maths:-:raw")]
    for as_at, known_at in generate_questions(rng, history, 15):
        latest = by_brute_force(history, as_at, known_at)
        recorded = {column for _, column in by_brute_force(history, date.max, known_at)}
        month = oracle.answer(history, as_at, known_at).year_starts or DEFAULT_YEAR_STARTS
        question = Question(
            Population(schools=(SCHOOL,)),
            Clocks(as_at, known_at),
            as_at,
            lambda _, day=as_at: [moment for measure in measures for moment in moments_of(measure, day)],
        )
        reading = await read_unless_withdrawn(reader, question, oracle.answer(history, as_at, known_at))
        if reading is None:
            continue
        document = reading.schools[0].index.document
        positions = np.arange(len(document.pupils))
        cohort = cohort_of(reading.schools, reading.axis, as_at, np.arange(reading.axis.size) < len(positions))
        page = cut_page(cohort, positions, len(positions), None)
        for measure in measures:
            for pupil in page.pupils:
                found = value_of(pupil, Column(measure, as_at))
                day, score = latest.get((pupil.pupil, measure.column), (date.min, ""))
                if measure.column not in recorded:
                    expected = ValueShown("not_applicable")
                elif day < year_start(as_at, month):
                    expected = ValueShown("no_data")
                elif measure.kind == "test":
                    expected = ValueShown("value", score=score, on=day)
                else:
                    expected = ValueShown("value", value=score, on=day)
                assert found == expected, (pupil.pupil, measure.text, as_at, known_at)


KS2 = "test:ks2:maths:-:scaled"
SCALED = parse_bands("80,99.5,100,110", whole_percent=False)


async def test_a_corrected_score_stands_as_known_from_then_on(pool: asyncpg.Pool, reader: Reader) -> None:
    """`domain.md` 4.11: three results, a file that corrects one, the reversal of each file."""
    book = Book()
    book.tell(SchoolRegistered, "2024-09-01", name="Oak")
    for pupil in ("ann", "bob", "cat"):
        book.tell(PupilEnrolled, "2024-09-01", pupil=pupil, enrolled_on="2024-09-01")

    def key_of_row(pupil: str) -> str:
        return pupil.encode().hex().zfill(32)

    def row(pupil: str, score: str, told: str, revision: int) -> str:
        said = {"test": "ks2", "subject": "maths", "score_type": "scaled", "score": score, "sat_on": "2026-05-12"}
        keyed = {"key": key_of_row(pupil), "revision": revision, "batch_id": f"imp_{revision}"}
        return book.tell(ResultRecorded, told, pupil=pupil, **said, **keyed).event_id

    first = [row(pupil, score, "2026-07-01", 1) for pupil, score in (("ann", "100"), ("bob", "99"), ("cat", "110.5"))]
    second = row("bob", "99.5", "2026-07-03", 2)
    book.tell(FactWithdrawn, "2026-07-05", withdraws=second, withdraws_key=key_of_row("bob"))
    for pupil, event_id in zip(("ann", "bob", "cat"), first, strict=True):
        book.tell(FactWithdrawn, "2026-07-08", withdraws=event_id, withdraws_key=key_of_row(pupil))
    views = MemoryViews("oak")
    views.fold(book.history)
    await put_views(pool, views)

    async def seen(known: str, on: str = "2026-07-31") -> tuple[list[int], list[str | None]]:
        request = OverviewRequest(
            Population(schools=("oak",)), Clocks(day(on), noon(known)), (parse_measure(KS2),), (SCALED,)
        )
        reading = await reader.read(ADMINISTRATOR, overview.question(request))
        cell = overview.answer(reading, request).rows[0].cells[0]
        listed = members.answer(reading, MembersRequest(request)).answer.pupils
        assert {one.values[0].on for one in listed} <= {None, day("2026-05-12")}
        kinds = [*msgspec.structs.astuple(cell.counts), cell.no_data, cell.not_applicable]
        return kinds, [one.values[0].score or one.values[0].status for one in listed]

    assert await seen("2026-06-30") == ([0, 0, 0, 0, 0, 0, 3], ["not_applicable"] * 3)
    assert await seen("2026-07-01") == ([0, 1, 0, 1, 1, 0, 0], ["100", "99", "110.5"])
    assert await seen("2026-07-02") == ([0, 1, 0, 1, 1, 0, 0], ["100", "99", "110.5"])
    assert await seen("2026-07-03") == ([0, 0, 1, 1, 1, 0, 0], ["100", "99.5", "110.5"])
    assert await seen("2026-07-05") == ([0, 1, 0, 1, 1, 0, 0], ["100", "99", "110.5"])
    assert await seen("2026-07-08") == ([0, 0, 0, 0, 0, 0, 3], ["not_applicable"] * 3)
    assert await seen("2026-07-03", on="2026-05-11") == ([0, 0, 0, 0, 0, 3, 0], ["no_data"] * 3)
    assert await seen("2026-07-03", on="2025-05-11") == ([0, 0, 0, 0, 0, 3, 0], ["no_data"] * 3)


# --- who may ask -------------------------------------------------------------------------------------------------


async def test_a_school_outside_the_key_is_refused_whether_or_not_it_exists(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_school(pool, make_oak())
    await put_school(pool, HandMadeSchool("elm"))
    key = key_of(schools=("oak",))
    assert names(await reader.read(key, question_of("oak"))) == ["oak"]
    for schools in (("elm",), ("nowhere",), ("oak", "elm"), ("oak", "nowhere")):
        with pytest.raises(OutsideScope):
            await reader.read(key, question_of(*schools))


async def test_an_unknown_school_is_named_to_a_key_that_covers_it(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_school(pool, make_oak())
    with pytest.raises(UnknownSchools) as caught:
        await reader.read(ADMINISTRATOR, question_of("oak", "nowhere"))
    assert caught.value.schools == ("nowhere",)


def member(school: str, *memberships: Membership) -> HandMadeSchool:
    made = HandMadeSchool(school)
    made.memberships += memberships
    return made


def joined(trust: str, starts: str, ends: str = "2100-01-01", known: str = "2020-01-01") -> Membership:
    return Membership(noon(known), FOREVER, trust, day(starts).toordinal(), day(ends).toordinal())


@pytest.fixture
async def trust_pool(pool: asyncpg.Pool) -> asyncpg.Pool:
    """Trust north: oak always, elm to August 2025, ash from 2025, but told only in December."""
    await put_school(pool, member("oak", joined("north", "2000-01-01")))
    await put_school(pool, member("elm", joined("north", "2000-01-01", "2025-08-31")))
    await put_school(pool, member("ash", joined("north", "2025-01-01", known="2025-12-15")))
    return pool


async def test_a_trust_is_its_members_on_the_day_as_known(trust_pool: asyncpg.Pool, reader: Reader) -> None:
    async def members(on: str, known: str | None = None) -> list[str]:
        return names(await reader.read(ADMINISTRATOR, question_of(trust="north", on=day(on), known=known)))

    assert await members("2025-11-30") == ["ash", "oak"]
    assert await members("2025-11-30", "2025-12-14") == ["oak"]
    assert await members("2025-08-31") == ["ash", "elm", "oak"]
    assert await members("1999-01-01") == []
    with pytest.raises(UnknownTrust):
        await reader.read(ADMINISTRATOR, question_of(trust="south"))


async def test_a_key_of_a_trust_covers_the_members_of_the_day_known_now(
    trust_pool: asyncpg.Pool, reader: Reader
) -> None:
    key = key_of(trusts=("north",))
    assert names(await reader.read(key, question_of(trust="north"))) == ["ash", "oak"]
    assert names(await reader.read(key, question_of("ash", known="2025-12-14"))) == ["ash"]
    assert names(await reader.read(key, question_of("elm", on=day("2025-08-31")))) == ["elm"]
    for refused in (question_of("elm"), question_of("nowhere"), question_of(trust="south")):
        with pytest.raises(OutsideScope):
            await reader.read(key, refused)


async def test_a_key_of_schools_may_ask_for_a_trust_within_them(trust_pool: asyncpg.Pool, reader: Reader) -> None:
    question = question_of(trust="north")
    assert names(await reader.read(key_of(schools=("oak", "ash")), question)) == ["ash", "oak"]
    for key in (key_of(schools=("oak",)), key_of(schools=("elm",)), key_of(trusts=("south",))):
        with pytest.raises(OutsideScope):
            await reader.read(key, question)


# --- how far the views have come ---------------------------------------------------------------------------------


async def test_the_position_is_that_of_the_partitions_of_the_schools(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_school(pool, make_oak())
    await put_checkpoint(pool, {partition: 10 + partition for partition in range(EMBEDDED_PARTITIONS)})
    reading = await reader.read(ADMINISTRATOR, question_of("oak"))
    assert reading.provenance.position is not None
    position = decode_position(reading.provenance.position)
    assert position.belongs_to(LOG)
    assert position.offsets == {partition_of("oak"): 10 + partition_of("oak")}
    assert reading.provenance.stale is False


async def test_views_behind_the_position_answer_at_once_and_are_stale(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_school(pool, make_oak())
    await put_checkpoint(pool, {partition_of("oak"): 4})
    behind = decode_position(encode_position(LOG, {partition_of("oak"): 5}))
    reached = decode_position(encode_position(LOG, {partition_of("oak"): 4}))
    assert (await reader.read(ADMINISTRATOR, question_of("oak"), min_position=behind)).provenance.stale is True
    assert (await reader.read(ADMINISTRATOR, question_of("oak"), min_position=reached)).provenance.stale is False


async def test_partitions_of_other_schools_are_not_waited_for(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_school(pool, make_oak())
    await put_checkpoint(pool, {partition_of("oak"): 4})
    other = (partition_of("oak") + 1) % EMBEDDED_PARTITIONS
    position = decode_position(encode_position(LOG, {partition_of("oak"): 4, other: 99}))
    assert (await reader.read(ADMINISTRATOR, question_of("oak"), min_position=position)).provenance.stale is False


async def test_a_report_waits_until_the_views_have_come_so_far(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_checkpoint(pool, {partition_of("oak"): 4})
    position = decode_position(encode_position(LOG, {partition_of("oak"): 5}))
    waiting = asyncio.create_task(
        reader.read(ADMINISTRATOR, question_of("oak"), min_position=position, wait_seconds=30)
    )
    await asyncio.wait({waiting}, timeout=0.1)
    assert not waiting.done()
    await put_school(pool, make_oak())
    await put_checkpoint(pool, {partition_of("oak"): 5})
    reading = await waiting
    assert (reading.provenance.stale, reading.schools[0].index.slots) == (False, 5)


async def test_a_school_that_stale_views_do_not_know_yet_has_nothing(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_checkpoint(pool, {partition_of("new"): 4})
    position = decode_position(encode_position(LOG, {partition_of("new"): 5}))
    reading = await reader.read(ADMINISTRATOR, question_of("new"), min_position=position)
    assert (reading.provenance.stale, names(reading), reading.schools[0].index.slots) == (True, ["new"], 0)
    of_trust = await reader.read(ADMINISTRATOR, question_of(trust="new"), min_position=position)
    assert (of_trust.provenance.stale, names(of_trust)) == (True, [])


async def test_a_position_of_another_log_is_refused(pool: asyncpg.Pool, reader: Reader) -> None:
    await put_school(pool, make_oak())
    await put_checkpoint(pool, {partition_of("oak"): 4})
    position = decode_position(encode_position("another log", {partition_of("oak"): 1}))
    with pytest.raises(ForeignPosition):
        await reader.read(ADMINISTRATOR, question_of("oak"), min_position=position)


async def test_without_views_the_reader_says_so(embedded_database_url: str) -> None:
    async with asyncpg.create_pool(embedded_database_url, min_size=1, max_size=1) as pool:
        with pytest.raises(ViewsUnavailable):
            await Reader(pool, EMBEDDED_PARTITIONS).read(ADMINISTRATOR, question_of("oak"))
        await create_tables(pool, "timeline", 1)
        await pool.execute("DELETE FROM projection.active")
        with pytest.raises(ViewsUnavailable):
            await Reader(pool, EMBEDDED_PARTITIONS).read(ADMINISTRATOR, question_of("oak"))
