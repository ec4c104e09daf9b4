"""Recording: what was assessed in each class and subject since a day, and how much of the curriculum it covers.

Pure. A class's objectives are those tagged with a year group of its pupils; untagged ones belong to every class. No
member of staff is named: it is about what is recorded, not about who did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

import msgspec
import numpy as np

from services.domain.calendar import year_start
from services.domain.scores import percent
from services.query.answers import Provenance
from services.query.axis import unpack_words
from services.query.breakdown import Rows, break_down
from services.query.fact_requests import RecordingRequest
from services.query.facts_held import STATE_BITS
from services.query.facts_known import KnownFacts, Taught
from services.query.population import Cohort, gather_cohort, natural_key
from services.query.questions import Question, Reading
from services.query.requests import By
from services.query.school_index import NO_YEAR_GROUP, Ints, Mask
from services.query.stored import WORD_BITS
from services.query.teaching import taught_all, year_starts_of
from services.query.vectors import SchoolReading

REPORT = "recording"


class Coverage(msgspec.Struct, frozen=True):
    """How many of the class's objectives were assessed for anyone in it."""

    objectives: int
    of: int
    percent: int | None


class RecordingRow(msgspec.Struct, frozen=True):
    """A class (or `whole`) in a subject at a school. `below_minimum`: None where no minimum was asked, or nothing is
    taught."""

    row: str
    school: str
    subject: str
    pupils: int
    assessed: int
    assessed_percent: int | None
    last_assessed_on: date | None
    covered: Coverage
    below_minimum: bool | None


class Recording(msgspec.Struct, frozen=True):
    """GET /v1/reports/recording. `since`: None = the first day of each school's academic year."""

    report: str
    provenance: Provenance
    since: date | None
    until: date
    minimum: int | None
    rows: list[RecordingRow]


class _Recorded(NamedTuple):
    """The assessments of a subject in the window: whose, of which objective, on which day."""

    slots: Ints
    objectives: Ints
    days: Ints


class _Class(NamedTuple):
    """A row at one school: its pupils by slot, and their year groups."""

    row: str
    pupils: Mask
    year_groups: frozenset[str]


def question(request: RecordingRequest) -> Question:
    """What the report needs of the views: the roster."""
    return Question(request.population, request.clocks, request.clocks.as_at, lambda _: ())


def answer(reading: Reading, facts: Mapping[str, KnownFacts], request: RecordingRequest) -> Recording:
    """Each class by each subject that its school teaches, school by school."""
    cohort = gather_cohort(reading.schools, request.population, request.clocks.as_at, axis=reading.axis)
    rows = break_down(cohort, (By("group"),))
    found = [
        row
        for number, school in enumerate(reading.schools)
        for row in _rows_of(school, facts[school.index.school], request, list(_classes(cohort, rows, number)))
    ]
    return Recording(REPORT, reading.provenance, request.since, request.clocks.as_at, request.minimum, found)


def _classes(cohort: Cohort, rows: Rows, number: int) -> Iterator[_Class]:
    """The rows that have pupils at a school."""
    axis = cohort.axis
    place = slice(axis.word_starts[number] * WORD_BITS, axis.word_starts[number + 1] * WORD_BITS)
    years, names = axis.year_groups(cohort.on)[place], list(axis.year_group_names)
    for row in rows.ids:
        pupils = unpack_words(rows.mask_of(row, axis.words))[place]
        if pupils.any():
            present = np.unique(years[pupils]).tolist()
            yield _Class(row, pupils, frozenset(names[year] for year in present if year != NO_YEAR_GROUP))


def _rows_of(
    school: SchoolReading, known: KnownFacts, request: RecordingRequest, classes: list[_Class]
) -> Iterator[RecordingRow]:
    on = request.clocks.as_at
    since = request.since or year_start(on, year_starts_of(school))
    taught = taught_all(known, school, on)
    for one in classes:
        for subject in sorted(taught, key=natural_key):
            if not request.subjects or subject in request.subjects:
                recorded = _recorded(known, subject, since, on)
                yield _row(school.index.school, one, taught[subject], known, recorded, request.minimum)


def _recorded(known: KnownFacts, subject: str, since: date, until: date) -> _Recorded:
    """What stands of a subject and was assessed between two days, both inclusive."""
    held = known.held
    rows = held.rows_of(subject)
    days = held.days[rows]
    rows = rows[known.stands[rows] & (since.toordinal() <= days) & (days <= until.toordinal())]
    return _Recorded(known.owners[held.slots[rows]], held.values[rows] >> STATE_BITS, held.days[rows])


def _row(
    school: str, one: _Class, taught: Taught, known: KnownFacts, recorded: _Recorded, minimum: int | None
) -> RecordingRow:
    mine = one.pupils[recorded.slots]
    assessed = int(np.unique(recorded.slots[mine]).size)
    names = {known.held.objectives[number][1] for number in np.unique(recorded.objectives[mine]).tolist()}
    scope = _scope(taught, one.year_groups)
    covered = len(scope & names)
    share, pupils = percent(covered, len(scope)), int(one.pupils.sum())
    days = recorded.days[mine]
    return RecordingRow(
        row=one.row,
        school=school,
        subject=taught.subject.subject,
        pupils=pupils,
        assessed=assessed,
        assessed_percent=percent(assessed, pupils),
        last_assessed_on=date.fromordinal(int(days.max())) if days.size else None,
        covered=Coverage(covered, len(scope), share),
        below_minimum=None if minimum is None or share is None else share < minimum,
    )


def _scope(taught: Taught, year_groups: frozenset[str]) -> set[str]:
    """The objectives of a class."""
    by_tag: dict[str, set[str]] = defaultdict(set)
    for name, objective in taught.in_scope.items():
        by_tag[objective.year_group].add(name)
    return by_tag[""].union(*(by_tag[year_group] for year_group in year_groups))
