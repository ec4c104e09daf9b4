"""Names in answers: written down before they are told, and not told when that, the keys or the log of names is away."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from structlog.testing import capture_logs

from schemas.audit import NamesRead
from schemas.topics import EMBEDDED_PARTITIONS, IDENTITY, partition_for
from services.access import identities, keys
from services.access.identities import ToldIdentity
from services.access.keys import ADMINISTRATOR, KeyRequest, Keyring
from services.access.keystore import open_keystore
from services.projector.store import create_tables
from services.query.main import create_app
from services.query.names import without_typed
from services.runtime.log.embedded import EmbeddedLog
from services.runtime.log.interface import AppendOutcomeUnknown, LogUnavailable
from services.runtime.observability import IDENTITIES_DAMAGED
from services.runtime.settings import Settings, read_settings
from tests.integration.test_erasure import audit_of
from tests.integration.test_reader import partition_of, put_checkpoint, put_school
from tests.unit.query.hand_made import HandMadeSchool
from tests.unit.query.oak import make_oak

ADMIN_KEY = "a" * 40
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
SETTINGS = read_settings(admin_key=ADMIN_KEY, identity_key="i" * 40)
ASKED = "school=oak&school=elm&measure=markbook:maths:Y3:overall&bands=21,36,51,66&as_at=2025-11-30"
MEMBERS = f"/v1/reports/overview/members?{ASKED}"
NAMED = {("oak", "amy"): "Amynta Smithson", ("oak", "ben"): "Benedict Stonecroft", ("elm", "zoe"): "Zoelle Ashgrove"}
SECRETS = [*(part for name in NAMED.values() for part in name.split()), "REF-"]
SCORE_TRACKING = "school=oak&measure=markbook:maths:Y3:overall&as_at=2025-11-30"
FORMS = (
    MEMBERS,
    MEMBERS.replace("members", "members.csv"),
    MEMBERS.replace("members", "members.xlsx"),
    f"/reports/overview/members?{ASKED}",
    f"/v1/reports/score-tracking?{SCORE_TRACKING}",
    f"/reports/score-tracking?{SCORE_TRACKING}",
)


class DeafLog(EmbeddedLog):
    """A log that takes no appends, each for the next of some reasons."""

    faults: Sequence[Exception] = ()

    async def append(self, topic: str, partition: int, items: Sequence[tuple[bytes, bytes | None]]) -> list[int]:
        if self.faults:
            raise self.faults[0]
        return await super().append(topic, partition, items)


@pytest.fixture
async def pool(embedded_database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(embedded_database_url, min_size=1, max_size=6) as pool:
        await create_tables(pool, "timeline", 1)
        for ensure in (keys.ensure_tables, identities.ensure_tables):
            await ensure(pool)
        elm = HandMadeSchool("elm")
        elm.mark("zoe", "maths", 40)
        elm.enrol("zoe", "3")
        for school in (make_oak(), elm):
            await put_school(pool, school)
        await put_checkpoint(pool, {partition_of(school): 4 for school in ("oak", "elm")})
        made = await open_keystore(SETTINGS, pool).make_keys(list(NAMED))
        sealed = [
            identities.seal_identity(
                made[pupil],
                ToldIdentity(*pupil, "e1", datetime(2025, 9, 1, tzinfo=UTC), f"REF-{pupil[1]}", *name.split()),
            )
            for pupil, name in NAMED.items()
        ]
        async with pool.acquire() as connection, connection.transaction():
            await identities.keep(connection, list(enumerate(sealed)), ())
        yield pool


@pytest.fixture
async def log(pool: asyncpg.Pool) -> AsyncIterator[DeafLog]:
    log = DeafLog(pool)
    yield log
    await log.close()


@pytest.fixture
def ask(pool: asyncpg.Pool, log: DeafLog) -> Callable[..., Any]:
    """GET of an address with a key, on an application of its own."""

    async def get(address: str, headers: dict[str, str] = ADMIN, settings: Settings = SETTINGS) -> httpx.Response:
        app = create_app(settings, pool, Keyring(pool, ADMIN_KEY), {}, log)
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        accept = {"accept": "text/html"} if address.startswith("/reports") else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get(address, headers={**headers, **accept, "x-request-id": "req-1"})
        assert answer.status_code == 200, answer.text
        return answer

    return get


def text_of(answer: httpx.Response) -> str:
    """All that an answer says, a workbook unpacked."""
    if answer.content[:2] != b"PK":
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        return "".join(book.read(name).decode("utf-8", "replace") for name in book.namelist())


async def key(pool: asyncpg.Pool, *can: str) -> dict[str, str]:
    asked = KeyRequest(name="t", all=True, schools=(), trusts=(), can=can, expires_on=None)
    return {"authorization": f"Bearer {(await keys.create_key(pool, asked, ADMINISTRATOR)).key}"}


async def test_every_answer_with_names_is_written_down(
    ask: Callable[..., Any], log: DeafLog, pool: asyncpg.Pool
) -> None:
    nameless = await key(pool, "read", "small_numbers")
    for address in FORMS:
        assert "Smithson" not in text_of(await ask(address, nameless))
    assert await audit_of(log) == [], "nobody was told a name"
    known: set[str] = set()
    for address in FORMS:
        said = text_of(await ask(address))
        assert "Smithson" in said and "REF-amy" in said
        audit = [fact for fact in await audit_of(log) if isinstance(fact, NamesRead) and fact.event_id not in known]
        known |= {fact.event_id for fact in audit}
        told = {(fact.school, pupil) for fact in audit for pupil in fact.pupils}
        assert told == {pupil for pupil in NAMED if f"REF-{pupil[1]}" in said}
        assert {(fact.actor, fact.request_id) for fact in audit} == {("admin", "req-1")}
        assert {fact.report for fact in audit} == {"overview/members" if "overview" in address else "score-tracking"}
        assert all("measure=markbook" in fact.query for fact in audit)
        assert len(audit) == len({school for school, _ in told}), "one for each school"


def test_the_audit_does_not_repeat_what_was_typed() -> None:
    query = b"school=oak&as_at=2025-11-30&filter=home:Mrs%20Bloggs&group=Bloggs&row=group:Bloggs&cursor=Bloggs"
    assert without_typed(query) == "school=oak&as_at=2025-11-30&filter=-&group=-&row=-&cursor=-"


async def test_without_the_audit_there_are_no_names(ask: Callable[..., Any], log: DeafLog, pool: asyncpg.Pool) -> None:
    nameless = await key(pool, "read", "small_numbers")
    faults = [LogUnavailable("away"), AppendOutcomeUnknown("silent"), OSError("broken")]
    for number, address in enumerate(FORMS):
        plain = await ask(address, nameless)
        log.faults = [faults[number % len(faults)]]
        with capture_logs() as lines:
            answer = await ask(address)
        assert_nameless(address, answer, plain)
        assert [line["reason"] for line in lines if line["event"] == "names withheld"] == ["audit"]
        log.faults = []
        assert "Smithson" in text_of(await ask(address))


async def test_without_the_key_store_there_are_no_names_and_counts_go_on(
    ask: Callable[..., Any], log: DeafLog, pool: asyncpg.Pool
) -> None:
    away = read_settings(
        admin_key=ADMIN_KEY, identity_key="i" * 40, keystore_url="postgresql://nobody@127.0.0.1:1/keystore"
    )
    nameless = await key(pool, "read", "small_numbers")
    for address in FORMS:
        assert_nameless(address, await ask(address, settings=away), await ask(address, nameless))
    counted = [await ask(f"/v1/reports/overview?{ASKED}", settings=settings) for settings in (away, SETTINGS)]
    assert counted[0].json() == counted[1].json()
    assert await audit_of(log) == []


def assert_nameless(address: str, answer: httpx.Response, plain: httpx.Response) -> None:
    """`answer` is that of a key without the right, and says why."""
    said = text_of(answer)
    assert not [secret for secret in SECRETS if secret in said]
    if answer.headers["content-type"].startswith("application/json"):
        body = answer.json()
        assert body["provenance"].pop("names") == "unavailable"
        assert body == plain.json()
        assert "names" not in plain.json()["provenance"]
    elif address.endswith("csv"):
        assert said == text_of(plain)
    elif address.startswith("/reports"):
        assert "Names cannot be shown just now" in said


async def test_a_damaged_record_takes_only_its_own_name(ask: Callable[..., Any], pool: asyncpg.Pool) -> None:
    before = IDENTITIES_DAMAGED._value.get()
    for pupil, change in (
        ("amy", "sealed = overlay(sealed placing '\\x00' from 20 for 1)"),
        ("ben", "event_id = 'e2'"),
    ):
        await pool.execute(f"UPDATE access.sealed_identity SET {change} WHERE pupil = $1", pupil)
    pupils = {each["pupil"]: each["name"] for each in (await ask(MEMBERS)).json()["pupils"]}
    assert (pupils["amy"], pupils["ben"], pupils["zoe"]) == (None, None, "Zoelle Ashgrove")
    assert IDENTITIES_DAMAGED._value.get() == before + 2
    await pool.execute("UPDATE keystore.pupil_key SET wrapped = $1 WHERE pupil = 'zoe'", bytes(61))
    assert {each["name"] for each in (await ask(MEMBERS)).json()["pupils"]} == {None}
    other = read_settings(admin_key=ADMIN_KEY, identity_key="j" * 40)
    assert {each["name"] for each in (await ask(MEMBERS, settings=other)).json()["pupils"]} == {None}


async def test_names_wait_until_the_log_of_names_is_followed(
    ask: Callable[..., Any], log: DeafLog, pool: asyncpg.Pool
) -> None:
    """An erasure may stand in the log that a restored database has not heard of."""
    await log.create_topic(IDENTITY.name, EMBEDDED_PARTITIONS, retention_ms=-1, compacted=True)
    partition = partition_for(b"oak", EMBEDDED_PARTITIONS)
    await log.append(IDENTITY.name, partition, [(b"oak\0amy", b"{}")])
    assert (await ask(MEMBERS)).json()["provenance"]["names"] == "unavailable"
    await identities.write_checkpoints(pool, await log.log_id(IDENTITY.name), {partition: 1})
    assert "names" not in (await ask(MEMBERS)).json()["provenance"]
