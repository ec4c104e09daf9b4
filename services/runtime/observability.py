"""What is seen from outside while the product runs: its metrics, each declared once here, and its log lines.

Lag and dead letters are not counted here: `services.query.health` reads them from the projection's own tables, where
they are true whichever process is asked. A log line is JSON on stderr and carries ids and positions, never a name, a
reference or what somebody typed.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

import asyncpg
import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

FACTS_APPENDED: Final = Counter(
    "markledger_facts_appended", "Facts that are durable in the log, by their type. Unit: facts.", ["type"]
)
ITEMS_REJECTED: Final = Counter(
    "markledger_items_rejected",
    "Rows and events that were refused, by the code of the reason. Unit: rows or events.",
    ["kind", "code"],
)
IMPORT_ROWS: Final = Counter(
    "markledger_import_rows",
    "Rows of imports, by kind and outcome (accepted, duplicate, superseded, rejected). Unit: rows.",
    ["kind", "outcome"],
)
APPEND_SECONDS: Final = Histogram(
    "markledger_append_seconds",
    "Time from handing facts to the log until they are durable. Unit: seconds.",
    buckets=_SHORT,
)
APPENDS_FAILED: Final = Counter(
    "markledger_appends_failed",
    "Appends that were not acknowledged, by reason (unavailable, unknown, too_large). Unit: appends.",
    ["reason"],
)
FACTS_FOLDED: Final = Counter(
    "markledger_facts_folded", "Facts that stand in the views of a projection. Unit: facts.", ["projection"]
)
FACTS_SKIPPED: Final = Counter(
    "markledger_facts_skipped",
    "Facts of a type that this release does not know, passed over. Unit: facts.",
    ["projection", "type"],
)
DEAD_LETTERS: Final = Counter(
    "markledger_dead_letters", "Records that did not decode and were set aside. Unit: records.", ["projection"]
)
FOLD_SECONDS: Final = Histogram(
    "markledger_fold_seconds",
    "Time to fold one batch of one partition and to commit it. Unit: seconds.",
    ["projection"],
    buckets=_SHORT,
)
QUERY_SECONDS: Final = Histogram(
    "markledger_query_seconds",
    "Time to compute one report, without HTTP, by report. Unit: seconds.",
    ["report"],
    buckets=_SHORT,
)

INTAKE_MESSAGES: Final = Counter(
    "markledger_intake_messages", "Messages of the intake topic that are done with. Unit: messages."
)
INTAKE_EVENTS: Final = Counter(
    "markledger_intake_events",
    "Events that came by the intake topic, by outcome (accepted, duplicate, rejected). Unit: events.",
    ["outcome"],
)
INTAKE_DEAD_LETTERS: Final = Counter(
    "markledger_intake_dead_letters",
    "Messages that the intake set aside, whole or in part, by the first reason. Unit: messages.",
    ["reason"],
)
INTAKE_REPLIES_LOST: Final = Counter(
    "markledger_intake_replies_lost", "Answers that were asked for and could not be published. Unit: messages."
)
INTAKE_LAG_RECORDS: Final = Gauge(
    "markledger_intake_lag_records",
    "Messages of the partitions of this process that are not done with. Unit: messages.",
    multiprocess_mode="mostrecent",
)
INTAKE_LAG_SECONDS: Final = Gauge(
    "markledger_intake_lag_seconds",
    "Age of the message that was done last, while there are more. Unit: seconds.",
    multiprocess_mode="mostrecent",
)
IDENTITIES_DAMAGED: Final = Counter(
    "markledger_identities_damaged",
    "Sealed identities that did not open when they were read; their pupils are shown without what they said."
    " Unit: records.",
)
NAMES_WITHHELD: Final = Counter(
    "markledger_names_withheld",
    "Answers without names for a key that may see them, by reason (audit, keys, behind). Unit: answers.",
    ["reason"],
)

MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
WITHHELD_FIELDS: Final = frozenset(
    {
        *("name", "given_name", "family_name", "date_of_birth", "upn", "reference", "pupil", "other"),
        *("key", "value", "secret", "password", "authorization"),
    }
)
REPEAT_SECONDS: Final = 30.0
"""A library that repeats itself (an outage makes aiokafka write a hundred lines a second) is heard this often."""


def shared_metrics_environment(data_dir: Path) -> dict[str, str]:
    """What a parent gives its children so that `/metrics` of one tells of all; forgets an earlier run's counts."""
    directory = data_dir.absolute() / "metrics"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    return {MULTIPROCESS_VARIABLE: str(directory)}


def metrics_registry() -> CollectorRegistry:
    """The metrics of this process, or of all processes of the set where a parent has made them share."""
    directory = os.environ.get(MULTIPROCESS_VARIABLE)
    if not directory:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
    return registry


def configure_logging(service: str, *, level: int = logging.INFO) -> None:
    """One JSON object a line on stderr, from us and from the libraries (theirs from warning on)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _in_service(service),
        _describe_error,
        _withhold,
    ]
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Repetition())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("uvicorn", "uvicorn.error", "aiokafka"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
        library.setLevel(logging.WARNING)
    logging.getLogger("faststream").setLevel(logging.ERROR)  # it warns that it makes no topics, which it is told not to
    logging.getLogger("uvicorn.access").disabled = True  # it writes paths; `services.access.edge` writes routes


class _Repetition(logging.Filter):
    """Lets one line of each message template through in `REPEAT_SECONDS`."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        template = (record.name, str(record.msg)[:200])
        now = time.monotonic()
        if now - self._said_at.get(template, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._said_at) > 1000:
            self._said_at.clear()
        self._said_at[template] = now
        return True


def _in_service(service: str) -> structlog.typing.Processor:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("service", service)
        return event

    return add


def _withhold(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last line of defence; who logs such a field has made a mistake already."""
    for field in WITHHELD_FIELDS & event.keys():
        event[field] = "withheld"
    return event


def _describe_error(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception as its type, its place and, where that cannot repeat what somebody typed, its message."""
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()[1]
    error = given[1] if isinstance(given, tuple) else given
    if not isinstance(error, BaseException):
        return event
    event["error"] = _chain(error)
    event["stack"] = [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)
    ]
    return event


def _chain(error: BaseException) -> str:
    told: list[str] = []
    current: BaseException | None = error
    while current is not None and len(told) < 5:
        told.append(_told(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return " < ".join(told)


def _told(error: BaseException) -> str:
    """Messages of Python's own errors quote values (`int("Smith")`), PostgreSQL's details quote rows."""
    kind = type(error)
    if isinstance(error, asyncpg.PostgresError):
        return f"{kind.__name__}: {error.args[0] if error.args else ''}"
    trusted = isinstance(error, OSError) or kind.__module__.startswith(("services.", "schemas.", "aiokafka."))
    return f"{kind.__name__}: {error}" if trusted else kind.__name__
