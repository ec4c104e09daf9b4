"""The URL table of definitions: /v1/tests, /v1/scales, /v1/settings, /v1/saved-reports. Statuses and headers; no rules.

The version that stands is the ETag, so that `If-Match` names what is to be changed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import msgspec
from litestar import Response, delete, get, post, put
from litestar.handlers import BaseRouteHandler

from schemas.definitions import REPORT, SCALE, SETTINGS, TEST, AnyDefinition, ReportSaved, SettingsSaved
from services.access.keys import Access
from services.access.problems import Problem, ProblemError
from services.domain.progress import parse_rule, warn_of_rule
from services.ingest import definition_bodies, parameters
from services.ingest.body_faults import BodyFault
from services.ingest.definition_log import Written
from services.ingest.definition_scope import Scope
from services.ingest.definitions import Match
from services.ingest.fields import FieldError, parse_choice, parse_day, parse_identifier
from services.ingest.requests import JSON, HttpRequest, authenticate, read_body, refused_body, require_json
from services.ingest.serving import Serving

_ENVELOPE = ("type", "event_id", "definition", "number", "version", "recorded_at", "actor")
_ETAG = re.compile(r'(?:"([0-9]{1,9})"|([0-9]{1,9}))')
_VERSION = re.compile(r"(.*)@([1-9][0-9]{0,8})")


def definition_handlers(serving: Serving) -> list[BaseRouteHandler]:
    """Every route of definitions."""
    return [
        *_test_handlers(serving),
        *_scale_handlers(serving),
        *_settings_handlers(serving),
        *_saved_report_handlers(serving),
    ]


# --- Tests and scales --------------------------------------------------------------------------------------------


class _Kind(NamedTuple):
    """What the routes of tests and of scales differ in. `define` takes who asks, the id, the body and `If-Match`."""

    name: str
    prefix: str
    define: Callable[[Access, str, bytes, Match | None], Awaitable[Written]]
    find: Callable[[Access], Awaitable[list[AnyDefinition]]]


def _test_handlers(serving: Serving) -> list[BaseRouteHandler]:
    async def define(access: Access, test: str, body: bytes, match: Match | None) -> Written:
        document = definition_bodies.read_test(body, serving.clock().date())
        return await serving.definitions.define_test(access, test, document, match)

    return _definition_handlers(serving, _Kind("test", TEST, define, serving.definitions.list_tests))


def _scale_handlers(serving: Serving) -> list[BaseRouteHandler]:
    async def define(access: Access, scale: str, body: bytes, match: Match | None) -> Written:
        document = definition_bodies.read_scale(body)
        return await serving.definitions.define_scale(access, scale, document, match)

    return _definition_handlers(serving, _Kind("scale", SCALE, define, serving.definitions.list_scales))


def _definition_handlers(serving: Serving, kind: _Kind) -> list[BaseRouteHandler]:
    one, several = f"/v1/{kind.name}s/{{{kind.name}_id:str}}", f"/v1/{kind.name}s"

    @put(one, name=f"{kind.name}-define")
    async def define_it(request: HttpRequest) -> Response[bytes]:
        return await _define(serving, request, kind)

    @get(one, name=kind.name)
    async def show_it(request: HttpRequest) -> Response[bytes]:
        return await _show_definition(serving, request, kind)

    @get(several, name=f"{kind.name}s")
    async def list_them(request: HttpRequest) -> Response[bytes]:
        return await _list_definitions(serving, request, kind)

    return [define_it, show_it, list_them]


async def _define(serving: Serving, request: HttpRequest, kind: _Kind) -> Response[bytes]:
    access = await authenticate(serving, request)
    parameters.refuse_all(request.scope["query_string"])
    named = _named(request, kind.name)
    match = _match_of(request)
    body = await _document(serving, request)
    try:
        written = await kind.define(access, named, body, match)
    except BodyFault as fault:
        raise refused_body(fault) from fault
    answer = {kind.name: named, "version": written.fact.number}
    return _answer(answer, written.fact.number, 201 if written.is_new and written.fact.number == 1 else 200)


async def _show_definition(serving: Serving, request: HttpRequest, kind: _Kind) -> Response[bytes]:
    access = await authenticate(serving, request)
    parameters.refuse_all(request.scope["query_string"])
    await serving.ledger()
    found = await serving.definitions.standing(access, kind.prefix + _named(request, kind.name))
    if found is None:
        detail = f"GET /v1/{kind.name}s lists those that are defined."
        raise Problem(404, f"unknown_{kind.name}", f"There is no such {kind.name}", detail)
    return _answer(_shown(found, kind.name), found.number)


async def _list_definitions(serving: Serving, request: HttpRequest, kind: _Kind) -> Response[bytes]:
    access = await authenticate(serving, request)
    parameters.refuse_all(request.scope["query_string"])
    await serving.ledger()
    return _answer({f"{kind.name}s": [_shown(each, kind.name) for each in await kind.find(access)]})


# --- Settings ----------------------------------------------------------------------------------------------------


def _settings_handlers(serving: Serving) -> list[BaseRouteHandler]:
    @post("/v1/settings", name="settings-save")
    async def save_settings(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request)
        parameters.refuse_all(request.scope["query_string"])
        key = parameters.read_idempotency_key(request.headers.get("idempotency-key"))
        document = _settings_document(serving, await _document(serving, request))
        written = await serving.definitions.save_settings(await _scope(serving, access), document, key)
        settings = written.fact.definition
        answer = {"settings": settings, "version": written.fact.number}
        return _answer(answer, written.fact.number, 201, {"Location": f"/v1/settings/{settings}"})

    @put("/v1/settings/{settings:str}", name="settings-change")
    async def change_settings(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request)
        parameters.refuse_all(request.scope["query_string"])
        match = _match_of(request)
        if match is None:
            detail = 'Send the version that you read as If-Match: "3", so that nobody\'s change is lost.'
            raise Problem(428, "if_match_required", "A change of settings names the version that it changes", detail)
        document = _settings_document(serving, await _document(serving, request))
        scope = await _scope(serving, access)
        written = await serving.definitions.change_settings(scope, request.path_params["settings"], document, match)
        answer = {"settings": written.fact.definition, "version": written.fact.number}
        return _answer(answer, written.fact.number)

    @get("/v1/settings", name="settings-list")
    async def list_settings(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request)
        school, kind, as_at = _read_filters(serving, request)
        scope = await _scope(serving, access)
        found = await serving.definitions.list_settings(scope, school, kind, as_at)
        return _answer({"settings": [_shown_settings(each) for each in found]})

    @get("/v1/settings/{settings:str}", name="settings")
    async def show_settings(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request)
        parameters.refuse_all(request.scope["query_string"])
        named = _VERSION.fullmatch(request.path_params["settings"])
        settings = named[1] if named else request.path_params["settings"]
        found: Sequence[SettingsSaved] = await _versions(serving, access, settings)
        wanted = [each for each in found if named is None or each.number == int(named[2])]
        if not wanted:
            detail = f"GET /v1/settings/{settings}/versions lists those there are."
            raise Problem(404, "unknown_settings", "There is no such version", detail)
        return _answer(_shown_settings(wanted[-1]), wanted[-1].number)

    @get("/v1/settings/{settings:str}/versions", name="settings-versions")
    async def list_versions(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request)
        parameters.refuse_all(request.scope["query_string"])
        found = await _versions(serving, access, request.path_params["settings"])
        return _answer({"versions": [_shown_settings(each) for each in found]})

    return [save_settings, change_settings, list_settings, show_settings, list_versions]


async def _versions(serving: Serving, access: Access, settings: str) -> Sequence[SettingsSaved]:
    named = settings if settings.startswith(SETTINGS) and settings.isprintable() else SETTINGS
    return await serving.definitions.settings_versions(await _scope(serving, access), named)


def _settings_document(serving: Serving, body: bytes) -> definition_bodies.SettingsDocument:
    try:
        return definition_bodies.read_settings(body, serving.clock().date())
    except BodyFault as fault:
        raise refused_body(fault) from fault


def _read_filters(serving: Serving, request: HttpRequest) -> tuple[str | None, str | None, date | None]:
    given = parameters.read_single(request.scope["query_string"], ("school", "kind", "as_at"))
    today = serving.clock().date()
    read: dict[str, Callable[[str], Any]] = {
        "school": parse_identifier,
        "kind": lambda text: parse_choice(text, definition_bodies.KINDS),
        "as_at": lambda text: parse_day(text, today),
    }
    found: dict[str, Any] = {}
    for name, text in given.items():
        try:
            found[name] = read[name](text)
        except FieldError as fault:
            errors = [ProblemError(code=fault.code, detail=fault.detail, parameter=name)]
            raise Problem(422, fault.code, "The request is not valid", fault.detail, errors) from fault
    as_at = found.get("as_at")
    day = as_at.astimezone(UTC).date() if isinstance(as_at, datetime) else as_at
    return found.get("school"), found.get("kind"), day


# --- Saved reports -----------------------------------------------------------------------------------------------


def _saved_report_handlers(serving: Serving) -> list[BaseRouteHandler]:
    @post("/v1/saved-reports", name="saved-report-save")
    async def save_report(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request)
        parameters.refuse_all(request.scope["query_string"])
        key = parameters.read_idempotency_key(request.headers.get("idempotency-key"))
        body = await _document(serving, request)
        try:
            document = definition_bodies.read_report(body)
        except BodyFault as fault:
            raise refused_body(fault) from fault
        written = await serving.definitions.save_report(await _scope(serving, access), document, key)
        return _answer(_shown_report(written.fact), None, 201)

    @get("/v1/saved-reports", name="saved-reports")
    async def list_reports(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request)
        parameters.refuse_all(request.scope["query_string"])
        found = await serving.definitions.list_reports(await _scope(serving, access))
        return _answer({"saved_reports": [_shown_report(each) for each in found]})

    @delete("/v1/saved-reports/{report:str}", name="saved-report-delete", status_code=204)
    async def delete_report(request: HttpRequest) -> None:
        access = await authenticate(serving, request)
        parameters.refuse_all(request.scope["query_string"])
        await serving.ledger()
        report = request.path_params["report"]
        await serving.definitions.delete_report(access, report if report.isprintable() else REPORT)

    return [save_report, list_reports, delete_report]


# --- Requests and answers ----------------------------------------------------------------------------------------


async def _scope(serving: Serving, access: Access) -> Scope:
    ledger = await serving.ledger()
    return Scope(access, await ledger.schools(), serving.clock())


async def _document(serving: Serving, request: HttpRequest) -> bytes:
    require_json(request)
    await serving.ledger()
    return await read_body(request, definition_bodies.BODY_BYTES_MAX)


def _named(request: HttpRequest, kind: str) -> str:
    try:
        return parse_identifier(request.path_params[f"{kind}_id"])
    except FieldError as fault:
        raise Problem(422, fault.code, f"This is no id of a {kind}", fault.detail) from fault


def _match_of(request: HttpRequest) -> Match | None:
    """The versions that If-Match names; one that is no version of ours names none."""
    header = request.headers.get("if-match")
    if header is None:
        return None
    if header.strip() == "*":
        return Match(frozenset(), any=True)
    found = (_ETAG.fullmatch(each.strip()) for each in header[:1_000].split(","))
    return Match(frozenset(int(each[1] or each[2]) for each in found if each is not None))


def _shown(fact: AnyDefinition, kind: str) -> dict[str, Any]:
    """A test or a scale as it was sent, with its version."""
    told = msgspec.to_builtins(fact)
    head = {kind: fact.definition.partition(":")[2], "version": fact.number}
    rest = {name: value for name, value in told.items() if name not in _ENVELOPE}
    return {**head, **rest, "recorded_at": told["recorded_at"]}


def _shown_settings(fact: SettingsSaved) -> dict[str, Any]:
    told = msgspec.to_builtins(fact)
    owner = {"school": fact.school} if fact.school else {"trust": fact.trust}
    rule = {"rule": fact.rule, "warning": warn_of_rule(parse_rule(fact.rule))} if fact.rule else {}
    return {
        "settings": fact.definition,
        "version": fact.number,
        "name": fact.name,
        **owner,
        "kind": fact.kind,
        "valid_from": told.get("valid_from"),
        "valid_to": told.get("valid_to"),
        "entries": told.get("entries", []),
        **rule,
        "recorded_at": told["recorded_at"],
        "actor": fact.actor,
    }


def _shown_report(fact: AnyDefinition) -> dict[str, Any]:
    assert isinstance(fact, ReportSaved)
    return {"id": fact.definition, "name": fact.name, "path": fact.path, "shared": fact.shared, "home": fact.home}


def _answer(
    answer: Any, version: int | None = None, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    told = {"Cache-Control": "no-store", **(headers or {})}
    if version is not None:
        told["ETag"] = f'"{version}"'
    return Response(msgspec.json.encode(answer), status_code=status, media_type=JSON, headers=told)
