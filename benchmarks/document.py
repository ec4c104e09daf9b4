"""The tables of docs/performance.md that a run measures: a fact's steps, a request's steps, growth, and the sizing.

Each table stands between two marks, and is written anew by a full run; what is around them is for people to write.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.results import Row, Run, number_of

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
FACTS_A_YEAR, PEAK_FACTS, PEAK_OVERVIEWS = 1e9, 6_300, 2_000


def write_document(run: Run, rows: Sequence[Row], path: Path = DOCUMENT) -> None:
    """Put what was measured between the marks; a table of which nothing was measured stays as it is."""
    text = path.read_text(encoding="utf-8")
    figures = [row.figure for row in rows if not math.isnan(row.figure.value)]
    tables = {
        "fact": _steps(figures, "breakdown: "),
        "request": _requests(figures),
        "growth": _growth(figures),
        "sizing": _sizing(figures),
    }
    for name, lines in tables.items():
        if lines:
            told = [f"Measured {run.started_at} by `{run.command}`:", "", *lines]
            text = fill_marks(text, name, "\n".join(told))
    path.write_text(text, encoding="utf-8")


def fill_marks(text: str, name: str, table: str) -> str:
    """The text with something else between the marks of `name`."""
    begin, end = f"<!-- measured: {name} -->", f"<!-- end: {name} -->"
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{table}\n{end}", text, flags=re.DOTALL)


def _steps(figures: Sequence[Figure], begins: str) -> list[str]:
    mine = [figure for figure in figures if figure.claim.startswith(begins)]
    rows = [f"| {f.claim.removeprefix(begins)} | {number_of(f.value)} | {f.note.rpartition('; ')[2]} |" for f in mine]
    return ["| step | µs a fact | of what |", "|---|---|---|", *rows] if rows else []


def _requests(figures: Sequence[Figure]) -> list[str]:
    columns: dict[str, dict[str, float]] = {}
    for figure in figures:
        if figure.claim.startswith("request, "):
            what, _, step = figure.claim.removeprefix("request, ").rpartition(": ")
            columns.setdefault(what, {})[step] = figure.value
    if not columns:
        return []
    steps = list(next(iter(columns.values())))
    lines = [f"| ms | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    return lines + [f"| {step} | {' | '.join(number_of(by[step]) for by in columns.values())} |" for step in steps]


def _growth(figures: Sequence[Figure]) -> list[str]:
    lines = []
    for place, figure in enumerate(figures):
        if figure.claim.startswith("growth: "):
            fold, size = figures[place + 1], figures[place + 2]
            _, facts, peer = figure.note.rsplit("; ", 2)
            cells = [figure.claim.removeprefix("growth: "), facts, *(number_of(f.value) for f in (figure, fold, size))]
            lines.append(f"| {' | '.join([*cells, peer])} |")
    heading = "| one school | facts | read, cold, ms | decode, fold and place, µs a fact | B a fact | peer |"
    return [heading, "|---" * 6 + "|", *lines] if lines else []


def _sizing(figures: Sequence[Figure]) -> list[str]:
    by = {figure.claim.strip(): figure.value for figure in figures}
    try:
        projected, asked = by["projection from log bytes to durable views"], by["overviews over HTTP"]
        stored = by["disk of the score views"] + by["the facts kept to fold on (detail)"]
        rebuilt = by["facts a second"]
    except KeyError:
        return []
    hours = FACTS_A_YEAR / rebuilt / 3_600
    return [
        "| what | of one machine like this | for 10⁹ facts a year |",
        "|---|---|---|",
        f"| projectors at the peak of {PEAK_FACTS:,} facts/s | {projected:,.0f} facts/s each |"
        f" {math.ceil(PEAK_FACTS / projected)}, and one to take over |",
        f"| PostgreSQL, views and what is folded on | {number_of(stored)} B a fact |"
        f" {FACTS_A_YEAR * stored / 1e9:,.0f} GB a year |",
        f"| rebuild of a year | {rebuilt:,.0f} facts/s on two cores | {hours:,.1f} h, an n-th of it on n machines |",
        f"| query at the peak of {PEAK_OVERVIEWS:,} overviews/s | {asked:,.0f}/s, PostgreSQL and client included |"
        f" {math.ceil(PEAK_OVERVIEWS / asked)} pairs of cores |",
    ]
