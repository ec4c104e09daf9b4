"""GET /v1/reports/…: each report as JSON, CSV or a workbook, whichever is asked for. No rule of a report stands here.

The reports are one table (`REPORTS`): the path, how its query string is read, who answers, and its flat table. An
answer carries an ETag; one with pupils may not be stored by anybody.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from services.access.keys import Access, Keyring
from services.access.problems import Problem, request_id_of
from services.query import exports, parameters
from services.query.asked.progress import PROGRESS, PROGRESS_MEMBERS, read_progress, read_progress_members
from services.query.exports import CSV_MEDIA_TYPE, WORKBOOK_MEDIA_TYPE
from services.query.external_routes import EXTERNAL_REPORTS
from services.query.fact_routes import FACT_REPORTS, changes_report
from services.query.progressing import answer_progress, answer_progress_members
from services.query.report import Report as Report
from services.query.reporting import Reporting
from services.query.requests import Occasion
from services.query.tables.progress import progress_members_table, progress_table

Clock = Callable[[], datetime]

JSON_MEDIA_TYPE = "application/json"
FORMS: Mapping[str, str] = {"csv": CSV_MEDIA_TYPE, "xlsx": WORKBOOK_MEDIA_TYPE}
"""The forms of an answer beside JSON: the end of a path, and the media type."""

R = TypeVar("R")

_encoder = msgspec.json.Encoder()


_REPORTS: tuple[Report, ...] = (
    Report(
        path="overview",
        title="Pupils in each band of one to three measures, by row",
        known=parameters.OVERVIEW,
        read=parameters.read_overview,
        answer=Reporting.overview,
        table=lambda answer, _: exports.overview_table(answer),
        named=False,
    ),
    Report(
        path="overview/members",
        title="The pupils behind cells of an overview",
        known=parameters.OVERVIEW_MEMBERS,
        read=parameters.read_overview_members,
        answer=Reporting.overview_members,
        table=lambda answer, request: exports.members_table(answer, [m.text for m in request.overview.measures]),
        named=True,
    ),
    Report(
        path="progress",
        title="Pupils by the progress that a rule makes of a start and an end",
        known=PROGRESS,
        read=read_progress,
        answer=answer_progress,
        table=lambda answer, _: progress_table(answer),
        named=False,
    ),
    Report(
        path="progress/members",
        title="The pupils behind cells of progress",
        known=PROGRESS_MEMBERS,
        read=read_progress_members,
        answer=answer_progress_members,
        table=lambda answer, request: progress_members_table(
            answer, [m.text for m in request.progress.overview.measures]
        ),
        named=True,
    ),
    Report(
        path="score-tracking",
        title="Pupils by months: displayed percents and their variances",
        known=parameters.SCORE_TRACKING,
        read=parameters.read_score_tracking,
        answer=Reporting.score_tracking,
        table=lambda answer, _: exports.score_tracking_table(answer),
        named=True,
    ),
    Report(
        path="score-tracking/members",
        title="The pupils of a score tracking, in an order",
        known=parameters.SCORE_TRACKING_MEMBERS,
        read=parameters.read_score_tracking_members,
        answer=Reporting.score_tracking_members,
        table=lambda answer, _: exports.score_tracking_table(answer),
        named=True,
    ),
    Report(
        path="matrix",
        title="Two measures against each other, five bands by five",
        known=parameters.MATRIX,
        read=parameters.read_matrix,
        answer=Reporting.matrix,
        table=lambda answer, _: exports.matrix_table(answer),
        named=False,
    ),
    Report(
        path="matrix/members",
        title="The pupils behind cells of a matrix",
        known=parameters.MATRIX_MEMBERS,
        read=parameters.read_matrix_members,
        answer=Reporting.matrix_members,
        table=lambda answer, request: exports.members_table(answer, _matrix_columns(request)),
        named=True,
    ),
    *FACT_REPORTS,
    *EXTERNAL_REPORTS,
)
REPORTS = (*_REPORTS, changes_report(_REPORTS))


def report_handlers(reporting: Reporting, keyring: Keyring, clock: Clock) -> list[HTTPRouteHandler]:
    """The route of each report."""
    return [_report_handler(report, reporting, keyring, clock) for report in REPORTS]


def _report_handler(report: Report, reporting: Reporting, keyring: Keyring, clock: Clock) -> HTTPRouteHandler:
    address = f"/v1/reports/{report.path}"

    @get([address, *(f"{address}.{form}" for form in FORMS)], name=report.path)
    async def answer_report(request: Request[Any, Any, Any]) -> Response[bytes]:
        access = await keyring.authenticate(request.headers.get("authorization"))
        request.scope["state"]["key_id"] = access.key_id
        return await answer_as_asked(report, reporting, access, request, clock())

    return answer_report


async def answer_as_asked(
    report: Report, reporting: Reporting, access: Access, request: Request[Any, Any, Any], now: datetime
) -> Response[bytes]:
    """The report that a request asks for, in the form that it asks for."""
    form = form_asked(request.scope["path"], request.headers.get("accept", "").strip() or "*/*")
    asked = with_occasion(report.read(request.scope["query_string"], now), request)
    started = time.perf_counter()
    answer = await report.answer(reporting, access, asked)
    answered_ms = (time.perf_counter() - started) * 1000
    headers = {
        "Cache-Control": "private, no-store" if report.named else "private, no-cache",
        "Vary": "Accept",
        "Server-Timing": f"report;dur={answered_ms:.2f}",
    }
    if report.named and getattr(answer, "next", None) is not None:
        headers["Link"] = f'<{next_address(request, answer.next)}>; rel="next"'
    if form in FORMS:
        name = f"{report.path.replace('/', '-')}.{form}"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    body = _encode(form, report, answer, asked.request, str(request.url))
    return _with_etag(request, body, FORMS.get(form, JSON_MEDIA_TYPE), headers)


def with_occasion(asked: parameters.Asked[R], request: Request[Any, Any, Any]) -> parameters.Asked[R]:
    """What is asked, and by which request, so that names may be in the answer."""
    occasion = Occasion(request_id_of(request.scope), request.scope["query_string"])
    return msgspec.structs.replace(asked, occasion=occasion)


def form_asked(path: str, accept: str) -> str:
    """`json`, or one of FORMS: by the path's end, or by the Accept header. Raises Problem 406 for any other."""
    end = path.rpartition(".")[2]
    if end in FORMS:
        return end
    qualities = _qualities(accept)
    offers = {"json": JSON_MEDIA_TYPE, **FORMS}
    weights = {form: _quality(qualities, media_type) for form, media_type in offers.items()}
    best = max(weights, key=lambda form: (weights[form], offers[form] in qualities))
    if weights[best] <= 0:
        raise Problem(
            406,
            "not_acceptable",
            "The report is not made in that form",
            "Ask for application/json or text/csv in the Accept header, or end the path with .csv or .xlsx.",
        )
    return best


