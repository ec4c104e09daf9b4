"""Reports of single facts over HTTP: detail within the scope of a key, where facts came from by the log, each form."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from schemas.codec import encode_fact
from schemas.detail import compressed
from schemas.topics import EMBEDDED_PARTITIONS, FACTS
from services.access import identities, keys
from services.access.keys import Keyring
from services.console.permalinks import permalink_keeper
from services.ingest.definition_log import DefinitionLog
from services.projector.store import create_tables
from services.query.main import create_app
from services.runtime.clock import utc_now
from services.runtime.log.embedded import EmbeddedLog
from tests.integration.test_query_http import ADMIN, ADMIN_KEY, SETTINGS, bearer
from tests.integration.test_reader import partition_of, put_checkpoint, put_views
from tests.properties.memory_views import MemoryViews
from tests.unit.query.told import tell_oak

NOVEMBER = "school=oak&as_at=2025-11-30&as_known_at=2026-02-28T12:00:00Z"


@pytest.fixture
async def pool(embedded_database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Class Oak, told to the log and folded."""
    async with asyncpg.create_pool(embedded_database_url, min_size=1, max_size=4) as pool:
        await create_tables(pool, "timeline", 1)
        for ensure in (keys.ensure_tables, identities.ensure_tables):
            await ensure(pool)
        book, log = tell_oak(), EmbeddedLog(pool)
        await log.create_topic(FACTS.name, EMBEDDED_PARTITIONS, retention_ms=-1, compacted=False)
        items = [(b"oak", encode_fact(fact)) for _, fact in book.history]
        assert await log.append(FACTS.name, partition_of("oak"), items) == [offset for offset, _ in book.history]
        await log.close()
        views = MemoryViews("oak")
        views.fold(book.history)
        await put_views(pool, views)
        rows = [("oak", seq, compressed(detail)) for seq, detail in enumerate(views.detail)]
        await pool.executemany("INSERT INTO timeline_v1.detail VALUES ($1, $2, $3)", rows)
        await put_checkpoint(pool, {partition_of("oak"): len(book.history)})
        yield pool


@pytest.fixture
async def client(pool: asyncpg.Pool) -> AsyncIterator[httpx.AsyncClient]:
    log = EmbeddedLog(pool)
    await DefinitionLog(pool, log, EMBEDDED_PARTITIONS, utc_now).start()
    keep = permalink_keeper(SETTINGS, pool, log)
    app = create_app(SETTINGS, pool, Keyring(pool, ADMIN_KEY), {}, log, keep=keep)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=ADMIN) as client:
        yield client
    await log.close()  # it listens on a connection of the pool


