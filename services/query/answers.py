"""What reports answer: Structs whose fields, in their order, are the JSON of contract section 4.

Serialise with msgspec. `reference` and `name` of a pupil are left out until `Listing.named` sets them, which only a
key that may see names leads to. No arithmetic here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType


class SettingsUsed(msgspec.Struct, frozen=True):
    """An entry of saved settings that an answer was made with. `warning`: judged by `on`, the measure's own date.

    `year_group`: only its pupils are banded by the entry. A progress rule has no measure and no bands.
    """

    id: str
    version: int
    name: str
    measure: str | None
    bands: list[int | str] | None
    warning: Literal["outside_validity"] | None
    on: date
    year_group: str | None = None
    rule: str | UnsetType = UNSET


class Note(msgspec.Struct, frozen=True):
    """Why an answer is empty where somebody may not expect it: `code` for programs, `detail` a sentence.

    `parameter` and `value`: what was asked for that there is not.
    """

    code: str
    detail: str
    parameter: str
    value: str


class Provenance(msgspec.Struct, frozen=True):
    """From what an answer was made. `as_known_at` None = all that is known; `position` None = nothing folded.

    `names` is there, and "unavailable", only if the answer should have names and cannot; `notes` only if there are any.
    """

    as_at: date
    as_known_at: datetime | None
    position: str | None
    stale: bool
    views: dict[str, int]
    settings: list[SettingsUsed] = []
    names: str | UnsetType = UNSET
    notes: list[Note] | UnsetType = UNSET


class Value(msgspec.Struct, frozen=True, gc=False):
    """A pupil's value in a measure; everything but `status` is None unless it applies, `code` is there if it does."""

    status: str
    percent: int | None = None
    numerator: str | None = None
    denominator: str | None = None
    score: str | None = None
    value: str | None = None
    code: str | UnsetType | None = UNSET
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
    """A pupil's row in score tracking; None = not begun, or not in the population.

    Where a target is asked for: `target` = the percent to be reached, `met` whether the last month that has begun has;
    None without a start or a value then.
    """

    start: Value | None
    values: list[Value | None]
    variances: list[int | None]
    average_variance: str | None
    target: int | UnsetType | None = UNSET
    met: bool | UnsetType | None = UNSET


class MeasureUsed(msgspec.Struct, frozen=True):
    """A measure of an overview and the lower cut-offs of its bands; None = they differ by school or year group, as the
    settings of the provenance say."""

    id: str
    bands: list[int | str] | None


class BandCounts(msgspec.Struct, frozen=True, gc=False):
    """Pupils in each band."""

    sig_below: int
    below: int
    at: int
    above: int
    sig_above: int


class BandPercents(msgspec.Struct, frozen=True, gc=False):
    """Percents of each band, None where they divide by 0."""

    sig_below: int | None
    below: int | None
    at: int | None
    above: int | None
    sig_above: int | None


class OverviewCell(msgspec.Struct, frozen=True, gc=False):
    """One measure in one row. `of` is what `percents` divide by.

    Of measures that have codes, by code: `coded` counts in `of` and achieved nothing, `excluded` lies outside it.
    """

    counts: BandCounts
    percents: BandPercents
    of: int
    no_data: int
    no_data_percent: int | None
    not_applicable: int
    coded: dict[str, int] | UnsetType = UNSET
    excluded: dict[str, int] | UnsetType = UNSET


class CombinedPercents(msgspec.Struct, frozen=True, gc=False):
    """Percents of those applicable in every measure."""

    working_at_or_above: int | None
    not_working_at: int | None


class CombinedCounts(msgspec.Struct, frozen=True, gc=False):
    """At or above in all measures, or not; `incomplete` is a part of the latter."""

    working_at_or_above: int
    not_working_at: int
    incomplete: int
    percents: CombinedPercents


class OverviewRow(msgspec.Struct, frozen=True):
    """One row of an overview. `inside`: the row that it is a part of (`then`)."""

    row: str
    pupils: int
    cells: list[OverviewCell]
    combined: CombinedCounts
    inside: str | UnsetType = msgspec.field(default=UNSET, name="in")


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
    bands: list[int | str] | None


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


class NotMeeting(msgspec.Struct, frozen=True):
    """Those plotted below At, on either side."""

    first: Share
    second: Share


class Matrix(msgspec.Struct, frozen=True):
    """GET /v1/reports/matrix. `counts`: rows of first, columns of second, lowest band first."""

    report: str
    provenance: Provenance
    first: MeasureOn
    second: MeasureOn
    counts: list[list[int]]
    unplotted: list[Unplotted]
    overlay: Overlay
    not_meeting: NotMeeting


class Name(msgspec.Struct, frozen=True):
    """What a key that may see names is shown of a pupil; None = the identity store has nothing (any more)."""

    reference: str | None
    name: str | None


NAMES_UNAVAILABLE = "unavailable"
NAMELESS = Name(None, None)

A = TypeVar("A", bound=msgspec.Struct)
"""An answer with `pupils` and `provenance`."""


class Listing(msgspec.Struct, Generic[A], frozen=True):
    """An answer with pupils. `shown[i]` = (school, pupil id whose names the i-th pupil shows)."""

    answer: A
    shown: tuple[tuple[str, str], ...]

    def named(self, names: Mapping[tuple[str, str], Name]) -> A:
        """The answer with references and names; for keys that may see them only."""
        answer: Any = self.answer
        pupils = [
            msgspec.structs.replace(pupil, reference=name.reference, name=name.name)
            for pupil, key in zip(answer.pupils, self.shown, strict=True)
            for name in (names.get(key, NAMELESS),)
        ]
        return msgspec.structs.replace(self.answer, pupils=pupils)

    def nameless(self) -> A:
        """The answer as for a key that may not see names, which says that it should have them."""
        answer: Any = self.answer
        provenance = msgspec.structs.replace(answer.provenance, names=NAMES_UNAVAILABLE)
        return msgspec.structs.replace(self.answer, provenance=provenance)
