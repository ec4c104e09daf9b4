"""The reports of early years as flat tables."""

from __future__ import annotations

from services.domain.eyfs import GOALS
from services.query.exports import (
    PUPIL_HEADER,
    VALUE_HEADER,
    Cell,
    Table,
    band_table,
    cell_lines,
    pupil_cells,
    value_cells,
)
from services.query.reports.eyfs_group import EyfsGroup
from services.query.reports.eyfs_pupil import EyfsPupil
from services.query.reports.gld import GldReport


def gld_table(answer: GldReport) -> Table:
    """One line for each pupil, goal by goal."""
    lines = (
        (*pupil_cells(pupil), *(pupil.goals.get(goal) for goal in GOALS), pupil.total, pupil.gld)
        for pupil in answer.pupils
    )
    return Table((*PUPIL_HEADER, *GOALS, "total", "gld"), tuple(lines))


def eyfs_group_table(answer: EyfsGroup) -> Table:
    """A list of pupils, or the lines of an overview."""
    if isinstance(answer.rows, list) and isinstance(answer.measures, list):
        return band_table(answer.measures, answer.rows, cell_lines)
    pupils = answer.pupils if isinstance(answer.pupils, list) else []
    lines = (
        (*pupil_cells(pupil), ability, *value_cells(value))
        for pupil in pupils
        for ability, value in zip(answer.abilities, pupil.values, strict=True)
    )
    return Table((*PUPIL_HEADER, "measure", *VALUE_HEADER), tuple(lines))


def eyfs_pupil_table(answer: EyfsPupil) -> Table:
    """One line for each goal or age range."""
    lines: list[tuple[Cell, ...]] = [
        (*pupil_cells(answer.pupil), area.area, value.id, value.name, *value_cells(value))
        for area in answer.areas
        for value in area.values
    ]
    return Table((*PUPIL_HEADER, "area", "id", "goal", *VALUE_HEADER), tuple(lines))
