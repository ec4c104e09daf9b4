"""What comes of a request to define or save: a version of a test, a scale, settings, a saved report, a permalink.

Who may is `definition_scope`'s to say, versions are kept by `definition_log`. What is refused is a Problem.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

from schemas.definitions import (
    PERMALINK,
    REPORT,
    SCALE,
    SETTINGS,
    TEST,
    AnyDefinition,
    Heading,
    PermalinkMade,
    ReportSaved,
    SavedReportDeleted,
    ScaleDefined,
    SettingsSaved,
    TestDefined,
    decode_definition,
)
from services.access.keys import Access
from services.access.problems import Problem
from services.domain.built_in import BUILT_IN, BUILT_IN_SCALES, BUILT_IN_TESTS
from services.ingest.definition_bodies import ReportDocument, ScaleDocument, SettingsDocument, TestDocument
from services.ingest.definition_log import DefinitionLog, Written
from services.ingest.definition_scope import (
    Scope,
    forbidden,
    refused,
    require_everywhere,
    require_reader,
    require_right,
)

_LATEST = """
SELECT DISTINCT ON (definition) value FROM definition.version
 WHERE kind = ANY($1::text[]) ORDER BY definition, number DESC"""
_FIRST = "SELECT value FROM definition.version WHERE kind = ANY($1::text[]) AND number = 1"
_VERSIONS = "SELECT value FROM definition.version WHERE definition = $1 ORDER BY number"


class Match(msgspec.Struct, frozen=True):
    """What an If-Match header names: versions, or (`any`) whichever stands."""

    numbers: frozenset[int]
    any: bool = False

    def require(self, standing: AnyDefinition | None) -> None:
        """Raise Problem 412 unless the standing version is one of them."""
        if standing is not None and (self.any or standing.number in self.numbers):
            return
        stands = "There is none yet." if standing is None else f"Version {standing.number} stands."
        detail = f"{stands} Read it, decide again, and send its version as If-Match."
        raise Problem(412, "version_changed", "Another version stands than the one to be changed", detail)


class Permalink(msgspec.Struct, frozen=True):
    """What a permalink is made of. `counts`: by JSON pointer into the report's answer; never a name."""

    path: str
    as_at: date
    as_known_at: datetime
    settings: tuple[str, ...]
    counts: dict[str, int | None]

    def hash(self) -> str:
        """Over all of it, the same for ever."""
        text = json.dumps(msgspec.to_builtins(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


class Definitions:
    """Defines, saves and reads. Each method raises Problem, and the outages of log and database."""

    def __init__(self, pool: asyncpg.Pool, log: DefinitionLog) -> None:
        self._pool = pool
        self._log = log

    # --- Tests and scales ---

    async def define_test(self, access: Access, test: str, document: TestDocument, match: Match | None) -> Written:
        """The next version of a test; the standing one if it says the same already."""
        require_everywhere(access)
        return await self._define(access, TEST + test, TestDefined, document, match)

    async def define_scale(self, access: Access, scale: str, document: ScaleDocument, match: Match | None) -> Written:
        """The same of a scale."""
        require_everywhere(access)
        return await self._define(access, SCALE + scale, ScaleDefined, document, match)

    async def standing(self, access: Access, definition: str) -> AnyDefinition | None:
        """The standing version of a test or a scale."""
        require_reader(access)
        versions = await self._versions(definition)
        return versions[-1] if versions else BUILT_IN.get(definition)

    async def list_tests(self, access: Access) -> list[AnyDefinition]:
        """The standing version of each test."""
        require_reader(access)
        return await self._list(TestDefined.__name__, BUILT_IN_TESTS.values())

    async def list_scales(self, access: Access) -> list[AnyDefinition]:
        """The standing version of each scale."""
        require_reader(access)
        return await self._list(ScaleDefined.__name__, BUILT_IN_SCALES.values())

    async def _list(self, kind: str, built_in: Iterable[AnyDefinition]) -> list[AnyDefinition]:
        """Those that stand, with those there from the start that nobody changed, by their name."""
        standing = {each.definition: each for each in built_in}
        standing |= {each.definition: each for each in await self._read(_LATEST, [kind])}
        return [standing[name] for name in sorted(standing)]

    async def _define(
        self, access: Access, definition: str, kind: type[Any], document: msgspec.Struct, match: Match | None
    ) -> Written:
        def decide(standing: AnyDefinition | None, heading: Heading) -> AnyDefinition | None:
            if match is not None:
                match.require(standing)
            fact: AnyDefinition = kind(**_members(heading), **_members(document))
            return None if standing is not None and _says_the_same(standing, fact) else fact

        return await self._log.write(definition, access.key_id, decide)

    # --- Settings ---

    async def save_settings(self, scope: Scope, document: SettingsDocument, idempotency_key: str | None) -> Written:
        """Version 1 of new settings; under an idempotency key that was used, those that were made with it."""
        require_right(scope.access)
        _require_complete(document)
        scope.require_owner(document.school, document.trust)
        settings = _new_id(SETTINGS, scope.access, idempotency_key)

        def decide(standing: AnyDefinition | None, heading: Heading) -> AnyDefinition | None:
            fact = SettingsSaved(**_members(heading), **_members(document))
            if standing is None:
                return fact
            if standing.number == 1 and _says_the_same(standing, fact):
                return None
            detail = f"Settings were saved under it as {settings}: use a new key for each request."
            raise Problem(422, "idempotency_key_reused", "This Idempotency-Key belongs to another request", detail)

        return await self._log.write(settings, scope.access.key_id, decide)

    async def change_settings(self, scope: Scope, settings: str, document: SettingsDocument, match: Match) -> Written:
        """The next version of settings, if the standing one is the one that `match` names."""
        require_right(scope.access)
        found = (await self.settings_versions(scope, settings))[-1]
        scope.require_owner(found.school, found.trust)

        def decide(standing: AnyDefinition | None, heading: Heading) -> AnyDefinition | None:
            match.require(standing)
            assert isinstance(standing, SettingsSaved)
            kept = _with_what_stays(document, standing)
            return SettingsSaved(**_members(heading), **_members(kept))

        return await self._log.write(settings, scope.access.key_id, decide)

    async def settings_versions(self, scope: Scope, settings: str) -> list[SettingsSaved]:
        """All versions, oldest first. Raises Problem 404 where there are none, or none that the key may see."""
        require_reader(scope.access)
        found = [each for each in await self._versions(settings) if isinstance(each, SettingsSaved)]
        if not found or not scope.may_see(found[-1]):
            raise Problem(
                404, "unknown_settings", "There are no such settings", "GET /v1/settings lists those there are."
            )
        return found

    async def list_settings(
        self, scope: Scope, school: str | None, kind: str | None, as_at: date | None
    ) -> list[SettingsSaved]:
        """The standing versions that the key may see: of a school its own and its trust's; valid on a day."""
        require_reader(scope.access)
        if school is not None:
            scope.require_school(school)
        return [
            each
            for each in await self._read(_LATEST, [SettingsSaved.__name__])
            if isinstance(each, SettingsSaved)
            and scope.may_see(each)
            and kind in (None, each.kind)
            and (school is None or scope.govern(each, school))
            and (as_at is None or (each.valid_from or date.min) <= as_at <= (each.valid_to or date.max))
        ]

    # --- Saved reports and permalinks ---

    async def save_report(self, scope: Scope, document: ReportDocument, idempotency_key: str | None) -> Written:
        """A report to come back to, of schools and trusts that the key covers."""
        require_reader(scope.access)
        if not scope.covers_all(document.schools, document.trusts):
            raise forbidden()

        def decide(standing: AnyDefinition | None, heading: Heading) -> AnyDefinition | None:
            return None if standing is not None else ReportSaved(**_members(heading), **_members(document))

        return await self._log.write(_new_id(REPORT, scope.access, idempotency_key), scope.access.key_id, decide)

    async def list_reports(self, scope: Scope) -> list[ReportSaved]:
        """Those of the key, and those shared whose schools and trusts it covers."""
        require_reader(scope.access)
        makers = {each.definition: each.actor for each in await self._read(_FIRST, [ReportSaved.__name__])}
        return [
            each
            for each in await self._read(_LATEST, [ReportSaved.__name__, SavedReportDeleted.__name__])
            if isinstance(each, ReportSaved) and scope.may_open(each, makers[each.definition])
        ]

    async def delete_report(self, access: Access, report: str) -> None:
        """List it no more. Only its maker and the administrator may; to all others there is none."""
        require_reader(access)
        versions = await self._versions(report) if report.startswith(REPORT) else []
        if not versions or (access.key_id != versions[0].actor and not (access.all and access.may("admin"))):
            raise _unknown_report()

        def decide(standing: AnyDefinition | None, heading: Heading) -> AnyDefinition | None:
            if not isinstance(standing, ReportSaved):
                raise _unknown_report()
            return SavedReportDeleted(**_members(heading))

        await self._log.write(report, access.key_id, decide)

    async def keep_permalink(self, access: Access, permalink: Permalink) -> PermalinkMade:
        """Keep a report as it was just answered to this key."""
        hashed = permalink.hash()

        def decide(_: AnyDefinition | None, heading: Heading) -> AnyDefinition | None:
            return PermalinkMade(**_members(heading), **_members(permalink), hash=hashed)

        written = await self._log.write(_new_id(PERMALINK, access, None), access.key_id, decide)
        assert isinstance(written.fact, PermalinkMade)
        return written.fact

    # --- Reading ---

    async def _versions(self, definition: str) -> Sequence[AnyDefinition]:
        return await self._read(_VERSIONS, definition)

    async def _read(self, statement: str, argument: str | list[str]) -> list[AnyDefinition]:
        return [decode_definition(row["value"]) for row in await self._pool.fetch(statement, argument)]


def _members(struct: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(struct)


def _says_the_same(first: AnyDefinition, second: AnyDefinition) -> bool:
    """Whether two versions have one content, whoever said it when."""
    envelope = {name: getattr(first, name) for name in Heading.__struct_fields__}
    return bool(msgspec.structs.replace(second, **envelope) == first)


def _new_id(prefix: str, access: Access, idempotency_key: str | None) -> str:
    """A new one; for a key and an idempotency key always the same."""
    if idempotency_key is None:
        return prefix + secrets.token_hex(12)
    return prefix + hashlib.sha256(f"{access.key_id}\0{idempotency_key}".encode()).hexdigest()[:24]


def _with_what_stays(document: SettingsDocument, standing: SettingsSaved) -> SettingsDocument:
    """A document of a next version with what the first one fixed. Raises Problem 422 where it says another."""
    fixed = {name: getattr(standing, name) for name in ("school", "trust", "kind")}
    for name, value in fixed.items():
        told = getattr(document, name)
        if told and told != value:
            raise refused(name, "fixed_value", f"{name} stays what it was when the settings were made: save new ones.")
    kept = msgspec.structs.replace(document, **fixed)
    _require_complete(kept)
    return kept


def _require_complete(document: SettingsDocument) -> None:
    """Raise Problem 422 unless settings say whose they are, of which kind, and something of that kind."""
    if not document.school and not document.trust:
        raise refused("school", "missing_value", "Say whose settings these are: school or trust.")
    if not document.kind:
        raise refused("kind", "missing_value", "kind is bands or progress.")
    if document.kind == "bands" and not document.entries:
        raise refused("entries", "missing_value", "Settings of the kind bands have at least one entry.")
    if document.kind == "progress" and not document.rule:
        raise refused(
            "rule", "missing_value", "Settings of the kind progress have a rule: 34455,23445,22344,12234,11223."
        )


def _unknown_report() -> Problem:
    return Problem(404, "unknown_saved_report", "There is no such saved report", "GET /v1/saved-reports lists yours.")
