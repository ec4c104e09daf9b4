"""Early years as pages: an area of a group, all areas of a pupil, profiles with the good level of development. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from services.query.pages.addresses import Pairs, many, one
from services.query.pages.band_tables import cell_words, measure_table
from services.query.pages.blocks import Block, Cell, Column, Row, Table, Words
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.page_parts import show_value, title_of
from services.query.pages.pupil_tables import pupil_table, value_cell
from services.query.pages.sections import BREAKDOWN, DATES, PUPILS, SCHOOL, SETTINGS, YEAR
from services.query.pages.wording import (
    HIDDEN,
    count_and_percent,
    in_words,
    long_date,
    measure_label,
    pupils_words,
    row_label,
    worth_of_a_pupil,
)

_LEVELS = {"1": "emerging", "2": "expected", "3": "exceeding", "A": "exempt"}
_GLD = {"yes": "▲ yes", "no": "▼ no", "incomplete": "x incomplete", "exempt": "A exempt"}
_AREAS = (
    ("", "A subject of a markbook"),
    ("communication", "Communication and language"),
    ("personal", "Personal, social and emotional development"),
    ("physical", "Physical development"),
    ("literacy", "Literacy"),
    ("mathematics", "Mathematics"),
    ("world", "Understanding the world"),
    ("arts", "Expressive arts and design"),
)


# --- The good level of development -------------------------------------------------------------------------------


def _show_gld(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    blocks: list[Block] = [_gld_rows(shown)]
    if answer.pupils:
        blocks.append(_profiles(shown))
    return blocks


def _gld_rows(shown: Shown) -> Table:
    answer = shown.answer
    first = answer.rows[0]
    said = f"{count_and_percent(first.gld, first.percent)} of {pupils_words(first.of or 0)} have a good level."
    return Table(
        title="Good level of development",
        of=f"EYFS profile {answer.year}. {shown.of}, as at {long_date(answer.provenance.as_at)}",
        sentence=said if first.gld is not None and first.of else "",
        head=(
            Column(text="Pupils in"),
            Column(text="Pupils", number=True),
            Column(text="Good level", number=True),
            Column(text="Mean total", number=True),
            Column(text="Mean goals expected", number=True),
            Column(text="Incomplete", number=True),
            Column(text="Exempt", number=True),
        ),
        rows=tuple(
            Row(
                head=Cell(text=row_label(row.row, shown.schools), note=worth_of_a_pupil(row.of)),
                cells=(
                    _linked(shown, row, "", row.pupils, None),
                    _linked(shown, row, "yes", row.gld, row.percent),
                    Cell(text=row.mean_total or "", number=True),
                    Cell(text=row.mean_expected or "", number=True),
                    _linked(shown, row, "incomplete", row.incomplete, None),
                    _linked(shown, row, "exempt", row.exempt, None),
                ),
                strong=row.row == "whole",
            )
            for row in answer.rows
        ),
    )


def _profiles(shown: Shown) -> Table:
    goals = shown.answer.goals
    table = pupil_table(
        shown,
        title="Profiles",
        of="1 emerging, 2 expected, 3 exceeding, A exempt",
        columns=[
            *(Column(text=goal.id, note=goal.name) for goal in goals),
            Column(text="Total", number=True),
            Column(text="Good level"),
        ],
        href=lambda pupil: shown.pupil("eyfs-pupil", pupil.pupil, pupil.school),
        more=lambda pupil: [
            *(Cell(text=pupil.goals.get(goal.id, ""), tone=_tone(pupil.goals.get(goal.id))) for goal in goals),
            Cell(text="" if pupil.total is None else str(pupil.total), number=True),
            Cell(text=_GLD.get(pupil.gld, str(pupil.gld))),
        ],
    )
    return msgspec.structs.replace(table, kind="goals")


def _linked(shown: Shown, row: Any, cell: str, pupils: int | None, percent: int | None) -> Cell:
    if pupils is None:
        return Cell(text=HIDDEN, number=True)
    text = count_and_percent(pupils, percent)
    href = shown.members(("row", row.row), *([("cell", cell)] if cell else []))
    label = f"{text} pupils, {_gld_words(cell, ())}, {row_label(row.row, shown.schools)}: show pupils"
    return Cell(text=text, href=href, label=label, tone="" if pupils else "quiet", number=True)


def _tone(level: str | None) -> Any:
    return "short" if level == "1" else ""


def _gld_words(cell: str, _: Pairs) -> str:
    words = {"yes": "good level of development", "no": "no good level", "incomplete": "incomplete", "exempt": "exempt"}
    return words.get(cell, cell or "all")


# --- An area of a group ------------------------------------------------------------------------------------------


def _show_group(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    title = next((words for area, words in _AREAS if area and area == answer.area), in_words(answer.area))
    if answer.rows is not UNSET:
        return [
            measure_table(shown, index, f"{title}: {_goal(shown.answer, measure.id)}", f"area-{index + 1}")
            for index, measure in enumerate(answer.measures)
        ]
    if not answer.pupils:
        return []
    names = {goal.id: goal.name for goal in answer.goals}
    table = pupil_table(
        shown,
        title=title,
        of=f"{shown.of}, as at {long_date(answer.provenance.as_at)}",
        columns=[Column(text=ability, note=names.get(ability, "")) for ability in answer.abilities],
        measures=_group_measures(shown.pairs, answer.abilities),
    )
    blank = len(table.head) - 1 - len(answer.abilities)
    means = Row(
        head=Cell(text="At the expected level" if names else "Mean"),
        cells=(
            *(Cell(text="") for _ in range(blank)),
            *(
                Cell(text="" if mean.percent is None else f"{mean.percent}%", note=f"of {pupils_words(mean.pupils)}")
                for mean in answer.means
            ),
        ),
        strong=True,
    )
    return [msgspec.structs.replace(table, rows=(means, *table.rows))]


def _goal(answer: Any, measure: str) -> str:
    """A goal by its own name, which is that of its profile; an age range as a measure in words."""
    code = measure.partition(":")[2]
    return next((f"{goal.id} {goal.name}" for goal in answer.goals if goal.id == code), measure_label(measure))


def _group_measures(pairs: Pairs, abilities: Sequence[str]) -> list[str]:
    subject, percent = one(pairs, "subject"), one(pairs, "percent", "overall")
    return [f"markbook:{subject}:{ability}:{percent}" for ability in abilities] if subject else []


# --- All areas of a pupil ----------------------------------------------------------------------------------------


def _show_pupil(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    total = "not complete yet" if answer.total is None else str(answer.total)
    said = (
        f"{title_of(answer.pupil, shown.named)}, EYFS profile {answer.year}.",
        f"Total: {total}. Good level of development: {_GLD.get(answer.gld, str(answer.gld))}.",
    )
    areas = [area for area in answer.areas if area.values]
    return [Words(title="The pupil", sentences=said), *([_areas(areas)] if areas else [])]


def _areas(areas: Sequence[Any]) -> Table:
    kinds = {True: "prime area", False: "specific area", None: "markbook"}
    rows = []
    for area in areas:
        for value in area.values:
            level = show_value(value)
            words = _LEVELS.get(level.text, "") if value.percent is None else ""
            rows.append(
                Row(
                    head=Cell(text=value.name or value.id, note=value.id if value.name else ""),
                    cells=(
                        Cell(text=area.name or in_words(area.area), note=kinds[area.prime]),
                        value_cell(level),
                        Cell(text=words, tone=_tone(level.text) if words else ""),
                    ),
                )
            )
    return Table(
        title="Areas of learning",
        of="1 emerging, 2 expected, 3 exceeding, A exempt; percents of markbooks",
        head=(
            Column(text="Goal or age range"),
            Column(text="Area of learning"),
            Column(text="Value"),
            Column(text="In words"),
        ),
        rows=tuple(rows),
        kind="pupils",
    )


GLD = Page(
    report="gld",
    title="EYFS: good level of development",
    about="The early years profile of every child, with the total and the good level of development.",
    sections=(PUPILS, Section(title="What to show", fields=(YEAR, BREAKDOWN)), DATES),
    show=_show_gld,
    count=lambda answer: answer.rows[0].pupils,
    cell_words=_gld_words,
    columns=lambda _: [],
    button="Show profiles",
)

EYFS_GROUP = Page(
    report="eyfs-group",
    title="EYFS: a group",
    about="One area of learning of a group, child by child or by characteristics.",
    sections=(
        PUPILS,
        Section(
            title="What to show",
            fields=(
                Field(kind="select", name="area", label="Area of the profile", options=_AREAS),
                Field(kind="no_subject", name="subject", label="Or a subject of a markbook"),
                Field(kind="abilities", name="ability", label="Age ranges", hint="Of a markbook. None: all of them."),
                Field(kind="by_pupil", name="by", label="Rows"),
                SETTINGS,
                Field(kind="cut_offs", name="bands", label="Bands"),
            ),
        ),
        DATES,
    ),
    show=_show_group,
    cell_words=cell_words,
    columns=lambda pairs: list(many(pairs, "ability")),
    button="Show the group",
)

EYFS_PUPIL = Page(
    report="eyfs-pupil",
    title="EYFS: a pupil",
    about="All areas of learning of one child.",
    sections=(
        SCHOOL,
        Section(
            title="Which pupil",
            fields=(
                Field(kind="text", name="pupil", label="Pupil", hint="The id, pup_…, as lists of pupils show it."),
                YEAR,
            ),
        ),
        DATES,
    ),
    show=_show_pupil,
    button="Show the pupil",
)
