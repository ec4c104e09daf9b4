"""Measures as requests name them: `markbook:maths:Y3:overall`, `test:ks2:maths:-:scaled:best@2026-05-31`, `eyfs:gld`.

Reading a name needs no school: a well-formed measure that a school does not have is answered, not refused. What its
test or scale declares is bound to it afterwards (`scoring`), so that whatever is computed of it depends on that too.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal, get_args
from urllib.parse import unquote

import msgspec

from schemas.columns import column_of_judgement, column_of_test
from services.domain.scoring import PLAIN, Scoring

OWN_YEAR = "own-year"
ANY = "any"
ANY_PART = "*"
"""Any score type, subject or component in a pattern of columns."""
SCORE_PARTS = 1000
"""Scores have up to three decimals and are counted in thousandths."""
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
"""How subjects, abilities, tests, components, score types and scales are written (contract, section 2)."""

Kind = Literal["markbook", "test", "judgement", "eyfs", "combined"]
Choice = Literal["", "latest", "best", "first"]
EYFS_TOTAL, EYFS_GLD = "total", "gld"
RWM_EXPECTED, RWM_HIGHER = "ks2-rwm:expected", "ks2-rwm:higher"
PHONICS_YEAR_1, PHONICS_YEAR_2 = "phonics:year-1", "phonics:end-of-year-2"
ACEL_LITERACY = "acel-literacy"
COMBINED = (RWM_EXPECTED, RWM_HIGHER, PHONICS_YEAR_1, PHONICS_YEAR_2, ACEL_LITERACY)

_SHAPES: dict[str, tuple[str, tuple[int, ...]]] = {
    "markbook": ("markbook:SUBJECT:ABILITY:overall or markbook:SUBJECT:ABILITY:assessed", (3,)),
    "test": (
        "test:TEST:SUBJECT:COMPONENT:SCORE_TYPE (COMPONENT is - if there is none); perhaps :latest, :best, :first",
        (4, 5),
    ),
    "judgement": ("judgement:SUBJECT:SCALE, perhaps with :NAME (SUBJECT is - if there is none)", (2, 3)),
    "eyfs": ("eyfs:E01 to eyfs:E17, eyfs:total or eyfs:gld", (1,)),
    "combined": (f"combined: and one of {', '.join(COMBINED)}", (1, 2)),
}
_DAY = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
_DATED = re.compile(rf"(.*)@(?:{_DAY}\.\.)?{_DAY}")
_GOAL = re.compile(r"E(?:0[1-9]|1[0-7])")
_FIRST_DATE = date(1990, 1, 1)
_NAME_LENGTH_MAX = 128


class InvalidMeasure(ValueError):
    """A text that names no measure. `code` is for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """Pupil → value at a date. Fields that a kind does not have are empty; `text` is the canonical name.

    `ability`: a name, `own-year` or `any`. `percent`: `overall` or `assessed`. `component`: empty if none. `choice`:
    which sitting of several counts (empty: the latest). `name`: that of a judgement. `item`: what of the profile, or
    which combination. `on`: its own date, if it brings one, and `since` the first day of values that count.
    """

    kind: Kind
    text: str
    subject: str
    ability: str = ""
    percent: Literal["", "overall", "assessed"] = ""
    test: str = ""
    component: str = ""
    score_type: str = ""
    scale: str = ""
    choice: Choice = ""
    name: str = ""
    item: str = ""
    on: date | None = None
    since: date | None = None
    scoring: Scoring = PLAIN
    parts: tuple[tuple[str, Scoring], ...] = ()
    """Of a combined measure what its test declares of each score type."""

    @property
    def column(self) -> str:
        """The column that holds the values of a test or judgement; the others have none."""
        if self.kind == "test":
            return column_of_test(self.test, self.subject, self.component, self.score_type)
        return column_of_judgement(self.subject, self.scale) if self.kind == "judgement" else ""

    @property
    def siblings(self) -> str:
        """The columns of the other score types of its sittings (`*` = any)."""
        return column_of_test(self.test, self.subject, self.component, ANY_PART)

    @property
    def undated(self) -> str:
        """Its name without a date of its own, as settings know it."""
        return self.text.partition("@")[0] if self.on is not None else self.text

    @property
    def per_unit(self) -> int:
        """Into how many parts a unit of its values is counted: percents are whole, scores come in thousandths."""
        return 1 if self.kind == "markbook" else SCORE_PARTS

    @property
    def needs_facts(self) -> bool:
        """Whether single facts decide, and not the latest value alone."""
        return self.kind == "eyfs" or self.choice in ("best", "first") or bool(self.name)

    def day(self, asked: date) -> date:
        """The date of its values where a report asks for one."""
        return asked if self.on is None else self.on


