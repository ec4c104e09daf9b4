"""The pages: who may see them, what they read, which template they use. They work without JavaScript.

A page takes the parameters of its report. Who is not signed in is sent to sign in and back; other refusals are pages.
What a report's page shows is said in `catalogue`: a new report needs no route of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect
from msgspec import UNSET

from schemas.definitions import SettingsSaved
from services.access.keys import Access, Keyring
from services.access.problems import Problem, as_response, problem_of, request_id_of
from services.query.definitions import Definitions
from services.query.directory import Choices, Directory
from services.query.pages import sessions
from services.query.pages.addresses import address, many, one, without
from services.query.pages.catalogue import MAIN, PAGES
from services.query.pages.forms import EXAMPLE_CUT_OFFS, is_form, parameters_of_form
from services.query.pages.members_page import members_context
from services.query.pages.page import CHOOSE, KEPT, ROOT, Opened, Page, find_chart, page_context
from services.query.pages.render import (
    HTML_MEDIA_TYPE,
    ICON,
    SCRIPT,
    STYLE_SHEET,
    SVG_MEDIA_TYPE,
    render,
    render_chart,
)
from services.query.pages.settings_form import (
    FormFault,
    SettingsFields,
    Told,
    fields_of,
    fields_sent,
    form_context,
    save,
)
from services.query.pages.settings_page import settings_choices, settings_context
from services.query.pages.wording import in_words
from services.query.parameter_values import today_of
from services.query.permalinks import OpenedPermalink, Permalinks
from services.query.query_string import decode_query
from services.query.reporting import Reporting
from services.query.routes import FORMS, REPORTS, Report, answer_as_asked, with_occasion

SETTINGS_FIELDS_MAX = 2_000
_OF_THE_PAGE = (CHOOSE, KEPT, "chart")
"""Parameters of a page that are none of its report."""
FORM_BYTES_MAX = 16 * 1024
_ON_THE_PAGE = (403, 404, 422)
"""Refusals that the form itself shows, because other fields can mend them."""

_CORE = ("reading", "writing", "maths")
"""The subjects that primary schools look at together."""

PageRequest = Request[Any, Any, Any]
_REPORT_AT: Mapping[str, Report] = {report.path: report for report in REPORTS}
_SHOWN = tuple(page for page in PAGES if page.report in _REPORT_AT)
_MENU = tuple(page for page in _SHOWN if page.report in MAIN)


class Site(msgspec.Struct, frozen=True):
    """What the pages need. `problems`: the text of each problem code."""

    reporting: Reporting
    directory: Directory
    keyring: Keyring
    clock: Callable[[], datetime]
    problems: Mapping[str, str]
    definitions: Definitions | None = None
    permalinks: Permalinks | None = None
    tell: Told | None = None

    async def settings(self, choices: Choices, schools: Sequence[str]) -> list[SettingsSaved]:
        """The settings saved for these schools, or for all to choose from, and for their trusts."""
        if self.definitions is None:
            return []
        chosen = [entry for entry in choices.schools if not schools or entry.school in schools]
        trusts = {trust for entry in chosen for trust, *_ in entry.memberships}
        return await self.definitions.settings_of([entry.school for entry in chosen], trusts, None)


def page_handlers(site: Site) -> list[HTTPRouteHandler]:
    """The route of each page."""
    reports = [handler for page in _SHOWN for handler in _report_pages(site, page)]
    return [*_home_pages(site), *_settings_pages(site), *reports, *_session_pages(site), *_open_pages(site)]


def as_page(request: PageRequest, error: Exception) -> Response[bytes] | Redirect:
    """The answer to a page that raised `error`; for anything that does not ask for a page, the problem as JSON."""
    plain = as_response(request, error)
    if request.scope["path"].startswith("/v1/") or "text/html" not in request.headers.get("accept", ""):
        return plain
    problem = problem_of(error)
    if problem.status == 401:
        return Redirect(sessions.sign_in_address(request), status_code=303)
    body = render(
        "problem.html",
        who="",
        title=problem.title,
        detail=problem.detail,
        errors=problem.errors,
        code=problem.code,
        request_id=request_id_of(request.scope),
    )
    return _page(body, status=problem.status, headers=problem.headers)


def _home_pages(site: Site) -> list[HTTPRouteHandler]:
    @get("/", name="home")
    async def show_home(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        choices = await site.directory.choices(access, today_of(site.clock()))
        return _page(_render("home.html", access, **_home_context(choices, site.clock())))

    @get(ROOT, name="all reports")
    async def show_reports(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        return _page(_render("reports.html", access, pages=_SHOWN))

    @get([f"{ROOT}/{report.path}.{form}" for report in REPORTS for form in FORMS], name="download")
    async def download(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        path = request.scope["path"].removeprefix(f"{ROOT}/").rpartition(".")[0]
        return await answer_as_asked(_REPORT_AT[path], site.reporting, access, request, site.clock())

    @get("/settings", name="settings page")
    async def show_settings(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        access.require("read")
        today = today_of(site.clock())
        choices = await site.directory.choices(access, today)
        context = settings_context(await site.settings(choices, ()), choices, today)
        return _page(_render("settings.html", access, may_save=_may_save(site, access), **context))

    @post(f"{ROOT}/keep", name="keep a report", status_code=303, request_max_body_size=FORM_BYTES_MAX)
    async def keep_report(request: PageRequest) -> Redirect:
        access = await sessions.access_of_request(request, site.keyring)
        fields = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=10))
        if site.permalinks is None:
            raise Problem(404, "not_found", "Reports cannot be kept here", "This service keeps no permalinks.")
        made = await site.permalinks.make(access, fields.get("path", ""))
        return Redirect(made.permalink, status_code=303)

    return [show_home, show_reports, download, show_settings, keep_report]


def _settings_pages(site: Site) -> list[HTTPRouteHandler]:
    """The form of attainment settings, for keys that may save them where the ingest service can be reached."""

    async def form(access: Access, fields: SettingsFields, faults: Sequence[FormFault]) -> Response[bytes]:
        choices = await site.directory.choices(access, today_of(site.clock()))
        context = form_context(fields, choices, faults)
        return _page(_render("settings_edit.html", access, **context), status=422 if faults else 200)

    @get("/settings/edit", name="settings form")
    async def show_form(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        access.require("settings")
        wanted = one(decode_query(request.scope["query_string"]), "settings")
        choices = await site.directory.choices(access, today_of(site.clock()))
        saved = await site.settings(choices, ()) if wanted else []
        return await form(access, fields_of(next((each for each in saved if each.definition == wanted), None)), ())

    @post("/settings", name="save settings", status_code=303, request_max_body_size=FORM_BYTES_MAX)
    async def save_settings(request: PageRequest) -> Response[bytes] | Redirect:
        access = await sessions.access_of_request(request, site.keyring)
        access.require("settings")
        if site.tell is None:
            raise Problem(404, "not_found", "Settings cannot be saved here", "Send POST /v1/settings to ingest.")
        body = (await request.body()).decode("utf-8", "replace")
        fields = fields_sent(parse_qsl(body, keep_blank_values=True, max_num_fields=SETTINGS_FIELDS_MAX))
        faults = await save(site.tell, sessions.key_of_request(request), fields)
        return await form(access, fields, faults) if faults else Redirect("/settings", status_code=303)

    return [show_form, save_settings]


def _may_save(site: Site, access: Access) -> bool:
    return site.tell is not None and access.may("settings")


def _report_pages(site: Site, page: Page) -> list[HTTPRouteHandler]:
    """A report under its own form, the pupils behind it, its charts as pictures."""
    path, report = f"{ROOT}/{page.report}", _REPORT_AT[page.report]

    @get(path, name=f"{page.report} page")
    async def show_report(request: PageRequest) -> Response[bytes] | Redirect:
        access = await sessions.access_of_request(request, site.keyring)
        access.require("read")
        pairs = decode_query(request.scope["query_string"])
        if is_form(pairs):
            return Redirect(address(path, parameters_of_form(pairs)), status_code=303)
        opened = await _open(site, request, access, page, report)
        body = _render("report.html", access, **page_context(opened))
        return _page(body, status=200 if opened.problem is None else opened.problem.status)

    @get(f"{path}.svg", name=f"{page.report} picture")
    async def send_chart(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        wanted = next((value for name, value in decode_query(request.scope["query_string"]) if name == "chart"), "")
        opened = await _open(site, request, access, page, report)
        if opened.problem is not None:
            raise opened.problem
        chart = None if opened.answer is None else find_chart(opened, wanted)
        if chart is None:
            raise Problem(404, "not_found", "There is no such graph", "Open the report and save the graph from there.")
        headers = {
            "Cache-Control": "private, no-store",
            "Content-Disposition": f'attachment; filename="{page.report}-{chart.id}.svg"',
        }
        return Response(render_chart(chart), media_type=SVG_MEDIA_TYPE, headers=headers)

    handlers: list[HTTPRouteHandler] = [show_report, send_chart]
    if f"{page.report}/members" in _REPORT_AT:
        handlers.append(_members_page(site, page))
    return handlers


def _members_page(site: Site, page: Page) -> HTTPRouteHandler:
    report = _REPORT_AT[f"{page.report}/members"]

    @get(f"{ROOT}/{report.path}", name=f"{report.path} page")
    async def show_members(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        opened = await _open(site, request, access, page, report)
        if opened.problem is not None:
            raise opened.problem
        return _page(_render("members.html", access, **members_context(opened)))

    return show_members


async def _open(site: Site, request: PageRequest, access: Access, page: Page, report: Report) -> Opened:
    """What was asked of a report, answered or refused; an address without parameters asks nothing."""
    query, now = request.scope["query_string"], site.clock()
    pairs = decode_query(query)
    asked = without(pairs, *_OF_THE_PAGE)
    answer, problem = None, None
    if pairs and not one(pairs, CHOOSE):
        try:
            query = query if len(asked) == len(pairs) else address("", asked)[1:].encode("ascii")
            answer = await report.answer(site.reporting, access, with_occasion(report.read(query, now), request))
        except Problem as refused:
            if refused.status not in _ON_THE_PAGE:
                raise
            problem = refused
    choices = await site.directory.choices(access, today_of(now))
    settings = await site.settings(choices, many(asked, "school"))
    named = answer is None or not report.named or has_names(access, answer)
    return Opened(
        page=page,
        pages=_SHOWN,
        reports=frozenset(path for path, each in _REPORT_AT.items() if access.sees_pupils or not each.named),
        hides=not access.sees_pupils,
        pairs=asked,
        choices=choices,
        answer=answer,
        problem=problem,
        named=named,
        known_now=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        settings=settings_choices(settings),
        kept=await _kept(site, access, one(pairs, KEPT)),
        may_keep=site.permalinks is not None,
    )


async def _kept(site: Site, access: Access, permalink: str) -> OpenedPermalink | None:
    """The permalink that a page was opened by, and what became known since."""
    if not permalink or site.permalinks is None:
        return None
    return await site.permalinks.open(access, permalink, None)


def _render(template: str, access: Access, **context: Any) -> bytes:
    return render(template, who=access.name, site_menu=_MENU, **context)


def has_names(access: Access, answer: Any) -> bool:
    """Whether the pupils of an answer have names and references."""
    return access.may("names") and answer.provenance.names is UNSET


def _session_pages(site: Site) -> list[HTTPRouteHandler]:
    @get(sessions.SIGN_IN_PATH, name="sign in page")
    async def show_sign_in(request: PageRequest) -> Response[bytes]:
        after = dict(decode_query(request.scope["query_string"])).get("next", "/")
        return _page(render("sign_in.html", who="", error="", next=sessions.local_address(after)))

    @post(sessions.SIGN_IN_PATH, name="sign in", status_code=303, request_max_body_size=FORM_BYTES_MAX)
    async def sign_in(request: PageRequest) -> Response[bytes] | Redirect:
        fields = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=10))
        key, after = fields.get("key", "").strip(), sessions.local_address(fields.get("next", "/"))
        try:
            await site.keyring.access_of(key)
        except Problem as refused:
            if refused.status != 401:
                raise
            error = refused.detail if key else "Type your key."
            return _page(render("sign_in.html", who="", error=error, next=after), status=401)
        cookie = sessions.cookie_of(key, secure=request.scope["scheme"] == "https")
        return Redirect(after, status_code=303, cookies=[cookie])

    @post("/sign-out", name="sign out", status_code=303)
    async def sign_out() -> Redirect:
        return Redirect(sessions.SIGN_IN_PATH, status_code=303, cookies=[sessions.no_cookie()])

    return [show_sign_in, sign_in, sign_out]


def _open_pages(site: Site) -> list[HTTPRouteHandler]:
    @get("/how-scores-are-calculated", name="rules page")
    async def show_rules(request: PageRequest) -> Response[bytes]:
        try:
            access = await sessions.access_of_request(request, site.keyring)
        except Problem:
            return _page(render("how.html", who=""))
        return _page(_render("how.html", access))

    @get("/problems", name="problems page")
    async def show_problems() -> Response[bytes]:
        return _page(render("problem_codes.html", who="", problems=sorted(site.problems.items())), private=False)

    @get("/problems/{code:str}", name="problem page")
    async def show_problem(request: PageRequest) -> Response[bytes]:
        code = request.path_params["code"]
        if code not in site.problems:
            raise Problem(404, "not_found", "There is no such problem", "The page /problems lists every code.")
        return _page(render("problem_code.html", who="", code=code, text=site.problems[code]), private=False)

    @get("/static/markledger.css", name="style sheet")
    async def send_style_sheet() -> Response[bytes]:
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(STYLE_SHEET, media_type="text/css; charset=utf-8", headers=headers)

    @get("/static/markledger.js", name="script")
    async def send_script() -> Response[bytes]:
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(SCRIPT, media_type="text/javascript; charset=utf-8", headers=headers)

    @get("/static/markledger.svg", name="icon")
    async def send_icon() -> Response[bytes]:
        return Response(ICON, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})

    return [show_rules, show_problems, show_problem, send_style_sheet, send_script, send_icon]


def _home_context(choices: Choices, now: datetime) -> dict[str, Any]:
    def ready(who: tuple[str, str], by: str, schools: list[str]) -> list[dict[str, str]]:
        """Overviews to begin with: the first three subjects together, then each subject."""
        fixed = [("bands", ",".join(EXAMPLE_CUT_OFFS)), ("by", by)]
        measures = choices.ready_measures(schools)
        core = [subject for subject in _CORE if subject in measures]
        named = [(in_words(subject), [measure]) for subject, measure in measures.items()]
        if len(core) > 1:
            named.insert(0, (_listed([in_words(subject) for subject in core]), [measures[subject] for subject in core]))
        return [
            {"name": name, "href": address(f"{ROOT}/overview", [who, *(("measure", each) for each in chosen), *fixed])}
            for name, chosen in named
        ]

    return {
        "trusts": [
            {"name": trust, "subjects": ready(("trust", trust), "school", choices.members(trust, today_of(now)))}
            for trust in choices.trusts
        ],
        "schools": [
            {"name": entry.name, "subjects": ready(("school", entry.school), "year-group", [entry.school])}
            for entry in choices.schools
        ],
        "pages": _SHOWN,
    }


def _listed(words: list[str]) -> str:
    """`Reading, writing and maths`."""
    lowered = [words[0], *(word[:1].lower() + word[1:] for word in words[1:])]
    return f"{', '.join(lowered[:-1])} and {lowered[-1]}"


def _page(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None, private: bool = True
) -> Response[bytes]:
    cache = "private, no-store" if private else "public, max-age=300"
    return Response(
        body, status_code=status, media_type=HTML_MEDIA_TYPE, headers={"Cache-Control": cache, **(headers or {})}
    )
