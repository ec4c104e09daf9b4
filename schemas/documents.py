"""What the projector keeps of a school beside its blocks, and the query service reads with them: the school document.

It is small, decoded once per version, and a pure function of the school's facts in order. Days are date ordinals
(`date.toordinal()`), instants are whole seconds since the epoch, UTC.
"""

from __future__ import annotations

import msgspec

FOREVER = 2**32 - 1
"""An instant or day after every other."""


class Period(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Known from `known_from` to before `known_to` (instants)."""

    known_from: int
    known_to: int = FOREVER


class SchoolDetails(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Name, nation, first month of the academic year and time zone, as known in a period."""

    known_from: int
    known_to: int
    name: str
    nation: str
    year_starts: int
    time_zone: str


class Membership(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """In `trust` on the days starts..ends (inclusive), as known in a period."""

    known_from: int
    known_to: int
    trust: str
    starts: int
    ends: int


class RosterValue(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a value index of the roster stream stands for.

    kind: `roll` (name and value empty), `year-group` (name = the year group), `group` (name), `characteristic`
    (name, value).
    """

    kind: str
    name: str = ""
    value: str = ""


class Cell(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A distinct (ability, year group tag) of a lane and the sum of its objectives' scaled weights."""

    ability: str
    year_group: str
    weight_sum: int


class Lane(msgspec.Struct, frozen=True):
    """One content of a subject's curriculum at a school, with the first month of the academic year (`views.md` 2).

    A pupil's sum in a cell is (numerator, covered): numerator = Σ objective weight × state weight, both scaled to
    integers (`weight_scale`, `state_scale`), covered = Σ objective weight of what counted. With `parts` 1 both stand
    in one integer, numerator + (covered << bits); with `parts` 2 they are two vectors.
    """

    lane: str
    subject: str
    framework: str
    version: str
    year_starts: int
    cells: tuple[Cell, ...]
    weight_scale: int
    state_scale: int
    marks_max: int
    bits: int
    parts: int


class Rectangle(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The lanes in force for days `starts`..before `ends`, as known from `known_from` to before `known_to`."""

    known_from: int
    known_to: int
    starts: int
    ends: int
    lanes: tuple[str, ...]


class Alias(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """In a period, the merged pupil in `slot` shows the reference of the pupil in `shown_slot` (latest enrolment)."""

    known_from: int
    known_to: int
    slot: int
    shown_slot: int


class SchoolDocument(msgspec.Struct, frozen=True):
    """Everything about a school that a report needs beside the blocks.

    `pupils[slot]` is the pupil id of a slot. `columns`: the tests and judgements that were ever recorded
    (`schemas.columns`); `scores[index]`: the score or value that an index in their blocks stands for.
    """

    school: str
    pupils: tuple[str, ...] = ()
    values: tuple[RosterValue, ...] = ()
    details: tuple[SchoolDetails, ...] = ()
    memberships: tuple[Membership, ...] = ()
    lanes: tuple[Lane, ...] = ()
    rectangles: tuple[Rectangle, ...] = ()
    aliases: tuple[Alias, ...] = ()
    columns: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SchoolDocument)


def encode_document(document: SchoolDocument) -> bytes:
    """The stored bytes of a school document."""
    return _encoder.encode(document)


def decode_document(data: bytes) -> SchoolDocument:
    """The school document in `data`."""
    return _decoder.decode(data)
