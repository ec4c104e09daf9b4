"""The part of a file that is taken in at once: some thousands of rows, or one version of a curriculum.

A chunk says what must be known to judge it, has it judged, and counts what became of its rows. It knows no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from services.ingest.accept import Desk
from services.ingest.curriculum_rows import GatheredVersion
from services.ingest.decisions import Decision
from services.ingest.facts import key_of_row
from services.ingest.import_records import Counts, RowError
from services.ingest.pupils import PupilIds
from services.ingest.recall import Wanted
from services.ingest.rows import ReadyRows
from services.ingest.scores import test_to_look_up
from services.ingest.sent import SentCurriculum

_NAMES_NO_PUPIL = frozenset({"schools", "pupils"})

Counted = tuple[Counts, list[RowError]]


class Chunk(Protocol):
    """A part of a file. `schools` None: it may go to any school that there is."""

    schools: frozenset[str] | None

    def wanted(self, schools: Iterable[str]) -> Wanted:
        """What must be known of these schools."""

    def decide(self, desk: Desk) -> list[Decision]:
        """Have it judged."""

    def count(self, decisions: Sequence[Decision]) -> Counted:
        """What became of each row, and the errors of those that were rejected."""


class RowsChunk:
    """Rows of any kind but curriculum."""

    def __init__(self, kind: str, ready: ReadyRows, ids: PupilIds) -> None:
        self.schools: frozenset[str] | None = frozenset(row.sent.school for row in ready.rows)
        self._kind = kind
        self._ready = ready
        self._ids = ids

    def wanted(self, schools: Iterable[str]) -> Wanted:
        """As Chunk says."""
        pupils: set[tuple[str, str]] = set()
        tests: set[str] = set()
        if self._kind == "results":
            tests = {test for row in self._ready.rows if (test := test_to_look_up(row.sent))}
        if self._kind not in _NAMES_NO_PUPIL:
            for row in self._ready.rows:
                sent: Any = row.sent
                pupils.add((sent.school, self._ids.pupil(sent.school, sent.pupil)))
        return Wanted(
            schools=set(schools),
            pupils=pupils,
            keys=[row.key for row in self._ready.rows],
            tests=tests,
            with_curricula=self._kind == "assessments",
            with_year_groups=self._kind == "pupils",
        )

    def decide(self, desk: Desk) -> list[Decision]:
        """As Chunk says."""
        return [desk.decide_row(row) for row in self._ready.rows]

    def count(self, decisions: Sequence[Decision]) -> Counted:
        """As Chunk says."""
        ready = self._ready
        counts = Counts(rows=ready.count(), rejected=ready.rejected)
        errors = list(ready.errors)
        for number, row, decision in zip(ready.numbers, ready.rows, decisions, strict=True):
            _count(counts, decision, 1)
            if decision.rejection is not None:
                errors.append(_row_error(number, decision, row.sent))
        errors.sort(key=lambda error: error.row)
        return counts, errors


class VersionChunk:
    """A whole version of a framework, or the rows of one that is none."""

    def __init__(self, version: GatheredVersion, pupil_key: bytes) -> None:
        self._version = version
        self._pupil_key = pupil_key
        sent = version.sent
        self.schools = None if sent is not None and not sent.school else frozenset([sent.school] if sent else ())

    def wanted(self, schools: Iterable[str]) -> Wanted:
        """As Chunk says."""
        named, sent = set(schools), self._version.sent
        keys = [] if sent is None else [key_of_row(self._pupil_key, sent, school) for school in named]
        return Wanted(schools=named, keys=keys, with_curricula=True)

    def decide(self, desk: Desk) -> list[Decision]:
        """As Chunk says."""
        return [] if self._version.sent is None else [desk.decide_version(self._version.sent)]

    def count(self, decisions: Sequence[Decision]) -> Counted:
        """As Chunk says: a row counts once, however many schools it goes to."""
        numbers = self._version.row_numbers
        counts = Counts(rows=len(numbers))
        for decision in decisions:
            _count(counts, decision, len(numbers))
            if decision.rejection is not None:
                return counts, [_row_error(number, decision, self._version.sent) for number in numbers]
        if not decisions:
            counts.rejected = len(numbers)
        faults = self._version.faults
        return counts, [RowError(number, each.column, each.value, each.code, each.detail) for number, each in faults]


def document_version(sent: SentCurriculum) -> GatheredVersion:
    """A version sent as one document: each objective is a row."""
    rows = sum(len(subject.objectives) for subject in sent.subjects)
    return GatheredVersion(tuple(range(1, rows + 1)), sent)


def _count(counts: Counts, decision: Decision, rows: int) -> None:
    if decision.rejection is not None:
        counts.rejected += rows
    elif decision.facts:
        counts.accepted += rows
        counts.superseded += rows if decision.superseded else 0
    else:
        counts.duplicate += rows


def _row_error(number: int, decision: Decision, sent: Any) -> RowError:
    rejection = decision.rejection
    assert rejection is not None
    value = getattr(sent, rejection.field, None)
    shown = "" if value is None or isinstance(value, tuple) else str(value)
    return RowError(number, rejection.field, shown, rejection.code, rejection.detail)
