"""Permalinks: a report kept with both clocks, the versions of its settings and its counts, and opened again.

The counts are kept so that it can be said whether later facts would change them; they are shown to nobody. Who opens
one asks anew, with rights of one's own: nothing of the answer, and no name, comes from the link.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from schemas.definitions import PermalinkMade
from services.access.keys import Access
from services.access.problems import Problem, ProblemError, unavailable
from services.query.counts import Count, counts_by_pointer
from services.query.definitions import Definitions
from services.query.parameters import Asked
from services.query.query_string import decode_query
from services.query.questions import Moment, Question, knowledge_time
from services.query.report import Report
from services.query.reporting import Reporting
from services.query.requests import Occasion
from services.query.told_between import Window, count_told
from services.query.watched import clocks_of, known_at, population_of, roster_on, watched

ROOT = "/r/"
_REPORTS = ("/v1/reports/", "/reports/")
_FORMS = (".csv", ".xlsx")
_FIXED = ("as_at", "as_known_at")
_NOT_KEPT = (*_FIXED, "min_position", "wait_seconds", "cursor")


class Draft(msgspec.Struct, frozen=True):
    """What is kept of a report. `path`: the page's, without its clocks."""

    path: str
    as_at: date
    as_known_at: datetime
    settings: tuple[str, ...]
    counts: dict[str, Count]


Keep = Callable[[Access, Draft], Awaitable[PermalinkMade]]
"""Keeps a permalink for ever; where, is not this room's business."""


class Later(msgspec.Struct, frozen=True):
    """What became known since. `facts`: those that concern the report, None for a key that sees no single pupils;
    `changed`: whether its counts would be others now."""

    facts: int | None
    changed: bool


class Made(msgspec.Struct, frozen=True):
    """POST /v1/permalinks."""

    permalink: str
    as_at: date
    as_known_at: datetime
    settings: list[str]
    hash: str


class OpenedPermalink(msgspec.Struct, frozen=True):
    """A permalink that was opened: its report and what was asked of it, the answer, and what came later.

    `address`: of the page with both clocks fixed. `as_kept`: whether the counts are those that were kept; a migration
    may tell of earlier knowledge afterwards.
    """

    made: Made
    report: str
    address: str
    request: Any
    answer: Any
    later: Later
    as_kept: bool


class Permalinks:
    """Makes and opens permalinks. Each method raises Problem."""

    def __init__(
        self,
        reporting: Reporting,
        definitions: Definitions,
        reports: Mapping[str, Report],
        keep: Keep | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._reporting = reporting
        self._definitions = definitions
        self._reports = reports
        self._keep = keep
        self._clock = clock

    async def make(self, access: Access, path: str) -> Made:
        """Keep the report at a path as it is known now, or as the path says."""
        access.require("read")
        if self._keep is None:
            raise unavailable("Permalinks are kept by the ingest service, which this service has no way to.")
        report, query = self._find(path)
        now = self._clock()
        clocks = clocks_of(report.read(query, now).request)
        known = int(now.timestamp()) if clocks.as_known_at is None else clocks.as_known_at
        draft = Draft(_page_of(report, query), clocks.as_at, datetime.fromtimestamp(known, UTC), (), {})
        answer = await report.answer(self._reporting, access, report.read(_query_of(draft), now))
        used = [f"{each.id}@{each.version}" for each in answer.provenance.settings]
        counts = counts_by_pointer(msgspec.to_builtins(answer))
        kept = msgspec.structs.replace(draft, settings=tuple(dict.fromkeys(used)), counts=counts)
        return _made(await self._keep(access, kept))

    async def open(self, access: Access, permalink: str, occasion: Occasion | None) -> OpenedPermalink:
        """The report as it was kept, for this key, and whether it would be another now."""
        access.require("read")
        fact = await self._definitions.permalink(permalink)
        if fact is None:
            detail = "There is no such permalink. Check that the address is whole."
            raise Problem(404, "unknown_permalink", "There is no such permalink", detail)
        report, _ = self._find(fact.path)
        draft = Draft(fact.path, fact.as_at, fact.as_known_at, fact.settings, fact.counts)
        query, now = _query_of(draft), self._clock()
        asked = msgspec.structs.replace(report.read(query, now), occasion=occasion)
        answer = await report.answer(self._reporting, access, asked)
        live = msgspec.structs.replace(asked, request=known_at(asked.request, None), occasion=None)
        after = counts_by_pointer(msgspec.to_builtins(await report.answer(self._reporting, access, live)))
        before = counts_by_pointer(msgspec.to_builtins(answer))
        changed = before.keys() != after.keys() or _differ(fact.counts, after)
        later = Later(await self._count_later(access, asked, live), changed)
        address = f"{urlsplit(fact.path).path}?{query.decode()}"
        return OpenedPermalink(
            _made(fact), report.path, address, asked.request, answer, later, not _differ(fact.counts, before)
        )

    def _find(self, path: str) -> tuple[Report, bytes]:
        """The report that a path is of, and its query string."""
        parts = urlsplit(path)
        name = next((parts.path.removeprefix(root) for root in _REPORTS if parts.path.startswith(root)), "")
        for form in _FORMS:
            name = name.removesuffix(form)
        report = self._reports.get(name)
        if report is None or parts.scheme or parts.netloc:
            detail = f"{path[:200]} is the path of no report: /v1/reports/overview?school=…"
            errors = [ProblemError("unknown_report", detail, pointer="/path")]
            raise Problem(422, "unknown_report", "There is no such report", detail, errors)
        return report, parts.query.encode()

    async def _count_later(self, access: Access, asked: Asked[Any], live: Asked[Any]) -> int | None:
        """How many facts were told since that concern the report."""
        if not access.sees_pupils:
            return None
        request, clocks = live.request, clocks_of(live.request)
        population = msgspec.structs.replace(population_of(request), within=tuple(sorted(access.groups)))
        on = roster_on(request)
        reading = await self._reporting.read(
            access, Question(population, clocks, on, lambda _: [Moment(on)]), live.wait
        )
        facts = await self._reporting.facts(access, reading)
        window = Window(knowledge_time(clocks_of(asked.request)), knowledge_time(clocks))
        return sum(
            count_told(facts[school.index.school], school, population, on, watched(request), window)
            for school in reading.schools
        )


def _query_of(draft: Draft) -> bytes:
    """The query string of what was kept, with both clocks."""
    pairs = decode_query(urlsplit(draft.path).query.encode())
    known = draft.as_known_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return urlencode([*pairs, ("as_at", draft.as_at.isoformat()), ("as_known_at", known)]).encode()


def _page_of(report: Report, query: bytes) -> str:
    pairs = [(name, value) for name, value in decode_query(query) if name not in _NOT_KEPT]
    return f"/reports/{report.path}?{urlencode(pairs)}"


def _made(fact: PermalinkMade) -> Made:
    return Made(f"{ROOT}{fact.definition}", fact.as_at, fact.as_known_at, list(fact.settings), fact.hash)


def _differ(kept: Mapping[str, Count], found: Mapping[str, Count]) -> bool:
    """Whether counts are others than those that were kept, as far as both sides may see them."""
    return any(found[pointer] != count for pointer, count in kept.items() if count is not None and pointer in found)
