"""A national figure beside that of the schools of a report, with the gap in pupils (`domain.md` 4.9). Pure."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from services.domain.national import Figure, gap_in_pupils, national_figure
from services.query.questions import Reading


class Beside(msgspec.Struct, frozen=True):
    """A national figure; `year`: that which it is of. `pupils_above`: how many pupils the school lies above it."""

    value: str
    year: str
    status: str
    pupils_above: int | None
    source: str
    population: str


def beside_nation(
    reading: Reading, measure: str, figure: Figure, year: str, met: int | None, of: int, profile: str = ""
) -> Beside | None:
    """The figure of the schools' nation for a year, or the latest before it; None where there is none, or several
    nations. `met`, of `of`: whom the gap is counted from."""
    nations = {details.nation for school in reading.schools if (details := school.index.details_at(school.known_at))}
    found = national_figure(min(nations), measure, figure, year, profile) if len(nations) == 1 else None
    if found is None:
        return None
    above = gap_in_pupils(Fraction(100 * met, of), found.value, of) if met is not None and of else None
    series = found.series
    return Beside(format(found.value, "f"), found.year, series.status, above, series.source, series.population)
