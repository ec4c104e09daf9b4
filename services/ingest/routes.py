"""The URL table of ingest: /v1/events, /v1/imports, /v1/keys, /v1/erasures; definitions have their own. No rules.

Statuses and headers. What is refused is a Problem.
"""

from __future__ import annotations

import csv
import hashlib
import io
import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Response, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.response import Stream

from services.access import keys
from services.access.key_requests import BODY_BYTES_MAX as KEY_BYTES_MAX
from services.access.key_requests import read_key_request
from services.access.keys import Access
from services.access.problems import Problem, ProblemError, request_id_of
from services.ingest import event_bodies, first_answers, import_records, parameters
from services.ingest.columns import HeaderFault, RowContext
from services.ingest.decisions import Caller
from services.ingest.definition_routes import definition_handlers
from services.ingest.event_bodies import BodyFault
from services.ingest.event_requests import tell_events
from services.ingest.first_answers import FirstAnswer
from services.ingest.import_records import ImportRecord, ImportTaken
from services.ingest.imports import ConnectionCut, ImportRun, IncompleteImport
from services.ingest.requests import (
    JSON,
    HttpRequest,
    authenticate,
    body_of,
    read_body,
    refused_body,
    require_json,
)
from services.ingest.reversal import OutsideScope, Reversal
from services.ingest.serving import Serving

_BODY_BYTES_MAX = 2 * event_bodies.BODY_BYTES_MAX


def ingest_handlers(serving: Serving) -> list[BaseRouteHandler]:
    """Every route of the service."""
    return [
        *_event_handlers(serving),
        *_import_handlers(serving),
        *_key_handlers(serving),
        *_erasure_handlers(serving),
        *definition_handlers(serving),
    ]


# --- Events ------------------------------------------------------------------------------------------------------


def _event_handlers(serving: Serving) -> list[BaseRouteHandler]:
    @post("/v1/events", name="events")
    async def post_events(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request, "write", "enter")
        parameters.refuse_all(request.scope["query_string"])
        require_json(request)
        body = await read_body(request, _BODY_BYTES_MAX)
        idempotency_key = parameters.read_idempotency_key(request.headers.get("idempotency-key"))
        if idempotency_key is None:
            answer = await _answer_events(serving, access, body)
        else:
            answer = await _answer_once(serving, access, body, idempotency_key)
        return Response(answer.body, status_code=answer.status, media_type=JSON)

    return [post_events]


async def _answer_once(serving: Serving, access: Access, body: bytes, idempotency_key: str) -> FirstAnswer:
    asked = hashlib.sha256(body).digest()
    ledger = await serving.ledger()
    first = await first_answers.find_answer(ledger.pool, access.key_id, idempotency_key)
    if first is None:
        answer = await _answer_events(serving, access, body)
        first = await first_answers.keep_answer(ledger.pool, access.key_id, idempotency_key, answer)
    if first.request != asked:
        raise Problem(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key belongs to another request",
            "Another body was sent under it in the last 24 hours: use a new key for each request.",
        )
    return first


async def _answer_events(serving: Serving, access: Access, body: bytes) -> FirstAnswer:
    ledger = await serving.ledger()
    try:
        items = event_bodies.decode_events(body, RowContext(today=ledger.clock().date()))
    except BodyFault as fault:
        raise refused_body(fault) from fault
    answer = await tell_events(ledger, caller_of(access), items)
    return FirstAnswer(hashlib.sha256(body).digest(), answer.http_status(), msgspec.json.encode(answer))


# --- Imports -----------------------------------------------------------------------------------------------------


def _import_handlers(serving: Serving) -> list[BaseRouteHandler]:
    @post("/v1/imports", name="imports", request_max_body_size=None)
    async def post_import(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request, "write", "import")
        asked = parameters.read_import(
            request.scope["query_string"], request.headers.get("content-type", ""), f"imp_{secrets.token_hex(12)}"
        )
        ledger = await serving.ledger()
        run = ImportRun(ledger, asked, caller_of(access))
        status = 201
        try:
            await run.run(body_of(request))
        except HeaderFault as fault:
            raise _refused_file(fault) from fault
        except BodyFault as fault:
            raise refused_body(fault) from fault
        except ImportTaken as fault:
            raise _import_taken(asked.import_id) from fault
        except IncompleteImport:
            status = 422
        except ConnectionCut as fault:
            raise Problem(400, "connection_cut", "The connection was cut", "Send the file again.") from fault
        record = await import_records.read_record(ledger.pool, asked.import_id, None)
        headers = {"Location": f"/v1/imports/{asked.import_id}"}
        return Response(msgspec.json.encode(record), status_code=status, media_type=JSON, headers=headers)

    @get("/v1/imports", name="imports-list")
    async def list_imports(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request)
        page = parameters.read_page(request.scope["query_string"])
        ledger = await serving.ledger()
        listed = await import_records.list_records(ledger.pool, _maker(access), page.cursor, page.limit + 1)
        following = listed[page.limit - 1].import_id if len(listed) > page.limit else None
        answer = {"imports": listed[: page.limit], "next": following}
        return Response(msgspec.json.encode(answer), media_type=JSON)

    @get("/v1/imports/{import_id:str}", name="import")
    async def get_import(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request)
        parameters.refuse_all(request.scope["query_string"])
        return Response(msgspec.json.encode(await _find(serving, access, request)), media_type=JSON)

    @get("/v1/imports/{import_id:str}/errors.csv", name="import-errors")
    async def get_errors(request: HttpRequest) -> Stream:
        access = await authenticate(serving, request)
        parameters.refuse_all(request.scope["query_string"])
        import_id = (await _find(serving, access, request)).import_id
        pool = (await serving.ledger()).pool
        headers = {"Content-Disposition": f'attachment; filename="{import_id}-errors.csv"', "Cache-Control": "no-store"}
        return Stream(_errors_csv(pool, import_id), media_type="text/csv; charset=utf-8", headers=headers)

    @post("/v1/imports/{import_id:str}/reverse", name="import-reverse", status_code=200)
    async def reverse_import(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request, "write", "import")
        parameters.refuse_all(request.scope["query_string"])
        record = await _find(serving, access, request)
        if record.status == "running":
            raise Problem(409, "import_running", "The import is still running", "Reverse it when it has ended.")
        ledger = await serving.ledger()
        try:
            answer = await Reversal(ledger, caller_of(access), record.import_id, record.kind).run()
        except OutsideScope as fault:
            raise Problem(
                403, "forbidden_school", "The import touched schools outside this key's scope", "Use a wider key."
            ) from fault
        await import_records.mark_reversed(ledger.pool, record.import_id, ledger.clock())
        return Response(msgspec.json.encode(answer), media_type=JSON)

    return [post_import, list_imports, get_import, get_errors, reverse_import]


