"""What the reports of external data and early years are asked for: frozen requests, parsed by `services.query.asked`.

Nothing here reads, counts or knows HTTP.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import msgspec

from services.domain.bands import Bands
from services.domain.calendar import year_start
from services.domain.measures import Measure
from services.domain.schools import DEFAULT_YEAR_STARTS
from services.domain.scoring import year_label
from services.query.requests import By, Clocks, Cursor, Population, Sort

_TERM_ENDS, _ASSESSED_BY = (7, 31), (6, 30)
"""After the one an academic year is over; on the other those are on roll whom its assessments are of."""

Part = Literal["met", "not_met", "value", "coded", "excluded", "no_data", "not_applicable"]
PARTS: tuple[Part, ...] = ("met", "not_met", "value", "coded", "excluded", "no_data", "not_applicable")


class Year(msgspec.Struct, frozen=True):
    """An academic year looked at from a day: `starts` is the calendar year in which it begins."""

    starts: int
    as_at: date

    @property
    def label(self) -> str:
        """`2025/26`."""
        return year_label(date(self.starts, 1, 1))

    @property
    def roster_on(self) -> date:
        """Whose results are looked at: those on roll at the day, or when a year that is over was assessed."""
        over = self.as_at > date(self.starts + 1, *_TERM_ENDS)
        return date(self.starts + 1, *_ASSESSED_BY) if over else self.as_at

    def first(self, year_starts: int) -> date:
        """Its first day, where years start in a month."""
        return date(self.starts, year_starts, 1)

    def valued_on(self, year_starts: int) -> date:
        """The last day whose results count: the day itself, or the last of the year."""
        return min(self.as_at, date(self.starts + 1, year_starts, 1) - timedelta(days=1))


def year_of_day(day: date) -> Year:
    """The academic year that holds a day, where years start as they do by default."""
    return Year(year_start(day, DEFAULT_YEAR_STARTS).year, day)


class ExternalRequest(msgspec.Struct, frozen=True):
    """The results of a test in a year. `compared`: with national figures."""

    population: Population
    clocks: Clocks
    test: str
    year: Year
    by: tuple[By, ...] = ()
    compared: bool = False


class ExternalCellRef(msgspec.Struct, frozen=True):
    """A part of a measure in a row; `code`: of those coded or excluded only these."""

    measure: int
    part: Part
    code: str = ""


class ExternalMembersRequest(msgspec.Struct, frozen=True):
    """The pupils behind cells of one row; no cells = the whole row."""

    external: ExternalRequest
    row: str = "whole"
    cells: tuple[ExternalCellRef, ...] = ()
    limit: int = 50
    cursor: Cursor | None = None
    sort: Sort = ""


class JudgementsRequest(msgspec.Struct, frozen=True):
    """Up to three columns beside the teacher's judgement, if one is named."""

    population: Population
    clocks: Clocks
    columns: tuple[Measure, ...] = ()
    judgement: Measure | None = None
    limit: int = 50
    cursor: Cursor | None = None
    sort: Sort = ""


class GldRequest(msgspec.Struct, frozen=True):
    """The profiles of a year, with the good level of development. `compared`: with national figures."""

    population: Population
    clocks: Clocks
    year: Year
    by: tuple[By, ...] = ()
    compared: bool = False
    limit: int = 50
    cursor: Cursor | None = None
    sort: Sort = ""


class GldMembersRequest(msgspec.Struct, frozen=True):
    """The pupils behind cells of one row: `yes`, `no`, `incomplete`, `exempt`; no cells = the whole row."""

    gld: GldRequest
    row: str = "whole"
    cells: tuple[str, ...] = ()


class EyfsGroupRequest(msgspec.Struct, frozen=True):
    """One area of learning of a group: an area of the profile, or a subject of a markbook in some abilities.

    `by` None = by pupil. `bands` and `settings` (None and empty: the schools' own) band what is counted.
    """

    population: Population
    clocks: Clocks
    area: str = ""
    subject: str = ""
    framework: str = ""
    abilities: tuple[str, ...] = ()
    percent: Literal["overall", "assessed"] = "overall"
    by: By | None = None
    bands: Bands | None = None
    settings: str = ""
    limit: int = 50
    cursor: Cursor | None = None
    sort: Sort = ""


class EyfsPupilRequest(msgspec.Struct, frozen=True):
    """All areas of learning of one pupil."""

    population: Population
    clocks: Clocks
    pupil: str
    year: Year
