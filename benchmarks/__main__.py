"""`python -m benchmarks [--full] [--kafka]`: every claim measured on this machine, now, and printed beside its goal."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.command import measure_help
from benchmarks.figures import Figure, print_figures
from benchmarks.memory import measure_memory
from benchmarks.oulad import measure_oulad
from tests.acceptance.oulad_files import DATA, TOOL
from tests.servers.kafka import KafkaBroker
from tests.servers.process import ServerMissing

EMBEDDED = "embedded log and database"
KAFKA = "Kafka, embedded database"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000,000 rows for the memory, more rounds, and Kafka")
    parser.add_argument("--kafka", action="store_true", help="OULAD on a real Kafka too")
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
    yield from measure_memory(1_000_000 if full else 200_000, {}, EMBEDDED)
    if kafka and has_data:
        yield from _measure_on_kafka(rounds)


def _measure_on_kafka(rounds: int) -> Iterator[Figure]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="markledger-bench-kafka-")))
        try:
            broker = KafkaBroker(directory)
        except ServerMissing as missing:
            print(f"no Kafka here: {missing}", file=sys.stderr)
            return
        stack.callback(broker.stop)
        broker.start()
        yield from measure_oulad(rounds, {"MARKLEDGER_KAFKA_BOOTSTRAP": broker.bootstrap}, KAFKA)


if __name__ == "__main__":
    main()
