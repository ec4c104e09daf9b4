"""Measures as requests name them: `markbook:maths:Y3:overall`, `test:ks2:maths:-:scaled`, `judgement:R:ta`.

Reading a name needs no school: a well-formed measure that a school does not have is answered, not refused.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from schemas.columns import column_of_judgement, column_of_test

OWN_YEAR = "own-year"
ANY = "any"
SCORE_PARTS = 1000
"""Scores have up to three decimals and are counted in thousandths."""
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
"""How subjects, abilities, tests, components, score types and scales are written (contract, section 2)."""

_SHAPES = {
    "markbook": "markbook:SUBJECT:ABILITY:overall or markbook:SUBJECT:ABILITY:assessed",
    "test": "test:TEST:SUBJECT:COMPONENT:SCORE_TYPE (COMPONENT is - if there is none)",
    "judgement": "judgement:SUBJECT:SCALE",
}


class InvalidMeasure(ValueError):
    """A text that names no measure. `code` is for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """Pupil → value at a date. Fields that a kind does not have are empty; `text` is the canonical name.

    `ability`: a name, `own-year` or `any`. `percent`: `overall` or `assessed`. `component`: empty if none.
    """

    kind: Literal["markbook", "test", "judgement"]
    text: str
    subject: str
    ability: str = ""
    percent: Literal["", "overall", "assessed"] = ""
    test: str = ""
    component: str = ""
    score_type: str = ""
    scale: str = ""

    @property
    def column(self) -> str:
        """The column that holds the values of a test or judgement; a markbook has none."""
        if self.kind == "test":
            return column_of_test(self.test, self.subject, self.component, self.score_type)
        return column_of_judgement(self.subject, self.scale) if self.kind == "judgement" else ""

    @property
    def per_unit(self) -> int:
        """Into how many parts a unit of its values is counted: percents are whole, scores come in thousandths."""
        return 1 if self.kind == "markbook" else SCORE_PARTS


def parse_measure(text: str) -> Measure:
    """The measure named by `text`. Raises InvalidMeasure."""
    kind, *parts = text.split(":")
    if kind not in _SHAPES:
        raise InvalidMeasure("unknown_measure", f"{text[:80]!r} is no measure; it starts with {', '.join(_SHAPES)}")
    if len(parts) != _SHAPES[kind].split()[0].count(":"):
        raise InvalidMeasure("malformed_measure", f"{text[:200]!r} is not of the form {_SHAPES[kind]}")
    if kind == "markbook":
        return _parse_markbook(text, parts)
    if kind == "test":
        return _parse_test(text, parts)
    subject, scale = _check(text, "subject", parts[0]), _check(text, "scale", parts[1])
    return Measure(kind="judgement", text=text, subject=subject, scale=scale)


def _parse_markbook(text: str, parts: list[str]) -> Measure:
    subject, ability, percent = _check(text, "subject", parts[0]), _check(text, "ability", parts[1]), parts[2]
    if percent == "overall":
        return Measure(kind="markbook", text=text, subject=subject, ability=ability, percent="overall")
    if percent == "assessed":
        return Measure(kind="markbook", text=text, subject=subject, ability=ability, percent="assessed")
    raise InvalidMeasure("unknown_percent", f"{percent[:40]!r} in {text[:200]!r} is neither overall nor assessed")


def _parse_test(text: str, parts: list[str]) -> Measure:
    return Measure(
        kind="test",
        text=text,
        test=_check(text, "test", parts[0]),
        subject=_check(text, "subject", parts[1]),
        component="" if parts[2] == "-" else _check(text, "component", parts[2]),
        score_type=_check(text, "score type", parts[3]),
    )


def _check(text: str, role: str, part: str) -> str:
    if IDENTIFIER.fullmatch(part) is None:
        raise InvalidMeasure("invalid_identifier", f"{part[:40]!r} in {text[:200]!r} is no {role}")
    return part
