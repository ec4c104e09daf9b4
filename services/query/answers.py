"""What reports answer: Structs whose fields, in their order, are the JSON of contract section 4.

Serialise with msgspec. `reference` and `name` of a pupil are left out until `Listing.named` sets them, which only a
key that may see names leads to. No arithmetic here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType


class Provenance(msgspec.Struct, frozen=True):
    """From what an answer was made. `as_known_at` None = all that is known; `position` None = nothing folded.

    `names` is there, and "unavailable", only if the answer should have names and cannot.
    """

    as_at: date
    as_known_at: datetime | None
    position: str | None
    stale: bool
    views: dict[str, int]
    settings: list[dict[str, object]] = []
    names: str | UnsetType = UNSET


class Value(msgspec.Struct, frozen=True, gc=False):
    """A pupil's value in a measure; everything but `status` is None unless it applies."""

    status: str
    percent: int | None = None
    numerator: str | None = None
    denominator: str | None = None
    score: str | None = None
    value: str | None = None
    band: str | None = None
    on: date | None = None


class Pupil(msgspec.Struct, frozen=True, kw_only=True):
    """A pupil at a school. `year_group` None = not known at the date of the roster."""

    pupil: str
    reference: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    school: str
    year_group: str | None


class PupilValues(Pupil, frozen=True, kw_only=True):
    """A member of a cell, with the values of the report's measures."""

    values: list[Value]


class PupilMonths(Pupil, frozen=True, kw_only=True):
    """A pupil's row in score tracking; None = not begun, or not in the population."""

    start: Value | None
    values: list[Value | None]
    variances: list[int | None]
    average_variance: str | None


class MeasureUsed(msgspec.Struct, frozen=True):
    """A measure of an overview and the lower cut-offs of its bands."""

    id: str
    bands: list[int | str]


class BandCounts(msgspec.Struct, frozen=True):
    """Pupils in each band."""

    sig_below: int
    below: int
    at: int
    above: int
    sig_above: int


class BandPercents(msgspec.Struct, frozen=True):
    """Percents of each band, None where they divide by 0."""

    sig_below: int | None
    below: int | None
    at: int | None
    above: int | None
    sig_above: int | None


class OverviewCell(msgspec.Struct, frozen=True):
    """One measure in one row. `of` is what `percents` divide by."""

    counts: BandCounts
    percents: BandPercents
    of: int
    no_data: int
    no_data_percent: int | None
    not_applicable: int


class CombinedPercents(msgspec.Struct, frozen=True):
    """Percents of those applicable in every measure."""

    working_at_or_above: int | None
    not_working_at: int | None


class CombinedCounts(msgspec.Struct, frozen=True):
    """At or above in all measures, or not; `incomplete` is a part of the latter."""

    working_at_or_above: int
    not_working_at: int
    incomplete: int
    percents: CombinedPercents


class OverviewRow(msgspec.Struct, frozen=True):
    """One row of an overview."""

    row: str
    pupils: int
    cells: list[OverviewCell]
    combined: CombinedCounts


class Overview(msgspec.Struct, frozen=True):
    """GET /v1/reports/overview."""

    report: str
    provenance: Provenance
    measures: list[MeasureUsed]
    rows: list[OverviewRow]


class Members(msgspec.Struct, frozen=True):
    """GET /v1/reports/overview/members and /matrix/members."""

    report: str
    provenance: Provenance
    total: int
    pupils: list[PupilValues]
    next: str | None


class ScoreTracking(msgspec.Struct, frozen=True):
    """GET /v1/reports/score-tracking. `months` holds their last days."""

    report: str
    provenance: Provenance
    measure: str
    members: str
    months: list[date]
    total: int
    pupils: list[PupilMonths]
    next: str | None


class MeasureOn(msgspec.Struct, frozen=True):
    """A side of a matrix."""

    id: str
    on: date
    bands: list[int | str]


class Unplotted(msgspec.Struct, frozen=True):
    """Pupils without a band on one side or both (None: no data or not applicable)."""

    first: str | None
    second: str | None
    pupils: int


class Share(msgspec.Struct, frozen=True):
    """A part of the pupils plotted."""

    pupils: int
    percent: int | None


class Overlay(msgspec.Struct, frozen=True):
    """On, above and below the diagonal; above = a higher band in second than in first."""

    on: Share
    above: Share
    below: Share


class Matrix(msgspec.Struct, frozen=True):
    """GET /v1/reports/matrix. `counts`: rows of first, columns of second, lowest band first."""

    report: str
    provenance: Provenance
    first: MeasureOn
    second: MeasureOn
    counts: list[list[int]]
    unplotted: list[Unplotted]
    overlay: Overlay


class Name(msgspec.Struct, frozen=True):
    """What a key that may see names is shown of a pupil; None = the identity store has nothing (any more)."""

    reference: str | None
    name: str | None


NAMES_UNAVAILABLE = "unavailable"
NAMELESS = Name(None, None)

A = TypeVar("A", Members, ScoreTracking)


class Listing(msgspec.Struct, Generic[A], frozen=True):
    """An answer with pupils. `shown[i]` = (school, pupil id whose names the i-th pupil shows)."""

    answer: A
    shown: tuple[tuple[str, str], ...]

    def named(self, names: Mapping[tuple[str, str], Name]) -> A:
        """The answer with references and names; for keys that may see them only."""
        pupils = [
            msgspec.structs.replace(pupil, reference=name.reference, name=name.name)
            for pupil, key in zip(self.answer.pupils, self.shown, strict=True)
            for name in (names.get(key, NAMELESS),)
        ]
        return msgspec.structs.replace(self.answer, pupils=pupils)

    def nameless(self) -> A:
        """The answer as for a key that may not see names, which says that it should have them."""
        provenance = msgspec.structs.replace(self.answer.provenance, names=NAMES_UNAVAILABLE)
        return msgspec.structs.replace(self.answer, provenance=provenance)
