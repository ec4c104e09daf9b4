"""What schools define and save: tests, scales, settings, saved reports, permalinks. One fact a version, kept for ever.

They stand in a topic of their own, key = the definition. `number` counts the versions of a definition from 1: of two
facts with one number the first in the log stands. They hold no name of a pupil.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

TEST, SCALE = "test:", "scale:"
"""How the definitions of tests and scales begin; the rest is the id that is asked for."""
SETTINGS, REPORT, PERMALINK = "set_", "rep_", "lnk_"
"""How the ids of the others begin, which are made."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """What the one who writes a version says of it. `actor`: the id of the key that asked."""

    event_id: str
    definition: str
    number: int
    recorded_at: Instant
    actor: str


class DefinitionFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """The envelope that each carries: a heading, and `version`, that of the type."""

    event_id: str
    definition: str
    number: int
    recorded_at: Instant
    actor: str
    version: int = 1


class ScoreType(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What scores of one type there are: `values`, lowest first, or the decimals from `min` to `max` by `step`."""

    min: str = ""
    max: str = ""
    step: str = ""
    values: tuple[str, ...] = ()


class Code(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands for a score. `counts`: in the denominator, as not achieved; `lowest`: in the lowest band.

    `earlier`: the result of an earlier year stands for it.
    """

    name: str = ""
    counts: bool
    lowest: bool = False
    earlier: bool = False


class Expected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From this day on, a score of this type `at` or above it meets what is expected."""

    score: str
    at: str
    starts_on: date | None = msgspec.field(default=None, name="from")


class TestDefined(DefinitionFact, frozen=True, kw_only=True, omit_defaults=True, tag="TestDefined"):
    """A test. `window`: whether a value counts in its academic year alone (`year`) or until a later one (`any`)."""

    __test__ = False

    name: str
    scores: dict[str, ScoreType]
    codes: dict[str, Code] = {}
    year_groups: tuple[str, ...] = ()
    window: Literal["year", "any"] = "year"
    expected: tuple[Expected, ...] = ()


class ScaleValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value of a scale, and what people call it."""

    value: str
    name: str = ""


class ScaleDefined(DefinitionFact, frozen=True, kw_only=True, omit_defaults=True, tag="ScaleDefined"):
    """A scale of judgements: `values`, lowest first, or the decimals from `min` to `max` by `step`."""

    name: str
    values: tuple[ScaleValue, ...] = ()
    min: str = ""
    max: str = ""
    step: str = ""


class SettingsEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bands, as they were typed, for the measures of a pattern (`*` = any part) in one year group or, empty, in all."""

    measure: str
    bands: str
    year_group: str = ""


class SettingsSaved(DefinitionFact, frozen=True, kw_only=True, omit_defaults=True, tag="SettingsSaved"):
    """Attainment settings of a school or of a trust, one of them. Without a day they are valid from, or to, ever."""

    name: str
    kind: Literal["bands", "progress"]
    school: str = ""
    trust: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    entries: tuple[SettingsEntry, ...] = ()
    rule: str = ""


class ReportSaved(DefinitionFact, frozen=True, kw_only=True, omit_defaults=True, tag="ReportSaved"):
    """A report to come back to. `schools`, `trusts`: those that its path names, so that who may see it is known."""

    name: str
    path: str
    schools: tuple[str, ...] = ()
    trusts: tuple[str, ...] = ()
    shared: bool = False
    home: bool = False


class SavedReportDeleted(DefinitionFact, frozen=True, kw_only=True, omit_defaults=True, tag="SavedReportDeleted"):
    """The saved report is listed no more."""


class PermalinkMade(DefinitionFact, frozen=True, kw_only=True, omit_defaults=True, tag="PermalinkMade"):
    """A report as it was: both clocks, the versions of settings (`set_…@3`), and its counts by JSON pointer.

    `hash` is over all of that. The counts name nobody; who opens it needs rights of their own.
    """

    path: str
    as_at: date
    as_known_at: Instant
    hash: str
    settings: tuple[str, ...] = ()
    counts: dict[str, int | None] = {}


AnyDefinition = TestDefined | ScaleDefined | SettingsSaved | ReportSaved | SavedReportDeleted | PermalinkMade
DEFINITION_TYPES: dict[str, type[DefinitionFact]] = {member.__name__: member for member in AnyDefinition.__args__}

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder: msgspec.json.Decoder[AnyDefinition] = msgspec.json.Decoder(AnyDefinition)


def encode_definition(fact: DefinitionFact) -> bytes:
    """The bytes of one, as they stand in the log."""
    return _encoder.encode(fact)


def decode_definition(value: bytes) -> AnyDefinition:
    """The fact in `value`. Raises msgspec.MsgspecError."""
    return _decoder.decode(value)
