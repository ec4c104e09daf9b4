"""The query strings and headers of ingest, read strictly: what is not known is refused by its name.

Pure. An unknown kind is found by `files`, wrong states by `states`; here only what no other room reads.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import msgspec

from services.access.problems import Problem, ProblemError
from services.ingest.columns import HeaderFault, find_kind
from services.ingest.fields import FieldError, parse_identifier, shown
from services.ingest.imports import CURRICULUM, JSON, ImportRequest

LIMIT_DEFAULT, LIMIT_MAX = 50, 500
PARAMETERS_MAX = 200

_IMPORT_ID = re.compile(r"imp_[A-Za-z0-9]{1,60}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ONCE = ("kind", "source", "import_id", "dry_run", "states")
_MEDIA_TYPES = ("text/csv", "application/x-ndjson")


class Page(msgspec.Struct, frozen=True):
    """A part of a list: `cursor` is the id of the last one seen."""

    limit: int
    cursor: str | None


def is_import_id(text: str) -> bool:
    """Whether `text` has the form of an import id."""
    return _IMPORT_ID.fullmatch(text) is not None


def refuse_all(query_string: bytes) -> None:
    """For an address without parameters. Raises Problem 422."""
    _read(query_string, ())


def read_import(query_string: bytes, content_type: str, new_id: str) -> ImportRequest:
    """The import that is asked for; `new_id` is used if the caller names none. Raises Problem 415 or 422."""
    given = _read(query_string, (*_ONCE, "ignore"))
    single = {name: values[0] for name, values in given.items() if name in _ONCE}
    for name in _ONCE:
        if len(given.get(name, ())) > 1:
            raise _refuse_parameter(name, "repeated_parameter", f"{name} is given twice: keep one.")
    if "kind" not in single:
        raise _refuse_parameter("kind", "missing_value", "Say what the file holds: kind=assessments, for example.")
    try:
        kind = find_kind(single["kind"]).name
    except HeaderFault as fault:
        raise _refuse_parameter("kind", fault.code, fault.detail) from fault
    import_id = single.get("import_id", new_id)
    if not is_import_id(import_id):
        raise _refuse_parameter(
            "import_id", "invalid_import_id", "An import id is imp_ and 1 to 60 letters and digits."
        )
    if single.get("states") is not None and kind != CURRICULUM:
        raise _refuse_parameter("states", "unknown_parameter", "Only a curriculum has states: leave it out.")
    _check_media_type(content_type, kind)
    return ImportRequest(
        import_id=import_id,
        kind=kind,
        source=_read_source(single.get("source", "default")),
        content_type=content_type,
        dry_run=_read_flag("dry_run", single.get("dry_run", "false")),
        states=single.get("states"),
        ignored=tuple(given.get("ignore", ())),
    )


def read_page(query_string: bytes) -> Page:
    """Limit and cursor of a list. Raises Problem 422."""
    given = _read(query_string, ("limit", "cursor"))
    limit = given.get("limit", [str(LIMIT_DEFAULT)])[0]
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= LIMIT_MAX:
        raise _refuse_parameter("limit", "out_of_range", f"limit is a number from 1 to {LIMIT_MAX}.")
    cursor = given.get("cursor", [None])[0]
    if cursor is not None and not is_import_id(cursor):
        raise _refuse_parameter("cursor", "invalid_cursor", "The cursor is not one that this address gave.")
    return Page(int(limit), cursor)


def read_single(query_string: bytes, known: tuple[str, ...]) -> dict[str, str]:
    """Parameters that may be given once each; empty ones are left out. Raises Problem 422."""
    given = _read(query_string, known)
    for name, values in given.items():
        if len(values) > 1:
            raise _refuse_parameter(name, "repeated_parameter", f"{name} is given twice: keep one.")
    return {name: values[0].strip() for name, values in given.items() if values[0].strip()}


def read_idempotency_key(header: str | None) -> str | None:
    """The key, if one was sent. Raises Problem 422."""
    if header is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(header):
        raise _refuse_parameter(
            "Idempotency-Key", "invalid_idempotency_key", "Use 1 to 255 printable ASCII characters."
        )
    return header


def _read(query_string: bytes, known: tuple[str, ...]) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise Problem(422, "invalid_query", "The query string could not be read", "Encode it as UTF-8.") from error
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in known:
            there = f"this address takes {', '.join(known)}" if known else "this address takes none"
            raise _refuse_parameter(
                shown(name), "unknown_parameter", f"There is no parameter '{shown(name)}': {there}."
            )
        given.setdefault(name, []).append(value)
    return given


def _read_source(text: str) -> str:
    try:
        return parse_identifier(text)
    except FieldError as error:
        raise _refuse_parameter("source", error.code, error.detail) from error


def _read_flag(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise _refuse_parameter(name, "invalid_flag", f"{name} is true or false.")
    return text == "true"


def _check_media_type(content_type: str, kind: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    taken = (*_MEDIA_TYPES, JSON) if kind == CURRICULUM else _MEDIA_TYPES
    if media_type not in taken:
        raise Problem(
            415,
            "unsupported_media_type",
            "The body has a type that is not taken here",
            f"Set Content-Type to {' or '.join(taken)}.",
        )


def _refuse_parameter(parameter: str, code: str, detail: str) -> Problem:
    error = ProblemError(code=code, detail=detail, parameter=parameter)
    return Problem(422, code, "The request is not valid", detail, [error])
