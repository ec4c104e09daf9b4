"""A tally says of any level what counting masks says; and an overview asked again says what it says the first time."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from services.domain.bands import parse_bands
from services.domain.measures import parse_measure
from services.query import tally as tallies
from services.query.axis import pack_words
from services.query.breakdown import Rows
from services.query.reports import overview
from services.query.requests import By, Clocks, OverviewRequest, Population
from tests.unit.query.hand_made import day, reading_of
from tests.unit.query.oak import make_oak

Spread = Callable[[np.random.Generator, int], npt.NDArray[np.int64]]
SPREADS: dict[str, Spread] = {
    "percents": lambda rng, size: rng.integers(-4, 101, size),
    "scores": lambda rng, size: rng.choice([-2, -1, 0, 80_000, 99_500, 120_000], size),
    "one": lambda rng, size: np.full(size, -2),
}


@pytest.mark.parametrize("spread", SPREADS)
def test_a_tally_counts_what_masks_count(spread: str) -> None:
    rng = np.random.default_rng(7)
    words = 5
    held = rng.random((4, words * 64)) < 0.3
    held[2] = False  # a row without pupils
    bits = pack_words(held)
    rows = Rows(tuple("abcd"), np.arange(0, 4 * words + 1, words), np.tile(np.arange(words), 4), bits.ravel())
    amounts = SPREADS[spread](rng, words * 64).astype(np.int64)
    made = tallies.tally(amounts, tallies.places_of(rows))
    assert made is not None
    levels = np.array([-9, -4, -2, -1, 0, 1, 50, 79_999, 80_000, 80_001, 120_000, 10**9])
    masks = pack_words(amounts >= levels[:, None])
    assert (made.count(levels) == rows.count(masks)).all()
    assert all((made.mask(int(level)) == mask).all() for level, mask in zip(levels, masks, strict=True))


def test_too_many_amounts_have_no_tally(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(("whole",), np.array([0, 1]), np.array([0]), np.array([2**64 - 1], np.uint64))
    amounts = np.arange(64) * 1_000_000
    assert tallies.tally(amounts, tallies.places_of(rows)) is not None
    monkeypatch.setattr(tallies, "AMOUNTS_MAX", 63)
    assert tallies.tally(amounts, tallies.places_of(rows)) is None


@pytest.mark.parametrize("amounts_max", [4_096, 1])
def test_new_cut_offs_on_a_reading_say_what_a_reading_of_their_own_says(
    amounts_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "AMOUNTS_MAX", amounts_max)
    measures = (parse_measure("markbook:maths:own-year:overall"), parse_measure("markbook:maths:any:assessed"))
    by = (By("year-group"), By("characteristic", "sex"))
    kept = reading_of(make_oak().reading("2026-02-28"))
    for cuts in ("21,36,51,66", "1,2,3,4", "36,37,38,100", "50,60,70,80"):
        bands = parse_bands(cuts, whole_percent=True)
        other = parse_bands("10,20,36,90", whole_percent=True)
        request = OverviewRequest(
            Population(schools=("oak",)), Clocks(day("2025-11-30")), measures, (bands, other), by, "row"
        )
        anew = overview.answer(reading_of(make_oak().reading("2026-02-28")), request)
        assert msgspec.json.encode(overview.answer(kept, request)) == msgspec.json.encode(anew)
