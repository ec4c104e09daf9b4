"""Topics of the log: names, partition counts, the partition function, retention, who writes and who reads.

The partition count is fixed for life: another count would move schools between partitions and break their order.
"""

from __future__ import annotations

import msgspec

KAFKA_PARTITIONS = 96
EMBEDDED_PARTITIONS = 8


class Topic(msgspec.Struct, frozen=True):
    """One topic. `retention_ms` -1 = for ever; `compacted` keeps the last value of each key.

    `kafka_only`: it connects other systems and is no part of what the product keeps, so the embedded log lacks it.
    """

    name: str
    retention_ms: int
    compacted: bool
    written_by: str
    read_by: str
    kafka_only: bool = False


_WEEK_MS = 7 * 24 * 60 * 60 * 1000
_MONTH_MS = 30 * 24 * 60 * 60 * 1000

FACTS = Topic("markledger.facts.v1", -1, False, "ingest", "projector, ingest (registry catch-up), verify")
IDENTITY = Topic("markledger.identity.v1", -1, True, "ingest", "ingest (identity catch-up)")
AUDIT = Topic("markledger.audit.v1", -1, False, "query, ingest", "auditors")
DEFINITIONS = Topic("markledger.definitions.v1", -1, False, "ingest", "ingest (definitions catch-up)")
INTAKE = Topic("markledger.intake.v1", _MONTH_MS, False, "information systems of schools", "intake", kafka_only=True)
INTAKE_DEAD = Topic("markledger.intake.dead.v1", _MONTH_MS, False, "intake", "operators", kafka_only=True)
CHANGES = Topic("markledger.changes.v1", _WEEK_MS, True, "projector", "followers of the views", kafka_only=True)
TOPICS = (FACTS, IDENTITY, AUDIT, DEFINITIONS, INTAKE, INTAKE_DEAD, CHANGES)


def partition_for(key: bytes, partitions: int) -> int:
    """The partition of `key`: murmur2, as Kafka's own default partitioner, so that both back ends agree.

    >>> partition_for(b"oakfield", 96)
    29
    """
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def school_of(key: bytes) -> bytes:
    """What of a record's key decides its partition: the school, before whatever NULs part from it.

    >>> school_of(b"oakfield\\0pup_a")
    b'oakfield'
    """
    return key.split(b"\0", 1)[0]


def _murmur2(data: bytes) -> int:
    mask, m, r = 0xFFFFFFFF, 0x5BD1E995, 24
    length = len(data)
    h = 0x9747B28C ^ length
    for start in range(0, length - length % 4, 4):
        k = int.from_bytes(data[start : start + 4], "little")
        k = (k * m) & mask
        k = ((k ^ (k >> r)) * m) & mask
        h = ((h * m) & mask) ^ k
    rest = data[length - length % 4 :]
    if rest:
        h = ((h ^ int.from_bytes(rest, "little")) * m) & mask
    h = ((h ^ (h >> 13)) * m) & mask
    return h ^ (h >> 15)
