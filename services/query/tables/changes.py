"""The table of what changed: the counts, then the pupils with the events told in between."""

from __future__ import annotations

from collections.abc import Iterator

from services.query.answers import Value
from services.query.exports import PUPIL_HEADER, Cell, Table, pupil_cells
from services.query.reports.changes import Changes

_HEADER = ("row", "cell", "from", "to", *PUPIL_HEADER, "measure", "on", "events")


def changes_table(answer: Changes) -> Table:
    """A line for each count, then a line for each pupil and measure."""
    return Table(_HEADER, tuple(_lines(answer)))


def _lines(answer: Changes) -> Iterator[tuple[Cell, ...]]:
    nobody = (None,) * (len(PUPIL_HEADER) + 3)
    for row in answer.rows:
        yield (row.row, row.cell, row.before, row.after, *nobody)
    for pupil in answer.pupils:
        events = " ".join(fact.event_id for fact in pupil.facts)
        yield (
            None,
            None,
            _shown(pupil.before),
            _shown(pupil.after),
            *pupil_cells(pupil),
            pupil.measure,
            pupil.on,
            events,
        )


def _shown(value: Value | None) -> Cell:
    """A percent, a score or a value; or why there is none."""
    if value is None:
        return None
    told = (value.percent, value.score, value.value, value.code or None)
    return next((each for each in told if each is not None), value.status)
