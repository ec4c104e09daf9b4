"""Answers as text for a terminal: a table for each report, and plain lines for counts.

It only arranges what the answer says. What cannot be arranged is printed as JSON. Text from outside loses its control
characters, so that no name can move the cursor.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

BANDS = ("sig_below", "below", "at", "above", "sig_above")
BAND_NAMES = {
    "sig_below": "Sig Below",
    "below": "Below",
    "at": "At",
    "above": "Above",
    "sig_above": "Sig Above",
    "no_data": "No data",
    "not_applicable": "Not applicable",
}

PIPE_WIDTH = 500

Answer = Mapping[str, Any]


def print_report(name: str, answer: Answer, console: Console) -> None:
    """Print the answer of the report `name`."""
    printers: Mapping[str, Callable[[Answer, Console], None]] = {
        "overview": _print_overview,
        "overview/members": _print_members,
        "progress": _print_overview,
        "progress/members": _print_members,
        "matrix": _print_matrix,
        "matrix/members": _print_members,
        "score-tracking": _print_score_tracking,
        "score-tracking/members": _print_score_tracking,
    }
    printer = printers.get(name)
    if printer is None:
        console.print_json(json.dumps(answer))
        return
    printer(answer, console)
    _print_provenance(answer.get("provenance") or {}, console)


def terminal() -> Console:
    """The console to print on: as wide as the terminal; in a file or pipe wide enough to break no line."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH, no_color=True)


def table_of(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> Table:
    """A table of plain text; the first column is left-aligned, the others right."""
    table = Table(
        title=None if title is None else clean(title), title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD
    )
    for index, column in enumerate(columns):
        table.add_column(clean(column), justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*(clean(value) for value in row))
    return table


def clean(value: Any) -> Text:
    """A cell: no markup, no control characters, nothing for None."""
    text = "" if value is None else str(value)
    return Text("".join(character if character.isprintable() else "�" for character in text))


def _print_overview(answer: Answer, console: Console) -> None:
    for index, measure in enumerate(answer["measures"]):
        columns = ["row", "pupils", *(BAND_NAMES[band] for band in BANDS), "No data", "Not applicable"]
        rows = [_overview_line(row, row["cells"][index]) for row in answer["rows"]]
        bands = ",".join(str(cut) for cut in measure.get("bands") or ()) or "by year group or school"
        console.print(table_of(columns, rows, f"{measure['id']} (bands {bands})"))
    if len(answer["measures"]) > 1:
        _print_combined(answer, console)


def _overview_line(row: Answer, cell: Answer) -> list[Any]:
    bands = [_count(cell["counts"][band], cell["percents"][band]) for band in BANDS]
    return [
        f"{row['in']} / {row['row']}" if "in" in row else row["row"],
        row["pupils"],
        *bands,
        _count(cell["no_data"], cell["no_data_percent"]),
        cell["not_applicable"],
    ]


def _print_combined(answer: Answer, console: Console) -> None:
    rows = []
    for row in answer["rows"]:
        combined = row["combined"]
        percents = combined["percents"]
        rows.append(
            [
                row["row"],
                _count(combined["working_at_or_above"], percents["working_at_or_above"]),
                _count(combined["not_working_at"], percents["not_working_at"]),
                combined["incomplete"],
            ]
        )
    columns = ["row", "Working At or above", "Not working At", "of them incomplete"]
    console.print(table_of(columns, rows, "Combined: in all selected measures"))


def _print_members(answer: Answer, console: Console) -> None:
    pupils = answer["pupils"]
    measures = max((len(pupil["values"]) for pupil in pupils), default=0)
    columns = ["pupil", "school", "year group", *(f"value {number + 1}" for number in range(measures))]
    rows = [
        [_who(pupil), pupil["school"], pupil["year_group"], *(_value(value) for value in pupil["values"])]
        for pupil in pupils
    ]
    console.print(table_of(columns, rows, f"{len(pupils)} of {answer['total']} pupils"))
    _print_next(answer, console)


def _print_matrix(answer: Answer, console: Console) -> None:
    names = [BAND_NAMES[band] for band in BANDS]
    rows = [[name, *counts] for name, counts in zip(names, answer["counts"], strict=True)]
    console.print(table_of(["first \\ second", *names], rows))
    unplotted = [[_band(entry["first"]), _band(entry["second"]), entry["pupils"]] for entry in answer["unplotted"]]
    if unplotted:
        console.print(table_of(["first", "second", "pupils not plotted"], unplotted))
    overlay = answer["overlay"]
    parts = (f"{name} {_count(cell['pupils'], cell['percent'])}" for name, cell in overlay.items())
    console.print(clean("overlay: " + ", ".join(parts)))


def _print_score_tracking(answer: Answer, console: Console) -> None:
    months = [month[:7] for month in answer["months"]]
    rows = [
        [
            _who(pupil),
            _value(pupil["start"]),
            *(_value(value) for value in pupil["values"]),
            pupil["average_variance"],
        ]
        for pupil in answer["pupils"]
    ]
    console.print(table_of(["pupil", "start", *months, "average variance"], rows))
    _print_next(answer, console)


def _print_next(answer: Answer, console: Console) -> None:
    if answer.get("next"):
        console.print(clean(f"more with cursor={answer['next']}"))


def _print_provenance(provenance: Answer, console: Console) -> None:
    known = provenance.get("as_known_at") or "now"
    stale = ", STALE: not all that was asked for is in yet" if provenance.get("stale") else ""
    console.print(clean(f"as at {provenance.get('as_at')}, as known {known}{stale}"), style="dim")


def _who(pupil: Answer) -> str:
    return str(pupil.get("name") or pupil.get("reference") or pupil["pupil"])


def _value(value: Answer | None) -> str:
    if value is None:
        return ""
    if value["status"] != "value":
        return BAND_NAMES.get(value["status"], str(value["status"])).lower()
    for part in ("percent", "score", "value"):
        if value.get(part) is not None:
            return f"{value[part]}%" if part == "percent" else str(value[part])
    return ""


def _band(band: str | None) -> str:
    return "none" if band is None else BAND_NAMES[band]


def _count(count: int, percent: int | None) -> str:
    return str(count) if percent is None else f"{count} ({percent}%)"
