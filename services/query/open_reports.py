"""What was read for reports that may be open on somebody's screen, to answer them again: other cut-offs, a click.

A reading is kept with the state of the views that it was read from, and each report that would take it asks PostgreSQL,
in its own scope and snapshot, whether that state still is the state. So it is never older than what the report would
have read itself. What a report made of a reading before any bands lies on the reading. No answer is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping

import msgspec
from prometheus_client import Counter, Gauge

from services.access.keys import Access
from services.query.questions import Question, Reading
from services.query.shelves import BYTES_MAX as SHELVES_BYTES_MAX
from services.query.shelves import Shelves

BYTES_MAX = 128 * 1024 * 1024
_READING_BYTES = 4_000
_PLACE_BYTES = 40
"""Of each place on the axis and moment: the amount, its exact sums, and what is counted of it."""

KEPT_BYTES = Gauge("markledger_query_open_bytes", "Readings kept to answer a report again. Unit: bytes.")
READINGS = Counter("markledger_query_readings", "Readings for reports, by where they came from.", ["origin"])
_KEPT, _READ = READINGS.labels("kept"), READINGS.labels("read")


class ViewsState(msgspec.Struct, frozen=True):
    """All that a reading depends on: the version of the views, how many schools ever were members of the trust, how
    many schools the caller sees of those looked at and the sum of their documents' revisions (each only rises), and
    how far each of their partitions has come."""

    version: int
    members: int
    schools: int
    revisions: int
    offsets: Mapping[tuple[str, int], int]
    """By log and partition."""


class OpenReport(msgspec.Struct, frozen=True):
    """A reading, and what it was read from: the schools that were looked at, members of the trust or not."""

    reading: Reading
    trust: str | None
    schools: tuple[str, ...]
    state: ViewsState


class OpenReports:
    """Readings by who asked for what, at most `bytes_max` in all; those not asked for longest go first."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[Hashable, tuple[OpenReport, int]] = OrderedDict()

    def find(self, key: Hashable | None) -> OpenReport | None:
        """What was read for this question; whether it still holds is not looked at."""
        if key is None or key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def keep(self, key: Hashable | None, report: OpenReport, moments: int) -> None:
        """Put a reading away that holds so many moments."""
        _READ.inc()
        size = _size_of(report, moments)
        if key is None or size > self._bytes_max // 2:
            return
        self.drop(key)
        self._kept[key] = (report, size)
        self._bytes += size
        while self._bytes > self._bytes_max:
            _, (_, gone) = self._kept.popitem(last=False)
            self._bytes -= gone
        KEPT_BYTES.set(self._bytes)

    def drop(self, key: Hashable | None) -> None:
        """What was kept of a question does not hold any more."""
        _, size = self._kept.pop(key, (None, 0))
        self._bytes -= size

    def taken(self) -> None:
        """Count one that was answered from here."""
        _KEPT.inc()


def caches(processes: int) -> tuple[Shelves, OpenReports]:
    """What one of so many processes keeps between reports; together they keep no more than one would."""
    return Shelves(SHELVES_BYTES_MAX // processes), OpenReports(BYTES_MAX // processes)


def open_key(scope: Access, question: Question) -> Hashable | None:
    """By whom and for what; None for a question that does not say what tells it from others."""
    if question.key is None:
        return None
    covered = msgspec.structs.replace(scope, key_id="", name="")
    return covered, question.key, question.population, question.clocks, question.on


def _size_of(report: OpenReport, moments: int) -> int:
    blocks = sum(stored.size for school in report.reading.schools for stored in school.views.stored.values())
    return _READING_BYTES + blocks + _PLACE_BYTES * moments * report.reading.axis.size