def next_address(request: Request[Any, Any, Any], cursor: str) -> str:
    """The address of the page of pupils that follows."""
    query = request.scope["query_string"].decode("latin-1")
    pairs = [(name, value) for name, value in parse_qsl(query) if name != "cursor"]
    return f"{request.scope['path']}?{urlencode([*pairs, ('cursor', cursor)])}"


def _qualities(accept: str) -> dict[str, float]:
    """The media ranges of an Accept header with their weights; what cannot be read weighs nothing."""
    qualities = {}
    for part in accept.split(","):
        media_range, *options = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for option in options:
            if option.startswith("q="):
                try:
                    weight = float(option[2:])
                except ValueError:
                    weight = 0.0
        if media_range:
            qualities[media_range] = weight
    return qualities


def _quality(qualities: dict[str, float], media_type: str) -> float:
    kind = media_type.partition("/")[0]
    return qualities.get(media_type, qualities.get(f"{kind}/*", qualities.get("*/*", 0.0)))


def _encode(form: str, report: Report, answer: Any, request: Any, address: str) -> bytes:
    if form == "csv":
        return exports.write_csv(exports.marked(report.table(answer, request), answer))
    if form == "xlsx":
        return exports.write_workbook(exports.marked(report.table(answer, request), answer), answer.provenance, address)
    return _encoder.encode(answer)


def _with_etag(
    request: Request[Any, Any, Any], body: bytes, media_type: str, headers: dict[str, str]
) -> Response[bytes]:
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers["ETag"] = etag
    if etag in request.headers.get("if-none-match", "").replace("W/", "").split(", "):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _matrix_columns(request: Any) -> list[str]:
    matrix = request.matrix
    return [f"{matrix.first.text}@{matrix.first_on}", f"{matrix.second.text}@{matrix.second_on}"]
