"""A school beside a national figure: the figures that are published, and the gap in pupils (`domain.md` 3.7 and 4.9).

Exact, rounded once and towards zero. Figures that could not be confirmed are not among them; those of another nation
or of an older framework are never set beside a school's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

FIGURES = "national_figures.json"
_ANY_PART = "*"

Figure = Literal["percent", "mean"]


class Series(msgspec.Struct, frozen=True):
    """The figures of a measure by academic year. `rounding`: to what they are rounded; `population`: of whom they are;
    `comparable_from`: the first year of the present way of assessing; `profile`: of which profile of early years."""

    nation: str
    measure: str
    figure: Figure
    rounding: str
    population: str
    comparable_from: str
    status: Literal["provisional", "revised", "final"]
    source: str
    values: Mapping[str, Decimal]
    profile: str = ""


class National(msgspec.Struct, frozen=True):
    """A figure and the year that it is of."""

    value: Decimal
    year: str
    series: Series


class _Shipped(msgspec.Struct, frozen=True):
    licence: str
    series: tuple[Series, ...]


def national_figure(nation: str, measure: str, figure: Figure, year: str, profile: str = "") -> National | None:
    """The figure of an academic year (`2024/25`), or of the latest one before it that there is."""
    for series in all_series():
        if (series.nation, series.figure, series.profile) == (nation, figure, profile) and _names(series, measure):
            years = [each for each in series.values if each <= year]
            if years:
                return National(series.values[max(years)], max(years), series)
    return None


@cache
def all_series() -> tuple[Series, ...]:
    """Every series that is shipped."""
    data = files("services.domain").joinpath(FIGURES).read_bytes()
    return msgspec.json.decode(data, type=_Shipped).series


def gap_in_pupils(school: int | Decimal | Fraction, national: int | Decimal | Fraction, cohort: int) -> int:
    """How many pupils of `cohort` the school's percent lies above (or, negative, below) the national percent.

    A part of a pupil is cut off: 0 is in line.
    """
    return int((Fraction(school) - Fraction(national)) * cohort / 100)


def _names(series: Series, measure: str) -> bool:
    wanted, given = series.measure.split(":"), measure.split(":")
    return len(wanted) == len(given) and all(part in (_ANY_PART, own) for part, own in zip(wanted, given, strict=True))
