"""The ingest service in this process on a back end, with a clock that a test sets, and its log as a reader sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
from litestar import Litestar

from schemas.codec import decode_fact
from schemas.events import AnyFact
from schemas.topics import FACTS
from services.access.keys import Keyring
from services.ingest.main import create_app
from services.runtime.log.interface import Log
from services.runtime.log.opening import open_log
from services.runtime.postgres import open_pool
from tests.builders import instant
from tests.servers.backend import Backend

ADMIN_KEY = "a" * 40
NOW = instant("2026-03-02T09:00:00")


class Service:
    """What a test does with the service; `log` may be replaced before `served` opens."""

    def __init__(
        self, app: Litestar, pool: asyncpg.Pool, log: Log, http: httpx.AsyncClient, clock: list[datetime]
    ) -> None:
        self.app = app
        self.pool = pool
        self.log = log
        self.http = http
        self._clock = clock

    def pass_time(self, **time: int) -> None:
        """Let the service's clock go on."""
        self._clock[0] += timedelta(**time)

    async def send(self, kind: str, content: str | bytes, key: str = ADMIN_KEY, **more: Any) -> httpx.Response:
        """POST a file; `media_type`, and parameters by name."""
        media_type = more.pop("media_type", "text/csv")
        headers = {"Content-Type": media_type, "Authorization": f"Bearer {key}"}
        return await self.http.post("/v1/imports", params={"kind": kind, **more}, content=content, headers=headers)

    async def counts(self, kind: str, content: str | bytes, **more: Any) -> tuple[int, int, int, int]:
        """POST a file that is read to its end: accepted, superseded, duplicate, rejected."""
        answer = await self.send(kind, content, **more)
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return body["accepted"], body["superseded"], body["duplicate"], body["rejected"]

    async def send_and_hang_up(self, path: str, query: str, content: bytes) -> None:
        """POST part of a body and go away, as a server tells an application."""
        messages = [{"type": "http.request", "body": content, "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            return None

        headers = [(b"content-type", b"text/csv"), (b"authorization", f"Bearer {ADMIN_KEY}".encode())]
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("ingest", 80),
            "state": {},
        }
        await self.app(scope, receive, send)

    async def tell(self, *events: Mapping[str, Any], key: str = ADMIN_KEY, **headers: str) -> httpx.Response:
        """POST events."""
        content = msgspec.json.encode({"events": events})
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **headers}
        return await self.http.post("/v1/events", content=content, headers=sent)

    async def key(self, **asked: Any) -> str:
        """Make a key."""
        answer = await self.http.post("/v1/keys", json={"name": "test", "can": ["read", "write"], **asked})
        assert answer.status_code == 201, answer.text
        key: str = answer.json()["key"]
        return key

    async def errors(self, answer: httpx.Response) -> list[list[str]]:
        """The rows of an import's errors.csv without the header."""
        text = (await self.http.get(answer.json()["errors"])).text
        assert text.startswith("row,column,value,code,message\r\n")
        return [line.split(",", 4) for line in text.split("\r\n")[1:-1]]

    async def facts(self) -> list[AnyFact]:
        """Every fact of the log but the audit of imports, partition by partition."""
        found: dict[int, list[AnyFact]] = {}
        bounds = {
            partition: await self.log.bounds(FACTS.name, partition)
            for partition in range(await self.log.partitions(FACTS.name))
        }
        missing = {partition: end for partition, (start, end) in bounds.items() if start < end}
        reader = self.log.reader(FACTS.name)
        await reader.assign({partition: bounds[partition][0] for partition in missing})
        while missing:
            for partition, batch in (await reader.poll(10_000, 5_000)).items():
                found.setdefault(partition, []).extend(decode_fact(record.value) for record in batch.records)
                if batch.next_offset >= missing[partition]:
                    del missing[partition]
        await reader.close()
        facts = [fact for partition in sorted(found) for fact in found[partition]]
        return [fact for fact in facts if not type(fact).__name__.startswith("Import")]


@asynccontextmanager
async def served(backend: Backend, wrap: Any = None) -> AsyncIterator[Service]:
    """The service, started; `wrap` makes another log of the one of the back end."""
    clock = [NOW]
    pool = await open_pool(backend.database_url, size_max=16)
    real_log = await open_log(backend.settings, pool)
    log = real_log if wrap is None else wrap(real_log)
    app = create_app(backend.settings, pool, log, Keyring(pool, ADMIN_KEY), clock=lambda: clock[0])
    try:
        for start in app.on_startup:  # not app.lifespan(): a fixture may not be left in the task that it was entered in
            await start()
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest", headers=headers) as http:
            yield Service(app, pool, real_log, http, clock)
    finally:
        await real_log.close()
        await pool.close()


SCHOOLS = "school,name,trust,joined_on\noak,Oak,T1,2020-01-01\nelm,Elm,T1,2020-01-01\nfir,Fir,T2,2020-01-01\n"
PUPILS = (
    "school,pupil,enrolled_on,year_group,given_name,family_name\n"
    "oak,A1,2025-09-01,3,Ann,Ash\noak,A2,2025-09-01,3,Ben,Birch\nelm,A1,2025-09-01,4,Cy,Cedar\n"
)
CURRICULUM = "framework,version,subject,ability,objective\nnc,1,maths,Y3,m1\nnc,1,maths,Y3,m2\n"
ASSESSMENTS = (
    "school,pupil,subject,objective,state,assessed_on\n"
    "oak,A1,maths,m1,achieved,2026-02-01\noak,A2,maths,m1,not_yet,2026-02-01\nelm,A1,maths,m2,achieved,2026-02-02\n"
)


async def set_up(service: Service) -> None:
    """Three schools of two trusts, three pupils, one framework."""
    for kind, content in (("schools", SCHOOLS), ("pupils", PUPILS), ("curriculum", CURRICULUM)):
        answer = await service.send(kind, content)
        assert (answer.status_code, answer.json()["rejected"]) == (201, 0), answer.text


def assessments(rows: Iterable[str], extra: str = "") -> str:
    """A file of assessments of pupil A1 of oak in maths: `objective,state,day…`."""
    header = f"school,pupil,subject,objective,state,assessed_on{extra}\n"
    return header + "".join(f"oak,A1,maths,{row}\n" for row in rows)
