"""The framework's page: what schools teach, subject by subject, and one percentage worked out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from services.query.pages.blocks import Block, Cell, Column, Row, Table, Words
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.sections import DATES, PUPILS_OF_SCHOOLS
from services.query.pages.wording import in_words, long_date, named_words, year_group_words


def _show(shown: Shown) -> Sequence[Block]:
    subjects = shown.answer.subjects
    if not subjects:
        return [Words(title="Nothing taught", sentences=("No curriculum is in force at these schools on that day.",))]
    return [block for subject in subjects for block in _subject(shown, subject, several=len(shown.schools) > 1)]


def _subject(shown: Shown, subject: Any, *, several: bool) -> Iterator[Block]:
    title = named_words(subject.title, subject.subject)
    said = [f"Framework {subject.framework_title or subject.framework}, version {subject.version}."]
    if subject.effective_on is not None:
        said.append(f"In force since {long_date(subject.effective_on)}.")
    if several:
        said.append(f"At {', '.join(shown.schools.get(school, school) for school in subject.schools)}.")
    yield Words(title=title, sentences=(" ".join(said),))
    if subject.states:
        yield _states(title, subject)
    yield _objectives(title, subject)
    if subject.worked is not None:
        yield _worked(title, subject.worked)


def _states(title: str, subject: Any) -> Table:
    return Table(
        title=f"{title}: judgements and what they are worth",
        of="In the order of the framework; a judgement without a worth counts as not assessed",
        head=(Column(text="Judgement"), Column(text="Worth", number=True), Column(text="Meaning")),
        rows=tuple(
            Row(
                head=Cell(text=named_words(state.name, state.state)),
                cells=(Cell(text=state.weight or "does not count", number=True), Cell(text=state.meaning or "")),
            )
            for state in subject.states
        ),
        kind="pupils",
    )


def _objectives(title: str, subject: Any) -> Table:
    rows = [
        Row(
            head=Cell(text=objective.text or objective.objective, note=objective.objective if objective.text else ""),
            cells=(
                Cell(text=strand.strand),
                Cell(text=objective.ability),
                Cell(text=year_group_words(objective.year_group) if objective.year_group else "every year"),
                Cell(text=objective.weight if objective.in_scope else "out of scope", number=True),
            ),
        )
        for strand in subject.strands
        for objective in strand.objectives
    ]
    marks = f"Each objective is marked from 0 to {subject.marks_max}." if subject.marks_max is not None else ""
    return Table(
        title=f"{title}: {len(rows)} objectives",
        of="Strand by strand; own-year measures count the objectives tagged with the pupil's year",
        sentence=marks,
        head=(
            Column(text="Objective"),
            Column(text="Strand"),
            Column(text="Ability"),
            Column(text="For"),
            Column(text="Weight", number=True),
        ),
        rows=tuple(rows),
        kind="lines",
    )


def _worked(title: str, worked: Any) -> Table:
    lines = [
        Row(
            head=Cell(text=line.text or line.objective),
            cells=(
                Cell(text=in_words(line.state)),
                Cell(text=line.weight, number=True),
                Cell(text=line.state_weight, number=True),
                Cell(text=line.points, number=True),
            ),
        )
        for line in worked.lines
    ]
    sums = [
        _sum(f"Overall, of all {worked.objectives} objectives of {worked.ability}", worked.overall),
        _sum("Of what was assessed", worked.assessed),
    ]
    return Table(
        title=f"{title}: one percentage worked out",
        of="Of a pupil who does not exist, with nothing assessed but these lines",
        head=(
            Column(text="Objective"),
            Column(text="Judgement"),
            Column(text="Weight", number=True),
            Column(text="Worth", number=True),
            Column(text="Points", number=True),
        ),
        rows=(*lines, *sums),
    )


def _sum(words: str, of: Any) -> Row:
    sums = (Cell(text=""), Cell(text=f"of {of.denominator}", number=True), Cell(text=""))
    percent = "" if of.percent is None else f" = {of.percent}%"
    return Row(head=Cell(text=words), cells=(*sums, Cell(text=f"{of.numerator}{percent}", number=True)), strong=True)


FRAMEWORK = Page(
    report="framework",
    title="The framework",
    about="What your school teaches: subjects, strands, objectives, their weights, and how a percentage comes about.",
    sections=(
        PUPILS_OF_SCHOOLS,
        Section(title="What to show", fields=(Field(kind="any_subject", name="subject", label="Subject"),)),
        DATES,
    ),
    show=_show,
    button="Show the framework",
)
