"""The documents of tests, scales, settings and saved reports, read strictly: a document, or every fault by its pointer.

Pure; it raises BodyFault and nothing else. Whether a school is known, and who may write, is decided in `definitions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, cast

import msgspec

from schemas.definitions import Code, Expected, ScaleValue, ScoreType, SettingsEntry
from services.ingest.definition_fields import Members
from services.ingest.definition_rules import (
    check_whole_percents,
    owners_of,
    parse_cut_offs,
    parse_path,
    parse_pattern,
    parse_progress_rule,
)
from services.ingest.event_bodies import read_object
from services.ingest.fields import (
    SCORE_MAX,
    FieldError,
    parse_choice,
    parse_decimal,
    parse_identifier,
    parse_judged_value,
    parse_line,
    parse_text,
    parse_value,
)

BODY_BYTES_MAX = 256 * 1024
ENTRIES_MAX, VALUES_MAX, SCORE_TYPES_MAX, CODES_MAX = 1_000, 500, 50, 200
WINDOWS = ("year", "any")
KINDS = ("bands", "progress")


class TestDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a test says, as `schemas.definitions.TestDefined` has it."""

    __test__ = False

    name: str
    scores: dict[str, ScoreType]
    codes: dict[str, Code]
    year_groups: tuple[str, ...]
    window: Literal["year", "any"]
    expected: tuple[Expected, ...]


class ScaleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a scale says."""

    name: str
    values: tuple[ScaleValue, ...]
    min: str
    max: str
    step: str


class SettingsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What settings say; `school`, `trust` and `kind` may be left out (empty) where they are known already."""

    name: str
    kind: str
    school: str
    trust: str
    valid_from: date | None
    valid_to: date | None
    entries: tuple[SettingsEntry, ...]
    rule: str


class ReportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved report says."""

    name: str
    path: str
    schools: tuple[str, ...]
    trusts: tuple[str, ...]
    shared: bool
    home: bool


def read_test(body: bytes, today: date) -> TestDocument:
    """The body of PUT /v1/tests/ID. Raises BodyFault."""
    read = _members(body, ("name", "scores", "codes", "year_groups", "window", "expected"))
    scores = {
        name: _read_score_type(each)
        for name, each in read.named("scores", parse_identifier, ("min", "max", "step", "values"), SCORE_TYPES_MAX)
    }
    if not scores:
        read.fail("scores", "missing_value", "scores names at least one score type and what it may be.")
    document = TestDocument(
        name=read.needed("name", parse_line),
        scores=scores,
        codes={
            name: Code(
                name=each.text("name", parse_line, ""),
                counts=each.flag("counts"),
                lowest=each.flag("lowest", False),
                earlier=each.flag("earlier", False),
            )
            for name, each in read.named("codes", _parse_code, ("name", "counts", "lowest", "earlier"), CODES_MAX)
        },
        year_groups=read.texts("year_groups", parse_value, CODES_MAX),
        window=cast(Literal["year", "any"], read.text("window", lambda text: parse_choice(text, WINDOWS), "year")),
        expected=tuple(
            _read_expected(each, scores, today) for each in read.objects("expected", ("score", "from", "at"), CODES_MAX)
        ),
    )
    for code in document.codes:
        if any(code in each.values for each in scores.values()):
            read.fail("codes", "repeated_value", f"'{code}' is a code and a score as well: it can be one of them.")
    starts = [(each.score, each.starts_on) for each in document.expected]
    if len(set(starts)) < len(starts):
        read.fail("expected", "repeated_value", "Two expectations of a score type begin on the same day: keep one.")
    read.finish()
    return document


def read_scale(body: bytes) -> ScaleDocument:
    """The body of PUT /v1/scales/ID. Raises BodyFault."""
    read = _members(body, ("name", "values", "min", "max", "step"))
    values = tuple(
        ScaleValue(value=each.needed("value", parse_judged_value), name=each.text("name", parse_line, ""))
        for each in read.objects("values", ("value", "name"), VALUES_MAX)
    )
    _check_different(read, [each.value for each in values])
    low, high, step = _read_range(read, has_values=bool(values))
    document = ScaleDocument(name=read.needed("name", parse_line), values=values, min=low, max=high, step=step)
    read.finish()
    return document


def read_settings(body: bytes, today: date) -> SettingsDocument:
    """The body of POST /v1/settings and PUT /v1/settings/ID. Raises BodyFault."""
    read = _members(body, ("name", "school", "trust", "kind", "valid_from", "valid_to", "entries", "rule"))
    document = SettingsDocument(
        name=read.needed("name", parse_text),
        kind=read.text("kind", lambda text: parse_choice(text, KINDS), ""),
        school=read.text("school", parse_identifier, ""),
        trust=read.text("trust", parse_identifier, ""),
        valid_from=read.day("valid_from", today),
        valid_to=read.day("valid_to", today),
        entries=_read_entries(read),
        rule=read.text("rule", parse_progress_rule, ""),
    )
    if read.has("school") and read.has("trust"):
        read.fail("trust", "school_and_trust", "Settings are a school's or a trust's: leave one of the two out.")
    if document.valid_from and document.valid_to and document.valid_to < document.valid_from:
        read.fail("valid_to", "ends_before_starts", "valid_to lies before valid_from: it is the last day, inclusive.")
    read.finish()
    return document


def read_report(body: bytes) -> ReportDocument:
    """The body of POST /v1/saved-reports. Raises BodyFault."""
    read = _members(body, ("name", "path", "shared", "home"))
    path = read.needed("path", parse_path)
    schools: tuple[str, ...] = ()
    trusts: tuple[str, ...] = ()
    try:
        schools, trusts = owners_of(path) if path else ((), ())
    except FieldError as error:
        read.fail("path", error.code, error.detail)
    document = ReportDocument(
        name=read.needed("name", parse_line),
        path=path,
        schools=schools,
        trusts=trusts,
        shared=read.flag("shared", False),
        home=read.flag("home", False),
    )
    read.finish()
    return document


def _members(body: bytes, known: tuple[str, ...]) -> Members:
    return Members(read_object(body, BODY_BYTES_MAX), "", [], known)


def _read_entries(read: Members) -> tuple[SettingsEntry, ...]:
    """Each for another measure and year group."""
    entries: dict[tuple[str, str], SettingsEntry] = {}
    for each in read.objects("entries", ("measure", "year_group", "bands"), ENTRIES_MAX):
        entry = _read_entry(each)
        place = (entry.measure, entry.year_group)
        if entry.measure and place in entries:
            each.fail("", "repeated_value", "An earlier entry has this measure and year group: keep one.")
        entries[place] = entry
    return tuple(entries.values())


def _read_entry(read: Members) -> SettingsEntry:
    entry = SettingsEntry(
        measure=read.needed("measure", parse_pattern),
        year_group=read.text("year_group", parse_value, ""),
        bands=read.needed("bands", parse_cut_offs),
    )
    if entry.measure.startswith("markbook:") and entry.bands:
        try:
            check_whole_percents(entry.bands)
        except FieldError as error:
            read.fail("bands", error.code, error.detail)
    return entry


def _read_score_type(read: Members) -> ScoreType:
    values = read.texts("values", parse_judged_value, VALUES_MAX)
    low, high, step = _read_range(read, has_values=bool(values))
    return ScoreType(min=low, max=high, step=step, values=values)


def _read_range(read: Members, *, has_values: bool) -> tuple[str, str, str]:
    """min, max and step, or nothing where values are listed instead."""
    given = [name for name in ("min", "max", "step") if read.has(name)]
    if has_values and given:
        read.fail("values", "values_and_range", "Either values are listed or min and max are given, not both.")
    if has_values:
        return "", "", ""
    low, high = (read.needed(name, _parse_bound) for name in ("min", "max"))
    step = read.text("step", _parse_step, "1")
    if low and high and Decimal(low) >= Decimal(high):
        read.fail("max", "out_of_order", "max lies above min.")
    elif low and high and (Decimal(high) - Decimal(low)) % Decimal(step):
        read.fail("step", "out_of_range", f"From {low} one does not come to {high} in steps of {step}.")
    return low, high, step


def _read_expected(read: Members, scores: dict[str, ScoreType], today: date) -> Expected:
    expected = Expected(
        score=read.needed("score", parse_identifier),
        at=read.needed("at", parse_judged_value),
        starts_on=read.day("from", today),
    )
    score_type = scores.get(expected.score)
    if expected.score and score_type is None:
        read.fail(
            "score", "unknown_score_type", f"'{expected.score}' is none of the test's scores: {', '.join(scores)}."
        )
    elif expected.at and score_type is not None and not _has(score_type, expected.at):
        read.fail("at", "out_of_range", f"'{expected.at}' is no score of this type.")
    return expected


def _has(score_type: ScoreType, score: str) -> bool:
    if score_type.values:
        return score in score_type.values
    if not score_type.min or not score_type.max:  # a fault of its own
        return True
    try:
        return Decimal(score_type.min) <= Decimal(_parse_bound(score)) <= Decimal(score_type.max)
    except FieldError:
        return False


def _check_different(read: Members, values: Sequence[str]) -> None:
    given = [value for value in values if value]
    if len(set(given)) < len(given):
        read.fail("values", "repeated_value", "A value stands twice: keep one.")


def _parse_bound(text: str) -> str:
    return parse_decimal(text, -SCORE_MAX, SCORE_MAX)


def _parse_step(text: str) -> str:
    step = _parse_bound(text)
    if Decimal(step) <= 0:
        raise FieldError("out_of_range", "A step lies above 0.")
    return step


def _parse_code(text: str) -> str:
    """What may be sent instead of a number, so never one itself."""
    code = parse_judged_value(text)
    if code.lstrip("-")[:1].isdigit() and code.lstrip("-").replace(".", "", 1).isdigit():
        raise FieldError("invalid_code", f"'{code}' is a number, and a code stands for one: begin it with a letter.")
    return code
