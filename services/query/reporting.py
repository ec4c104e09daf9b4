"""From who asks and what is asked to the answer: read the views, compute the report, add names where they may be seen.

The JSON routes and the pages both go through here, so they cannot differ. What the reader refuses becomes a Problem.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

import msgspec

from schemas.events import AnyFact
from services.access.keys import Access
from services.access.problems import RETRY_AFTER_SECONDS, Problem, ProblemError
from services.domain.suppression import THRESHOLD_DEFAULT
from services.query.answers import Listing, Matrix, Members, Overview, Provenance, ScoreTracking
from services.query.attainment import Attainment
from services.query.bound_measures import bind_request
from services.query.definitions import Definitions
from services.query.facts_known import KnownFacts
from services.query.facts_reader import FactsReader
from services.query.lineage import Lineage
from services.query.names import Names, NamesUnavailable
from services.query.parameters import Asked, Wait
from services.query.questions import SINGLE_FACTS, Question, Reading
from services.query.reader import (
    ForeignPosition,
    OutsideScope,
    Reader,
    UnknownSchools,
    UnknownTrust,
)
from services.query.refusals import as_problems
from services.query.reports import matrix, members, overview, score_tracking
from services.query.reports.listing import Chosen, Paging, Pupils, list_chosen, names_to_sort
from services.query.requests import (
    MatrixMembersRequest,
    MatrixRequest,
    MembersRequest,
    Occasion,
    OverviewRequest,
    Population,
    ScoreTrackingRequest,
)
from services.query.scope import ViewsUnavailable
from services.query.sheets import SHEETS, WITHOUT_PUPILS
from services.query.suppression import Suppression
from services.runtime.observability import QUERY_SECONDS

SORTED_BY_NAME_MAX = 5_000

A = TypeVar("A", bound=msgspec.Struct)
Q = TypeVar("Q")
R = TypeVar("R")

Answer = Callable[["Reporting", Access, Asked[Q]], Awaitable[R]]


def answering(report: str) -> Callable[[Answer[Q, R]], Answer[Q, R]]:
    """What every answer to a report goes through: it is measured, it is about the pupils of the key's groups alone, and
    without its small numbers where the key may not see them. `Reporting.read` refuses a key that came another way."""

    def guarded(answer: Answer[Q, R]) -> Answer[Q, R]:
        @wraps(answer)
        async def answer_guarded(reporting: Reporting, access: Access, asked: Asked[Q]) -> R:
            with QUERY_SECONDS.labels(report).time():
                access.require("read")
                within = tuple(sorted(access.groups))
                asked = msgspec.structs.replace(asked, request=_within(asked.request, within)) if within else asked
                asked = await reporting.bound(asked)
                if report in WITHOUT_PUPILS:
                    return await answer(reporting, _seeing(access), asked)
                if access.sees_pupils or report not in SHEETS:
                    access.require_pupils()
                    return await answer(reporting, access, asked)
                return await _suppressed(report, answer, reporting, access, asked)

        return answer_guarded

    return guarded


async def _suppressed(report: str, answer: Answer[Q, R], reporting: Reporting, access: Access, asked: Asked[Q]) -> R:
    seeing = _seeing(access)

    async def ask(request: Any) -> Any:
        return await answer(reporting, seeing, msgspec.structs.replace(asked, request=request))

    async def read(question: Question) -> Reading:
        return await reporting.read(seeing, question, asked.wait)

    suppression = Suppression(ask, read, access, reporting.small_numbers)
    suppressed: R = await suppression.answer(report, asked.request)
    return suppressed


def _seeing(access: Access) -> Access:
    """The key as of somebody to whom nothing is hidden: for what is hidden afterwards, or says nothing of pupils."""
    return msgspec.structs.replace(access, can=access.can | {"small_numbers"})


def _within(asked: Any, groups: tuple[str, ...]) -> Any:
    """What is asked, of the pupils of these groups alone."""
    if isinstance(asked, Population):
        return msgspec.structs.replace(asked, within=groups)
    if not isinstance(asked, msgspec.Struct):
        return asked
    parts = {name: getattr(asked, name) for name in asked.__struct_fields__}
    return msgspec.structs.replace(
        asked, **{name: _within(part, groups) for name, part in parts.items() if isinstance(part, msgspec.Struct)}
    )


class Reporting:
    """Answers requests for reports."""

    def __init__(
        self,
        reader: Reader,
        names: Names | None,
        facts: FactsReader | None = None,
        lineage: Lineage | None = None,
        small_numbers: int = THRESHOLD_DEFAULT,
        definitions: Definitions | None = None,
    ) -> None:
        self.definitions = definitions
        self.small_numbers = small_numbers
        self.attainment = Attainment(definitions)
        self._reader = reader
        self._names = names
        self._facts = facts
        self._lineage = lineage

    @answering("overview")
    async def overview(self, access: Access, asked: Asked[OverviewRequest]) -> Overview:
        """The overview. Raises Problem, as every method here."""
        question = overview.question(asked.request)
        reading = await self.read(access, question, asked.wait)
        settled = await self.attainment.settle(access, question, reading, overview.wishes(asked.request))
        with as_problems():
            return overview.answer(reading, asked.request, settled)

    @answering("overview/members")
    async def overview_members(self, access: Access, asked: Asked[MembersRequest]) -> Members:
        """The pupils behind cells of an overview."""
        request = asked.request
        question = overview.question(request.overview)
        reading = await self.read(access, question, asked.wait)
        settled = await self.attainment.settle(access, question, reading, overview.wishes(request.overview))
        with as_problems():
            chosen = members.choose(reading, request, settled)
        paging = Paging(request.limit, request.cursor, request.sort)
        return await self.list_members(access, asked, settled.provenance, chosen, paging)

    @answering("score-tracking")
    async def score_tracking(self, access: Access, asked: Asked[ScoreTrackingRequest]) -> ScoreTracking:
        """Pupils by months."""
        reading = await self.read(access, score_tracking.question(asked.request), asked.wait)
        return await self.with_names(access, asked.occasion, score_tracking.answer(reading, asked.request))

    @answering("score-tracking/members")
    async def score_tracking_members(self, access: Access, asked: Asked[ScoreTrackingRequest]) -> ScoreTracking:
        """The same pupils in an order."""
        request = asked.request
        reading = await self.read(access, score_tracking.question(request), asked.wait)
        chosen = score_tracking.choose(reading, request)
        names = await self.names_to_sort(access, chosen, Paging(request.limit, request.cursor, request.sort))
        listing = score_tracking.answer(reading, request, names, report="score-tracking/members")
        return await self.with_names(access, asked.occasion, listing)

    @answering("matrix")
    async def matrix(self, access: Access, asked: Asked[MatrixRequest]) -> Matrix:
        """Two measures against each other."""
        question = matrix.question(asked.request)
        reading = await self.read(access, question, asked.wait)
        settled = await self.attainment.settle(access, question, reading, matrix.wishes(asked.request))
        with as_problems():
            return matrix.answer(reading, asked.request, settled)

    @answering("matrix/members")
    async def matrix_members(self, access: Access, asked: Asked[MatrixMembersRequest]) -> Members:
        """The pupils behind cells of a matrix."""
        request = asked.request
        question = matrix.question(request.matrix)
        reading = await self.read(access, question, asked.wait)
        settled = await self.attainment.settle(access, question, reading, matrix.wishes(request.matrix))
        with as_problems():
            chosen = matrix.choose(reading, request, settled)
        paging = Paging(request.limit, request.cursor, request.sort)
        return await self.list_members(access, asked, settled.provenance, chosen, paging)

    async def list_members(
        self, access: Access, asked: Asked[Q], provenance: Provenance, chosen: Chosen, paging: Paging
    ) -> Members:
        """A page of the pupils chosen, in the order that is asked for, with names for a key that may see them."""
        names = await self.names_to_sort(access, chosen, paging)
        return await self.with_names(access, asked.occasion, list_chosen(provenance, chosen, paging, names))

    async def names_to_sort(self, access: Access, chosen: Chosen, paging: Paging) -> Pupils | None:
        """The names of all the pupils chosen, to put them in order; None where that is not asked for, or cannot be.

        Only those on the page are told, and written down as told."""
        if paging.sort != "name":
            return None
        access.require("names")
        if chosen.positions.size > SORTED_BY_NAME_MAX:
            detail = f"At most {SORTED_BY_NAME_MAX:,} pupils are sorted by name: narrow the report, or leave sort out."
            errors = [ProblemError("too_many_to_sort", detail, parameter="sort")]
            raise Problem(422, "too_many_to_sort", "There are too many pupils to sort by name", detail, errors)
        if self._names is None:
            return None
        try:
            return await self._names.read_to_sort(names_to_sort(chosen, paging.cursor))
        except NamesUnavailable:
            return None

    async def read(self, access: Access, question: Question, wait: Wait) -> Reading:
        """What a report needs of the views. Whatever did not come through `answering` gets nothing that a key may not
        see."""
        access.require("read")
        access.require_pupils()
        if question.population.within != tuple(sorted(access.groups)):
            raise _forbidden()
        try:
            reading = await self._reader.read(access, question, min_position=wait.position, wait_seconds=wait.seconds)
            return await self._with_facts(access, question, reading)
        except OutsideScope:
            raise _forbidden() from None
        except UnknownSchools as error:
            raise _unknown("school", error.schools) from None
        except UnknownTrust as error:
            raise _unknown("trust", (error.trust,)) from None
        except ForeignPosition:
            detail = "This position was given by another ledger; leave it out, or ask the ledger that gave it."
            errors = [ProblemError("malformed_position", detail, parameter="min_position")]
            raise Problem(422, "malformed_position", "The position is not of this ledger", detail, errors) from None
        except score_tracking.DifferentYears:
            detail = "The schools' academic years start in different months; name the months: months=2025-09..2026-08."
            errors = [ProblemError("different_years", detail, parameter="months")]
            raise Problem(422, "different_years", "There is no one academic year", detail, errors) from None
        except ViewsUnavailable:
            raise _later("The views are not there yet: the projector has not made them.") from None

    async def bound(self, asked: Asked[Q]) -> Asked[Q]:
        """What is asked, with what the tests and scales of its measures declare."""
        if self.definitions is None:
            return asked
        return msgspec.structs.replace(asked, request=await bind_request(asked.request, self.definitions))

    async def _with_facts(self, access: Access, question: Question, reading: Reading) -> Reading:
        """The reading, with the single facts of its schools if the question needs them."""
        moments = question.moments([school.index for school in reading.schools])
        if any(moment.column == SINGLE_FACTS for moment in moments):
            lacking = [school for school in reading.schools if school.views.facts is None]
            facts = await self.facts(access, reading) if lacking else {}
            for school in lacking:
                school.learn(facts[school.index.school])
        return reading

    async def facts(self, access: Access, reading: Reading) -> Mapping[str, KnownFacts]:
        """The single facts of each school of a reading."""
        assert self._facts is not None, "reports of single facts need a reader of facts"
        try:
            return await self._facts.read(access, reading)
        except ViewsUnavailable:
            raise _later("The views have just been replaced by another version.") from None

    async def facts_at(self, school: str, offsets: Iterable[int]) -> Mapping[int, AnyFact]:
        """What the log says of facts of a school, by offset; nothing where no log is at hand."""
        return {} if self._lineage is None else await self._lineage.facts_at(school, offsets)

    async def with_names(self, access: Access, occasion: Occasion | None, listing: Listing[A]) -> A:
        """The answer with names, for a key that may see them."""
        if not access.may("names"):
            return listing.answer
        if self._names is None or occasion is None:
            return listing.nameless()
        try:
            report = str(getattr(listing.answer, "report", ""))
            return listing.named(await self._names.tell(access, occasion, report, listing.shown))
        except NamesUnavailable:
            return listing.nameless()


def _forbidden() -> Problem:
    """One body for every school outside of a key, so that it does not tell which exist."""
    detail = "The key does not cover every school that was asked for, or there is no such school."
    return Problem(403, "forbidden_school", "This key does not cover that", detail)


def _unknown(kind: str, names: Iterable[str]) -> Problem:
    detail = f"There is no {kind} called {', '.join(names)}. Check the spelling; ids are case-sensitive."
    errors = [ProblemError(f"unknown_{kind}", detail, parameter=kind)]
    return Problem(404, f"unknown_{kind}", f"There is no such {kind}", detail, errors)


def _later(detail: str) -> Problem:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem(503, "views_behind", "The views are behind", f"{detail} Send the same request again.", (), headers)
