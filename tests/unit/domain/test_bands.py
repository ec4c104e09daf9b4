"""Worked examples 4.3, 4.4 and 4.5 (`domain.md`), and what cut-offs may be."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.bands import (
    AT,
    BAND_IDS,
    NO_DATA,
    NOT_APPLICABLE,
    Bands,
    InvalidBands,
    classify,
    classify_many,
    combine,
    levels,
    overlay,
    parse_bands,
)
from services.domain.scores import percent
from tests.unit.domain.oak_class import ask, oak_class

SIG_BELOW, BELOW, ABOVE, SIG_ABOVE = 0, 1, 3, 4
OF_4_3 = parse_bands("21,36,51,66", whole_percent=True)


# --- 4.3 Bands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tenths", "shown", "band"),
    [
        (354, 35, BELOW),
        (355, 36, AT),
        (504, 50, AT),
        (505, 51, ABOVE),
        (0, 0, SIG_BELOW),
        (1000, 100, SIG_ABOVE),
    ],
)
def test_the_displayed_whole_percent_is_banded(tenths: int, shown: int, band: int) -> None:
    displayed = percent(tenths, 1000)
    assert displayed == shown
    assert classify(displayed, OF_4_3) == band


@pytest.mark.parametrize(
    ("known", "counts"),
    [
        ("2026-02-28", {SIG_BELOW: 1, AT: 2, ABOVE: 1, NO_DATA: 1}),
        ("2025-11-30", {SIG_BELOW: 1, BELOW: 1, AT: 1, ABOVE: 1, NO_DATA: 1}),
    ],
)
def test_oak_at_the_end_of_november_by_own_year(known: str, counts: dict[int, int]) -> None:
    answer = ask(oak_class(), "2025-11-30", known)
    bands = []
    for pupil in answer.pupils:
        reached = answer.values[pupil, "maths", "own-year", "overall"].percent
        bands.append(NO_DATA if reached is None else classify(reached, OF_4_3))
    assert {band: bands.count(band) for band in set(bands)} == counts


def test_oak_percents_of_the_row_and_of_those_with_data() -> None:
    counts, pupils, no_data = (1, 0, 2, 1, 0), 5, 1
    assert [percent(count, pupils) for count in counts] == [20, 0, 40, 20, 0]
    assert [percent(count, pupils - no_data) for count in counts] == [25, 0, 50, 25, 0]
    assert percent(no_data, pupils) == 20


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("21,36,36,66", "out_of_order"),
        ("36,21,51,66", "out_of_order"),
        ("21,36,51", "wrong_count"),
        ("21,36,51,66,80", "wrong_count"),
        ("", "wrong_count"),
        ("21,36,,66", "not_a_number"),
        ("21,36,x,66", "not_a_number"),
        ("21,NaN,51,66", "not_a_number"),
        ("21,36,51,Infinity", "not_a_number"),
        ("21,36,51,1e400", "not_a_number"),
        ("21,36,51,1e2", "not_a_number"),
        ("-5,36,51,66", "not_a_number"),
        ("1_0,36,51,66", "not_a_number"),
        ("٢١,36,51,66", "not_a_number"),
        ("0x10,36,51,66", "not_a_number"),
        ("21,36.5,51,66", "not_whole"),
        ("0,36,51,66", "out_of_range"),
        ("21,36,51,101", "out_of_range"),
        ("21,36,51," + "9" * 400, "not_a_number"),
    ],
)
def test_cut_offs_of_percents_that_make_no_five_bands_are_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidBands) as refused:
        parse_bands(text, whole_percent=True)
    assert refused.value.code == code
    assert refused.value.detail


def test_cut_offs_of_scores_may_have_decimals_and_exceed_100() -> None:
    bands = parse_bands("79.5, 100,110,119.125", whole_percent=False)
    assert bands.cut_offs == (Decimal("79.5"), Decimal(100), Decimal(110), Decimal("119.125"))
    assert bands.shown() == ["79.5", 100, 110, "119.125"]
    assert classify(Decimal("79.499"), bands) == SIG_BELOW, "scores are not rounded before they are banded"
    assert classify(Fraction(159, 2), bands) == BELOW
    with pytest.raises(InvalidBands) as refused:
        parse_bands("1,2,3,1000000.001", whole_percent=False)
    assert refused.value.code == "out_of_range"
    with pytest.raises(InvalidBands):
        parse_bands("1,2,3,4.0001", whole_percent=False)


def test_band_ids_stand_in_the_order_of_the_contract() -> None:
    assert BAND_IDS == ("sig_below", "below", "at", "above", "sig_above")
    assert [BAND_IDS[classify(shown, OF_4_3)] for shown in (20, 21, 36, 51, 66)] == list(BAND_IDS)


@given(
    st.lists(st.decimals(1, 1000, places=3), min_size=4, max_size=4, unique=True).map(sorted),
    st.lists(st.integers(-2, 1_100_000), min_size=1),
)
def test_many_are_classified_as_one(cuts: list[Decimal], thousandths: list[int]) -> None:
    bands = Bands((cuts[0], cuts[1], cuts[2], cuts[3]))
    alone = [v if v < 0 else classify(Fraction(v, 1000), bands) for v in thousandths]
    assert classify_many(np.array(thousandths), bands, per_unit=1000).tolist() == alone


def test_no_data_and_not_applicable_have_no_band() -> None:
    assert classify_many(np.array([NOT_APPLICABLE, NO_DATA, 0, 66]), OF_4_3).tolist() == [-2, -1, 0, 4]


# --- 4.4 Combined ------------------------------------------------------------------------------------------------

READING = np.array([AT, SIG_ABOVE, SIG_ABOVE, AT, AT, SIG_BELOW], dtype=np.int8)
WRITING = np.array([AT, AT, SIG_ABOVE, BELOW, AT, SIG_BELOW], dtype=np.int8)
MATHS = np.array([AT, ABOVE, SIG_ABOVE, ABOVE, NO_DATA, SIG_BELOW], dtype=np.int8)


def test_combined_counts_sig_above_as_at_or_above() -> None:
    combined = combine([READING, WRITING, MATHS])
    assert combined.working_at_or_above.tolist() == [True, True, True, False, False, False]
    assert combined.not_working_at.tolist() == [False, False, False, True, True, True]
    assert combined.incomplete.tolist() == [False, False, False, False, True, False]
    assert [percent(int(mask.sum()), 6) for mask in (combined.working_at_or_above, combined.not_working_at)] == [50, 50]


def test_combined_over_two_subjects_is_no_product_of_rates() -> None:
    working = int(combine([READING, WRITING]).working_at_or_above.sum())
    assert (working, percent(working, 6)) == (4, 67)
    assert [int((bands >= AT).sum()) for bands in (READING, WRITING, MATHS)] == [5, 4, 4]


def test_combined_over_one_subject_is_that_subject() -> None:
    assert combine([READING]).working_at_or_above.tolist() == (READING >= AT).tolist()


def test_a_pupil_not_applicable_in_any_measure_is_in_neither_part() -> None:
    combined = combine([np.array([AT, NO_DATA, BELOW], np.int8), np.array([NOT_APPLICABLE] * 3, np.int8)])
    assert not combined.working_at_or_above.any()
    assert not combined.not_working_at.any()
    assert not combined.incomplete.any()


def test_incomplete_needs_missing_data_and_no_measure_below_at() -> None:
    combined = combine([np.array([NO_DATA, NO_DATA, AT], np.int8), np.array([BELOW, NO_DATA, NO_DATA], np.int8)])
    assert combined.not_working_at.all()
    assert combined.incomplete.tolist() == [False, True, True]


# --- 4.5 Matrix and overlay --------------------------------------------------------------------------------------

PLOTTED = (
    (BELOW, AT),
    (BELOW, BELOW),
    (AT, AT),
    (AT, AT),
    (AT, ABOVE),
    (AT, BELOW),
    (ABOVE, SIG_ABOVE),
    (ABOVE, ABOVE),
    (SIG_ABOVE, ABOVE),
    (SIG_BELOW, SIG_BELOW),
)


def table(pairs: tuple[tuple[int, int], ...]) -> list[list[int]]:
    return [[pairs.count((first, second)) for second in range(5)] for first in range(5)]


def test_overlay_of_the_ten_plotted_pupils() -> None:
    found = overlay(table(PLOTTED))
    assert (found.on.pupils, found.on.percent) == (5, 50)
    assert (found.above.pupils, found.above.percent) == (3, 30)
    assert (found.below.pupils, found.below.percent) == (2, 20)


def test_overlay_with_the_selections_swapped() -> None:
    found = overlay(table(tuple((second, first) for first, second in PLOTTED)))
    assert (found.on.pupils, found.above.pupils, found.below.pupils) == (5, 2, 3)


def test_overlay_percents_are_not_forced_to_100() -> None:
    found = overlay([[3, 2, 0, 0, 0], [2, 0, 0, 0, 0], [0] * 5, [0] * 5, [0] * 5])
    assert [part.percent for part in (found.on, found.above, found.below)] == [43, 29, 29]


def test_meeting_expectations_in_the_comparison() -> None:
    unplotted = (NO_DATA, AT)
    assert sum(second >= AT for _, second in PLOTTED) == 7
    assert sum(second >= AT for _, second in (*PLOTTED, unplotted)) == 8


def test_overlay_of_nobody_has_no_percents() -> None:
    found = overlay([[0] * 5] * 5)
    assert (found.on.percent, found.above.percent, found.below.percent) == (None, None, None)


# --- Unused bands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "bands_of"),
    [
        ("80,100,110,-", {79: 0, 80: 1, 100: 2, 110: 3, 120: 3}),
        ("-,36,51,66", {0: 0, 35: 0, 36: 2, 51: 3, 66: 4}),
        ("21,-,51,66", {20: 0, 21: 1, 50: 1, 51: 3, 66: 4}),
        ("-,50,-,-", {49: 0, 50: 2, 1_000_000: 2}),
    ],
)
def test_the_values_of_an_unused_band_fall_to_the_used_band_below(text: str, bands_of: dict[int, int]) -> None:
    bands = parse_bands(text, whole_percent=False)
    assert {value: classify(value, bands) for value in bands_of} == bands_of
    values = np.array(list(bands_of), np.int64) * 1000
    assert classify_many(values, bands, per_unit=1000).tolist() == list(bands_of.values())
    reached = (values >= levels(bands, per_unit=1000)[1:, None]).sum(axis=0) - 1
    assert reached.tolist() == list(bands_of.values())
    assert ",".join(map(str, bands.shown())) == text


def test_at_least_one_band_is_used_and_used_ones_rise() -> None:
    for text, code in (("-,-,-,-", "no_bands"), ("50,-,50,-", "out_of_order"), ("50,-,40,60", "out_of_order")):
        with pytest.raises(InvalidBands) as refused:
            parse_bands(text, whole_percent=True)
        assert refused.value.code == code, text
