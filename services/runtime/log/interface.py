"""The contract of the append-only log, held by both back ends and one suite (`tests/contract/log_suite.py`).

Offsets of a partition rise in the order in which a reader sees records; a reader never sees a record before one
with a lower offset. Which partition a key belongs to is the caller's decision (`schemas.topics.partition_for`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record. `appended_ms` is the log's clock (milliseconds since the epoch), for lag and nothing else."""

    offset: int
    appended_ms: int
    key: bytes | None
    value: bytes | None


class Batch(msgspec.Struct, frozen=True):
    """Records of one partition, in order. `next_offset` is where to go on (perhaps beyond the last offset + 1)."""

    records: list[Record]
    next_offset: int
    end_offset: int


class LogError(Exception):
    """The log cannot do what was asked."""


class LogUnavailable(LogError):
    """Nothing was appended or read; try again later."""


class AppendOutcomeUnknown(LogError):
    """The append may be durable or not. Doing it again may put the same facts in the log twice."""


class OffsetOutOfRange(LogError):
    """The asked offset lies before the first or beyond the end: the log was cut or made anew. Never reset."""


class LogRecreated(LogError):
    """The topic is another one than the offsets were stored for."""


class RecordTooLarge(LogError):
    """A record exceeds what both back ends carry (RECORD_BYTES_MAX)."""


RECORD_BYTES_MAX = 8 * 1024 * 1024


class Reader(Protocol):
    """Reads some partitions from given offsets. Not to be shared between tasks."""

    async def assign(self, start: Mapping[int, int]) -> None:
        """Read exactly these partitions, each from its offset (inclusive); replaces what was assigned before.

        Raises OffsetOutOfRange for an offset below the first or above the end of its partition.
        """

    async def poll(self, records_max: int, wait_ms: int) -> dict[int, Batch]:
        """What is there: at once if something is, else after at most `wait_ms`, perhaps nothing.

        Raises LogUnavailable, OffsetOutOfRange.
        """

    async def close(self) -> None:
        """Free what the reader holds."""


class Log(Protocol):
    """An append-only log of topics with a fixed number of partitions."""

    async def create_topic(self, topic: str, partitions: int, *, retention_ms: int, compacted: bool) -> None:
        """Create the topic if it is missing. Raises LogError if it exists with another partition count."""

    async def log_id(self, topic: str) -> str:
        """Names this very topic; another when topic or cluster was made anew. Raises LogUnavailable."""

    async def partitions(self, topic: str) -> int:
        """The partition count of an existing topic."""

    async def append(self, topic: str, partition: int, items: Sequence[tuple[bytes, bytes | None]]) -> list[int]:
        """Append (key, value) items in this order; returns their offsets when they are durable.

        One call at a time goes to a partition; concurrent callers queue. Items are contiguous in order, but
        not necessarily in offsets. Raises RecordTooLarge (before anything is appended), LogUnavailable (nothing
        was appended), AppendOutcomeUnknown.
        """

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset and the end (one past the last readable record)."""

    async def end(self, topic: str, partition: int) -> int:
        """The end alone, which costs less to ask for."""

    def reader(self, topic: str) -> Reader:
        """A new reader without partitions."""

    async def close(self) -> None:
        """Free what the log holds."""
