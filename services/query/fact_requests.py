"""What reports of single facts are asked for: frozen requests, already parsed and checked by `services.query.asked`.

Nothing here reads, counts or knows HTTP.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from services.domain.bands import Bands
from services.domain.measures import Measure
from services.query.requests import Clocks, Cursor, Population, Sort

NONE = "none"
OUTSIDE = "outside"

RowKind = Literal["objective", "strand"]
Percent = Literal["overall", "assessed"]


def markbook(subject: str, ability: str, percent: Percent = "overall") -> Measure:
    """The measure of an ability of a subject."""
    text = f"markbook:{subject}:{ability}:{percent}"
    return Measure(kind="markbook", text=text, subject=subject, ability=ability, percent=percent)


class ExplainRequest(msgspec.Struct, frozen=True):
    """One pupil's value in one measure. `on`: the measure's own date."""

    population: Population
    clocks: Clocks
    pupil: str
    measure: Measure
    on: date


class ColumnAsked(msgspec.Struct, frozen=True):
    """A column: the date of its values, and perhaps a group or a value of a characteristic that narrows it."""

    text: str
    on: date
    group: str = ""
    filter: tuple[str, str] | None = None


class CurriculumRequest(msgspec.Struct, frozen=True):
    """Curriculum Tracking. `bands` and `settings` (None and empty: the schools' own) band the percents of marks."""

    population: Population
    clocks: Clocks
    subject: str
    ability: str
    columns: tuple[ColumnAsked, ...]
    rows: RowKind = "objective"
    bands: Bands | None = None
    settings: str = ""

    @property
    def measure(self) -> Measure:
        """The whole of what is looked at, as a measure."""
        return markbook(self.subject, self.ability)


class CurriculumCellRef(msgspec.Struct, frozen=True):
    """A cell of a row: the column, and a state, a band, `none` or `outside`."""

    column: int
    state: str


class CurriculumMembersRequest(msgspec.Struct, frozen=True):
    """The pupils behind cells of one row; no row = all that is looked at, no cells = everyone in the columns."""

    curriculum: CurriculumRequest
    row: str = ""
    cells: tuple[CurriculumCellRef, ...] = ()
    limit: int = 50
    cursor: Cursor | None = None
    sort: Sort = ""


class MultiAbilityRequest(msgspec.Struct, frozen=True):
    """One to four abilities of a subject, pupil by pupil. Without bands and settings values have no band."""

    population: Population
    clocks: Clocks
    subject: str
    abilities: tuple[str, ...]
    percent: Percent = "overall"
    bands: Bands | None = None
    settings: str = ""
    limit: int = 50
    cursor: Cursor | None = None
    sort: Sort = ""

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The abilities as measures."""
        return tuple(markbook(self.subject, ability, self.percent) for ability in self.abilities)


class FrameworkRequest(msgspec.Struct, frozen=True):
    """The curriculum of schools on a day; `subject` empty = all subjects."""

    population: Population
    clocks: Clocks
    subject: str = ""


class RecordingRequest(msgspec.Struct, frozen=True):
    """What was recorded since a day in each class and subject; `minimum`: the percent that the school expects."""

    population: Population
    clocks: Clocks
    subjects: tuple[str, ...] = ()
    since: date | None = None
    minimum: int | None = None
