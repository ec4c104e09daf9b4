"""The tables of the framework's page and of what is recorded."""

from __future__ import annotations

from services.query.exports import Table
from services.query.reports.framework import Framework
from services.query.reports.recording import Recording


def framework_table(answer: Framework) -> Table:
    """A line for each objective."""
    header = ("subject", "framework", "version", "strand", "objective", "text", "ability", "year_group", "weight")
    return Table(
        header,
        tuple(
            (
                subject.subject, subject.framework, subject.version, strand.strand,
                each.objective, each.text, each.ability, each.year_group, each.weight,
            )
            for subject in answer.subjects
            for strand in subject.strands
            for each in strand.objectives
        ),
    )  # fmt: skip


def recording_table(answer: Recording) -> Table:
    """A line for each class and subject."""
    header = (
        "row", "school", "subject", "pupils", "assessed", "assessed_percent",
        "last_assessed_on", "objectives_covered", "objectives", "covered_percent", "below_minimum",
    )  # fmt: skip
    return Table(
        header,
        tuple(
            (
                row.row, row.school, row.subject, row.pupils, row.assessed, row.assessed_percent,
                row.last_assessed_on, row.covered.objectives, row.covered.of, row.covered.percent,
                None if row.below_minimum is None else "yes" if row.below_minimum else "no",
            )
            for row in answer.rows
        ),
    )  # fmt: skip
