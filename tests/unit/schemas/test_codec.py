"""Bytes to facts: what decodes, what is told apart as an unknown type, and what belongs to the dead letters."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest

from schemas.codec import FACT_TYPES, InvalidFact, UnknownFactType, decode_fact, encode_fact
from schemas.events import AnyFact, PupilLeft
from schemas.upcasters import UPCASTERS, RawFact

LEFT = PupilLeft(
    event_id="e1",
    school="oak",
    recorded_at=datetime(2025, 9, 20, 12, tzinfo=UTC),
    pupil="pup_a",
    left_on=date(2025, 9, 19),
)
BYTES = (
    b'{"type":"PupilLeft","event_id":"e1","school":"oak","recorded_at":"2025-09-20T12:00:00Z",'
    b'"pupil":"pup_a","left_on":"2025-09-19"}'
)


def with_member(member: bytes) -> bytes:
    return BYTES[:-1] + b"," + member + b"}"


def test_the_bytes_of_a_fact_are_small_and_fixed() -> None:
    assert encode_fact(LEFT) == BYTES
    assert decode_fact(BYTES) == LEFT


def test_the_catalogue_names_each_type_once_by_its_own_name() -> None:
    assert {name: fact_type.__name__ for name, fact_type in FACT_TYPES.items()} == {
        member.__name__: member.__name__ for member in AnyFact.__args__
    }


def test_unknown_fields_are_ignored() -> None:
    assert decode_fact(with_member(b'"mood":{"of":["the","day"]}')) == LEFT


@pytest.mark.parametrize(
    "value",
    [
        b'{"type":"TargetSet"}',
        b'{"type":"TargetSet","school":3,"left_on":[]}',
        BYTES.replace(b"PupilLeft", b"pupilLeft"),
    ],
)
def test_an_unknown_type_is_told_apart(value: bytes) -> None:
    with pytest.raises(UnknownFactType) as unknown:
        decode_fact(value)
    assert unknown.value.type_name in ("TargetSet", "pupilLeft")


DEEP = 100_000


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="tombstone"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\xff garbage", id="garbage"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="no type"),
        pytest.param(b'{"type":null}', id="null type"),
        pytest.param(BYTES[:-1], id="cut off"),
        pytest.param(BYTES + b"x", id="trailing"),
        pytest.param(BYTES.decode().encode("utf-16"), id="utf-16"),
        pytest.param(BYTES.replace(b"pup_a", b"\xff"), id="no utf-8"),
        pytest.param(BYTES.replace(b"pup_a", b"\\ud800"), id="lone surrogate"),
        pytest.param(BYTES.replace(b'"pupil":"pup_a",', b""), id="missing field"),
        pytest.param(BYTES.replace(b'"pup_a"', b"7"), id="wrong kind of field"),
        pytest.param(BYTES.replace(b"2025-09-19", b"2025-02-30"), id="no such day"),
        pytest.param(BYTES.replace(b"T12:00:00Z", b""), id="day for an instant"),
        pytest.param(with_member(b'"sequence":1e400'), id="too large a number"),
        pytest.param(with_member(b'"sequence":0.5'), id="no integer"),
        pytest.param(with_member(b'"mood":NaN'), id="NaN"),
        pytest.param(with_member(b'"mood":' + b"[" * DEEP + b"]" * DEEP), id="deep in an unknown field"),
        pytest.param(b'{"type":' + b"[" * DEEP + b"]" * DEEP + b"}", id="deep type"),
        pytest.param(b'{"a":' * DEEP, id="deep and cut off"),
    ],
)
def test_bytes_that_are_no_fact_are_invalid(value: bytes | None) -> None:
    with pytest.raises(InvalidFact):
        decode_fact(value)


def test_an_old_version_is_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def upcast_pupil_left_v1_v2(raw: RawFact) -> RawFact:
        return {**raw, "version": 2, "pupil": "pup_" + raw["pupil"]}

    def upcast_pupil_left_v2_v3(raw: RawFact) -> RawFact:
        return {**raw, "version": 3, "left_on": raw["left_on"].replace("2025", "2024")}

    monkeypatch.setitem(UPCASTERS, ("PupilLeft", 1), upcast_pupil_left_v1_v2)
    monkeypatch.setitem(UPCASTERS, ("PupilLeft", 2), upcast_pupil_left_v2_v3)
    fact = decode_fact(BYTES.replace(b"pup_a", b"a"))
    assert fact == PupilLeft(
        version=3, event_id="e1", school="oak", recorded_at=LEFT.recorded_at, pupil="pup_a", left_on=date(2024, 9, 19)
    )
    assert decode_fact(with_member(b'"version":3')).version == 3
    with pytest.raises(UnknownFactType):
        decode_fact(b'{"type":"TargetSet"}')
    with pytest.raises(InvalidFact):
        decode_fact(BYTES[:-1])


@pytest.mark.parametrize(
    "change",
    [{"recorded_at": "2026-01-01T00:00:00"}, {"recorded_at": "1969-01-01T00:00:00Z"}, {"sequence": 2**63}],
    ids=["no zone", "before the epoch", "sequence beyond 64 bits"],
)
def test_what_the_views_have_no_room_for_is_no_fact(change: dict[str, object]) -> None:
    raw = {"type": "PupilLeft", "event_id": "e", "school": "s", "recorded_at": "2026-01-01T00:00:00Z", "pupil": "p"}
    raw |= {"left_on": "2026-01-01"}
    assert decode_fact(msgspec.json.encode(raw))
    with pytest.raises(InvalidFact):
        decode_fact(msgspec.json.encode({**raw, **change}))


def test_a_version_that_is_not_known_yet_is_told_apart_from_garbage() -> None:
    raw = {"type": "PupilLeft", "version": 2, "event_id": "e", "school": "s", "recorded_at": "2026-01-01T00:00:00Z"}
    raw |= {"pupil": "p", "left_on": "2026-01-01"}
    with pytest.raises(UnknownFactType):
        decode_fact(msgspec.json.encode(raw))
