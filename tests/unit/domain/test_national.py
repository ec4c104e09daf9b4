"""The national figures that are shipped: of the year, of the nation, and never of another framework."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.domain.national import all_series, national_figure


@pytest.mark.parametrize(
    ("measure", "figure", "year", "value", "of"),
    [
        ("combined:ks2-rwm:expected", "percent", "2024/25", "62", "2024/25"),
        ("combined:ks2-rwm:expected", "percent", "2026/27", "62", "2024/25"),
        ("combined:ks2-rwm:expected", "percent", "2019/20", "65", "2018/19"),
        ("test:mtc:maths:-:raw", "mean", "2024/25", "21.0", "2024/25"),
        ("test:mtc:maths:-:raw", "percent", "2024/25", "37", "2024/25"),
        ("combined:phonics:year-1", "percent", "2023/24", "80", "2023/24"),
        ("eyfs:gld", "percent", "2021/22", "65.2", "2021/22"),
    ],
)
def test_the_figure_of_the_year_or_the_latest_before_it(
    measure: str, figure: str, year: str, value: str, of: str
) -> None:
    found = national_figure("england", measure, figure, year)  # type: ignore[arg-type]  # those two words
    assert found is not None
    assert (found.value, found.year) == (Decimal(value), of)


def test_nations_frameworks_and_measures_are_never_mixed() -> None:
    assert national_figure("scotland", "combined:ks2-rwm:expected", "percent", "2024/25") is None
    assert national_figure("england", "eyfs:gld", "percent", "2018/19") is None
    old = national_figure("england", "eyfs:gld", "percent", "2018/19", "eyfsp-2013")
    assert old is not None and old.value == Decimal("71.8")
    assert national_figure("england", "combined:ks2-rwm:higher", "percent", "2024/25") is None  # not confirmed
    assert national_figure("england", "combined:phonics:year-1", "percent", "2010/11") is None


def test_every_series_says_where_it_is_from() -> None:
    for series in all_series():
        assert series.source and series.population and series.values and series.comparable_from