async def _find(serving: Serving, access: Access, request: HttpRequest) -> ImportRecord:
    import_id: str = request.path_params["import_id"]
    pool = (await serving.ledger()).pool
    record = None
    if parameters.is_import_id(import_id):
        record = await import_records.read_record(pool, import_id, _maker(access))
    if record is None:
        raise Problem(404, "unknown_import", "There is no such import", "GET /v1/imports lists those of your key.")
    return record


def _maker(access: Access) -> str | None:
    """The key whose imports may be seen; None = all."""
    return None if access.all else access.key_id


async def _errors_csv(pool: Any, import_id: str) -> AsyncIterator[bytes]:
    yield b"row,column,value,code,message\r\n"
    async for errors in import_records.read_errors(pool, import_id):
        text = io.StringIO()
        writer = csv.writer(text)
        for error in errors:
            writer.writerow([error.row, *map(_cell, (error.column, error.value, error.code, error.message))])
        yield text.getvalue().encode("utf-8")


def _cell(text: str) -> str:
    """Text that a spreadsheet takes for text, whatever it begins with."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


# --- Keys --------------------------------------------------------------------------------------------------------


def _key_handlers(serving: Serving) -> list[BaseRouteHandler]:
    @post("/v1/keys", name="keys")
    async def post_key(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request, "admin")
        parameters.refuse_all(request.scope["query_string"])
        asked = read_key_request(await read_body(request, KEY_BYTES_MAX + 1), serving.clock().date())
        created = await keys.create_key(serving.pool, asked, access)
        return Response(
            msgspec.json.encode(created), status_code=201, media_type=JSON, headers={"Cache-Control": "no-store"}
        )

    @get("/v1/keys", name="keys-list")
    async def list_keys(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request, "admin")
        parameters.refuse_all(request.scope["query_string"])
        return Response(msgspec.json.encode({"keys": await keys.list_keys(serving.pool, access)}), media_type=JSON)

    @delete("/v1/keys/{key_id:str}", name="key", status_code=204)
    async def delete_key(request: HttpRequest) -> None:
        access = await authenticate(serving, request, "admin")
        parameters.refuse_all(request.scope["query_string"])
        await keys.revoke_key(serving.pool, request.path_params["key_id"], access)

    return [post_key, list_keys, delete_key]


# --- Erasures ----------------------------------------------------------------------------------------------------


class ErasureRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /v1/erasures. `pupil`: the school's own reference, or the id."""

    school: str
    pupil: str


def _erasure_handlers(serving: Serving) -> list[BaseRouteHandler]:
    @post("/v1/erasures", name="erasures")
    async def post_erasure(request: HttpRequest) -> Response[bytes]:
        access = await authenticate(serving, request, "admin")
        parameters.refuse_all(request.scope["query_string"])
        require_json(request)
        try:
            asked = msgspec.json.decode(await read_body(request, KEY_BYTES_MAX), type=ErasureRequest)
        except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
            detail = 'Send {"school": "…", "pupil": "…"}: the pupil by the school\'s own reference, or by id.'
            raise Problem(422, "malformed_erasure", "The body could not be read", detail) from fault
        await serving.ledger()
        erased = await serving.eraser.erase(caller_of(access), asked.school, asked.pupil, request_id_of(request.scope))
        return Response(
            msgspec.json.encode(erased.receipt),
            status_code=200 if erased.again else 201,
            media_type=JSON,
            headers={"Cache-Control": "no-store"},
        )

    return [post_erasure]


# --- Requests ----------------------------------------------------------------------------------------------------


def caller_of(access: Access) -> Caller:
    """The key as the rules see it."""
    return Caller(
        actor=access.key_id,
        all=access.all,
        schools=access.schools,
        trusts=access.trusts,
        may_migrate=access.may("migrate"),
    )


def _refused_file(fault: HeaderFault) -> Problem:
    status = 415 if fault.code == "unsupported_media_type" else 422
    errors = [ProblemError(code=fault.code, detail=fault.detail, parameter=fault.parameter)] if fault.parameter else []
    return Problem(status, fault.code, "The file was refused", fault.detail, errors)


def _import_taken(import_id: str) -> Problem:
    return Problem(
        409,
        "import_id_taken",
        "There is an import with this id",
        f"GET /v1/imports/{import_id} tells of it; choose another id, or leave import_id out.",
        [ProblemError(code="import_id_taken", detail="Choose another id.", parameter="import_id")],
        {"Location": f"/v1/imports/{import_id}"},
    )
