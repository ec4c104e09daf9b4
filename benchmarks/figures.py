"""Figures and how they are printed: one line each, with the goal beside it. Nothing is asserted here."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_GOAL = re.compile(r"(<=|>=|[<≤≥])\s*([\d,.]+)")


@dataclass(frozen=True)
class Figure:
    """One measured number. `goal` says what the issue asks, in the same unit; `note` what was measured."""

    claim: str
    value: float
    unit: str
    goal: str = ""
    note: str = ""
    spread: str = ""

    @property
    def reached(self) -> str:
        """Whether the goal is: `yes`, `no`, or nothing where there is none in numbers."""
        asked = _GOAL.match(self.goal)
        if asked is None or not math.isfinite(self.value):
            return "not measured" if asked is not None else ""
        bound = float(asked[2].replace(",", ""))
        within = {"<": self.value < bound, "≤": self.value <= bound, "≥": self.value >= bound}
        return "yes" if within[asked[1].replace("<=", "≤").replace(">=", "≥")] else "no"


class UnequalAnswers(Exception):
    """Two sides of a comparison answer otherwise: nothing that is measured of them means anything."""


def not_measured(claim: str, reason: object, goal: str = "") -> Figure:
    """A row that says why there is no figure."""
    return Figure(claim, math.nan, "", goal, f"not measured: {reason}")


def ratio(peer: str, theirs: float, ours: float, goal: str, *, unit: str) -> Figure:
    """How many times better ours is: less time (`ms`), or more a second."""
    times = theirs / ours if unit == "ms" else ours / theirs
    return Figure(f"  against {peer}", times, "x", goal, f"{peer} {theirs:,.1f} {unit}")


def spread_of(values: Sequence[float]) -> str:
    """The middle half of some values, or both ends of few."""
    low, high = (min(values), max(values)) if len(values) < 8 else _quartiles(values)
    return f"{low:,.4g}-{high:,.4g}"


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(values, n=4)
    return low, high


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
