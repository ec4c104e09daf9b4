"""How long `markledger --help` takes, from the shell's point of view."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from benchmarks.figures import Figure, median_ms
from tests.end_to_end.product import COMMAND


def measure_help(rounds: int) -> Iterator[Figure]:
    """The median time of the command."""

    def run() -> None:
        subprocess.run([str(COMMAND), "--help"], check=True, capture_output=True)

    yield Figure("markledger --help", median_ms(run, rounds), "ms", "< 500", f"median of {rounds}")
