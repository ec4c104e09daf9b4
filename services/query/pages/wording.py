"""The words of the pages: bands with their symbols, rows, measures, dates. The same words stand in every page.

Pure: no HTML, no report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import msgspec

from services.domain.bands import BAND_IDS
from services.domain.measures import ANY, OWN_YEAR


class Band(msgspec.Struct, frozen=True):
    """A band as people see it: never colour alone."""

    id: str
    word: str
    symbol: str


BANDS = (
    Band("sig_below", "Sig Below", "▼▼"),
    Band("below", "Below", "▼"),
    Band("at", "At", "●"),
    Band("above", "Above", "▲"),
    Band("sig_above", "Sig Above", "▲▲"),
)
assert tuple(band.id for band in BANDS) == BAND_IDS

BAND_OF: Mapping[str, Band] = {band.id: band for band in BANDS}
BAND_WORDS: Mapping[str, str] = {band.id: band.word for band in BANDS}
CELL_WORDS: Mapping[str, str] = {
    **BAND_WORDS,
    "no_data": "No data",
    "not_applicable": "Not applicable",
    "working_at_or_above": "At or above in all",
    "not_working_at": "Not at in all",
    "incomplete": "of these incomplete",
}
HIDDEN = "c"
"""Stands for a number that is not shown because it is small, as in the tables of the Department for Education."""
UNUSED = "-"
FEW_PUPILS = 30
"""In a row of no more, the percents jump by more than three points with each pupil, and the row says so."""
WALL_CLOCK = ZoneInfo("Europe/London")
_PERCENTS = {"overall": "overall %", "assessed": "% of assessed"}
_KNOWN_MEASURES = {
    "eyfs:total": "EYFS profile: total",
    "eyfs:gld": "EYFS profile: good level of development",
    "combined:ks2-rwm:expected": "KS2 reading, writing and maths: expected standard",
    "combined:ks2-rwm:higher": "KS2 reading, writing and maths: higher standard",
    "combined:phonics:year-1": "Phonics met in Year 1",
    "combined:phonics:end-of-year-2": "Phonics met by the end of Year 2",
    "combined:acel-literacy": "ACEL literacy",
}
_YEAR_GROUPS = {
    "Not known": "Year group not known",
    "R": "Reception",
    "N": "Nursery",
    "N1": "Nursery 1",
    "N2": "Nursery 2",
}
_SCORE_TYPES = {"scaled": "scaled score", "ta": "teacher assessment", "raw": "marks"}
_CAPITALS = frozenset(("sen", "eal", "fsm", "send", "ks1", "ks2", "mtc", "gld", "eyfsp", "acel", "gps", "spag"))


def row_label(row: str, schools: Mapping[str, str]) -> str:
    """A row id in words; `schools` gives the names of schools."""
    kind, *parts = row.split(":")
    names = [unquote(part) for part in parts]
    if kind == "whole":
        return "All pupils"
    if kind == "school":
        return schools.get(names[0], names[0])
    if kind == "characteristic":
        return f"{in_words(names[0])}: {names[1]}" if len(names) > 1 else in_words(names[0])
    return year_group_words(names[0]) if kind == "year-group" else names[0]


def year_group_words(name: str) -> str:
    """`Year 4` for the year group `4`; other names, such as Reception, as they are."""
    return f"Year {name}" if name.isdecimal() else _YEAR_GROUPS.get(name, name)


def in_words(name: str) -> str:
    """`Pupil premium` for `pupil-premium`; short names in capitals, such as SEN, are as they are known in schools."""
    text = name.replace("-", " ").replace("_", " ")
    return text.upper() if text.lower() in _CAPITALS else text[:1].upper() + text[1:]


def named_words(name: str, id: str) -> str:
    """What something is called; without a name of its own, its id in words."""
    return in_words(id) if not name or name == id else name


def _inside(name: str) -> str:
    """A name inside a sentence."""
    words = in_words(name)
    return words if words.isupper() else words[:1].lower() + words[1:]


def measure_group(text: str) -> str:
    """Under which heading a measure stands in a list to choose from."""
    kind, *parts = text.split(":")
    if kind == "markbook":
        return in_words(parts[0])
    return {"test": "Tests", "judgement": "Judgements"}.get(kind, "Other measures")


def measure_label(text: str) -> str:
    """A measure in words; what is no measure stands as it is."""
    text, at, when = text.partition("@")
    dated = f", {when.replace('..', ' to ')}" if at else ""
    kind, *parts = text.split(":")
    if kind == "markbook" and len(parts) == 3 and parts[2] in _PERCENTS:
        subject, ability, percent = parts
        ability = {OWN_YEAR: "own year", ANY: "all objectives"}.get(ability, ability)
        return f"{in_words(subject)}, {ability}, {_PERCENTS[percent]}{dated}"
    if kind == "test" and len(parts) in (4, 5):
        test, subject, component, score_type, *which = parts
        subject = subject if subject != test else ""
        names = [in_words(test), *(_inside(each) for each in (subject, component) if each not in ("", "-"))]
        score = _SCORE_TYPES.get(score_type, score_type)
        return f"{', '.join([' '.join(names), score, *which])}{dated}"
    if kind == "judgement" and len(parts) in (2, 3):
        subject = "" if parts[0] == "-" else f"{in_words(parts[0])}: "
        name = f" ({parts[2]})" if len(parts) == 3 else ""
        return f"{subject}teacher's judgement, {parts[1]}{name}{dated}"
    if kind == "eyfs" and text not in _KNOWN_MEASURES and len(parts) == 1:
        return f"EYFS goal {parts[0]}{dated}"
    return _KNOWN_MEASURES.get(text, text) + dated


def cut_off_labels(cut_offs: Sequence[object], *, whole: bool) -> list[str]:
    """What each band holds, in words: `below 35`, `35 to 49`, …, `85 and over`; `not used` where `-` stands."""
    lowest = next((cut for cut in cut_offs if cut != UNUSED), None)
    labels = ["everything" if lowest is None else f"below {lowest}"]
    for index, lower in enumerate(cut_offs):
        upper = next((cut for cut in cut_offs[index + 1 :] if cut != UNUSED), None)
        if lower == UNUSED:
            labels.append("not used")
        elif upper is None:
            labels.append(f"{lower} and over")
        elif whole and isinstance(lower, int) and isinstance(upper, int):
            labels.append(f"{lower}" if upper - 1 == lower else f"{lower} to {upper - 1}")
        else:
            labels.append(f"{lower} to under {upper}")
    return labels


def count_and_percent(pupils: int | None, percent: int | None) -> str:
    """`12 (40%)`; a percent of nobody is left out, and a number that is not shown is `c`."""
    if pupils is None:
        return HIDDEN
    return f"{pupils}" if percent is None else f"{pupils} ({percent}%)"


def long_date(day: date) -> str:
    """`31 March 2026`."""
    return f"{day.day} {day:%B %Y}"


def short_date(day: date) -> str:
    """`31 Mar 2026`, where there is little room."""
    return f"{day.day} {day:%b %Y}"


def long_instant(instant: datetime) -> str:
    """`22 November 2026 at 02:00:05 GMT`: as the clock on the wall showed it."""
    here = instant.astimezone(WALL_CLOCK)
    return f"{long_date(here.date())} at {here:%H:%M:%S %Z}"


def pupils_words(pupils: int) -> str:
    """`1 pupil`, `12 pupils`."""
    return f"{pupils:,} pupil" if pupils == 1 else f"{pupils:,} pupils"


def worth_of_a_pupil(of: int | None) -> str:
    """What one pupil is worth in a row of few; nothing in a row of many."""
    if not of or of > FEW_PUPILS:
        return ""
    points = (200 + of) // (2 * of)
    return f"1 pupil = {points} percentage {'point' if points == 1 else 'points'}"
