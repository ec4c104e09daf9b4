"""Definitions as they were known: tests, scales, a school's settings, permalinks. Reads what ingest keeps of their log.

The version known at an instant is the one told last by then; `ID@3` is that version whenever it was told. Which entry
and which validity count is decided in `services.domain.attainment_settings`; who may see settings, by who asks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeVar

import asyncpg
import msgspec

from schemas.definitions import (
    PERMALINK,
    SCALE,
    SETTINGS,
    TEST,
    AnyDefinition,
    PermalinkMade,
    ScaleDefined,
    SettingsSaved,
    TestDefined,
    decode_definition,
)
from services.domain.attainment_settings import Entry, Settings, find_entry
from services.domain.built_in import BUILT_IN_SCALES, BUILT_IN_TESTS

_KNOWN = """
SELECT DISTINCT ON (definition) value FROM definition.version
 WHERE kind = $1 AND ($2::timestamptz IS NULL OR recorded_at <= $2) AND {which}
 ORDER BY definition, recorded_at DESC, number DESC"""
_ONE = _KNOWN.format(which="definition = $3")
_ALL = _KNOWN.format(which="true")
_OWNED = _KNOWN.format(which="(school = ANY($3::text[]) OR (trust = ANY($4::text[]) AND trust <> ''))")
_NUMBERED = "SELECT value FROM definition.version WHERE definition = $1 AND number = $2"
_REFERENCE = re.compile(rf"({SETTINGS}[A-Za-z0-9]{{1,60}})(?:@([1-9][0-9]{{0,8}}))?")

F = TypeVar("F", TestDefined, ScaleDefined, SettingsSaved, PermalinkMade)


class Chosen(msgspec.Struct, frozen=True):
    """The settings that hold for a measure, and the entry of them."""

    settings: Settings
    entry: Entry


class Definitions:
    """Reads definitions. `known_at`: seconds since the epoch, inclusive; None = all that is known."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def test(self, test: str, known_at: int | None) -> TestDefined | None:
        """A test."""
        return await self._one(TestDefined, TEST + test, known_at) or BUILT_IN_TESTS.get(test)

    async def tests(self, known_at: int | None) -> dict[str, TestDefined]:
        """Every test, by its id."""
        found = await self._read(TestDefined, _ALL, TestDefined.__name__, _instant(known_at))
        return {**BUILT_IN_TESTS} | {each.definition.removeprefix(TEST): each for each in found}

    async def scale(self, scale: str, known_at: int | None) -> ScaleDefined | None:
        """A scale."""
        return await self._one(ScaleDefined, SCALE + scale, known_at) or BUILT_IN_SCALES.get(scale)

    async def scales(self, known_at: int | None) -> dict[str, ScaleDefined]:
        """Every scale, by its id."""
        found = await self._read(ScaleDefined, _ALL, ScaleDefined.__name__, _instant(known_at))
        return {**BUILT_IN_SCALES} | {each.definition.removeprefix(SCALE): each for each in found}

    async def settings(self, reference: str, known_at: int | None) -> SettingsSaved | None:
        """The settings called `set_…` or `set_…@3`; None if there are none, or none yet."""
        named = _REFERENCE.fullmatch(reference)
        if named is None:
            return None
        if named[2] is None:
            return await self._one(SettingsSaved, named[1], known_at)
        found = await self._read(SettingsSaved, _NUMBERED, named[1], int(named[2]))
        return found[0] if found else None

    async def settings_of(
        self, schools: Collection[str], trusts: Collection[str], known_at: int | None
    ) -> list[SettingsSaved]:
        """All settings of these schools and of these trusts."""
        instant = _instant(known_at)
        return await self._read(SettingsSaved, _OWNED, SettingsSaved.__name__, instant, sorted(schools), sorted(trusts))

    async def permalink(self, permalink: str) -> PermalinkMade | None:
        """The permalink `lnk_…`."""
        if not permalink.startswith(PERMALINK) or not permalink.isascii() or not permalink.isprintable():
            return None
        return await self._one(PermalinkMade, permalink, None)

    async def _one(self, kind: type[F], definition: str, known_at: int | None) -> F | None:
        found = await self._read(kind, _ONE, kind.__name__, _instant(known_at), definition)
        return found[0] if found else None

    async def _read(self, kind: type[F], statement: str, *arguments: Any) -> list[F]:
        """Nothing was defined where ingest has not made its tables yet."""
        try:
            rows = await self._pool.fetch(statement, *arguments)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return []
        facts: Iterable[AnyDefinition] = (decode_definition(row["value"]) for row in rows)
        return [fact for fact in facts if isinstance(fact, kind)]


def settings_of_fact(fact: SettingsSaved) -> Settings:
    """Settings as the rules of the domain take them."""
    return Settings(
        settings=fact.definition,
        version=fact.number,
        name=fact.name,
        valid_from=fact.valid_from,
        valid_to=fact.valid_to,
        entries=tuple(
            Entry(measure=each.measure, bands=each.bands, year_group=each.year_group) for each in fact.entries
        ),
    )


def choose_settings(
    facts: Sequence[SettingsSaved],
    kind: Literal["bands", "progress"],
    measure: str,
    on: date,
    year_group: str | None = None,
) -> Chosen | None:
    """What a school's own settings say of a measure whose own date is `on`, with neither bands nor settings asked for.

    Of those valid that day with an entry for it: the school's before its trust's, then those told last.
    """
    found: list[tuple[tuple[bool, datetime, str], Chosen]] = []
    for fact in facts:
        settings = settings_of_fact(fact)
        entry = find_entry(settings.entries, measure, year_group)
        if fact.kind == kind and entry is not None and settings.warning(on) is None:
            found.append(((bool(fact.school), fact.recorded_at, fact.definition), Chosen(settings, entry)))
    return max(found, key=lambda each: each[0])[1] if found else None


def _instant(known_at: int | None) -> datetime | None:
    return None if known_at is None else datetime.fromtimestamp(known_at, UTC)
