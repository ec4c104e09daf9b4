"""The pages: who may see them, what they read, which template they use. They work without JavaScript.

A page takes the parameters of its report. Who is not signed in is sent to sign in and back; other refusals are pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect
from msgspec import UNSET

from services.access.keys import Access, Keyring
from services.access.problems import Problem, as_response, problem_of, request_id_of
from services.query.answers import Matrix, Members, ScoreTracking
from services.query.directory import Choices, Directory
from services.query.pages import sessions
from services.query.pages.matrix_page import MATRIX_PATH, matrix_context, matrix_members_context
from services.query.pages.overview_form import DEFAULT_CUT_OFFS, Pairs, address, is_form, parameters_of_form
from services.query.pages.overview_page import OVERVIEW_PATH, members_context, overview_context
from services.query.pages.plain_form import parameters_of_plain_form
from services.query.pages.render import HTML_MEDIA_TYPE, ICON, STYLE_SHEET, render
from services.query.pages.score_tracking_page import SCORE_TRACKING_PATH, score_tracking_context
from services.query.parameter_values import today_of
from services.query.parameters import (
    read_matrix,
    read_matrix_members,
    read_overview,
    read_overview_members,
    read_score_tracking,
)
from services.query.query_string import decode_query
from services.query.reporting import Reporting
from services.query.routes import FORMS, REPORTS, answer_as_asked, with_occasion

FORM_BYTES_MAX = 16 * 1024
_ON_THE_PAGE = (403, 404, 422)
"""Refusals that the form itself shows, because other fields can mend them."""

PageRequest = Request[Any, Any, Any]
A = TypeVar("A", Matrix, ScoreTracking)


class Site(msgspec.Struct, frozen=True):
    """What the pages need. `problems`: the text of each problem code."""

    reporting: Reporting
    directory: Directory
    keyring: Keyring
    clock: Callable[[], datetime]
    problems: Mapping[str, str]


def page_handlers(site: Site) -> list[HTTPRouteHandler]:
    """The route of each page."""
    return [*_report_pages(site), *_further_report_pages(site), *_session_pages(site), *_open_pages(site)]


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


def _report_pages(site: Site) -> list[HTTPRouteHandler]:
    @get("/", name="home")
    async def show_home(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        choices = await site.directory.choices(access, today_of(site.clock()))
        return _page(render("home.html", who=access.name, **_home_context(choices, site.clock())))

    @get(OVERVIEW_PATH, name="overview page")
    async def show_overview(request: PageRequest) -> Response[bytes] | Redirect:
        access = await sessions.access_of_request(request, site.keyring)
        access.require("read")
        pairs = decode_query(request.scope["query_string"])
        if is_form(pairs):
            return Redirect(address(OVERVIEW_PATH, parameters_of_form(pairs)), status_code=303)
        return await _overview_page(site, access, pairs, request.scope["query_string"])

    @get(f"{OVERVIEW_PATH}/members", name="members page")
    async def show_members(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        query, now = request.scope["query_string"], site.clock()
        asked = with_occasion(read_overview_members(query, now), request)
        answer = await site.reporting.overview_members(access, asked)
        choices = await site.directory.choices(access, today_of(now))
        context = members_context(decode_query(query), choices, answer, has_names(access, answer))
        return _page(render("members.html", who=access.name, **context))

    @get([f"/reports/{report.path}.{form}" for report in REPORTS for form in FORMS], name="download")
    async def download(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        path = request.scope["path"].removeprefix("/reports/").rpartition(".")[0]
        report = next(each for each in REPORTS if each.path == path)
        return await answer_as_asked(report, site.reporting, access, request, site.clock())

    return [show_home, show_overview, show_members, download]


async def _overview_page(site: Site, access: Access, pairs: list[tuple[str, str]], query: bytes) -> Response[bytes]:
    now = site.clock()
    answer, problem = None, None
    if pairs:
        try:
            answer = await site.reporting.overview(access, read_overview(query, now))
        except Problem as refused:
            if refused.status not in _ON_THE_PAGE:
                raise
            problem = refused
    choices = await site.directory.choices(access, today_of(now))
    context = overview_context(pairs, choices, answer, problem, f"{now:%Y-%m-%dT%H:%M:%SZ}")
    status = 200 if problem is None else problem.status
    return _page(render("overview.html", who=access.name, **context), status=status)


def _further_report_pages(site: Site) -> list[HTTPRouteHandler]:
    @get(MATRIX_PATH, name="matrix page")
    async def show_matrix(request: PageRequest) -> Response[bytes] | Redirect:
        def ask(access: Access, query: bytes, now: datetime) -> Awaitable[Matrix]:
            return site.reporting.matrix(access, read_matrix(query, now))

        def fill(
            pairs: Pairs, choices: Choices, answer: Matrix | None, problem: Problem | None, _: bool
        ) -> dict[str, Any]:
            return matrix_context(pairs, choices, answer, problem)

        return await _form_page(site, request, "matrix.html", ask, fill)

    @get(f"{MATRIX_PATH}/members", name="matrix members page")
    async def show_matrix_members(request: PageRequest) -> Response[bytes]:
        access = await sessions.access_of_request(request, site.keyring)
        query, now = request.scope["query_string"], site.clock()
        answer = await site.reporting.matrix_members(access, with_occasion(read_matrix_members(query, now), request))
        choices = await site.directory.choices(access, today_of(now))
        context = matrix_members_context(decode_query(query), choices, answer, has_names(access, answer))
        return _page(render("members.html", who=access.name, **context))

    @get(SCORE_TRACKING_PATH, name="score tracking page")
    async def show_score_tracking(request: PageRequest) -> Response[bytes] | Redirect:
        def ask(access: Access, query: bytes, now: datetime) -> Awaitable[ScoreTracking]:
            return site.reporting.score_tracking(access, with_occasion(read_score_tracking(query, now), request))

        return await _form_page(site, request, "score_tracking.html", ask, score_tracking_context)

    return [show_matrix, show_matrix_members, show_score_tracking]


async def _form_page(
    site: Site,
    request: PageRequest,
    template: str,
    ask: Callable[[Access, bytes, datetime], Awaitable[A]],
    fill: Callable[[Pairs, Choices, A | None, Problem | None, bool], dict[str, Any]],
) -> Response[bytes] | Redirect:
    """A report under its own form: what the form sent becomes an address, an address a report, a fault its field."""
    access = await sessions.access_of_request(request, site.keyring)
    access.require("read")
    query, now = request.scope["query_string"], site.clock()
    pairs = decode_query(query)
    if is_form(pairs):
        return Redirect(address(request.scope["path"], parameters_of_plain_form(pairs)), status_code=303)
    answer, problem = None, None
    if pairs:
        try:
            answer = await ask(access, query, now)
        except Problem as refused:
            if refused.status not in _ON_THE_PAGE:
                raise
            problem = refused
    choices = await site.directory.choices(access, today_of(now))
    context = fill(pairs, choices, answer, problem, answer is None or has_names(access, answer))
    return _page(render(template, who=access.name, **context), status=200 if problem is None else problem.status)


def has_names(access: Access, answer: Members | ScoreTracking | Matrix) -> bool:
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

    @get("/static/markledger.svg", name="icon")
    async def send_icon() -> Response[bytes]:
        return Response(ICON, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})

    return [show_problems, show_problem, send_style_sheet, send_icon]


def _home_context(choices: Choices, now: datetime) -> dict[str, Any]:
    def links(who: tuple[str, str], by: str, schools: list[str]) -> list[dict[str, str]]:
        fixed = [("bands", ",".join(DEFAULT_CUT_OFFS)), ("by", by)]
        return [
            {"name": subject, "href": address(OVERVIEW_PATH, [who, ("measure", measure), *fixed])}
            for subject, measure in choices.ready_measures(schools).items()
        ]

    return {
        "trusts": [
            {"name": trust, "subjects": links(("trust", trust), "school", choices.members(trust, today_of(now)))}
            for trust in choices.trusts
        ],
        "schools": [
            {"name": entry.name, "subjects": links(("school", entry.school), "year-group", [entry.school])}
            for entry in choices.schools
        ],
    }


def _page(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None, private: bool = True
) -> Response[bytes]:
    cache = "private, no-store" if private else "public, max-age=300"
    return Response(
        body, status_code=status, media_type=HTML_MEDIA_TYPE, headers={"Cache-Control": cache, **(headers or {})}
    )
