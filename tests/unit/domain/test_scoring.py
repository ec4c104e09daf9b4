"""What tests and scales declare: order of values, codes, thresholds by year, bands of scale values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from schemas.definitions import Expected
from services.domain.bands import InvalidBands, bind_bands, parse_bands
from services.domain.built_in import BUILT_IN_SCALES, BUILT_IN_TESTS
from services.domain.scoring import PLAIN, Scoring, scoring_of_scale, scoring_of_test, year_label, year_of

WRITING = scoring_of_test(BUILT_IN_TESTS["ks2"], "ta")
SCALED = scoring_of_test(BUILT_IN_TESTS["ks2"], "scaled")


def test_declared_values_are_worth_their_place_and_numbers_themselves() -> None:
    assert WRITING.amount("EM") == 1_000
    assert (WRITING.amount("EXS") or 0) < (WRITING.amount("GDS") or 0)
    assert WRITING.amount("XYZ") is None
    assert SCALED.amount("100.5") == 100_500
    assert scoring_of_test(BUILT_IN_TESTS["eyfsp"], "ta").amount("2") == 2_000
    assert scoring_of_scale(BUILT_IN_SCALES["bronze-silver-gold"]).amount("Silver") == 2_000
    assert PLAIN.amount("EXS") is None


def test_codes_say_whether_they_count() -> None:
    rules = {rule.code: rule for rule in SCALED.codes}
    assert [code for code, rule in rules.items() if not rule.counts] == ["L", "M", "F"]
    assert [code for code, rule in rules.items() if rule.lowest] == ["B"]
    assert [code for code, rule in rules.items() if rule.earlier] == ["P"]
    assert SCALED.code_number("A") == 0 and SCALED.code_number("100") is None


def test_the_threshold_belongs_to_the_year() -> None:
    test = BUILT_IN_TESTS["phonics"]
    later = Expected(score="raw", at="33", starts_on=date(2026, 9, 1))
    scoring = scoring_of_test(type(test)(**{**_fields(test), "expected": (later, *test.expected)}), "raw")
    assert scoring.expected(date(2026, 6, 1).toordinal()) == 32_000
    assert scoring.expected(date(2027, 6, 1).toordinal()) == 33_000
    assert scoring_of_test(test, "raw").highest == 40_000
    assert PLAIN.expected(date(2026, 6, 1).toordinal()) is None


def test_bands_may_be_values_of_a_scale() -> None:
    bands = bind_bands(parse_bands("EM,EXS,GDS,-", whole_percent=False), WRITING, "writing")
    assert bands.shown() == ["EM", "EXS", "GDS", "-"]
    places = [WRITING.values.index(value) + 1 for value in ("EM", "EXS", "GDS")]
    assert bands.cut_offs == (*map(Decimal, places), None)


@pytest.mark.parametrize(
    ("text", "scoring", "code"),
    [
        ("EM,GDS,EXS,-", WRITING, "out_of_order"),
        ("EM,EXS,SUPER,-", WRITING, "unknown_scale_value"),
        ("EM,EXS,GDS,-", PLAIN, "unknown_scale_value"),
    ],
)
def test_values_that_make_no_bands_are_refused(text: str, scoring: Scoring, code: str) -> None:
    with pytest.raises(InvalidBands) as refused:
        bind_bands(parse_bands(text, whole_percent=False), scoring, "writing")
    assert refused.value.code == code


def test_markbooks_have_no_values() -> None:
    with pytest.raises(InvalidBands):
        parse_bands("EM,EXS,GDS,-", whole_percent=True)


def test_academic_years() -> None:
    assert (year_of("2025/26"), year_of("1999/00"), year_of("2025/27"), year_of("2025-26")) == (2025, 1999, None, None)
    assert year_label(date(2025, 9, 1)) == "2025/26"


def _fields(test: object) -> dict[str, object]:
    return {name: getattr(test, name) for name in test.__struct_fields__}  # type: ignore[attr-defined]
