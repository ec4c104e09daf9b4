"""Tests and scales that are there from the start, as version 1 that nobody had to write (`domain.md` 3.1 to 3.3).

They stand in no log: the first version that somebody defines is the second. What a code or an expectation does is
decided in `external`; nothing here reads or counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from schemas.definitions import (
    SCALE,
    TEST,
    AnyDefinition,
    Code,
    Expected,
    ScaleDefined,
    ScaleValue,
    ScoreType,
    TestDefined,
)
from services.domain.eyfs import EYFSP, EYFSP_2013

SINCE = datetime(1990, 1, 1, tzinfo=UTC)
"""Before every instant as known at."""
ACTOR = "markledger"

_PRE_KEY_STAGE = tuple(f"PK{number}" for number in range(1, 7))
_EARLIER = Code(name="Took it in an earlier year", counts=True, earlier=True)


def _counted(**names: str) -> dict[str, Code]:
    return {code: Code(name=name, counts=True) for code, name in names.items()}


def _left_out(**names: str) -> dict[str, Code]:
    return {code: Code(name=name, counts=False) for code, name in names.items()}


def _lowest(**names: str) -> dict[str, Code]:
    return {code: Code(name=name, counts=True, lowest=True) for code, name in names.items()}


def _test(
    test: str,
    name: str,
    scores: dict[str, ScoreType],
    codes: dict[str, Code],
    year_groups: tuple[str, ...],
    **expected: str,
) -> TestDefined:
    return TestDefined(
        event_id=f"{TEST}{test}@1",
        definition=TEST + test,
        number=1,
        recorded_at=SINCE,
        actor=ACTOR,
        name=name,
        scores=scores,
        codes=codes,
        year_groups=year_groups,
        expected=tuple(Expected(score=score, at=at) for score, at in expected.items()),
    )


def _scale(
    scale: str, name: str, values: Iterable[tuple[str, str]] = (), low: str = "", high: str = ""
) -> ScaleDefined:
    return ScaleDefined(
        event_id=f"{SCALE}{scale}@1",
        definition=SCALE + scale,
        number=1,
        recorded_at=SINCE,
        actor=ACTOR,
        name=name,
        values=tuple(ScaleValue(value=value, name=told) for value, told in values),
        min=low,
        max=high,
        step="1" if high else "",
    )


def _profile(test: str, name: str, highest: int) -> TestDefined:
    levels = ScoreType(values=tuple(str(level) for level in range(1, highest + 1)))
    return _test(test, name, {"ta": levels}, _left_out(A="Exempt"), ("R",), ta="2")


def _range(low: int, high: int) -> ScoreType:
    return ScoreType(min=str(low), max=str(high), step="1")


_TESTS = (
    _profile(EYFSP.profile, "Early Years Foundation Stage Profile", EYFSP.highest),
    _profile(EYFSP_2013.profile, "Early Years Foundation Stage Profile, 2013 to 2021", EYFSP_2013.highest),
    _test(
        "phonics",
        "Phonics screening check",
        {"raw": _range(0, 40), "ta": ScoreType(values=("Wt", "Wa"))},
        _counted(A="Absent", D="Disapplied", Q="Maladministration") | _left_out(L="Left"),
        ("1",),
        raw="32",
        ta="Wa",
    ),
    _test(
        "mtc",
        "Multiplication tables check",
        {"raw": _range(0, 25)},
        _counted(A="Absent", B="Working below", J="Just arrived", Q="Maladministration", U="Unable to take part")
        | _left_out(L="Left"),
        ("4",),
        raw="25",
    ),
    _test(
        "ks1",
        "Key stage 1",
        {
            "scaled": _range(85, 115),
            "raw": _range(0, 60),
            "ta": ScoreType(
                values=("BLW", *_PRE_KEY_STAGE[:4], "PKF", "PKE", "PKG", "PKS", "HNM", "WTS", "EXS", "GDS")
            ),
        },
        _counted(A="Absent", D="Disapplied", Q="Maladministration") | _lowest(B="Below the test") | _left_out(L="Left"),
        ("2",),
        scaled="100",
        ta="EXS",
    ),
    _test(
        "ks2",
        "Key stage 2",
        {
            "scaled": _range(80, 120),
            "raw": _range(0, 120),
            "ta": ScoreType(values=("EM", *_PRE_KEY_STAGE, "HNM", "WTS", "EXS", "GDS")),
        },
        _counted(
            A="Absent",
            H="Pupil cheating",
            J="Just arrived",
            Q="Maladministration",
            U="Unable to access the test",
            N="Too few marks for a scaled score",
        )
        | _lowest(B="Working below the test")
        | _left_out(L="Left", M="Missing", F="Takes it in a later year")
        | {"P": _EARLIER},
        ("6",),
        scaled="100",
        ta="EXS",
    ),
    _test(
        "acel",
        "Achievement of Curriculum for Excellence levels",
        {
            "ta": ScoreType(values=("no", "yes")),
            "achieved": ScoreType(values=("no", "yes")),
            "level": ScoreType(values=("early", "first", "second", "third", "fourth")),
        },
        {},
        ("P1", "P4", "P7", "S3"),
        ta="yes",
        achieved="yes",
    ),
)
_SCALES = (
    _scale("percent", "Percent", low="0", high="100"),
    _scale("standardised", "Standardised score", low="69", high="141"),
    _scale(
        "bronze-silver-gold", "Bronze, silver, gold", [(name, name.title()) for name in ("bronze", "silver", "gold")]
    ),
    _scale(
        "progress-3",
        "Progress in three words",
        [("below", "Below expected"), ("expected", "Expected"), ("above", "Above expected")],
    ),
    _scale(
        "progress-5",
        "Progress in five words",
        [
            ("well-below", "Well below expected"),
            ("below", "Below expected"),
            ("expected", "Expected"),
            ("above", "Above expected"),
            ("well-above", "Well above expected"),
        ],
    ),
)

BUILT_IN: Mapping[str, AnyDefinition] = {each.definition: each for each in (*_TESTS, *_SCALES)}
"""By the name of the definition: `test:ks2`, `scale:percent`."""
BUILT_IN_TESTS: Mapping[str, TestDefined] = {each.definition.removeprefix(TEST): each for each in _TESTS}
BUILT_IN_SCALES: Mapping[str, ScaleDefined] = {each.definition.removeprefix(SCALE): each for each in _SCALES}
