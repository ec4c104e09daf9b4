"""Which claims there are, by name: each is one module, loaded when it is measured.

A claim on the stage takes a `Stage` that others share; a claim of its own takes a `Scale` and brings what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple


class Scale(NamedTuple):
    """How large a run is. `facts`: for what is measured on a load of its own."""

    full: bool
    schools: int
    rounds: int
    facts: int


SMALL = Scale(full=False, schools=8, rounds=60, facts=20_000)
FULL = Scale(full=True, schools=200, rounds=200, facts=100_000)

ON_STAGE = ("reads", "trust", "tracking", "request", "http_reads", "disk_and_wal", "stage_memory", "rebuild")
ALONE = (
    *("history", "growth", "projection", "log_append", "http_ingest", "visible"),
    *("breakdown", "intake", "memory", "reporting", "names", "oulad", "command"),
)
ADAPTED = ("intake", "memory", "reporting", "names", "oulad", "command")
"""Claims of earlier issues, whose modules take other arguments (`benchmarks.earlier`)."""
NAMES = (*ON_STAGE, *ALONE)


def measure_of(name: str) -> Any:
    """The function that measures a claim."""
    if name in ADAPTED:
        return getattr(import_module("benchmarks.earlier"), name)
    return import_module(f"benchmarks.{name}").measure
