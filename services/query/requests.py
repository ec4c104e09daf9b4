"""What a report is asked for: frozen requests, already parsed and checked by `services.query.parameters`.

The answers stand in `services.query.answers`. Nothing here reads, counts or knows HTTP.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import date
from typing import Literal

import msgspec

from services.domain.bands import Bands
from services.domain.measures import Measure
from services.domain.progress import DEFAULT_RULE, ProgressRule


class InvalidCursor(ValueError):
    """The cursor was not made by a report."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last pupil of the page before: pages go on after (school, slot), whoever came or went."""

    school: str
    slot: int


class Occasion(msgspec.Struct, frozen=True):
    """The request that an answer with names is for."""

    request_id: str
    query: bytes


class Population(msgspec.Struct, frozen=True):
    """Whom a report counts. Either `schools` or `trust` is given; empty tuples do not narrow.

    `filters`: (name, values), or inside a name, and between names. `within`: the groups that the key is for, if it is
    for groups; nobody asks for it.
    """

    schools: tuple[str, ...] | None = None
    trust: str | None = None
    year_groups: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    within: tuple[str, ...] = ()


class Clocks(msgspec.Struct, frozen=True):
    """Both clocks. `as_known_at`: whole seconds since the epoch, inclusive; None = all that is known."""

    as_at: date
    as_known_at: int | None = None


class By(msgspec.Struct, frozen=True):
    """A breakdown; `name` is that of the characteristic."""

    kind: Literal["school", "year-group", "group", "characteristic"]
    name: str = ""


class OverviewRequest(msgspec.Struct, frozen=True):
    """Bands stand beside measures: as many of them, in their order. Without bands the `settings` named say them, or
    (empty) the schools' own. `then`: by what each row of `by` is broken down again."""

    population: Population
    clocks: Clocks
    measures: tuple[Measure, ...]
    bands: tuple[Bands, ...] = ()
    by: tuple[By, ...] = ()
    denominator: Literal["row", "with_data"] = "row"
    settings: str = ""
    then: tuple[By, ...] = ()


class OverviewCellRef(msgspec.Struct, frozen=True):
    """A cell of an overview row. `measure` None = Combined.

    `band`: a band id, `no_data`, `not_applicable`, `coded` or `excluded`; of Combined `working_at_or_above`,
    `not_working_at` or `incomplete`. `code`: only those with this code.
    """

    measure: int | None
    band: str
    code: str = ""


Sort = Literal["", "name", "value"]
"""The order of a list of pupils: as they stand in their schools, by name, or by value, the lowest first."""


class MembersRequest(msgspec.Struct, frozen=True):
    """The pupils behind cells of one row of an overview; no cells = the whole row. `inside`: what it is a part of."""

    overview: OverviewRequest
    row: str = "whole"
    cells: tuple[OverviewCellRef, ...] = ()
    limit: int = 50
    cursor: Cursor | None = None
    inside: str = "whole"
    sort: Sort = ""


NO_START, NO_END = "no_start", "no_end"


class ProgressRequest(msgspec.Struct, frozen=True):
    """Progress from `start_on` to the overview's own date, whose bands are those of the end.

    Without `start_bands` the `start_settings` say them, or (empty) the schools' own valid that day. `rule_settings`:
    those whose rule it is, instead of `rule`.
    """

    overview: OverviewRequest
    start_on: date
    start_bands: tuple[Bands, ...] = ()
    start_settings: str = ""
    rule: ProgressRule = DEFAULT_RULE
    rule_settings: str = ""


class ProgressCellRef(msgspec.Struct, frozen=True):
    """Pupils of a measure by start band and end band; None = any of whom there is none (`no_start`, `no_end`)."""

    measure: int
    start: str
    end: str


ProgressCell = OverviewCellRef | ProgressCellRef


class ProgressMembersRequest(msgspec.Struct, frozen=True):
    """The pupils behind cells of one row; no cells = the whole row."""

    progress: ProgressRequest
    row: str = "whole"
    cells: tuple[ProgressCell, ...] = ()
    limit: int = 50
    cursor: Cursor | None = None
    inside: str = "whole"
    sort: Sort = ""


class ScoreTrackingRequest(msgspec.Struct, frozen=True):
    """`months`: their last days, rising; empty = the academic year of `as_at`. `target`: the expected rise."""

    population: Population
    clocks: Clocks
    measure: Measure
    months: tuple[date, ...] = ()
    members: Literal["now", "then"] = "now"
    limit: int = 50
    cursor: Cursor | None = None
    target: int | None = None
    sort: Sort = ""


class MatrixRequest(msgspec.Struct, frozen=True):
    """Two measures, each with bands and its own date for values, curriculum and own year.

    Bands that are None are those of the `settings` named, or (empty) the schools' own. `on`: whose date gives roster,
    groups and filters. `type`: which of the two kinds of matrix it has to be, if any.
    """

    population: Population
    clocks: Clocks
    first: Measure
    first_on: date
    first_bands: Bands | None
    second: Measure
    second_on: date
    second_bands: Bands | None
    on: Literal["first", "second"] = "second"
    settings: str = ""
    type: Literal["", "group", "ability"] = ""

    @property
    def population_on(self) -> date:
        """The date of roster, groups and filters."""
        return self.first_on if self.on == "first" else self.second_on


class MatrixMembersRequest(msgspec.Struct, frozen=True):
    """`cells`: (band of first, band of second), None = no data or not applicable; no cells = everyone."""

    matrix: MatrixRequest
    cells: tuple[tuple[str | None, str | None], ...] = ()
    limit: int = 50
    cursor: Cursor | None = None
    sort: Sort = ""


_cursor_encoder = msgspec.msgpack.Encoder()
_cursor_decoder = msgspec.msgpack.Decoder(Cursor)


def format_cursor(cursor: Cursor) -> str:
    """The opaque text of a cursor, safe in a URL."""
    return urlsafe_b64encode(_cursor_encoder.encode(cursor)).rstrip(b"=").decode("ascii")


def parse_cursor(text: str) -> Cursor:
    """The cursor in `text`. Raises InvalidCursor."""
    try:
        return _cursor_decoder.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidCursor("not a cursor of a report") from error
