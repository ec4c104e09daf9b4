"""Multi-Ability Tracking as a page: pupils with spiky profiles, by one to four abilities of a subject. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.query.pages.addresses import Pairs, many, one
from services.query.pages.band_tables import legend
from services.query.pages.blocks import Block, Cell, Column, Row, Table
from services.query.pages.forms import Field, Section
from services.query.pages.page import Page, Shown
from services.query.pages.pupil_tables import pupil_table
from services.query.pages.sections import DATES, PUPILS, SETTINGS
from services.query.pages.wording import in_words, long_date, pupils_words


def _show(shown: Shown) -> Sequence[Block]:
    answer = shown.answer
    if not answer.pupils:
        return []
    subject, percent = one(shown.pairs, "subject"), one(shown.pairs, "percent", "overall")
    measures = [f"markbook:{subject}:{ability}:{percent}" for ability in answer.abilities]
    words = "overall %" if percent == "overall" else "% of assessed"
    table = pupil_table(
        shown,
        title=f"{in_words(subject)}, {words}",
        of=f"{shown.of}, as at {long_date(answer.provenance.as_at)}",
        columns=[Column(text=ability) for ability in answer.abilities],
        measures=measures,
    )
    means = Row(
        head=Cell(text="Mean of all pupils with data"),
        cells=(
            *(Cell(text="") for _ in range(len(table.head) - 1 - len(answer.abilities))),
            *(
                Cell(text="" if mean.percent is None else f"{mean.percent}%", note=pupils_words(mean.pupils))
                for mean in answer.means
            ),
        ),
        strong=True,
    )
    bands = answer.bands
    return [
        Table(
            title=table.title,
            of=table.of,
            head=table.head,
            rows=(means, *table.rows),
            notes=table.notes,
            legend=legend(shown, table.title, measures[0], bands[0]) if bands else None,
        )
    ]


def _columns(pairs: Pairs) -> list[str]:
    return list(many(pairs, "ability"))


MULTI_ABILITY = Page(
    report="multi-ability",
    title="Multi-ability tracking",
    about="Where each pupil stands in the objectives of up to four abilities: for those with spiky profiles.",
    sections=(
        PUPILS,
        Section(
            title="What to show",
            fields=(
                Field(kind="subject", name="subject", label="Subject"),
                Field(kind="abilities", name="ability", label="Abilities", hint="One to four."),
                Field(
                    kind="select",
                    name="percent",
                    label="Percent",
                    options=(("overall", "Overall: of all objectives"), ("assessed", "Of what was assessed this year")),
                ),
                SETTINGS,
                Field(kind="cut_offs", name="bands", label="Bands"),
            ),
        ),
        DATES,
    ),
    show=_show,
    columns=_columns,
    movable=True,
    button="Show multi-ability tracking",
)
