"""Judgements as a page: up to three columns of data beside the teacher's judgement and its history. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.query.pages.blocks import Block, Cell, Column, Key, Legend
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.pupil_tables import pupil_table
from services.query.pages.sections import DATES, PUPILS
from services.query.pages.wording import long_date, measure_label


def _show(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    if not answer.pupils:
        return []
    columns = [Column(text=measure_label(column)) for column in answer.columns]
    judged = answer.judgement is not None
    columns += [Column(text="Judgement"), Column(text="Judged on"), Column(text="Before")] if judged else []
    table = pupil_table(
        shown,
        title="Judgements beside the data" if answer.columns else "Judgements",
        of=f"{shown.of}, as at {long_date(answer.provenance.as_at)}",
        columns=columns,
        measures=answer.columns,
        more=_judgement if judged else lambda _: (),
    )
    return [table, *_scale(answer.scale)]


def _judgement(pupil: Any) -> Sequence[Cell]:
    found = pupil.judgement
    if found is None:
        return Cell(text="none yet", tone="quiet"), Cell(text=""), Cell(text="")
    listed = "; ".join(f"{each.value} on {long_date(each.judged_on)}" for each in found.history)
    more = found.earlier - len(found.history)
    before = f"{listed}; and {more} more" if more > 0 else listed
    return Cell(text=found.value), Cell(text=long_date(found.judged_on), note=f"by {found.actor}"), Cell(text=before)


def _scale(scale: Any) -> Sequence[Block]:
    if scale is None:
        return []
    keys = tuple(Key(word=each["value"], limits=each.get("name", "")) for each in scale.values)
    between = f"From {scale.min} to {scale.max} in steps of {scale.step}." if scale.min is not None else ""
    said = between or ("Lowest first." if keys else "This scale is not defined: values stand as they were sent.")
    return [Legend(title=f"The scale {scale.name or scale.id}", keys=keys, source=said)]


JUDGEMENTS = Page(
    report="judgements",
    title="Judgements",
    about="The teacher's judgement of each pupil beside up to three sets of data, to see whether they agree.",
    sections=(
        PUPILS,
        Section(
            title="What to show",
            fields=(
                Field(kind="columns", name="column", label="Data", hint="Up to three columns."),
                Field(kind="judgement", name="judgement", label="Teacher's judgement"),
            ),
        ),
        DATES,
    ),
    show=_show,
    count=lambda answer: answer.total,
    button="Show judgements",
)
