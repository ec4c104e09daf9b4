"""Figures and how they are printed: one line each, with the goal beside it. Nothing is asserted here."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number. `goal` says what the issue asks, in the same unit; `note` what was measured."""

    claim: str
    value: float
    unit: str
    goal: str = ""
    note: str = ""


def median_ms(work: Callable[[], object], rounds: int) -> float:
    """The median of `rounds` runs in milliseconds, after two runs that do not count."""
    for _ in range(2):
        work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def interleaved_medians_ms(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Medians of several works, run in turns so that a noisy minute hits all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 2):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if number >= 2:
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def print_figures(figures: Iterable[Figure]) -> None:
    """A table on stdout."""
    lines = [("claim", "measured", "goal", "what was measured")]
    lines += [(f.claim, f"{f.value:,.1f} {f.unit}".strip(), f.goal, f.note) for f in figures]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    for number, line in enumerate(lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
