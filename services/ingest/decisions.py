"""The words between the rules of the way in and their callers: what is judged, who sends it, and what became of it.

Plain values; `outcome_of` compares a row with what was said under its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from schemas import identifiers
from schemas.events import Fact
from services.ingest import sent as told
from services.ingest.knowledge import Told, standing_of


class Caller(msgspec.Struct, frozen=True):
    """Who sends, as far as the rules care."""

    actor: str
    all: bool
    schools: frozenset[str]
    trusts: frozenset[str]
    may_migrate: bool


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """Why one row or event changes nothing: the field ("" = all of it), a stable code, the reason and the fix."""

    field: str
    code: str
    detail: str


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What became of one row or event: rejected, or accepted with `facts`, or (no facts) a duplicate.

    `schools`: those that an accepted one or a duplicate touches. `names`: an enrolment that was accepted or known
    already, whose identity must be remembered, and when it was told.
    """

    facts: tuple[Fact, ...] = ()
    event_id: str = ""
    superseded: bool = False
    rejection: Rejection | None = None
    schools: tuple[str, ...] = ()
    names: tuple[told.SentPupil, datetime] | None = None


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row of a file with the hashes of its key and content; its days are dates."""

    sent: told.SentRow
    key: str
    content: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """An item of POST /v1/events. `content`: its canonical bytes as sent, without the event id.

    `made_id`: the id made of its source, type and content; "" where it is not made yet.
    """

    sent: told.AnySent
    type_name: str
    content: bytes
    made_id: str = ""

    @property
    def event_id(self) -> str:
        """The id that was given, or else the one that is made."""
        return self.sent.event_id or self.made_id or self.make_id()

    def make_id(self) -> str:
        """The id that the event would have if none had been given."""
        return identifiers.event_fact_id(self.sent.source, self.type_name, self.content)


class Refused(Exception):
    """Raised by a rule; never leaves the Desk."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.rejection = Rejection(field, code, detail)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a row is to the facts of its key: a `duplicate`, or a new `revision`, perhaps in the place of another."""

    revision: int = 0
    duplicate: Told | None = None
    superseded: Told | None = None


def outcome_of(told_facts: Sequence[Told], content: str, given: datetime | None) -> Outcome:
    """Compare a row with what was said under its key (contract 3.1).

    Without a given recorded_at it is compared with what stands now; with one, with the row of the same recorded_at.
    """
    if not told_facts:
        return _NEW
    if given is None:
        last = standing_of(told_facts)
    else:
        last = standing_of([fact for fact in told_facts if fact.migrated and fact.recorded_at == given])
    if last is not None and last.content == content:
        return Outcome(duplicate=last)
    return Outcome(revision=1 + max((fact.revision for fact in told_facts), default=0), superseded=last)


_NEW = Outcome(revision=1)
