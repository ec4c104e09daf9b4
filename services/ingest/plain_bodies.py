"""Bodies of POST /v1/events in which everything is as plain as it nearly always is, read in one call of a decoder.

A short cut and no rule: where anything is not plain the answer is None, and `event_bodies` reads strictly, item by
item, with every fault named. Where these do answer they answer what that would.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.ingest import fields as read
from services.ingest.columns import RowContext
from services.ingest.sent import SentAssessment
from services.ingest.sent_events import SentEvent

_Text = str | UnsetType


class _Assessment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """ObjectiveAssessed of texts alone. Its fields are in the order of the alphabet, as in canonical content."""

    ability: _Text = UNSET
    assessed_on: str
    event_id: _Text = UNSET
    framework: _Text = UNSET
    objective: str
    pupil: str
    reference: _Text = UNSET
    school: str
    source: _Text = UNSET
    state: str
    subject: str
    type: Literal["ObjectiveAssessed"]


class _Assessments(msgspec.Struct, forbid_unknown_fields=True):
    events: list[_Assessment]


_ASSESSED = "ObjectiveAssessed"
_assessments_decoder = msgspec.json.Decoder(_Assessments)
_texts_decoder = msgspec.json.Decoder(dict[str, list[dict[str, str]]])
_encoder = msgspec.json.Encoder()
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_assessments(body: bytes, context: RowContext, events_max: int) -> tuple[SentEvent, ...] | None:
    """The items of a body of ObjectiveAssessed alone, all of them right by themselves."""
    if b"\\" in body:
        return None
    try:
        items = _assessments_decoder.decode(body).events
        if not 0 < len(items) <= events_max:
            return None
        given = [_take_id(item) for item in items]
        contents = [_encoder.encode(item) for item in items]
        if not _says_no_more(body, b"".join(contents), 2 + 4 * sum(each is not None for each in given)):
            return None
        return tuple(
            [
                SentEvent(place, _ASSESSED, given[place], contents[place], _sent(item, given[place], context))
                for place, item in enumerate(items)
            ]
        )
    except (*_FAULTS, read.FieldError):
        return None


def read_texts(body: bytes) -> dict[str, Any] | None:
    """A body whose events have texts for members, and nothing else."""
    if b"\\" in body:
        return None
    try:
        members = _texts_decoder.decode(body)
    except _FAULTS:
        return None
    return members if _says_no_more(body, _encoder.encode(members), 0) else None


def _says_no_more(body: bytes, understood: bytes, quotes_besides: int) -> bool:
    """Whether a body without backslashes holds no member but those understood: of a key that stands twice a decoder
    keeps one, and every key brings its two quotes."""
    return body.count(b'"') == understood.count(b'"') + quotes_besides


def _take_id(item: _Assessment) -> str | None:
    """The given event id, which is no part of the content."""
    given = item.event_id
    if given is UNSET:
        return None
    item.event_id = UNSET
    return _as_sent(read.parse_text, given)


def _sent(item: _Assessment, event_id: str | None, context: RowContext) -> SentAssessment:
    source, reference, framework, ability = item.source, item.reference, item.framework, item.ability
    return SentAssessment(
        school=read.parse_identifier(item.school),
        source=context.source if source is UNSET else read.parse_identifier(source),
        reference=None if reference is UNSET else _as_sent(read.parse_text, reference),
        event_id=event_id,
        pupil=_as_sent(read.parse_pupil, item.pupil),
        subject=read.parse_identifier(item.subject),
        objective=read.parse_identifier(item.objective),
        state=read.parse_identifier(item.state),
        assessed_on=read.parse_day(item.assessed_on, context.today),
        framework=None if framework is UNSET else read.parse_identifier(framework),
        ability=None if ability is UNSET else read.parse_identifier(ability),
    )


def _as_sent(parse: Any, text: str) -> str:
    """A text that means itself: neither empty nor with spaces around it. Raises FieldError."""
    if not text or text != text.strip():
        raise read.FieldError("missing_value", "to be read by the rule")
    parsed: str = parse(text)
    return parsed
