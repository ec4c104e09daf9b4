"""Whether the service is alive, whether it is ready, and how far the views are behind the log.

`/readyz` says why it is not ready in words an operator can act on. Reads `projection.status`, writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import asyncpg
import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from services.access.problems import is_outage

DATABASE_SECONDS_MAX = 2.0
LOG_SILENT_SECONDS = 20.0
"""Longer than a poll, a batch and a broker's hand-over; an outage that lasts makes the reports fall behind."""
READ_BY_REPORTS = "timeline"
"""Other projections may stand still without a report that fails; the metrics and `projector status` show them."""
METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STATUS = """
SELECT s.projection, s.version, s.partition, s.next_offset, s.lag_records, s.lag_seconds, s.owned,
       s.stopped_reason, s.dead_letters,
       greatest(extract(epoch FROM clock_timestamp() - s.log_seen_at), 0)::double precision AS log_silent_seconds
FROM projection.status s JOIN projection.active a USING (projection, version)
ORDER BY s.projection, s.partition
"""


class PartitionStatus(msgspec.Struct, frozen=True):
    """How far one partition of an active projection has come."""

    projection: str
    version: int
    partition: int
    next_offset: int
    lag_records: int
    lag_seconds: float
    owned: bool
    stopped_reason: str | None
    dead_letters: int
    log_silent_seconds: float | None
    """Since the log last answered the owner; None where nobody works on the partition."""


class Readiness(msgspec.Struct, frozen=True):
    """The answer of `/readyz`. `reasons` is empty when ready."""

    status: str
    reasons: list[str]
    lag_records: int
    lag_seconds: float
    dead_letters: int
    partitions: list[PartitionStatus]

    @property
    def ready(self) -> bool:
        """Whether everything that a report needs is there."""
        return not self.reasons


async def read_readiness(pool: asyncpg.Pool, log_silent_seconds: float = LOG_SILENT_SECONDS) -> Readiness:
    """What stands between a fact and the report of it; a database that is away is a reason, not an error."""
    try:
        partitions = await read_status(pool)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return _readiness(["No projector has made its tables yet; start `markledger projector`."], ())
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if not is_outage(error):
            raise
        return _readiness([f"The database cannot be reached ({type(error).__name__})."], ())
    read = [each for each in partitions if each.projection == READ_BY_REPORTS]
    return _readiness(list(_reasons(read, log_silent_seconds)), read)


async def read_status(pool: asyncpg.Pool) -> list[PartitionStatus]:
    """The partitions of the active projections. Raises asyncpg and OS errors."""
    async with asyncio.timeout(DATABASE_SECONDS_MAX):
        rows = await pool.fetch(_STATUS)
    return [PartitionStatus(**row) for row in rows]


async def render_metrics(pool: asyncpg.Pool, registry: CollectorRegistry) -> bytes:
    """The metrics in `registry` and those of the projection, in Prometheus' text format."""
    try:
        partitions = await read_status(pool)
        reachable = True
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        partitions, reachable = [], False
    own = generate_latest(registry)
    return own + generate_latest(_Snapshot([*_gauges(partitions), *_log_gauge(partitions), _up(reachable)]))


class _Snapshot:
    """A collection of metrics that were read just now."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _reasons(partitions: Sequence[PartitionStatus], log_silent_seconds: float) -> Iterable[str]:
    if not partitions:
        yield "No version of the views is active yet; the projector has not started."
    for each in partitions:
        if each.stopped_reason is not None:
            yield f"Partition {each.partition} of {each.projection} v{each.version} stopped: {each.stopped_reason}"
    alone = [str(each.partition) for each in partitions if not each.owned]
    if alone:
        yield f"No projector works on partition {', '.join(alone)}; start `markledger projector`."
    silent = log_silence(partitions)
    if silent is not None and silent > log_silent_seconds:
        yield f"No projector has reached the log for {silent:.0f} s; is Kafka there (`markledger doctor`)?"


def log_silence(partitions: Sequence[PartitionStatus]) -> float | None:
    """Seconds since the log last answered any living projector; None if there is none."""
    heard = (each.log_silent_seconds for each in partitions if each.owned and each.log_silent_seconds is not None)
    return min(heard, default=None)


def _readiness(reasons: list[str], partitions: Sequence[PartitionStatus]) -> Readiness:
    return Readiness(
        status="not ready" if reasons else "ready",
        reasons=reasons,
        lag_records=sum(each.lag_records for each in partitions),
        lag_seconds=max((each.lag_seconds for each in partitions), default=0.0),
        dead_letters=sum(each.dead_letters for each in partitions),
        partitions=list(partitions),
    )


_GAUGES = (
    (
        "markledger_projection_lag_records",
        "Facts not in the views yet. Unit: records.",
        "lag_records",
    ),
    (
        "markledger_projection_lag_seconds",
        "Age of the views. Unit: seconds.",
        "lag_seconds",
    ),
    ("markledger_projection_next_offset", "The offset that is folded next. Unit: records.", "next_offset"),
    ("markledger_projection_dead_letters", "Records that could not be decoded. Unit: records.", "dead_letters"),
    ("markledger_projection_owned", "1 if a projector works on the partition.", "owned"),
    ("markledger_projection_stopped", "1 if the partition stands still because a fold failed.", "stopped_reason"),
)


def _gauges(partitions: Sequence[PartitionStatus]) -> Iterable[Metric]:
    for name, meaning, field in _GAUGES:
        family = GaugeMetricFamily(name, meaning, labels=["projection", "version", "partition"])
        for each in partitions:
            value = getattr(each, field)
            labels = [each.projection, str(each.version), str(each.partition)]
            family.add_metric(labels, float(value is not None if field == "stopped_reason" else value))
        yield family


def _log_gauge(partitions: Sequence[PartitionStatus]) -> Iterable[Metric]:
    silent = log_silence(partitions)
    if silent is not None:
        meaning = "Time since the log last answered any projector. Unit: seconds."
        yield GaugeMetricFamily("markledger_log_silent_seconds", meaning, value=silent)


def _up(reachable: bool) -> Metric:
    meaning = "1 if the database answered while these metrics were read."
    return GaugeMetricFamily("markledger_database_reachable", meaning, value=float(reachable))
