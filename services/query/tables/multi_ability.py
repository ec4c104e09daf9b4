"""The table of Multi-Ability Tracking: a line for each pupil, then the means."""

from __future__ import annotations

from services.query.exports import Cell, Table, pupil_cells
from services.query.reports.multi_ability import MultiAbility


def multi_ability_table(answer: MultiAbility) -> Table:
    """The percent of each ability, or why there is none."""
    header = ("pupil", "reference", "name", "school", "year_group", *answer.abilities)
    lines: list[tuple[Cell, ...]] = [
        (*pupil_cells(pupil), *(value.percent if value.percent is not None else value.status for value in pupil.values))
        for pupil in answer.pupils
    ]
    means = ("mean", None, None, None, None, *(mean.percent for mean in answer.means))
    return Table(header, (*lines, means))
