"""Which partition a school is in: for ever, and the same as Kafka's own partitioner says."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import EMBEDDED_PARTITIONS, KAFKA_PARTITIONS, TOPICS, partition_for

GOLDEN = {
    "oak": (34, 2),
    "oakfield": (29, 5),
    "elm": (68, 4),
    "A": (34, 2),
    "AAA": (74, 2),
    "BBB": (10, 2),
    "school-1": (16, 0),
    "school-2": (21, 5),
    "100001": (49, 1),
    "9.z_~-": (77, 5),
    "x" * 128: (87, 7),
    "abcd": (20, 4),
    "abcde": (61, 5),
    "abcdef": (60, 4),
    "abcdefg": (25, 1),
}


@pytest.mark.parametrize("school", GOLDEN)
def test_a_school_stays_in_its_partition_for_ever(school: str) -> None:
    assert (partition_for(school.encode(), 96), partition_for(school.encode(), 8)) == GOLDEN[school]


@given(st.binary(max_size=300), st.integers(1, 1000))
def test_the_partition_is_the_one_that_kafkas_partitioner_picks(key: bytes, partitions: int) -> None:
    assert partition_for(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions


def test_partition_counts_are_fixed_for_life() -> None:
    assert (KAFKA_PARTITIONS, EMBEDDED_PARTITIONS) == (96, 8)
    assert [(topic.name, topic.retention_ms, topic.compacted) for topic in TOPICS[:1]] == [
        ("markledger.facts.v1", -1, False)
    ]


def test_schools_spread_over_the_partitions() -> None:
    used = {partition_for(f"school-{number}".encode(), KAFKA_PARTITIONS) for number in range(1000)}
    assert len(used) == KAFKA_PARTITIONS
