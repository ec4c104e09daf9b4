"""The pages without a server: the form and the address say the same, words, escaping, contrast, no outside address."""

from __future__ import annotations

import ast
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from services.access.problems import Problem, ProblemError
from services.domain.bands import parse_bands
from services.domain.measures import parse_measure
from services.query import answers
from services.query.directory import Choices, Entry
from services.query.openapi import DOCUMENT
from services.query.pages import blocks, forms, sessions, wording
from services.query.pages.addresses import address
from services.query.pages.band_tables import legend_once
from services.query.pages.catalogue import PAGES
from services.query.pages.members_page import members_context
from services.query.pages.overview_page import OVERVIEW
from services.query.pages.page import Opened, find_chart, page_context
from services.query.pages.page_parts import form_choices
from services.query.pages.problem_texts import PROBLEM_TEXTS
from services.query.pages.render import SCRIPT, STYLE_SHEET, render, render_chart
from services.query.query_string import decode_query
from services.query.reports import overview
from services.query.requests import By, Clocks, OverviewRequest, Population
from tests.unit.query.hand_made import day, reading_of
from tests.unit.query.oak import make_oak

MATHS = "markbook:maths:Y3:overall"
EVIL = '<script>alert("1")</script>'
NAME = "Amy <i>Smith</i>"
PAIRS = [
    ("school", "oak"),
    ("measure", MATHS),
    ("bands", "21,36,51,66"),
    ("by", "characteristic:sex"),
    ("as_at", "2025-11-30"),
]
ENTRY = Entry(
    "oak",
    f"Oak & {EVIL}",
    (),
    {"maths": ("Y3",)},
    frozenset(),
    ("3", "4"),
    ("Oak",),
    ("sex", "a:b"),
    (),
    {"sex": ("F", "M")},
)
CHOICES = Choices((ENTRY,), ("woods",))
NOW = "2026-01-01T00:00:00Z"