def parse_measure(text: str) -> Measure:
    """The measure named by `text`. Raises InvalidMeasure."""
    dated = _DATED.fullmatch(text)
    if dated is None:
        return _parse_undated(text, text)
    measure = _parse_undated(text, dated[1])
    since, on = (None if day is None else _parse_day(text, day) for day in dated.groups()[1:])
    if since is not None and on is not None:
        if measure.kind not in ("test", "judgement"):
            raise InvalidMeasure("unused_window", f"only tests and judgements are taken from..to: {text[:200]!r}")
        if on < since:
            raise InvalidMeasure("ends_before_starts", f"{on} lies before {since} in {text[:200]!r}")
    return msgspec.structs.replace(measure, on=on, since=since)


def _parse_undated(text: str, named: str) -> Measure:
    kind, *parts = named.split(":")
    if kind not in _SHAPES:
        raise InvalidMeasure("unknown_measure", f"{text[:80]!r} is no measure; it starts with {', '.join(_SHAPES)}")
    shape, counts = _SHAPES[kind]
    if len(parts) not in counts:
        raise InvalidMeasure("malformed_measure", f"{text[:200]!r} is not of the form {shape}")
    match kind:
        case "markbook":
            return _parse_markbook(text, parts)
        case "test":
            return _parse_test(text, parts)
        case "judgement":
            return _parse_judgement(text, parts)
        case "eyfs":
            return _parse_eyfs(text, parts[0])
    item = ":".join(parts)
    if item not in COMBINED:
        raise InvalidMeasure("unknown_combination", f"{item[:80]!r} is none of {', '.join(COMBINED)}")
    return Measure(kind="combined", text=text, subject="", item=item)


def _parse_markbook(text: str, parts: list[str]) -> Measure:
    subject, ability, percent = _check(text, "subject", parts[0]), _check(text, "ability", parts[1]), parts[2]
    if percent == "overall":
        return Measure(kind="markbook", text=text, subject=subject, ability=ability, percent="overall")
    if percent == "assessed":
        return Measure(kind="markbook", text=text, subject=subject, ability=ability, percent="assessed")
    raise InvalidMeasure("unknown_percent", f"{percent[:40]!r} in {text[:200]!r} is neither overall nor assessed")


def _parse_test(text: str, parts: list[str]) -> Measure:
    choice = parts[4] if len(parts) > 4 else ""
    if choice not in get_args(Choice) or (len(parts) > 4 and not choice):
        raise InvalidMeasure("unknown_choice", f"{choice[:40]!r} in {text[:200]!r} is none of latest, best, first")
    return Measure(
        kind="test",
        text=text,
        test=_check(text, "test", parts[0]),
        subject=_check(text, "subject", parts[1]),
        component="" if parts[2] == "-" else _check(text, "component", parts[2]),
        score_type=_check(text, "score type", parts[3]),
        choice=choice,  # type: ignore[arg-type]  # checked above
    )


def _parse_judgement(text: str, parts: list[str]) -> Measure:
    name = unquote(parts[2]).strip() if len(parts) > 2 else ""
    if len(parts) > 2 and not 0 < len(name) <= _NAME_LENGTH_MAX:
        raise InvalidMeasure(
            "invalid_name", f"the name in {text[:200]!r} has no or more than {_NAME_LENGTH_MAX} letters"
        )
    subject = "" if parts[0] == "-" else _check(text, "subject", parts[0])
    return Measure(kind="judgement", text=text, subject=subject, scale=_check(text, "scale", parts[1]), name=name)


def _parse_eyfs(text: str, item: str) -> Measure:
    if item not in (EYFS_TOTAL, EYFS_GLD) and _GOAL.fullmatch(item) is None:
        raise InvalidMeasure("unknown_goal", f"{item[:40]!r} is none of E01 to E17, {EYFS_TOTAL}, {EYFS_GLD}")
    return Measure(kind="eyfs", text=text, subject="", item=item)


def _parse_day(text: str, day: str) -> date:
    try:
        found = date.fromisoformat(day)
    except ValueError:
        raise InvalidMeasure("invalid_date", f"there is no day {day} in {text[:200]!r}") from None
    if found < _FIRST_DATE:
        raise InvalidMeasure("date_out_of_range", f"{day} in {text[:200]!r} lies before {_FIRST_DATE}")
    return found


def _check(text: str, role: str, part: str) -> str:
    if IDENTIFIER.fullmatch(part) is None:
        raise InvalidMeasure("invalid_identifier", f"{part[:40]!r} in {text[:200]!r} is no {role}")
    return part
