"""What the pure reports refuse, as Problems: what only the pupils and frameworks that were read can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.access.problems import Problem, ProblemError
from services.query.banding import NoCutOffs
from services.query.reports.matrix import NotYearTagged


@contextmanager
def as_problems() -> Iterator[None]:
    """Inside it, a report's own refusals become Problem 422."""
    try:
        yield
    except NoCutOffs as error:
        whose = "without a year group" if error.year_group is None else f"in year group {error.year_group}"
        detail = (
            f"The settings say nothing of {error.measure} for pupils of school {error.school} {whose}: "
            "add an entry for them, or give the cut-offs as bands."
        )
        raise _refused("no_settings", detail, "settings") from None
    except NotYearTagged as error:
        detail = (
            f"A group matrix compares pupils by the objectives of their own year, and no objective of {error.subject} "
            "is tagged with a year group. Use type=ability: one ability on two dates."
        )
        raise _refused("subject_not_year_tagged", detail, error.side) from None


def _refused(code: str, detail: str, parameter: str) -> Problem:
    errors = [ProblemError(code=code, detail=detail, parameter=parameter)]
    return Problem(422, code, "The parameters cannot be answered", detail, errors)
