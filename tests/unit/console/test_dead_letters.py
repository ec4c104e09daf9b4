"""Dead letters as text: ids that lead back, bytes that cannot move the cursor, and what they would be today."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from schemas.codec import encode_fact
from schemas.events import ObjectiveAssessed
from schemas.topics import partition_for
from services.console.dead_letters import (
    VALUE_CHARACTERS_MAX,
    Letter,
    described,
    judge,
    next_commands,
    parse_id,
    printable_bytes,
    told_of,
)
from services.console.failures import UsageError

AT = datetime(2026, 3, 1, tzinfo=UTC)
PARTITIONS = 8
HOME = partition_for(b"oak", PARTITIONS)
FACT = ObjectiveAssessed(
    event_id="e-1",
    school="oak",
    recorded_at=AT,
    pupil="p",
    subject="maths",
    objective="m1",
    state="achieved",
    assessed_on=date(2026, 2, 1),
)
LETTER = Letter("timeline", 1, "a.topic", HOME, 17, "why", b"oak", b"no fact", AT, AT)


def letter(**fields: Any) -> Letter:
    return msgspec.structs.replace(LETTER, **fields)


def test_an_id_leads_back_to_its_letter() -> None:
    assert parse_id(LETTER.letter_id) == ("timeline", 1, "a.topic", HOME, 17)


@pytest.mark.parametrize("wrong", ["", "17", "timeline_v1:a.topic:3", "timeline:a.topic:3:17", "timeline_v1:a:3:-1"])
def test_what_is_no_id_is_a_usage_error(wrong: str) -> None:
    with pytest.raises(UsageError):
        parse_id(wrong)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, None),
        (b"", ""),
        ("Zo\u00eb".encode(), "Zo\u00eb"),
        (b"a\x1b[2Jb\n\x00", "a\\x1b[2Jb\\n\\x00"),
        (b"\xff\xfe", "\\xff\\xfe"),
    ],
)
def test_bytes_are_printed_on_one_line_without_control_characters(data: bytes | None, text: str | None) -> None:
    assert printable_bytes(data) == text


def test_a_long_value_is_cut_and_its_length_is_told() -> None:
    shown = described(letter(value=b"\x00" * 5_000_000))
    assert shown["value_bytes"] == 5_000_000
    assert len(shown["value"]) == VALUE_CHARACTERS_MAX + 1 and shown["value"].endswith("\u2026")


@pytest.mark.parametrize(
    ("fields", "outcome", "detail"),
    [
        ({}, "no_fact", "JSON"),
        ({"value": None}, "no_fact", ""),
        ({"value": encode_fact(FACT)}, "fact", "ObjectiveAssessed of school oak, event e-1"),
        ({"value": encode_fact(FACT), "key": b"elm"}, "no_fact", "key"),
        ({"value": encode_fact(FACT), "partition": (HOME + 1) % PARTITIONS}, "no_fact", f"partition {HOME}"),
        ({"value": encode_fact(FACT).replace(b"ObjectiveAssessed", b"PupilPraised")}, "unknown_type", "PupilPraised"),
    ],
)
def test_a_letter_is_judged_by_the_code_of_today(fields: dict[str, Any], outcome: str, detail: str) -> None:
    judgement = judge(letter(**fields), PARTITIONS)
    assert judgement.outcome == outcome and detail in judgement.detail


def test_a_fact_is_never_said_to_be_replayed_but_what_puts_it_in_its_place_is() -> None:
    fact, bytes_ = judge(letter(value=encode_fact(FACT)), PARTITIONS), judge(LETTER, PARTITIONS)
    assert "1 of 3" in told_of([bytes_, fact, bytes_]) and "Nothing was changed" in told_of([fact])
    assert next_commands([bytes_, fact], 3) == [
        "markledger projector rebuild",
        "markledger projector compare 3",
        'markledger projector promote 3 --despite-differences "1 dead letters are facts now"',
    ]
    assert "nothing to replay" in told_of([bytes_]) and next_commands([bytes_], 3) == []


@pytest.mark.parametrize(
    ("active", "standing", "missing"), [(None, "active", True), (1, "active", True), (2, "older", False)]
)
def test_a_letter_belongs_to_the_version_that_set_it_aside(active: int | None, standing: str, missing: bool) -> None:
    """After a promote the views in use have the fact, and nothing is left to do."""
    judgement = judge(letter(value=encode_fact(FACT), active_version=active), PARTITIONS)
    assert (judgement.standing, judgement.missing) == (standing, missing)
    assert described(letter(active_version=active))["views"] == standing


def test_a_version_that_is_being_built_may_have_letters_too() -> None:
    assert letter(version=2, active_version=1).standing == "newer"
