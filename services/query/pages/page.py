"""A report as a page: what its form asks for, and how its answer becomes blocks. The same for every report.

Who reads the page is told in `Shown`: whether names may be seen, which schools there are, which other pages. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from services.access.problems import Problem
from services.query.directory import Choices
from services.query.pages.addresses import Pairs, address, many, one, report_pairs, same_pupils, without
from services.query.pages.blocks import Block, Chart, Table
from services.query.pages.forms import CUT_OFFS, MARK, Section, fields_of_parameters
from services.query.pages.page_parts import field_errors, form_choices, whom
from services.query.pages.wording import measure_label
from services.query.permalinks import OpenedPermalink

ROOT = "/reports"
KEPT = "kept"
"""The parameter of an address that says by which permalink a page was opened."""
NOT_COMPARED = ("changes", "explain", "framework")
"""Reports without a comparison of two states of knowledge."""
CHOOSE = "choose"
"""The parameter of an address that opens a form, filled, without a report."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An answer and those who look at it. `schools`: names by id; `pages`: the reports that there are."""

    answer: Any
    pairs: Pairs
    report: str
    schools: Mapping[str, str]
    named: bool
    pages: frozenset[str] = frozenset()
    hides: bool = False

    @property
    def of(self) -> str:
        """The population in words."""
        return whom(self.pairs, self.schools)

    def members(self, *of: tuple[str, str]) -> str:
        """Where the pupils behind a row or cell are listed."""
        path = f"{ROOT}/{self.report}/members"
        return address(path, [*report_pairs(self.pairs), *of]) if f"{self.report}/members" in self.pages else ""

    def here(self, *extra: tuple[str, str]) -> str:
        """This report with other parameters."""
        names = {name for name, _ in extra}
        return address(f"{ROOT}/{self.report}", [*without(report_pairs(self.pairs), *names), *extra])

    def pupil(self, report: str, pupil: str, school: str) -> str:
        """A report of one pupil, with the same dates; nothing if there is none."""
        if report not in self.pages:
            return ""
        dates = [pair for pair in self.pairs if pair[0] in ("as_at", "as_known_at", "year")]
        return address(f"{ROOT}/{report}", [("school", school), ("pupil", pupil), *dates])

    def picture(self, chart: str) -> str:
        """A chart of this report as a picture of its own."""
        path, _, query = self.here(("chart", chart)).partition("?")
        return f"{path}.svg?{query}"

    def explain(self, pupil: str, school: str, measure: str) -> str:
        """Where a pupil's value is explained; nothing if it cannot be."""
        if "explain" not in self.pages:
            return ""
        clocks = [pair for pair in same_pupils(self.pairs) if pair[0] in ("as_at", "as_known_at")]
        return address(f"{ROOT}/explain", [("school", school), ("pupil", pupil), ("measure", measure), *clocks])


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a report. `report`: its path below /reports; `about`: the question that it answers.

    `count`: how many pupils an answer is about; `cell_words`: what a cell of it is called over the list of its pupils;
    `movable`: the fields of cut-offs that may be moved on the open report.
    """

    report: str
    title: str
    about: str
    sections: tuple[Section, ...]
    show: Callable[[Shown], Sequence[Block]]
    count: Callable[[Any], int | None] = lambda _: None
    cell_words: Callable[[str, Pairs], str] = lambda cell, _: cell
    columns: Callable[[Pairs], list[str]] = lambda pairs: [measure_label(value) for value in many(pairs, "measure")]
    movable: bool = False
    sortable: bool = True
    button: str = "Show the report"

    @property
    def labels(self) -> dict[str, str]:
        """What the parameters are called."""
        labels = {field.name: field.label for section in self.sections for field in section.fields}
        measures = any(field.kind == "measures" for section in self.sections for field in section.fields)
        return labels | ({"bands": "Attainment settings"} if measures else {})


class Link(msgspec.Struct, frozen=True):
    """A link with its words."""

    text: str
    href: str


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A page as it was asked for: who looks, what was answered or refused, and where else they may go.

    `reports`: the paths of the reports that they may see, lists of pupils too; `hides`: small numbers are not shown.
    """

    page: Page
    pages: Sequence[Page]
    reports: frozenset[str]
    pairs: Pairs
    choices: Choices
    answer: Any
    problem: Problem | None
    named: bool
    known_now: str
    settings: Sequence[tuple[str, str]] = ()
    kept: OpenedPermalink | None = None
    may_keep: bool = False
    hides: bool = False

    @property
    def shown(self) -> Shown:
        """What the blocks are made from."""
        return Shown(
            answer=self.answer,
            pairs=self.pairs,
            report=self.page.report,
            schools={entry.school: entry.name for entry in self.choices.schools},
            named=self.named,
            hides=self.hides,
            pages=self.reports,
        )


