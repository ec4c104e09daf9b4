"""The table of an explained value: one line for each objective or sitting."""

from __future__ import annotations

from services.query.exports import Cell, Table
from services.query.reports.explain import Explain, Line

_HEADER = (
    "objective", "text", "weight", "state", "state_weight", "counted", "why",
    "assessed_on", "recorded_at", "event_id", "source", "import_id",
)  # fmt: skip


def explain_table(answer: Explain) -> Table:
    """The lines, then what they add up to."""
    total = ("sum", answer.measure, answer.sum.denominator, None, answer.sum.numerator, None, answer.value.status)
    return Table(_HEADER, (*map(_line, answer.lines), (*total, None, None, None, None, None)))


def _line(line: Line) -> tuple[Cell, ...]:
    fact = line.fact
    told: tuple[Cell, ...] = (None,) * 5
    if fact is not None:
        recorded_at = fact.recorded_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        told = (fact.assessed_on, recorded_at, fact.event_id, fact.source, fact.import_id)
    counted = "yes" if line.counted else "no"
    return (line.objective, line.text, line.weight, line.state, line.state_weight, counted, line.why, *told)
