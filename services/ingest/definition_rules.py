"""What makes single texts of a definition right: patterns of measures, bands with unused ones, rules, addresses.

Pure; each raises FieldError. What a measure or a band means is decided in `services.domain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

from services.domain.bands import SCORE_MAX
from services.domain.measures import IDENTIFIER
from services.domain.progress import InvalidRule, parse_rule
from services.ingest.fields import FieldError, parse_decimal, parse_identifier, parse_judged_value, parse_text, shown

CUT_OFFS = 4
PATH_LENGTH_MAX = 8_000
UNUSED = "-"
ANY_PART = "*"
_PATTERNS = {
    "markbook": ("markbook:SUBJECT:ABILITY:overall|assessed", (3,)),
    "test": ("test:TEST:SUBJECT:COMPONENT:SCORE_TYPE, perhaps with :latest, :best or :first", (4, 5)),
    "judgement": ("judgement:SUBJECT:SCALE, perhaps with :NAME", (2, 3)),
    "eyfs": ("eyfs:E01, eyfs:total or eyfs:gld", (1,)),
    "combined": ("combined:ks2-rwm:expected, combined:phonics:year-1 or combined:acel-literacy", (1, 2)),
}
_PERCENTS = ("overall", "assessed")
_CHOICES = ("latest", "best", "first")


def parse_pattern(text: str) -> str:
    """The measures that an entry is for: a measure, of whose parts any may be `*`."""
    parse_text(text, 1_000)
    kind, *parts = text.split(":")
    if kind not in _PATTERNS:
        raise FieldError("unknown_measure", f"'{shown(text)}' is no measure; it begins with {', '.join(_PATTERNS)}.")
    shape, counts = _PATTERNS[kind]
    if len(parts) not in counts:
        raise FieldError("malformed_measure", f"'{shown(text)}' is not of the form {shape}; * stands for any part.")
    for place, part in enumerate(parts):
        if part == ANY_PART or (part == UNUSED and (kind, place) in (("test", 2), ("judgement", 0))):
            continue
        choices = {("markbook", 2): _PERCENTS, ("test", 4): _CHOICES}.get((kind, place))
        if (choices is not None and part not in choices) or IDENTIFIER.fullmatch(part) is None:
            raise FieldError("malformed_measure", f"'{shown(part)}' in '{shown(text)}' does not fit {shape}.")
    return text


def parse_cut_offs(text: str) -> str:
    """Four lower cut-offs, rising, of numbers or of values of a scale; `-` = a band that is not used."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != CUT_OFFS:
        raise FieldError(
            "wrong_count", f"Four cut-offs such as 35,50,70,85 make five bands; there are {len(parts)} (- = unused)."
        )
    used = [part for part in parts if part != UNUSED]
    if not used:
        raise FieldError("no_bands", "At least one of the bands is used: give its lower cut-off.")
    if all(part[:1].isdigit() and part.replace(".", "", 1).isdigit() for part in used):
        numbers = [parse_decimal(part, 0, SCORE_MAX) for part in used]
        _check_rising([Decimal(number) for number in numbers])
        cuts = iter(numbers)
        return ",".join(part if part == UNUSED else next(cuts) for part in parts)
    codes = [parse_judged_value(part) for part in used]
    if len(set(codes)) < len(codes):
        raise FieldError("out_of_order", f"A value stands twice in {shown(text)}: each band begins at another one.")
    return ",".join(parts)


def check_whole_percents(bands: str) -> None:
    """The cut-offs of a markbook measure are displayed whole percents. Raises FieldError."""
    for part in bands.split(","):
        if part != UNUSED and not (part.isdigit() and 1 <= int(part) <= 100):
            raise FieldError(
                "not_whole",
                f"'{shown(part)}' is no whole percent from 1 to 100, which is what a markbook is banded by.",
            )


def parse_progress_rule(text: str) -> str:
    """Five rows (start) of five digits (end)."""
    try:
        return parse_rule(text).shown()
    except InvalidRule as error:
        raise FieldError("invalid_rule", f"{error.detail[:1].upper()}{error.detail[1:]}.") from error


def parse_path(text: str) -> str:
    """The address of a report on this very server."""
    parse_text(text, PATH_LENGTH_MAX)
    path = text.partition("?")[0]
    if (
        not path.startswith(("/reports/", "/v1/reports/"))
        or "//" in path
        or "\\" in path
        or ".." in path
        or "#" in text
    ):
        raise FieldError("invalid_path", "A path begins with /reports/ or /v1/reports/ and names no other server.")
    return text


def owners_of(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The schools and the trusts that the address of a report names. Raises FieldError."""
    try:
        given = parse_qs(urlsplit(path).query, errors="strict", max_num_fields=500)
    except ValueError as error:
        raise FieldError("invalid_path", "The path's parameters cannot be read: encode them as UTF-8.") from error
    schools, trusts = (_identifiers(given.get(name, ())) for name in ("school", "trust"))
    if not schools and not trusts:
        raise FieldError("invalid_path", "The path names no school and no trust: a report is of one of them.")
    return schools, trusts


def _identifiers(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({parse_identifier(text.strip()) for text in texts}))


def _check_rising(numbers: Sequence[Decimal]) -> None:
    if numbers[0] <= 0:
        raise FieldError("out_of_range", "The first cut-off lies above 0: the lowest band begins at 0 by itself.")
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise FieldError("out_of_order", "Each cut-off lies above the one before it: bands cannot overlap.")