def page_context(opened: Opened) -> dict[str, Any]:
    """What `report.html` shows: the report, or the form alone, and what was wrong with the parameters."""
    page, pairs, answer = opened.page, opened.pairs, opened.answer
    fields = fields_of_parameters(pairs)
    errors = [] if opened.problem is None else field_errors(opened.problem, page.labels)
    wrong: dict[str, list[str]] = {}
    for error in errors:
        wrong.setdefault(error.anchor, []).append(error.detail)
    path, link = f"{ROOT}/{page.report}", report_pairs(pairs)
    shown = opened.shown
    blocks = [] if answer is None else list(page.show(shown))
    return {
        "page": page,
        "path": path,
        "form": fields,
        "choices": {
            **form_choices(opened.choices, fields.get("school", ()), _measures(fields)),
            "settings": opened.settings,
        },
        "errors": errors,
        "wrong": wrong,
        "answer": answer,
        "named": opened.named,
        "hides": opened.hides,
        "whom": shown.of,
        "pupils": None if answer is None else page.count(answer),
        "blocks": blocks,
        "notes": [] if answer is None else [note.detail for note in getattr(answer.provenance, "notes", None) or ()],
        "moving": _moving(pairs, fields) if page.movable and answer is not None else [],
        "kept": _kept(link),
        "csv_href": address(f"{path}.csv", link),
        "workbook_href": address(f"{path}.xlsx", link),
        "fixed_href": "" if answer is None else address(path, _fixed(link, answer, opened.known_now)),
        "next_href": _next(path, pairs, answer),
        "others": [Link(other.title, _other(other, pairs)) for other in _others(opened)],
        "mark": MARK,
        "banner": _banner(opened),
        "compared": [] if answer is None or page.report in NOT_COMPARED or "changes" not in opened.reports else link,
        "keep_path": address(path, link) if opened.may_keep and answer is not None else "",
    }


def find_chart(opened: Opened, chart: str) -> Chart | None:
    """The chart of a report by its id."""
    tables = (block for block in opened.page.show(opened.shown) if isinstance(block, Table))
    return next((table.chart for table in tables if table.chart is not None and table.chart.id == chart), None)


def _measures(fields: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [value for name in ("measure", "first", "second", "column") for value in fields.get(name, ()) if value]


def _others(opened: Opened) -> list[Page]:
    return [page for page in opened.pages if page is not opened.page and page.report in opened.reports]


def _banner(opened: Opened) -> dict[str, Any] | None:
    """What is said over a report that was kept: when, and whether it would be another now."""
    kept = opened.kept
    if kept is None:
        return None
    path, link = f"{ROOT}/{opened.page.report}", report_pairs(opened.pairs)
    live = without(link, "as_known_at")
    compare = [("report", opened.page.report), *live, ("known_from", one(link, "as_known_at"))]
    comparable = "changes" in opened.reports and kept.later.changed and opened.page.report not in NOT_COMPARED
    return {
        "known": kept.made.as_known_at,
        "link": kept.made.permalink,
        "facts": kept.later.facts,
        "changed": kept.later.changed,
        "as_kept": kept.as_kept,
        "live_href": address(path, live),
        "compare_href": address(f"{ROOT}/changes", compare) if comparable else "",
    }


def _moving(pairs: Pairs, fields: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str, tuple[str, ...]]]:
    """The cut-offs of an open report: what they are of, the name of their boxes, what stands in them."""
    named = [(value, f"cut_offs_{number}") for number, value in enumerate(many(pairs, "measure"), 1)]
    named += [(one(pairs, side), f"{side}_cut_offs") for side in ("first", "second") if one(pairs, side)]
    named = named or [("", "cut_offs_1")]
    return [
        (measure_label(measure) if measure else "The percents", boxes, fields.get(boxes, ("",) * CUT_OFFS))
        for measure, boxes in named
    ]


def _kept(link: Pairs) -> list[tuple[str, str]]:
    """The parameters of a report that stay when its cut-offs are moved, as fields of a form."""
    numbered = [(f"measure_{number}", measure) for number, measure in enumerate(many(link, "measure"), 1)]
    return [*without(link, "measure", "bands", "first_bands", "second_bands", "settings"), *numbered]


def _fixed(link: Pairs, answer: Any, known_now: str) -> list[tuple[str, str]]:
    fixed = list(link)
    if not one(link, "as_known_at"):
        fixed.append(("as_known_at", known_now))
    if not one(link, "as_at"):
        fixed.append(("as_at", answer.provenance.as_at.isoformat()))
    return fixed


def _next(path: str, pairs: Pairs, answer: Any) -> str:
    following = getattr(answer, "next", None)
    return address(path, [*without(pairs, "cursor"), ("cursor", following)]) if following else ""


def _other(page: Page, pairs: Pairs) -> str:
    """Another report of the same pupils; its form opens filled, with the example's cut-offs."""
    return address(f"{ROOT}/{page.report}", [*same_pupils(pairs), (CHOOSE, "1")])
