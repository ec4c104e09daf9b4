"""Saved attainment settings as a page, and as choices of a form: which cut-offs, for whom, valid when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from schemas.definitions import SettingsEntry, SettingsSaved
from services.query.directory import Choices
from services.query.pages.blocks import Cell, Column, Row, Table
from services.query.pages.wording import cut_off_labels, in_words, long_date, long_instant, year_group_words

_ANY = "*"


def settings_choices(saved: Sequence[SettingsSaved]) -> list[tuple[str, str]]:
    """Settings of bands to choose from in a form."""
    return [
        (each.definition, f"{each.name}, version {each.number} ({_valid(each)})")
        for each in sorted(saved, key=lambda each: each.name)
        if each.kind == "bands"
    ]


def settings_context(saved: Sequence[SettingsSaved], choices: Choices, today: date) -> dict[str, Any]:
    """What `settings.html` shows."""
    names = {entry.school: entry.name for entry in choices.schools}
    return {
        "saved": [
            {
                "title": each.name,
                "table": _entries(each, names) if each.kind == "bands" else None,
                "rule": each.rule,
                "valid": _valid(each),
                "now": (each.valid_from or date.min) <= today <= (each.valid_to or date.max),
                "of": _owner(each, names),
                "id": each.definition,
                "version": each.number,
                "told": long_instant(each.recorded_at),
            }
            for each in sorted(saved, key=lambda each: (each.trust, names.get(each.school, each.school), each.name))
        ]
    }


def pattern_words(pattern: str) -> str:
    """The measures that an entry is for, in words."""
    kind, *parts = pattern.split(":")
    if kind == "markbook" and len(parts) == 3:
        subject, ability, percent = parts
        words = ["Every subject" if subject == _ANY else in_words(subject)]
        words.append({_ANY: "every ability", "own-year": "own year", "any": "all objectives"}.get(ability, ability))
        words.append(
            {_ANY: "either percent", "overall": "overall %", "assessed": "% of assessed"}.get(percent, percent)
        )
        return ", ".join(words)
    words = ["any subject" if part == _ANY else in_words(part) for part in parts if part != "-"]
    return f"{in_words(kind)}: {', '.join(words)}"


def _entries(each: SettingsSaved, names: dict[str, str]) -> Table:
    return Table(
        title=each.name,
        of=f"{_owner(each, names)}, {_valid(each)}. The most specific line wins.",
        head=(
            Column(text="Measures"),
            Column(text="Year group"),
            *(Column(text=word) for word in ("Sig Below", "Below", "At", "Above", "Sig Above")),
        ),
        rows=tuple(_row(entry) for entry in each.entries),
        kind="pupils",
    )


def _row(entry: SettingsEntry) -> Row:
    cuts = [int(cut) if cut.strip().isdecimal() else cut.strip() for cut in entry.bands.split(",")]
    labels = cut_off_labels(cuts, whole=entry.measure.startswith("markbook:"))
    year_group = year_group_words(entry.year_group) if entry.year_group else "every year group"
    return Row(
        head=Cell(text=pattern_words(entry.measure), note=entry.measure),
        cells=(Cell(text=year_group), *(Cell(text=label) for label in labels)),
    )


def _owner(each: SettingsSaved, names: dict[str, str]) -> str:
    return f"Trust {each.trust}" if each.trust else names.get(each.school, each.school)


def _valid(each: SettingsSaved) -> str:
    if each.valid_from is None and each.valid_to is None:
        return "valid always"
    start = "" if each.valid_from is None else f" from {long_date(each.valid_from)}"
    end = "" if each.valid_to is None else f" to {long_date(each.valid_to)}"
    return f"valid{start}{end}"
