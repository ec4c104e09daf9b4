"""Tests, scales, settings and saved reports through HTTP: versions, scopes, faults, and coming again from the log."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import httpx
import pytest

from schemas.definitions import decode_definition
from schemas.topics import DEFINITIONS
from services.access.keys import ADMINISTRATOR
from services.domain.built_in import BUILT_IN_SCALES, BUILT_IN_TESTS
from services.ingest.definition_log import DefinitionLog
from services.ingest.definitions import Definitions, Permalink
from services.runtime.log.interface import Log, LogRecreated
from tests.integration.ingest_service import ADMIN_KEY, NOW, SCHOOLS, Service, served
from tests.integration.test_erasure import records_of
from tests.integration.test_identity_faults import FaultyTopic
from tests.servers.backend import Backend

BANDS = [{"measure": "markbook:*:own-year:overall", "bands": "21,36,51,66"}]
SETTINGS = {"name": "Autumn", "school": "oak", "kind": "bands", "entries": BANDS}
TEST = {"name": "Reading age", "scores": {"raw": {"min": "0", "max": "40"}}, "codes": {"A": {"counts": True}}}


async def sent(
    service: Service, method: str, path: str, content: Any = None, key: str = "", **more: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key or ADMIN_KEY}"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return await service.http.request(method, path, json=content, headers=headers)


async def started(service: Service) -> None:
    assert (await service.send("schools", SCHOOLS)).status_code == 201


async def saved(service: Service, **changed: Any) -> str:
    answer = await sent(service, "POST", "/v1/settings", SETTINGS | changed)
    assert (answer.status_code, answer.json()["version"]) == (201, 1), answer.text
    settings: str = answer.json()["settings"]
    return settings


async def versions(service: Service, settings: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await sent(service, "GET", f"/v1/settings/{settings}/versions")).json()["versions"]
    return found


async def in_log(service: Service) -> list[tuple[str, int]]:
    facts = [decode_definition(value) for _, value in await records_of(service.log, DEFINITIONS.name) if value]
    return [(fact.definition, fact.number) for fact in facts]


async def test_settings_have_versions_that_a_change_names(backend: Backend) -> None:
    async with served(backend) as service:
        await started(service)
        settings = await saved(service, valid_from="2025-09-01", valid_to="2026-08-31")
        path = f"/v1/settings/{settings}"
        later = SETTINGS | {"name": "Spring"}
        assert (await sent(service, "PUT", path, later)).status_code == 428
        assert (await sent(service, "PUT", path, later, If_Match='"7"')).status_code == 412
        assert (await sent(service, "PUT", path, later, If_Match="nonsense")).status_code == 412
        service.pass_time(minutes=5)
        changed = await sent(service, "PUT", path, later, If_Match='"1"')
        assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
        assert changed.json() == {"settings": settings, "version": 2}
        assert (await sent(service, "PUT", path, later, If_Match='"1"')).status_code == 412
        told = await versions(service, settings)
        assert [(each["version"], each["name"], each["valid_to"]) for each in told] == [
            (1, "Autumn", "2026-08-31"),
            (2, "Spring", None),
        ]
        assert (await sent(service, "GET", path)).json() == told[1]
        assert (await sent(service, "GET", f"{path}@1")).json() == told[0]
        assert told[0]["entries"] == BANDS and told[0]["actor"] == "admin" and told[0]["school"] == "oak"
        assert told[0]["recorded_at"] < told[1]["recorded_at"]


async def test_of_changes_at_one_moment_from_two_processes_one_is_made(backend: Backend) -> None:
    async with served(backend) as first, served(backend) as second:
        await started(first)
        settings = await saved(first)
        for version in range(1, 4):
            changes = [
                sent(service, "PUT", f"/v1/settings/{settings}", SETTINGS | {"name": name}, If_Match=f'"{version}"')
                for service, name in ((first, "a"), (second, "b"), (first, "c"), (second, "d"))
            ]
            assert sorted([each.status_code for each in await asyncio.gather(*changes)]) == [200, 412, 412, 412]
        assert [each["version"] for each in await versions(second, settings)] == [1, 2, 3, 4]


async def test_tests_and_scales_are_defined_for_all_schools(backend: Backend) -> None:
    async with served(backend) as service:
        first = await sent(service, "PUT", "/v1/tests/age", TEST)
        assert (first.status_code, first.json()) == (201, {"test": "age", "version": 1})
        again = await sent(service, "PUT", "/v1/tests/age", TEST)
        assert (again.status_code, again.json()["version"]) == (200, 1)
        assert (await sent(service, "PUT", "/v1/tests/age", TEST | {"window": "any"})).json()["version"] == 2
        assert (await sent(service, "PUT", "/v1/scales/age", {"name": "Age", "min": 0, "max": 20})).status_code == 201
        shown = (await sent(service, "GET", "/v1/tests/age")).json()
        assert (shown["test"], shown["version"], shown["window"], shown["scores"]) == (
            "age",
            2,
            "any",
            {"raw": {"min": "0", "max": "40", "step": "1"}},
        )
        for kind, built_in in (("test", BUILT_IN_TESTS), ("scale", BUILT_IN_SCALES)):
            listed = (await sent(service, "GET", f"/v1/{kind}s")).json()[f"{kind}s"]
            assert [each[kind] for each in listed] == sorted(["age", *built_in])
        assert (await sent(service, "GET", "/v1/tests/none")).json()["type"] == "/problems/unknown_test"
        of_school = await service.key(schools=["oak"], can=["read", "settings"])
        assert (await sent(service, "PUT", "/v1/tests/age", TEST, of_school)).json()[
            "type"
        ] == "/problems/scope_too_narrow"
        assert (await sent(service, "GET", "/v1/tests/age", key=of_school)).status_code == 200


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_key_saves_and_sees_what_is_its_schools(backend: Backend) -> None:
    async with served(backend) as service:
        await started(service)
        oak = await service.key(schools=["oak"], can=["read", "settings"])
        elm = await service.key(schools=["elm"], can=["read"])
        trust = await service.key(trusts=["T1"], can=["read", "settings"])
        of_oak, of_fir = await saved(service), await saved(service, school="fir")
        of_trust = (
            await sent(service, "POST", "/v1/settings", SETTINGS | {"school": None, "trust": "T1"}, trust)
        ).json()

        async def listed(key: str, query: str = "") -> set[str]:
            found = (await sent(service, "GET", f"/v1/settings{query}", key=key)).json()["settings"]
            return {each["settings"] for each in found}

        assert await listed(oak) == {of_oak, of_trust["settings"]}
        assert await listed(elm) == await listed(ADMIN_KEY, "?school=elm") == {of_trust["settings"]}
        assert await listed(trust) == {of_oak, of_trust["settings"]}
        assert await listed(ADMIN_KEY) == {of_oak, of_fir, of_trust["settings"]}
        assert (await sent(service, "POST", "/v1/settings", SETTINGS, elm)).json()["type"] == "/problems/right_missing"
        for owner in ({"school": "fir"}, {"school": "nowhere"}, {"school": None, "trust": "T1"}):
            refused = await sent(service, "POST", "/v1/settings", SETTINGS | owner, oak)
            assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden_school"), owner
        assert (await sent(service, "POST", "/v1/settings", SETTINGS | {"school": "nowhere"})).status_code == 404
        assert (await sent(service, "GET", f"/v1/settings/{of_fir}", key=oak)).status_code == 404
        moved = await sent(service, "PUT", f"/v1/settings/{of_oak}", SETTINGS | {"school": "fir"}, If_Match='"1"')
        assert moved.json()["errors"][0] | {"detail": ""} == {"code": "fixed_value", "detail": "", "pointer": "/school"}
        dated = await saved(service, valid_from="2026-01-01", valid_to="2026-03-31")
        assert dated in await listed(oak, "?school=oak&kind=bands&as_at=2026-03-31")
        assert dated not in await listed(oak, "?school=oak&kind=bands&as_at=2026-04-01")
        assert await listed(oak, "?kind=progress") == set()
        for query in ("?kind=x", "?as_at=x", "?school=%00", "?other=1", "?as_at=2026-01-01&as_at=2026-01-02"):
            assert (await sent(service, "GET", f"/v1/settings{query}")).status_code == 422, query


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_saved_reports_are_listed_to_their_maker_and_shared_within_their_scope(backend: Backend) -> None:
    async with served(backend) as service:
        await started(service)
        oak, other, elm = [await service.key(schools=[name], can=["read"]) for name in ("oak", "oak", "elm")]
        report = {"name": "Year 3", "path": "/reports/overview?school=oak&measure=markbook:maths:Y3:overall"}
        mine = (await sent(service, "POST", "/v1/saved-reports", report, oak)).json()
        shared = (await sent(service, "POST", "/v1/saved-reports", report | {"shared": True, "home": True}, oak)).json()
        assert shared | {"id": ""} == report | {"id": "", "shared": True, "home": True}

        async def listed(key: str) -> set[str]:
            found = (await sent(service, "GET", "/v1/saved-reports", key=key)).json()["saved_reports"]
            return {each["id"] for each in found}

        assert [await listed(key) for key in (oak, other, elm)] == [{mine["id"], shared["id"]}, {shared["id"]}, set()]
        assert (await sent(service, "POST", "/v1/saved-reports", report, elm)).status_code == 403
        assert (await sent(service, "DELETE", f"/v1/saved-reports/{shared['id']}", key=other)).status_code == 404
        for key, status in ((oak, 204), (oak, 404)):
            assert (await sent(service, "DELETE", f"/v1/saved-reports/{shared['id']}", key=key)).status_code == status
        assert [await listed(key) for key in (oak, other)] == [{mine["id"]}, set()]


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize("fault", ["unavailable", "kept but unknown", "comes late"])
async def test_between_append_and_answer_no_version_is_lost_and_none_is_twice(backend: Backend, fault: str) -> None:
    logs: list[FaultyTopic] = []

    def wrap(log: Log) -> FaultyTopic:
        logs.append(FaultyTopic(log))
        logs[0].topic = DEFINITIONS.name
        return logs[0]

    async with served(backend, wrap) as service:
        await started(service)
        settings = await saved(service)
        logs[0].faults = [fault]
        change = ("PUT", f"/v1/settings/{settings}", SETTINGS | {"name": "Spring"})
        assert (await sent(service, *change, If_Match='"1"')).status_code == 503
        again = await sent(service, *change, If_Match='"1"')
        assert again.status_code == (200 if fault == "unavailable" else 412)
        assert [(each["version"], each["name"]) for each in await versions(service, settings)] == [
            (1, "Autumn"),
            (2, "Spring"),
        ]
        logs[0].faults = [fault]
        keyed = ("POST", "/v1/settings", SETTINGS)
        assert (await sent(service, *keyed, Idempotency_Key="one")).status_code == 503
        first, second = [(await sent(service, *keyed, Idempotency_Key="one")).json() for _ in range(2)]
        assert first == second and first["version"] == 1
        assert len((await sent(service, "GET", "/v1/settings")).json()["settings"]) == 2
        reused = await sent(service, "POST", "/v1/settings", SETTINGS | {"name": "x"}, Idempotency_Key="one")
        assert reused.json()["type"] == "/problems/idempotency_key_reused"
        await service.pool.execute("DROP SCHEMA definition CASCADE")
        before = await in_log(service)
    async with served(backend) as service:
        assert [each["name"] for each in await versions(service, settings)] == ["Autumn", "Spring"]
        assert len((await sent(service, "GET", "/v1/settings")).json()["settings"]) == 2
        assert await in_log(service) == before, "nothing is appended to come again"


async def test_what_was_appended_and_not_applied_is_there_after_the_next_start(backend: Backend) -> None:
    """As if the process had been killed between the two."""
    async with served(backend) as service:
        await started(service)
        settings = await saved(service)
        await sent(service, "PUT", f"/v1/settings/{settings}", SETTINGS | {"name": "Spring"}, If_Match='"1"')
        await service.pool.execute("DELETE FROM definition.version WHERE number = 2")
        await service.pool.execute(
            "UPDATE definition.partition SET next_offset = next_offset - 1 WHERE next_offset > 0"
        )
    async with served(backend) as service:
        assert [each["name"] for each in await versions(service, settings)] == ["Autumn", "Spring"]
        changed = await sent(service, "PUT", f"/v1/settings/{settings}", SETTINGS, If_Match='"2"')
        assert changed.json()["version"] == 3
        await service.log.append(DEFINITIONS.name, 0, [(b"x", b"no definition"), (b"y", None)])
        await DefinitionLog(
            service.pool, service.log, await service.log.partitions(DEFINITIONS.name), lambda: NOW
        ).start()
        assert len(await versions(service, settings)) == 3
        await service.pool.execute("UPDATE definition.partition SET log_id = 'other', next_offset = 0")
        with pytest.raises(LogRecreated):
            await DefinitionLog(
                service.pool, service.log, await service.log.partitions(DEFINITIONS.name), lambda: NOW
            ).start()


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_permalink_keeps_clocks_settings_and_counts_under_a_hash(backend: Backend) -> None:
    async with served(backend) as service:
        log = DefinitionLog(service.pool, service.log, await service.log.partitions(DEFINITIONS.name), lambda: NOW)
        counts: dict[str, int | None] = {"/rows/0/pupils": 5, "/rows/0/cells/0/of": None}
        link = Permalink("/reports/overview?school=oak", date(2026, 3, 1), NOW, ("set_1@3",), counts)
        kept = await Definitions(service.pool, log).keep_permalink(ADMINISTRATOR, link)
        assert kept.definition.startswith("lnk_") and kept.hash == link.hash() and kept.counts == counts
        assert (kept.as_at, kept.as_known_at, kept.settings) == (link.as_at, NOW, ("set_1@3",))
        other = Permalink(link.path, link.as_at, NOW, ("set_1@3",), counts | {"/rows/0/pupils": 6})
        assert other.hash() != link.hash()
