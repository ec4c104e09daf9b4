"""Made ids and keyed hashes: golden values that must never change, and what must not collide."""

from __future__ import annotations

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from schemas.identifiers import (
    canonical_content,
    event_fact_id,
    person_id,
    pupil_id,
    row_content,
    row_fact_id,
    row_key,
)

KEY = b"a pupil key for tests, 32 bytes."
PARTS = st.lists(st.text(max_size=4), max_size=4)


def test_golden_values() -> None:
    """If one of these fails, every file sent again would become new facts: change the code back, not the value."""
    assert row_fact_id("default", "pupils", "oak", "a" * 32, "", 1) == "cd55ca3a-6d6c-5322-96f7-249a3f099e8d"
    assert (
        row_fact_id("default", "pupils", "oak", "a" * 32, "2019-09-02T08:00:00Z", 2)
        == "15665ec3-a324-5e59-a00a-7136dae1bc5e"
    )
    assert (
        event_fact_id("default", "PupilLeft", canonical_content({"pupil": "1", "school": "oak"}))
        == "d273f11c-bfdf-5f57-aecf-4ee0ee9dc054"
    )
    assert pupil_id(KEY, "oak", "1001") == "pup_7w3u6baaboo2gbhjic3tw4u7w3"
    assert pupil_id(KEY, "oak", "upn:A123456789012") == "pup_st6dx74hdl6xcg5cemsj6kh6s5"
    assert person_id(KEY, "A123456789012") == "prs_ukh6lfxqc2clngkgqohxgwb3eu"
    assert row_key(KEY, "default", "pupils", "oak", ["1001", "2025-09-01"]) == "649f76f7319a64b764e2993b29924a2a"
    assert (
        row_content(KEY, "default", "pupils", "oak", {"pupil": "1001", "sex": "F"})
        == "5a5312a09e79cad5368e08e37293cc04"
    )


def test_shapes() -> None:
    assert re.fullmatch(r"pup_[a-z2-7]{26}", pupil_id(KEY, "oak", "é"))
    assert re.fullmatch(r"prs_[a-z2-7]{26}", person_id(KEY, "A1"))
    assert re.fullmatch(r"[0-9a-f]{32}", row_key(KEY, "s", "k", "oak", []))
    assert uuid.UUID(row_fact_id("s", "k", "oak", "", "", 1)).version == 5
    assert uuid.UUID(event_fact_id("s", "t", b"\xff")).version == 5


def test_a_bare_reference_belongs_to_its_school_and_a_national_one_to_none() -> None:
    assert pupil_id(KEY, "oak", "1001") != pupil_id(KEY, "elm", "1001")
    for reference in ("upn:A1", "uln:1", "scn:1", "trust:north/1"):
        assert pupil_id(KEY, "oak", reference) == pupil_id(KEY, "elm", reference)
    assert pupil_id(KEY, "oak", "UPN:A1") != pupil_id(KEY, "elm", "UPN:A1")


def test_a_person_is_the_same_however_the_upn_is_written() -> None:
    assert person_id(KEY, " a123456789012 ") == person_id(KEY, "A123456789012")
    assert person_id(KEY, "A1")[4:] != pupil_id(KEY, "upn", "A1")[4:]


def test_another_secret_gives_other_names() -> None:
    other = KEY[::-1]
    assert pupil_id(KEY, "oak", "1") != pupil_id(other, "oak", "1")
    assert person_id(KEY, "A1") != person_id(other, "A1")
    assert row_key(KEY, "s", "k", "oak", ["1"]) != row_key(other, "s", "k", "oak", ["1"])


def test_a_secret_of_any_length_will_do() -> None:
    long = [bytes([number]) * 200 for number in (1, 2)]
    assert row_key(long[0], "s", "k", "oak", ["1"]) != row_key(long[1], "s", "k", "oak", ["1"])


@given(PARTS, PARTS)
def test_keys_of_different_parts_differ(one: list[str], other: list[str]) -> None:
    assert (row_key(KEY, "s", "k", "oak", one) == row_key(KEY, "s", "k", "oak", other)) == (one == other)


@given(st.lists(st.text(max_size=3), min_size=4, max_size=4), st.lists(st.text(max_size=3), min_size=4, max_size=4))
def test_row_ids_of_different_rows_differ(one: list[str], other: list[str]) -> None:
    of_one = row_fact_id(one[0], one[1], one[2], one[3], "", 1)
    assert (of_one == row_fact_id(other[0], other[1], other[2], other[3], "", 1)) == (one == other)


def test_a_row_id_tells_revisions_and_given_instants_apart() -> None:
    ids = {
        row_fact_id("s", "k", "oak", "key", at, revision) for at in ("", "2025-01-01T00:00:00Z") for revision in (1, 2)
    }
    assert len(ids) == 4


def test_content_does_not_depend_on_the_order_of_columns_nor_on_empty_ones() -> None:
    said = row_content(KEY, "s", "k", "oak", {"a": "1", "b": "2"})
    assert row_content(KEY, "s", "k", "oak", {"b": "2", "c": "", "a": "1"}) == said
    assert row_content(KEY, "s", "k", "oak", {"a": "2", "b": "1"}) != said
    assert row_content(KEY, "s", "k", "oak", {"a": "1", "c": "2"}) != said


def test_a_key_and_a_content_of_the_same_parts_are_not_linked() -> None:
    assert row_key(KEY, "s", "k", "oak", ["a", "1"]) != row_content(KEY, "s", "k", "oak", {"a": "1"})


def test_canonical_content_is_the_same_for_the_same_object() -> None:
    assert canonical_content({"b": "é", "a": [1, None]}) == canonical_content({"a": [1, None], "b": "é"})
    assert canonical_content({"a": "1"}) != canonical_content({"a": 1})
    assert canonical_content({"a": "\ud800"}) == b'{"a":"\\ud800"}', "whatever JSON can say has a canonical form"
