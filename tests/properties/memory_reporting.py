"""The reporting rows of one school in memory, replaced as the tables are, and what they say of a day."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from schemas.events import AnyFact
from services.projector.projections import reporting
from services.projector.projections.reporting.rows import PER_UNIT, FactRow, SchoolRow, ScopeRow, StayRow
from tests.properties.answers import Value

Span = tuple[str, int, int, int, int, int, int, int, int]
"""ability, starts, ends, and of overall and assessed: numerator, denominator, percent."""


class MemoryReporting:
    """One school's rows; `fold` takes a batch as the projector's loop does."""

    def __init__(self, school: str) -> None:
        self.school_id = school
        self.state = reporting.load_school(school, [])
        self.detail: list[bytes] = []
        self.scores: dict[tuple[str, str], list[Span]] = {}
        self.stays: dict[str, list[StayRow]] = {}
        self.facts: dict[int, FactRow] = {}
        self.school: SchoolRow | None = None
        self.scopes: tuple[ScopeRow, ...] = ()
        self.joined: dict[str, str] = {}

    def fold(self, records: Sequence[tuple[int, AnyFact]]) -> None:
        changes = reporting.place(self.state, reporting.fold(self.state, records), {})
        self.detail.append(changes.detail)
        for row in changes.scores:
            self.scores.pop((row.subject, row.pupil), None)
            spans = row.spans
            columns = msgspec.structs.astuple(spans)[2:]
            found = list(zip(*(column[row.first : row.after].tolist() for column in columns), strict=True))
            if found:
                self.scores[row.subject, row.pupil] = [(spans.abilities[n], *rest) for n, *rest in found]
        for pupil in changes.stays_of:
            self.stays.pop(pupil, None)
        for stay in changes.stays:
            self.stays.setdefault(stay.pupil, []).append(stay)
        for fact in changes.facts:
            assert fact.offset not in self.facts
            self.facts[fact.offset] = fact
        for offset, stands in changes.standing:
            self.facts[offset] = self.facts[offset]._replace(stands=stands)
        self.school = self.school if changes.school is None else changes.school
        self.scopes = self.scopes if changes.scopes is None else changes.scopes
        self.joined = self.joined if changes.joined is None else dict(changes.joined)

    def restart(self) -> None:
        """Throw the state away and load it from what is stored."""
        self.state = reporting.load_school(self.school_id, [b"".join(self.detail)])

    def everything(self) -> tuple[object, ...]:
        """All rows, in an order of their own."""
        stays = {pupil: sorted(rows) for pupil, rows in self.stays.items()}
        facts = sorted(self.facts.items())
        return (sorted(self.scores.items()), sorted(stays.items()), facts, self.school, self.scopes, self.joined)

    def held(self, pupil: str, day: int) -> list[StayRow]:
        """Where the pupil is on a day."""
        return [stay for stay in self.stays.get(pupil, []) if stay.starts <= day <= stay.ends]

    def value(self, pupil: str, subject: str, ability: str, percent: str, day: int) -> Value:
        """A pupil's value in a measure on a day."""
        year_group = next((stay.name for stay in self.held(pupil, day) if stay.kind == "year-group"), None)
        in_scope = [
            scope
            for scope in self.scopes
            if (scope.subject, scope.ability) == (subject, ability)
            and scope.starts <= day <= scope.ends
            and scope.year_group in ("", year_group)
        ]
        spans = [
            span for span in self.scores.get((subject, pupil), []) if span[0] == ability and span[1] <= day <= span[2]
        ]
        assert len(in_scope) <= 1 and len(spans) <= len(in_scope), (in_scope, spans)
        if not in_scope:
            return Value("not_applicable")
        numerator, denominator, shown = spans[0][3:6] if percent == "overall" and spans else (0, 0, -1)
        if percent == "assessed" and spans:
            numerator, denominator, shown = spans[0][6:9]
        if shown < 0:
            return Value("no_data")
        return Value("value", Fraction(numerator, PER_UNIT), Fraction(denominator, PER_UNIT), shown)
