"""The benchmarks of earlier issues in the form that the command takes: a scale in, figures out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.claims import Scale
from benchmarks.command import measure_help
from benchmarks.figures import Figure, not_measured
from benchmarks.intake import measure_intake
from benchmarks.memory import measure_memory
from benchmarks.names import measure_names
from benchmarks.oulad import measure_oulad
from benchmarks.reporting import measure_reporting
from tests.acceptance.oulad_files import DATA, TOOL
from tests.servers.kafka import KafkaBroker
from tests.servers.process import ServerMissing

EMBEDDED = "embedded log and database"


def intake(scale: Scale) -> Iterator[Figure]:
    """Facts a second through the intake, on a broker of its own."""
    with tempfile.TemporaryDirectory(prefix="markledger-bench-kafka-") as name:
        try:
            broker = KafkaBroker(Path(name) / "kafka")
        except ServerMissing as missing:
            yield not_measured("intake from Kafka", missing, ">= 20,000")
            return
        broker.start()
        try:
            yield from measure_intake(200_000 if scale.full else 40_000, Path(name), broker)
        finally:
            broker.stop()


def memory(scale: Scale) -> Iterator[Figure]:
    """A large file through the product."""
    yield from measure_memory(1_000_000 if scale.full else 100_000, {}, EMBEDDED)


def reporting(scale: Scale) -> Iterator[Figure]:
    """The rows for SQL beside."""
    yield from measure_reporting(200_000 if scale.full else 30_000, EMBEDDED)


def names(scale: Scale) -> Iterator[Figure]:
    """What names cost."""
    yield from measure_names(100 if scale.full else 20, {}, EMBEDDED)


def oulad(scale: Scale) -> Iterator[Figure]:
    """The open data."""
    if not (TOOL.exists() and DATA.exists()):
        yield not_measured("OULAD", f"no open data at {DATA}")
        return
    yield from measure_oulad(60 if scale.full else 10, {}, EMBEDDED)


def command(scale: Scale) -> Iterator[Figure]:
    """The command line."""
    yield from measure_help(21 if scale.full else 7)
