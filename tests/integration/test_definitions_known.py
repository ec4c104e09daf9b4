"""Definitions as the query service reads them: as known at an instant, by number, by owner, and the one chosen."""

from __future__ import annotations

from datetime import date
from typing import Any

import asyncpg
import pytest

from services.domain.built_in import BUILT_IN_SCALES, BUILT_IN_TESTS
from services.query.definitions import Definitions, choose_settings
from tests.integration.ingest_service import NOW, Service, served
from tests.integration.test_definitions import SETTINGS, TEST, saved, sent, started
from tests.servers.backend import Backend

MEASURE = "markbook:maths:own-year:overall"


async def changed(service: Service, settings: str, version: int, **fields: Any) -> None:
    answer = await sent(service, "PUT", f"/v1/settings/{settings}", SETTINGS | fields, If_Match=f'"{version}"')
    assert answer.json() == {"settings": settings, "version": version + 1}


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_the_version_known_at_an_instant_and_the_one_that_is_named(backend: Backend) -> None:
    at = int(NOW.timestamp())
    async with served(backend) as service:
        await started(service)
        known = Definitions(service.pool)
        settings = await saved(service)
        await sent(service, "PUT", "/v1/tests/age", TEST)
        service.pass_time(seconds=60)
        await changed(service, settings, 1, name="Spring")
        await changed(service, settings, 2, name="Summer")
        await sent(service, "PUT", "/v1/tests/age", TEST | {"name": "Age"})
        expected = {None: 3, at - 1: None, at: 1, at + 59: 1, at + 60: 3}
        for known_at, version in expected.items():
            found = await known.settings(settings, known_at)
            assert (found.number if found else None) == version, known_at
        assert [
            each.name for each in [await known.settings(f"{settings}@{number}", at) for number in (1, 2)] if each
        ] == [
            "Autumn",
            "Spring",
        ]
        for reference in (f"{settings}@4", "set_none", "", f"{settings}@0", f"{settings}@x", "set_\0"):
            assert await known.settings(reference, None) is None, reference
        tests = await known.tests(at), await known.tests(None)
        assert [each["age"].name for each in tests] == ["Reading age", "Age"]
        assert await known.test("age", at - 1) is None and await known.scales(None) == BUILT_IN_SCALES
        assert await known.permalink("lnk_none") is None and await known.permalink("lnk_\0") is None


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_the_schools_own_valid_settings_are_chosen_before_its_trusts(backend: Backend) -> None:
    async with served(backend) as service:
        await started(service)
        known = Definitions(service.pool)
        of_trust = await saved(service, school=None, trust="T1")
        of_oak = await saved(service, valid_from="2026-01-01", valid_to="2026-03-31")
        await saved(service, school="fir")
        found = await known.settings_of(["oak"], ["T1"], None)
        assert {each.definition for each in found} == {of_trust, of_oak}
        assert [each.definition for each in await known.settings_of(["elm"], ["T1"], None)] == [of_trust]
        assert await known.settings_of(["elm"], [""], None) == []

        def chosen(day: date, measure: str = MEASURE) -> str | None:
            choice = choose_settings(found, "bands", measure, day)
            return None if choice is None else choice.settings.settings

        assert (chosen(date(2026, 3, 31)), chosen(date(2026, 4, 1))) == (of_oak, of_trust)
        assert chosen(date(2026, 3, 31), "test:ks2:maths:-:scaled") is None
        assert choose_settings(found, "progress", MEASURE, date(2026, 3, 31)) is None


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_nothing_is_defined_where_ingest_has_not_begun(projector_pool: asyncpg.Pool, backend: Backend) -> None:
    assert await Definitions(projector_pool).settings_of(["oak"], [], None) == []
    assert await Definitions(projector_pool).tests(None) == BUILT_IN_TESTS
