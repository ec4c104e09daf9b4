"""`python -m benchmarks [--full] [--kafka]`: every claim measured on this machine, now, and printed beside its goal."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.command import measure_help
from benchmarks.figures import Figure, print_figures
from benchmarks.intake import measure_intake
from benchmarks.memory import measure_memory
from benchmarks.names import measure_names
from benchmarks.oulad import measure_oulad
from benchmarks.rebuild import measure_rebuild
from benchmarks.reporting import measure_reporting
from tests.acceptance.oulad_files import DATA, TOOL
from tests.servers.kafka import KafkaBroker
from tests.servers.process import ServerMissing

EMBEDDED = "embedded log and database"
KAFKA = "Kafka, embedded database"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000,000 rows for the memory, more rounds, and Kafka")
    parser.add_argument("--kafka", action="store_true", help="the intake, and OULAD on a real Kafka too")
    arguments = parser.parse_args()
    figures = []
    for figure in _measure(full=arguments.full, kafka=arguments.kafka or arguments.full):
        print(f"{figure.claim}: {figure.value:,.1f} {figure.unit} ({figure.note})", file=sys.stderr, flush=True)
        figures.append(figure)
    print()
    print_figures(figures)


def _measure(*, full: bool, kafka: bool) -> Iterator[Figure]:
    yield from measure_help(21 if full else 7)
    rounds = 200 if full else 50
    has_data = TOOL.exists() and DATA.exists()
    if has_data:
        yield from measure_oulad(rounds, {}, EMBEDDED)
    else:
        print(f"no open data at {DATA}: OULAD is not measured", file=sys.stderr)
    yield from measure_names(rounds, {}, EMBEDDED)
    yield from measure_memory(1_000_000 if full else 200_000, {}, EMBEDDED)
    yield from measure_reporting(400_000 if full else 100_000, EMBEDDED)
    yield from measure_rebuild(12 if full else 4, EMBEDDED)
    if kafka:
        yield from _measure_on_kafka(lambda broker, directory: measure_intake(400_000, directory, broker))
    if kafka and has_data:
        yield from _measure_on_kafka(lambda broker, _: measure_oulad(rounds, _at(broker), KAFKA))


def _at(broker: KafkaBroker) -> dict[str, str]:
    return {"MARKLEDGER_KAFKA_BOOTSTRAP": broker.bootstrap}


def _measure_on_kafka(measure: Callable[[KafkaBroker, Path], Iterator[Figure]]) -> Iterator[Figure]:
    """On a broker of its own, with nothing in it."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="markledger-bench-kafka-")))
        try:
            broker = KafkaBroker(directory / "kafka")
        except ServerMissing as missing:
            print(f"no Kafka here: {missing}", file=sys.stderr)
            return
        stack.callback(broker.stop)
        broker.start()
        yield from measure(broker, directory)


if __name__ == "__main__":
    main()
