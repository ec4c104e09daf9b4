"""Measures that combine several tests into a yes or no: reading, writing and maths; phonics by year; literacy.

What each asks for, as data (`domain.md` 3.2, 3.3, 4.8). Whose value is which, and what counts, is decided elsewhere.
"""

from __future__ import annotations

import msgspec

from services.domain.measures import (
    ACEL_LITERACY,
    PHONICS_YEAR_1,
    PHONICS_YEAR_2,
    RWM_EXPECTED,
    RWM_HIGHER,
    Measure,
)
from services.domain.scoring import PARTS, Scoring

YES_NO = ("no", "yes")
NO_AMOUNT, YES_AMOUNT = PARTS, 2 * PARTS
"""What a no and a yes are worth: their places among YES_NO, as of any declared values."""
VERDICT = Scoring(values=YES_NO)


class Part(msgspec.Struct, frozen=True):
    """A test that a combination asks for: any of these subjects, of these score types. `at`: by score type the score to
    be reached; a type that is not there is asked for what its test expects."""

    subjects: tuple[str, ...]
    score_types: tuple[str, ...]
    at: tuple[tuple[str, str], ...] = ()

    def asked(self, score_type: str) -> str | None:
        """The score to be reached, where the combination itself says it."""
        return dict(self.at).get(score_type)

    def siblings(self, test: str) -> tuple[str, ...]:
        """The columns of its sittings, of any score type."""
        return tuple(f"test:{test}:{subject}:*:*" for subject in self.subjects)

    def columns(self, test: str) -> tuple[str, ...]:
        """The columns of its values; `*` = any part."""
        return tuple(f"test:{test}:{subject}:*:{kind}" for subject in self.subjects for kind in self.score_types)


class Combination(msgspec.Struct, frozen=True):
    """Parts that all have to be met, of one test. `years`: of these year groups' academic years, one of which is
    enough; empty = the measure's own. `stages`: the value of `level` that is expected in a year group."""

    test: str
    parts: tuple[Part, ...]
    years: tuple[int, ...] = ()
    stages: tuple[tuple[str, str], ...] = ()


_ANY_SUBJECT = ("*",)
_MATHS = ("maths", "mathematics")
_LISTENING = (
    "listening-and-talking", "listening-talking", "listening_and_talking", "listening", "talking", "lt", "LT",
)  # fmt: skip
_ACHIEVED = ("achieved", "ta", "level")

COMBINATIONS: dict[str, Combination] = {
    RWM_EXPECTED: Combination(
        "ks2",
        (Part(("reading",), ("scaled",)), Part(("writing",), ("ta",)), Part(_MATHS, ("scaled",))),
    ),
    RWM_HIGHER: Combination(
        "ks2",
        (
            Part(("reading",), ("scaled",), (("scaled", "110"),)),
            Part(("writing",), ("ta",), (("ta", "GDS"),)),
            Part(_MATHS, ("scaled",), (("scaled", "110"),)),
        ),
    ),
    PHONICS_YEAR_1: Combination("phonics", (Part(_ANY_SUBJECT, ("raw", "ta")),), years=(1,)),
    PHONICS_YEAR_2: Combination("phonics", (Part(_ANY_SUBJECT, ("raw", "ta")),), years=(1, 2)),
    ACEL_LITERACY: Combination(
        "acel",
        (Part(("reading", "R"), _ACHIEVED), Part(("writing", "W"), _ACHIEVED), Part(_LISTENING, _ACHIEVED)),
        stages=(("P1", "early"), ("P4", "first"), ("P7", "second"), ("S3", "third")),
    ),
}


def combination_of(measure: Measure) -> Combination:
    """What a combined measure asks for."""
    return COMBINATIONS[measure.item]
