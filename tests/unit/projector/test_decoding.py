"""What the records of a partition become: facts of schools in order, dead letters, counted skips."""

from __future__ import annotations

import pytest

from services.projector.decoding import REASON_CHARACTERS_MAX, decode_records, printable
from services.runtime.log.interface import Record
from tests.projector_bench import PARTITIONS, SCHOOLS, assessed, home, record

SCHOOL = SCHOOLS[0]


def row(offset: int, key: bytes | None, value: bytes | None) -> Record:
    return Record(offset, 0, key, value)


def told(offset: int, school: str) -> Record:
    return row(offset, *record(assessed(school, "amy", offset)))


def test_facts_of_each_school_in_the_order_of_the_log() -> None:
    neighbour = next(name for name in (f"school-{n}" for n in range(1, 99)) if home(name) == home(SCHOOL))
    records = [told(4, SCHOOL), told(5, neighbour), told(9, SCHOOL)]
    decoded = decode_records(records, home(SCHOOL), PARTITIONS)
    assert {name: [offset for offset, _ in facts] for name, facts in decoded.schools.items()} == {
        SCHOOL: [4, 9],
        neighbour: [5],
    }
    assert (decoded.facts, decoded.dead_letters, decoded.skipped) == (3, [], {})


def test_an_unknown_type_is_counted_and_is_no_dead_letter() -> None:
    value = b'{"type":"PupilPraised","event_id":"x"}'
    decoded = decode_records([row(0, b"x", value), row(1, b"x", value)], 0, PARTITIONS)
    assert (decoded.skipped, decoded.dead_letters, decoded.schools) == ({"PupilPraised": 2}, [], {})


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"x", None, "tombstone"),
        (b"x", b"\x00\xff", "JSON is malformed"),
        (b"x", b'{"type":"ObjectiveAssessed","event_id":"x"}', "missing required field"),
        (None, record(assessed(SCHOOL, "amy", 1))[1], "key of the record"),
        (b"another", record(assessed(SCHOOL, "amy", 1))[1], "key of the record"),
        (b"a\0b", record(assessed("a\0b", "amy", 1))[1], "no identifier"),
    ],
)
def test_what_is_no_fact_of_its_key_is_a_dead_letter(key: bytes | None, value: bytes | None, reason: str) -> None:
    good = told(8, SCHOOL)
    decoded = decode_records([row(7, key, value), good], home(SCHOOL), PARTITIONS)
    assert [dead.record.offset for dead in decoded.dead_letters] == [7]
    assert reason in decoded.dead_letters[0].reason
    assert decoded.facts == 1


def test_a_school_in_a_partition_that_is_not_its_own_is_a_dead_letter() -> None:
    elsewhere = (home(SCHOOL) + 1) % PARTITIONS
    decoded = decode_records([told(3, SCHOOL)], elsewhere, PARTITIONS)
    assert decoded.schools == {}
    assert decoded.dead_letters[0].reason == f"the school belongs to partition {home(SCHOOL)}"


def test_a_reason_fits_into_a_text_column() -> None:
    assert printable("a\0b") == "a\\x00b"
    assert len(printable("x" * 10_000)) == REASON_CHARACTERS_MAX


def test_records_decoded_at_once_are_what_each_says() -> None:
    neighbour = next(name for name in (f"school-{n}" for n in range(1, 99)) if home(name) == home(SCHOOL))
    good = [told(4, SCHOOL), told(5, neighbour), told(9, SCHOOL)]
    at_once = decode_records(good, home(SCHOOL), PARTITIONS)
    each = decode_records([*good, row(10, b"x", b"{}")], home(SCHOOL), PARTITIONS)
    assert (at_once.schools, list(at_once.schools), at_once.facts) == (each.schools, list(each.schools), each.facts)
    assert decode_records([], 0, PARTITIONS).schools == {}


@pytest.mark.parametrize("change", [b'"recorded_at":"1969-12-31T23:59:59Z"', b'"recorded_at":"2100-01-01T00:00:00Z"'])
def test_an_instant_out_of_range_is_a_dead_letter_among_good_ones(change: bytes) -> None:
    bad = told(7, SCHOOL)
    assert bad.value is not None
    began = bad.value.index(b'"recorded_at"')
    value = bad.value[:began] + change + bad.value[bad.value.index(b",", began) :]
    decoded = decode_records([told(6, SCHOOL), row(7, bad.key, value)], home(SCHOOL), PARTITIONS)
    assert "out of range" in decoded.dead_letters[0].reason
    assert decoded.facts == 1


def test_a_version_that_is_not_known_is_skipped_among_good_ones() -> None:
    newer = told(7, SCHOOL)
    assert newer.value is not None
    value = newer.value.replace(b'"type":"ObjectiveAssessed"', b'"type":"ObjectiveAssessed","version":2')
    decoded = decode_records([told(6, SCHOOL), row(7, newer.key, value)], home(SCHOOL), PARTITIONS)
    assert decoded.skipped == {"ObjectiveAssessed version 2": 1}
    assert decoded.facts == 1