async def test_each_report_of_single_facts_over_http(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    async def get(address: str, status: int = 200, **headers: str) -> dict:  # type: ignore[type-arg]
        response = await client.get(f"/v1/reports/{address}", headers=headers)
        assert response.status_code == status, response.text
        return response.json()  # type: ignore[no-any-return]

    found = await get(f"curriculum?{NOVEMBER}&subject=maths&ability=Y3&group=Oak")
    m1 = found["rows"][0]
    assert (m1["row"], m1["strand"], m1["weight"], m1["text"]) == ("objective:m1", "Number", "1", "Count in fours")
    assert m1["cells"] == [
        {
            "counts": {"N": 0, "W": 1, "A": 2},
            "percents": {"N": 0, "W": 25, "A": 50},
            "none": 1,
            "mean": {"percent": 83, "numerator": "2.5", "denominator": "3", "pupils": 3},
        }
    ]
    assert found["states"][1] == {"state": "W", "name": "Working towards", "weight": "0.5"}
    assert (found["columns"], found["outside"]) == ([{"column": "@2025-11-30", "pupils": 5}], 1)

    cell = "row=objective:m1&cell=0:A&sort=value"
    pupils = (await get(f"curriculum/members?{NOVEMBER}&subject=maths&ability=Y3&{cell}"))["pupils"]
    assert [(pupil["pupil"], pupil["values"][0]["value"]) for pupil in pupils] == [("amy", "A"), ("ben", "A")]

    tracked = await get(f"multi-ability?{NOVEMBER}&subject=maths&ability=Y3&ability=Y4&bands=21,36,51,66")
    dee = next(pupil for pupil in tracked["pupils"] if pupil["pupil"] == "dee")
    assert [value["percent"] for value in dee["values"]] == [100, 63]
    assert [value["band"] for value in dee["values"]] == ["sig_above", "above"]
    assert tracked["means"][0] == {"percent": 53, "pupils": 4}

    amy = await get(f"explain?{NOVEMBER}&pupil=amy&measure=markbook:maths:Y3:overall")
    assert (amy["value"]["percent"], amy["sum"]) == (50, {"numerator": "2.5", "denominator": "5"})
    line = amy["lines"][0]
    assert (line["objective"], line["counted"], line["fact"]["assessed_on"]) == ("m1", True, "2025-10-14")
    assert line["fact"]["event_id"].startswith("e") and line["fact"]["source"] == "default"
    assert [(before["state"], before["fact"]["assessed_on"]) for before in line["before"]] == [("W", "2025-09-20")]

    assert (await get(f"framework?{NOVEMBER}"))["subjects"][0]["worked"]["overall"]["percent"] == 30
    assert [row["row"] for row in (await get(f"recording?{NOVEMBER}&minimum=70"))["rows"]] == ["whole", "group:Oak"]

    since = "known_from=2025-12-01T00:00:00Z"
    overview = f"report=overview&{NOVEMBER}&measure=markbook:maths:own-year:overall&bands=21,36,51,66"
    changed = await get(f"changes?{overview}&{since}")
    assert changed["rows"] == [
        {"row": "whole", "cell": "0:below", "from": 1, "to": 0},
        {"row": "whole", "cell": "0:at", "from": 1, "to": 2},
        {"row": "whole", "cell": "combined:working_at_or_above", "from": 2, "to": 3},
        {"row": "whole", "cell": "combined:not_working_at", "from": 3, "to": 2},
    ]
    (ben,) = changed["pupils"]
    assert (ben["pupil"], ben["from"]["percent"], ben["to"]["percent"], changed["total"]) == ("ben", 30, 50, 1)
    assert [(fact["objective"], fact["state"], fact["on"]) for fact in ben["facts"]] == [("m3", "A", "2025-11-15")]
    assert changed["from"]["as_known_at"] == "2025-12-01T00:00:00Z"
    await get(f"changes?{since}&{NOVEMBER}&report=nothing", 422)
    await get(f"changes?{overview}&known_from=2026-02-28T12:00:01Z", 422)

    for address in (
        f"changes.csv?{overview}&{since}",
        f"curriculum.csv?{NOVEMBER}&subject=maths&ability=own-year&rows=strand",
        f"curriculum/members.csv?{NOVEMBER}&subject=maths&ability=Y3",
        f"multi-ability.csv?{NOVEMBER}&subject=maths&ability=Y3",
        f"explain.xlsx?{NOVEMBER}&pupil=amy&measure=markbook:maths:Y3:overall",
        f"framework.csv?{NOVEMBER}",
        f"recording.xlsx?{NOVEMBER}",
    ):
        response = await client.get(f"/v1/reports/{address}")
        assert response.status_code == 200 and len(response.content) > 40, address

    await get(f"explain?{NOVEMBER}&pupil=nobody&measure=markbook:maths:Y3:overall", 404)
    await get(f"multi-ability?{NOVEMBER}&subject=maths&ability=1&ability=2&ability=3&ability=4&ability=5", 422)
    elsewhere = await bearer(pool, can=("read", "names"), schools=("elm",))
    await get(f"explain?{NOVEMBER}&pupil=amy&measure=markbook:maths:Y3:overall", 403, **elsewhere)


async def test_a_permalink_stands_and_says_what_came_later(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    path = f"/v1/reports/curriculum?{NOVEMBER}&subject=maths&ability=Y3"
    response = await client.post("/v1/permalinks", json={"path": path})
    assert response.status_code == 201, response.text
    made = response.json()
    assert (made["as_at"], made["as_known_at"], made["settings"]) == ("2025-11-30", "2026-02-28T12:00:00Z", [])
    assert len(made["hash"]) == 64 and response.headers["location"] == made["permalink"]

    opened = (await client.get(made["permalink"])).json()
    assert opened["report"] == "curriculum" and opened["rows"][4]["cells"][0]["none"] == 4
    assert (opened["later"], opened["as_kept"]) == ({"facts": 0, "changed": False}, True)

    book, views = tell_oak(), MemoryViews("oak")
    views.fold(book.history)
    for pupil, objective, subject in (("eli", "m5", "maths"), ("eli", "m5", "music"), ("dee", "m5", "maths")):
        fact = book.assess(pupil, objective, "A", "2025-11-20", told="2026-03-20", subject=subject)
        views.fold([(len(book.history) - 1, fact)])
    rows = [("oak", 99 + n, compressed(detail)) for n, detail in enumerate(views.detail[1:])]
    await pool.executemany("INSERT INTO timeline_v1.detail VALUES ($1, $2, $3)", rows)
    await put_checkpoint(pool, {partition_of("oak"): len(book.history)})
    opened = (await client.get(f"/v1/permalinks/{made['permalink'].rpartition('/')[2]}")).json()
    assert opened["rows"][4]["cells"][0]["none"] == 4, "the link still stands"
    assert (opened["later"], opened["as_kept"]) == ({"facts": 2, "changed": True}, True)

    page = await client.get(made["permalink"], headers={"accept": "text/html"})
    assert page.status_code == 303 and page.headers["location"].startswith("/reports/curriculum?school=oak&")
    assert (await client.get("/r/lnk_nothing")).status_code == 404
    elsewhere = await bearer(pool, schools=("elm",))
    assert (await client.get(made["permalink"], headers=elsewhere)).status_code == 403
    for body in ({"path": "/v1/reports/nothing"}, {"path": "https://elsewhere/v1/reports/overview"}, {"paths": ""}):
        assert (await client.post("/v1/permalinks", json=body)).status_code == 422


async def test_facts_are_read_again_when_the_views_have_moved_on_and_not_before(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    address = f"/v1/reports/curriculum?{NOVEMBER}&subject=maths&ability=Y3"

    async def none_of_m5() -> int:
        answer = (await client.get(address)).json()
        return int(answer["rows"][4]["cells"][0]["none"])

    assert await none_of_m5() == 4
    book, views = tell_oak(), MemoryViews("oak")
    views.fold(book.history)
    fact = book.assess("eli", "m5", "A", "2025-11-20", told="2026-02-20")
    views.fold([(len(book.history) - 1, fact)])
    row = ("oak", 99, compressed(views.detail[-1]))
    await pool.execute("INSERT INTO timeline_v1.detail VALUES ($1, $2, $3)", *row)
    assert await none_of_m5() == 4, "the fact is there, but the position of the report is before it"
    await put_checkpoint(pool, {partition_of("oak"): len(book.history)})
    assert await none_of_m5() == 3