class Page(HTMLParser):
    """The elements of a page and the text in it."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [a for t, a in self.elements if t == tag and wanted.items() <= a.items()]


def oak_overview() -> answers.Overview:
    request = OverviewRequest(
        Population(schools=("oak",)),
        Clocks(day("2025-11-30")),
        (parse_measure(MATHS),),
        (parse_bands("21,36,51,66", whole_percent=True),),
        (By("characteristic", "sex"),),
    )
    return overview.answer(reading_of(make_oak().reading()), request)


def opened(answer: Any, pairs: Any = PAIRS, problem: Problem | None = None, named: bool = True) -> Opened:
    return Opened(
        page=OVERVIEW,
        pages=PAGES,
        reports=frozenset(("overview", "overview/members", "matrix", "matrix/members")),
        pairs=pairs,
        choices=CHOICES,
        answer=answer,
        problem=problem,
        named=named,
        known_now=NOW,
    )


def overview_page(problem: Problem | None = None, pairs: Any = PAIRS, answer: answers.Overview | None = None) -> Page:
    shown = None if problem is not None else answer or oak_overview()
    return Page(render("report.html", who="tester", **page_context(opened(shown, pairs, problem))))


# --- The form ----------------------------------------------------------------------------------------------------


def test_a_form_becomes_the_address_of_the_report() -> None:
    sent = [
        ("form", "1"),
        ("school", "oak"),
        ("trust", ""),
        ("measure_1", f" {MATHS} "),
        *[("cut_offs_1", cut) for cut in ("21", "36", "51", "66")],
        ("measure_2", "test:ks2:maths:-:scaled"),
        *[("cut_offs_2", cut) for cut in ("80", "90", "100", "-")],
        ("measure_3", ""),
        *[("cut_offs_3", "")] * 4,
        ("settings", ""),
        ("as_at", "2025-11-30"),
        ("as_known_at", "2026-07-01T12:30:05"),
        ("filter", "sex:F"),
        ("filter", ""),
        ("by", "school"),
        ("denominator", ""),
    ]
    assert forms.is_form(sent)
    assert forms.parameters_of_form(sent) == [
        ("school", "oak"),
        ("as_at", "2025-11-30"),
        ("as_known_at", "2026-07-01T11:30:05Z"),
        ("filter", "sex:F"),
        ("by", "school"),
        ("measure", MATHS),
        ("measure", "test:ks2:maths:-:scaled"),
        ("bands", "21,36,51,66"),
        ("bands", "80,90,100,-"),
    ]


def test_empty_boxes_are_those_of_the_measure_above_and_equal_bands_stand_once() -> None:
    sent = [("form", "1"), ("measure_1", "a"), ("cut_offs_1", "1"), ("cut_offs_1", "2"), ("measure_2", "b")]
    assert forms.parameters_of_form([*sent, ("cut_offs_2", "")]) == [
        ("measure", "a"),
        ("measure", "b"),
        ("bands", "1,2"),
    ]


@pytest.mark.parametrize(("settings", "sent"), [("own", []), ("set_a@3", [("settings", "set_a@3")])])
def test_saved_settings_stand_for_the_boxes(settings: str, sent: list[tuple[str, str]]) -> None:
    boxes = [("measure_1", "a"), ("cut_offs_1", "1"), ("first_cut_offs", "2"), ("settings", settings)]
    assert forms.parameters_of_form(boxes) == [("measure", "a"), *sent]


@pytest.mark.parametrize(
    "pairs",
    [
        [
            ("school", "oak"),
            ("trust", "woods"),
            ("as_at", "2025-11-30"),
            ("as_known_at", NOW),
            ("denominator", "with_data"),
            ("year_group", "3"),
            ("group", "Oak"),
            ("filter", "sex:F"),
            ("by", "group"),
            ("measure", "a"),
            ("measure", "b"),
            ("bands", "1,2,3,4"),
            ("bands", "5,6,7,8"),
        ],
        [("school", "oak"), ("measure", "a"), ("settings", "set_a@3")],
        [("school", "oak"), ("measure", "a")],
        [
            ("first", f"{MATHS}@2025-08-31"),
            ("second", MATHS),
            ("on", "first"),
            ("first_bands", "1,2,3,4"),
            ("second_bands", "5,6,-,8"),
        ],
        [("measure", "a"), ("months", "2025-09..2026-01"), ("bands", "1,2,3,4")],
        [("measure", "a"), ("bands", "1,2,3,4"), ("rule", "34455,23445,22344,12234,11223"), ("start_bands", "1,2,3,4")],
    ],
)
def test_an_address_fills_the_form_that_leads_back_to_it(pairs: list[tuple[str, str]]) -> None:
    fields = forms.fields_of_parameters(pairs)
    derived = {"measure", "bands", "first_bands", "second_bands", "start_bands", "months", "rule"}
    derived |= {"cut_offs_1"} if "first" in fields else set()
    shown = {"first", "second", "start"} & {name.partition("_")[0] for name, _ in pairs}
    sent = [
        (name, value)
        for name, values in fields.items()
        if name not in derived and (not name.endswith("_cut_offs") or name.partition("_")[0] in shown)
        for value in (*values, "")
        if value or not name.startswith(("cut_offs", "first_cut", "second_cut", "start_cut", "rule"))
    ]
    assert sorted(forms.parameters_of_form(sent)) == sorted(pairs)


@pytest.mark.parametrize("bands", ["1", "1,2,3,4,5", ",,,", "x"])
def test_wrong_bands_are_kept_in_the_boxes(bands: str) -> None:
    boxes = forms.fields_of_parameters([("measure", "a"), ("bands", bands)])["cut_offs_1"]
    assert len(boxes) == 4
    assert ",".join(boxes).rstrip(",") == bands.rstrip(",")


def test_a_new_form_starts_from_the_example() -> None:
    assert forms.fields_of_parameters([])["cut_offs_1"] == ("21", "36", "51", "66")


@pytest.mark.parametrize("typed", ["yesterday", "2026-13-01T00:00:00", "2026-01-31T12:00:00Z"])
def test_an_instant_that_is_no_time_of_the_wall_clock_is_sent_as_typed(typed: str) -> None:
    assert forms.parameters_of_form([("as_known_at", typed)]) == [("as_known_at", typed)]


# --- The report --------------------------------------------------------------------------------------------------


def test_every_number_leads_to_its_pupils_and_is_read_out_in_words() -> None:
    page = overview_page()
    links = [a for a in page.all("a") if "/members?" in a["href"]]
    rows = len(oak_overview().rows)
    links = [link for link in links if link["href"] != ""]
    tables = [link for link in links if not link["aria-label"].startswith("chart")]
    assert len({link["href"] for link in tables}) == rows * 7 + rows * 3 + rows
    at = next(link for link in links if "cell=0%3Aat" in link["href"] and "row=whole" in link["href"])
    assert at["aria-label"] == "2 (40%) pupils, At, All pupils, Maths, Y3, overall %: show pupils"
    asked = parse_qsl(urlsplit(at["href"]).query)
    assert asked == [*PAIRS, ("row", "whole"), ("cell", "0:at")]
    assert "2 (40%)" in page.text
    assert all(link["aria-label"].endswith(": show pupils") for link in links)


def test_rows_of_odd_names_are_opened_by_their_row_id() -> None:
    hrefs = [a["href"] for a in overview_page().all("a")]
    assert any(dict(parse_qsl(urlsplit(href).query)).get("row") == "characteristic:sex:Not known" for href in hrefs)


def test_the_page_shows_the_bands_that_were_used_and_where_it_is_from() -> None:
    page = overview_page()
    for words in ("▼▼ Sig Below", "below 21", "21 to 35", "● At", "51 to 65", "66 and over", "As at 1 January 2025"):
        assert words in re.sub(r"\s+", " ", page.text)
    assert page.all("caption") and page.all("th", scope="col") and page.all("th", scope="row")
    assert {link["href"].split("?")[0] for link in page.all("a")} >= {"/reports/overview.csv", "/reports/overview.xlsx"}


def test_the_link_that_never_changes_fixes_both_clocks() -> None:
    fixed = [a["href"] for a in overview_page(pairs=PAIRS[:-1]).all("a") if "as_known_at" in a["href"]]
    asked = dict(parse_qsl(urlsplit(fixed[0]).query))
    assert (asked["as_known_at"], "as_at" in asked) == (NOW, True)


def test_wrong_fields_are_named_in_a_summary_that_leads_to_them() -> None:
    problem = Problem(
        422,
        "invalid_parameters",
        "t",
        "d",
        [
            ProblemError("out_of_order", "Each cut-off is above the one before.", parameter="bands"),
            ProblemError("unknown_parameter", "No such thing.", parameter=EVIL),
        ],
    )
    page = overview_page(problem, [("school", "oak"), ("measure", EVIL), ("bands", "50,35,70,85")])
    assert page.all("div", role="alert")
    anchors = [a["href"] for a in page.all("a") if a["href"].startswith("#")]
    assert "#bands" in anchors and "#parameters" in anchors
    ids = {a["id"] for _, a in page.elements if "id" in a}
    assert {anchor[1:] for anchor in anchors} <= ids
    assert "selected" in page.all("option", value=EVIL)[0]
    assert [a["value"] for a in page.all("input", name="cut_offs_1")] == ["50", "35", "70", "85"]
    assert page.all("input", name="school", value="oak")[0].keys() >= {"checked"}


def test_a_refused_school_is_shown_at_the_schools() -> None:
    page = overview_page(Problem(403, "forbidden_school", "t", "Not covered."), PAIRS)
    assert "#school" in [a["href"] for a in page.all("a")]
    assert "Not covered." in page.text


def test_an_empty_population_is_said() -> None:
    answer = oak_overview()
    empty = answers.Overview(answer.report, answer.provenance, answer.measures, [_emptied(answer.rows[0])])
    page = overview_page(answer=empty)
    assert "Nobody is in this population" in page.text


def _emptied(row: answers.OverviewRow) -> answers.OverviewRow:
    nobody = answers.OverviewCell(answers.BandCounts(0, 0, 0, 0, 0), answers.BandPercents(*[None] * 5), 0, 0, None, 0)
    combined = answers.CombinedCounts(0, 0, 0, answers.CombinedPercents(None, None))
    return answers.OverviewRow(row.row, 0, [nobody], combined)


def members_page(named: bool) -> Page:
    pupil = answers.PupilValues(
        pupil="pup_1",
        school="oak",
        year_group=None,
        values=[answers.Value("value", percent=50, numerator="2.5", denominator="5", band="at")],
        **({"reference": "A1", "name": NAME} if named else {}),
    )
    provenance = answers.Provenance(date(2025, 11, 30), datetime(2026, 1, 1, tzinfo=UTC), None, False, {})
    answer = answers.Members("overview/members", provenance, 51, [pupil], "NEXT")
    pairs = [*PAIRS, ("row", "whole"), ("cell", "0:at"), ("cursor", "OLD")]
    return Page(render("members.html", who="x", **members_context(opened(answer, pairs, named=named))))


def test_the_pupils_of_a_cell() -> None:
    page = members_page(named=True)
    for words in ("51 pupils", NAME, "A1", "50%", "2.5 of 5", "● At", "Maths, Y3, overall %: At", "Not known"):
        assert words in page.text
    following = page.all("a", rel="next")[0]["href"]
    assert [value for name, value in parse_qsl(urlsplit(following).query) if name == "cursor"] == ["NEXT"]
    back = next(a["href"] for a in page.all("a") if a["href"].startswith("/reports/overview?"))
    assert parse_qsl(urlsplit(back).query) == PAIRS


def test_without_the_right_pupils_are_shown_by_id() -> None:
    page = members_page(named=False)
    assert "pup_1" in page.text
    assert "may not see names" in page.text
    assert "Name" not in page.text


def test_forms_offer_tests_and_judgements_but_score_tracking_does_not() -> None:
    columns = ("judgement:writing:levels", "test:ks2:maths:-:scaled")
    choices = Choices((msgspec.structs.replace(ENTRY, columns=columns),), ())
    offered = form_choices(choices, (), ("typed:elsewhere",))

    def values(name: str) -> set[str]:
        return {value for _, options in offered[name] for value, _ in options}

    assert {*columns, MATHS, "typed:elsewhere"} < values("measures")
    assert MATHS in values("markbook_measures") and not set(columns) & values("markbook_measures")


def test_the_legend_of_a_test_holds_scores() -> None:
    school = make_oak()
    school.sit("amy", "test:ks2:maths:-:scaled", "99.5", "2025-11-12")
    request = OverviewRequest(
        Population(schools=("oak",)),
        Clocks(day("2025-11-30")),
        (parse_measure("test:ks2:maths:-:scaled"),),
        (parse_bands("80,99.5,100,110", whole_percent=False),),
    )
    answer = overview.answer(reading_of(school.reading()), request)
    page = overview_page(answer=answer)
    for words in ("KS2 maths, scaled", "below 80", "80 to under 99.5", "99.5 to under 100", "110 and over"):
        assert words in page.text


def test_a_graph_is_a_picture_of_its_own_and_says_in_words_what_it_shows() -> None:
    shown = opened(oak_overview())
    chart = find_chart(shown, "measure-1")
    assert chart is not None and find_chart(shown, "none") is None
    picture = render_chart(chart).decode()
    assert picture.startswith("<svg ") and picture.endswith("</svg>")
    assert "style=" not in picture and "<a " not in picture and "Bars of the pupils in each band" in picture
    whole = chart.bars[0].segments
    assert [segment.text for segment in whole] == ["▼▼ 1", "● 2", "▲▲ 1", "x 1"]
    assert [segment.start for segment in whole] == [0, 20, 60, 80]
    in_page = overview_page()
    assert in_page.all("svg", role="group")
    assert chart.bars[0].segments[1].href in [link["href"] for link in in_page.all("a")]


def test_a_row_of_few_pupils_says_what_one_is_worth() -> None:
    assert "1 pupil = 20 percentage points" in overview_page().text
    assert [wording.worth_of_a_pupil(of) for of in (0, None, 31)] == ["", "", ""]
    assert wording.worth_of_a_pupil(30) == "1 pupil = 3 percentage points"


def test_a_hidden_count_is_a_letter_without_a_link() -> None:
    answer = oak_overview()
    row = answer.rows[0]
    cell = msgspec.structs.replace(
        row.cells[0], counts=answers.BandCounts(None, 0, 2, 1, 0), percents=answers.BandPercents(*[None] * 5)
    )
    hidden = msgspec.structs.replace(answer, rows=[msgspec.structs.replace(row, cells=[cell])])
    page = overview_page(answer=hidden)
    assert not [a for a in page.all("a") if "cell=0%3Asig_below" in a["href"]]
    assert re.search(r"\bc\b", page.text) and not page.all("svg", role="group")[1:]


def test_a_legend_that_all_measures_share_stands_once() -> None:
    table = next(block for block in OVERVIEW.show(opened(oak_overview()).shown) if isinstance(block, blocks.Table))
    assert table.legend is not None
    other = msgspec.structs.replace(table.legend, source="From elsewhere.")
    same, differs = legend_once([table, table]), legend_once([table, msgspec.structs.replace(table, legend=other)])
    assert [each.legend is None for each in same] == [True, False]
    assert same[1].legend is not None and same[1].legend.keys == table.legend.keys
    assert [each.legend for each in differs] == [table.legend, other]
    assert legend_once([table]) == [table]


# --- All pages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [overview_page, lambda: members_page(True), lambda: members_page(False)])
def test_nothing_comes_from_outside_or_is_inline(page: Any) -> None:
    made: Page = page()
    assert [script["src"].partition("?")[0] for script in made.all("script")] == ["/static/markledger.js"]
    assert not made.all("style")
    assert not [a for _, a in made.elements if "style" in a or any(name.startswith("on") for name in a)]
    for _, attributes in made.elements:
        for name in ("href", "src", "action"):
            assert attributes.get(name, "/").startswith(("/", "#"))
            assert not attributes.get(name, "/").startswith("//")
    assert b"http" not in SCRIPT and b"eval" not in SCRIPT
    assert b"@import" not in STYLE_SHEET and b"url(" not in STYLE_SHEET and b"font-face" not in STYLE_SHEET


def test_the_words_on_band_colours_can_be_read() -> None:
    """WCAG 2 AA: 4.5 to 1."""
    sheet = STYLE_SHEET.decode()
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", sheet))
    assert [colours[band.id.replace("_", "-")] for band in wording.BANDS] == [
        "#6b2320", "#dd6b15", "#f0ebd8", "#89bdf3", "#456194",
    ]  # fmt: skip
    for band in wording.BANDS:
        text = re.search(rf"\.band-{band.id} {{ background: [^;]+; color: (#[0-9a-f]+); }}", sheet)
        assert text is not None
        ink = text[1] if len(text[1]) == 7 else "#" + "".join(2 * digit for digit in text[1][1:])
        assert contrast(ink, colours[band.id.replace("_", "-")]) >= 4.5


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_bands_of_scores_have_no_gaps_between_their_words() -> None:
    assert wording.cut_off_labels([35, 36, 70, 85], whole=True) == [
        "below 35", "35", "36 to 69", "70 to 84", "85 and over",
    ]  # fmt: skip
    assert wording.cut_off_labels([80, "99.5", 110, 115], whole=False)[1:3] == ["80 to under 99.5", "99.5 to under 110"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("whole", "All pupils"),
        ("school:oak", "Oak"),
        ("school:elm", "elm"),
        ("year-group:4", "Year 4"),
        ("year-group:Not known", "Year group not known"),
        ("group:4%3AB", "4:B"),
        ("characteristic:sex:F", "Sex: F"),
        ("characteristic:pupil-premium:yes", "Pupil premium: yes"),
        ("characteristic:a%3Ab:50%25", "A:b: 50%"),
    ],
)
def test_rows_in_words(row: str, words: str) -> None:
    assert wording.row_label(row, {"oak": "Oak"}) == words


@pytest.mark.parametrize(
    ("text", "kept"),
    [("/reports/overview?a=b", True), ("/", True), ("//evil.example", False), ("/\\evil", False), ("https:x", False),
     ("", False), ("/a\nb", False)],
)  # fmt: skip
def test_after_signing_in_nobody_is_sent_elsewhere(text: str, kept: bool) -> None:
    assert sessions.local_address(text) == (text if kept else "/")


def test_every_code_that_this_service_answers_has_a_page() -> None:
    rooms = [Path("services/query"), Path("services/access")]
    answered = {code for room in rooms for path in room.rglob("*.py") for code in _codes_in(path.read_text())}
    assert {"no_settings", "forbidden_school", "unknown_right"} <= answered
    assert answered - PROBLEM_TEXTS.keys() == set()


def _codes_in(source: str) -> set[str]:
    """The codes that a module writes down: in a Problem, an Invalid, a ProblemError or a call that notes a fault."""
    place = {
        "Problem": 1,
        "Invalid": 0,
        "ProblemError": 0,
        "fail": 1,
        "_error": 1,
        "_refused": 0,
        "_unauthenticated": 0,
    }
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in place and len(node.args) > place[name]:
                code = node.args[place[name]]
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    found.add(code.value)
    return found


def test_the_openapi_document_refers_to_nothing_that_is_missing() -> None:
    missing = [reference for reference in _references(DOCUMENT) if not _resolves(reference)]
    assert missing == []
    assert DOCUMENT["openapi"] == "3.1.0"
    assert {"Overview", "Members", "Matrix", "ScoreTracking", "ProblemBody"} <= DOCUMENT["components"]["schemas"].keys()
    html = render("docs.html", who="", document=DOCUMENT, origin="http://localhost")
    assert all(path.encode() in html for path in DOCUMENT["paths"])


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for value in part.values() for found in _references(value)]
    if isinstance(part, list):
        return [found for value in part for found in _references(value)]
    return []


def _resolves(reference: str) -> bool:
    here: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        if name not in here:
            return False
        here = here[name]
    return True


def test_a_query_is_read_as_the_pages_write_it() -> None:
    pairs = [("group", "Class 4+ & a=b%"), ("filter", "a%3Ab:ö")]
    assert decode_query(urlsplit(address("/x", pairs)).query.encode()) == pairs
