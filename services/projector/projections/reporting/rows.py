"""The rows of the reporting projection, as one batch changes them; what writes them is `services.projector.reporting`.

Days are ordinals (the last that there is: no end). Whole sets are replaced: the stays of a pupil, the scopes of a
school, the spans of a pupil in a subject.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from services.projector.projections.timeline.emissions import Ints

PER_UNIT = 1_000_000
"""Numerators and denominators are counted in millionths: weights and states have at most three decimals each."""


class Spans(msgspec.Struct, frozen=True):
    """Spans of days starts..ends (inclusive) by slot and series, in that order; columns of one length.

    `abilities[series]` names a series. Amounts are in 1/PER_UNIT; a percent that is not there is -1.
    """

    abilities: tuple[str, ...]
    slots: Ints
    series: Ints
    starts: Ints
    ends: Ints
    overall_numerators: Ints
    overall_denominators: Ints
    overall_percents: Ints
    assessed_numerators: Ints
    assessed_denominators: Ints
    assessed_percents: Ints


Said = tuple[str | None, str | None, str | None, str | None, str | None, str | None, str | None, str | None]


class ScoreRow(msgspec.Struct, frozen=True):
    """The spans of a pupil in a subject: rows first..before `after` of `spans`; none = the pupil has none any more."""

    subject: str
    pupil: str
    spans: Spans
    first: int
    after: int


class SchoolRow(msgspec.Struct, frozen=True):
    """What is known of the school now; `is_known` is False where its registration was withdrawn.

    `trusts`: (trust, starts, ends).
    """

    is_known: bool
    name: str
    nation: str
    time_zone: str
    year_starts: int
    trusts: tuple[tuple[str, int, int], ...]


class ScopeRow(NamedTuple):
    """On the days starts..ends a measure has objectives: for everybody or, if own-year, for a year group."""

    subject: str
    ability: str
    year_group: str
    starts: int
    ends: int


class StayRow(NamedTuple):
    """A pupil was there from `starts` to `ends`: on roll, or in a year group, a group, with a characteristic."""

    pupil: str
    kind: str
    name: str
    value: str
    starts: int
    ends: int


class FactRow(NamedTuple):
    """An assessment, a result or a judgement.

    `said`: objective, state, test, component, score type, score, scale and judgement; None where its kind has none.
    """

    offset: int
    stands: bool
    event_id: str
    kind: str
    pupil: str
    subject: str
    said: Said
    dated: int
    recorded_at: int
    source: str


class Changes(msgspec.Struct, frozen=True):
    """The rows of a batch, and the detail to go on from; None = as it was.

    `standing`: whether the fact at each of these offsets stands now. `joined`: which pupil id is another pupil.
    """

    detail: bytes
    scores: tuple[ScoreRow, ...]
    stays_of: tuple[str, ...]
    stays: tuple[StayRow, ...]
    facts: tuple[FactRow, ...]
    standing: tuple[tuple[int, bool], ...]
    school: SchoolRow | None
    scopes: tuple[ScopeRow, ...] | None
    joined: tuple[tuple[str, str], ...] | None
    tails: tuple[()] = ()
