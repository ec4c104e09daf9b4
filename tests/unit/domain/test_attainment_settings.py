"""Attainment settings: the most specific entry, and validity by the measure's own date."""

from __future__ import annotations

from datetime import date

import pytest

from services.domain.attainment_settings import EXAMPLE_BANDS, Entry, Settings, find_entry
from services.domain.bands import parse_bands

MATHS = "markbook:maths:own-year:overall"
WIDE = Entry(measure="markbook:*:own-year:overall", bands="1,2,3,4")
WIDE_6 = Entry(measure="markbook:*:own-year:overall", year_group="6", bands="2,3,4,5")
EXACT = Entry(measure=MATHS, bands="3,4,5,6")
LEFT = Entry(measure="markbook:maths:*:overall", bands="4,5,6,7")
ENTRIES = (WIDE, WIDE_6, LEFT)


@pytest.mark.parametrize(
    ("entries", "measure", "year_group", "found"),
    [
        (ENTRIES, MATHS, "6", WIDE_6),
        (ENTRIES, MATHS, "5", LEFT),
        (ENTRIES, MATHS, None, LEFT),
        ((LEFT, WIDE), MATHS, None, LEFT),
        ((*ENTRIES, EXACT), MATHS, "6", EXACT),
        (ENTRIES, "markbook:reading:own-year:overall", "5", WIDE),
        (ENTRIES, "markbook:reading:own-year:assessed", "5", None),
        (ENTRIES, "test:ks2:maths:-:scaled", "6", None),
    ],
)
def test_the_most_specific_entry_wins(
    entries: tuple[Entry, ...], measure: str, year_group: str | None, found: Entry | None
) -> None:
    assert find_entry(entries, measure, year_group) == found
    assert find_entry(entries[::-1], measure, year_group) == found


@pytest.mark.parametrize(
    ("on", "outside"),
    [("2025-08-31", True), ("2025-09-01", False), ("2025-12-31", False), ("2026-01-01", True)],
)
def test_validity_holds_on_both_its_days(on: str, outside: bool) -> None:
    autumn = Settings(
        settings="set_1", version=1, name="Autumn", valid_from=date(2025, 9, 1), valid_to=date(2025, 12, 31)
    )
    assert autumn.warning(date.fromisoformat(on)) == ("outside_validity" if outside else None)
    assert Settings(settings="set_2", version=1, name="Always").warning(date.fromisoformat(on)) is None


def test_the_example_makes_five_bands() -> None:
    assert parse_bands(EXAMPLE_BANDS, whole_percent=True).shown() == [21, 36, 51, 66]
