"""The words of the pages: bands with their symbols, rows, measures, dates. The same words stand in every page.

Pure: no HTML, no report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from urllib.parse import unquote

import msgspec

from services.domain.bands import BAND_IDS
from services.domain.measures import ANY, OWN_YEAR, InvalidMeasure, parse_measure


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

BAND_WORDS: Mapping[str, str] = {band.id: band.word for band in BANDS}
CELL_WORDS: Mapping[str, str] = {
    **BAND_WORDS,
    "no_data": "No data",
    "not_applicable": "Not applicable",
    "working_at_or_above": "At or above in all",
    "not_working_at": "Not at in all",
    "incomplete": "of these incomplete",
}
_PERCENTS = {"overall": "overall %", "assessed": "% of assessed"}
_ROW_KINDS = {"year-group": "Year group", "group": "Group"}


def row_label(row: str, schools: Mapping[str, str]) -> str:
    """A row id in words; `schools` gives the names of schools."""
    kind, *parts = row.split(":")
    names = [unquote(part) for part in parts]
    if kind == "whole":
        return "All pupils"
    if kind == "school":
        return schools.get(names[0], names[0])
    if kind == "characteristic":
        return f"{names[0]}: {names[1]}" if len(names) > 1 else names[0]
    return f"{_ROW_KINDS.get(kind, kind)} {names[0]}"


def measure_label(text: str) -> str:
    """A measure in words; what is no measure stands as it is."""
    try:
        measure = parse_measure(text)
    except InvalidMeasure:
        return text
    if measure.kind == "markbook":
        ability = {OWN_YEAR: "own year", ANY: "all abilities"}.get(measure.ability, measure.ability)
        return f"{measure.subject}, {ability}, {_PERCENTS[measure.percent]}"
    if measure.kind == "test":
        component = f" {measure.component}" if measure.component else ""
        return f"{measure.subject}, test {measure.test}{component}, {measure.score_type}"
    return f"{measure.subject}, judgement on {measure.scale}"


def cut_off_labels(cut_offs: Sequence[object], *, whole: bool) -> list[str]:
    """What each band holds, in words: `below 35`, `35 to 49`, …, `85 and over`."""
    labels = [f"below {cut_offs[0]}"]
    for lower, upper in pairwise(cut_offs):
        if whole and isinstance(upper, int):
            labels.append(f"{lower}" if upper - 1 == lower else f"{lower} to {upper - 1}")
        else:
            labels.append(f"{lower} to under {upper}")
    return [*labels, f"{cut_offs[-1]} and over"]


def count_and_percent(pupils: int, percent: int | None) -> str:
    """`12 (40%)`; a percent of nobody is left out."""
    return f"{pupils}" if percent is None else f"{pupils} ({percent}%)"


def long_date(day: date) -> str:
    """`31 March 2026`."""
    return f"{day.day} {day:%B %Y}"


def long_instant(instant: datetime) -> str:
    """`22 November 2026 02:00:05 UTC`."""
    return f"{long_date(instant.date())} {instant:%H:%M:%S} UTC"
