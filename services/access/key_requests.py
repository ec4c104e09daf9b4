"""The body of `POST /v1/keys`, read strictly: what is not said in exactly these words makes no key.

Pure: bytes and today's date in, a `KeyRequest` or a Problem out. The rules for identifiers are those of the
contract (2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.access.keys import RIGHTS, RIGHTS_OF_GROUPS, KeyRequest
from services.access.problems import Problem, ProblemError

BODY_BYTES_MAX = 64 * 1024
SCOPE_ENTRIES_MAX = 1_000
NAME_LENGTH_MAX = 128

_FIELDS = ("name", "schools", "trusts", "all", "groups", "can", "expires_on")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class _RepeatedName(ValueError):
    """An object of the body has the same name twice."""


def read_key_request(body: bytes, today: date) -> KeyRequest:
    """The key that `body` asks for. Raises Problem 413 or 422 that lists every fault."""
    fields = _decode(body)
    errors = [
        _error(f"/{_escape(name)}", "unknown_field", f"Leave it out; the fields are {', '.join(_FIELDS)}.")
        for name in fields
        if name not in _FIELDS
    ]
    name = _read_name(fields, errors)
    everything, schools, trusts = _read_scope(fields, errors)
    can = _read_rights(fields, errors)
    groups = _read_groups(fields, schools, can, errors)
    expires_on = _read_expiry(fields, today, errors)
    if errors:
        raise Problem(422, "invalid_key_request", "The key was not made", "Correct the fields that are named.", errors)
    return KeyRequest(
        name=name, all=everything, schools=schools, trusts=trusts, can=can, expires_on=expires_on, groups=groups
    )


def _decode(body: bytes) -> Mapping[str, Any]:
    if len(body) > BODY_BYTES_MAX:
        raise Problem(413, "body_too_large", "The body is too large", f"A key takes at most {BODY_BYTES_MAX} bytes.")
    try:
        decoded = json.loads(body.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise _malformed("The body is not UTF-8.") from None
    except _RepeatedName as error:
        raise _malformed(str(error)) from None
    except (ValueError, RecursionError):
        raise _malformed("The body is not JSON.") from None
    if not isinstance(decoded, dict):
        raise _malformed('Send one object: {"name": "…", "schools": ["…"], "can": ["read"]}.')
    return decoded


def _malformed(detail: str) -> Problem:
    return Problem(422, "malformed_body", "The body could not be read", detail)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise _RepeatedName("The body has the same name twice in one object; say each thing once.")
    return names


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _read_name(fields: Mapping[str, Any], errors: list[ProblemError]) -> str:
    name = fields.get("name")
    text = name.strip() if isinstance(name, str) else ""
    if not text or len(text) > NAME_LENGTH_MAX or not text.isprintable():
        errors.append(_error("/name", "invalid_name", "Say who the key is for, in 1 to 128 printable characters."))
    return text


def _read_scope(fields: Mapping[str, Any], errors: list[ProblemError]) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    given = [name for name in ("schools", "trusts", "all") if name in fields]
    if len(given) != 1:
        errors.append(
            _error("", "invalid_scope", "Give exactly one of schools (a list), trusts (a list) and all (true).")
        )
        return False, (), ()
    if given == ["all"]:
        if fields["all"] is not True:
            errors.append(_error("/all", "invalid_scope", "all can only be true; else name schools or trusts."))
        return True, (), ()
    identifiers = _read_identifiers(fields[given[0]], given[0], errors)
    return (False, identifiers, ()) if given == ["schools"] else (False, (), identifiers)


def _read_identifiers(value: Any, field: str, errors: list[ProblemError]) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= SCOPE_ENTRIES_MAX:
        errors.append(_error(f"/{field}", "empty_scope", f"List 1 to {SCOPE_ENTRIES_MAX} identifiers."))
        return ()
    wrong = [index for index, item in enumerate(value) if not (isinstance(item, str) and _IDENTIFIER.fullmatch(item))]
    errors.extend(
        _error(f"/{field}/{index}", "invalid_identifier", "Use letters, digits and . _ ~ - (at most 128).")
        for index in wrong
    )
    return () if wrong else tuple(dict.fromkeys(value))


def _read_groups(
    fields: Mapping[str, Any], schools: Sequence[str], can: Sequence[str], errors: list[ProblemError]
) -> tuple[str, ...]:
    """The groups of named schools, whose pupils alone the key shows."""
    if "groups" not in fields:
        return ()
    value = fields["groups"]
    if not schools:
        errors.append(_error("/groups", "invalid_scope", "A key of groups names their schools too (schools, a list)."))
    if not isinstance(value, list) or not 1 <= len(value) <= SCOPE_ENTRIES_MAX:
        errors.append(_error("/groups", "empty_scope", f"List 1 to {SCOPE_ENTRIES_MAX} names of groups."))
        return ()
    names = [item.strip() if isinstance(item, str) else "" for item in value]
    wrong = [n for n, name in enumerate(names) if not (1 <= len(name) <= NAME_LENGTH_MAX and name.isprintable())]
    errors.extend(_error(f"/groups/{n}", "invalid_name", "Name a group in 1 to 128 characters.") for n in wrong)
    if not set(can).issubset(RIGHTS_OF_GROUPS):
        detail = f"A key of groups may have only {', '.join(RIGHTS_OF_GROUPS)}."
        errors.append(_error("/can", "right_of_no_group", detail))
    return () if wrong else tuple(dict.fromkeys(names))


def _read_rights(fields: Mapping[str, Any], errors: list[ProblemError]) -> tuple[str, ...]:
    value = fields.get("can")
    if not isinstance(value, list) or not value:
        errors.append(_error("/can", "missing_rights", f"List one or more of {', '.join(RIGHTS)}."))
        return ()
    wrong = [index for index, item in enumerate(value) if item not in RIGHTS]
    errors.extend(_error(f"/can/{index}", "unknown_right", f"The rights are {', '.join(RIGHTS)}.") for index in wrong)
    return () if wrong else tuple(right for right in RIGHTS if right in value)


def _read_expiry(fields: Mapping[str, Any], today: date, errors: list[ProblemError]) -> date | None:
    value = fields.get("expires_on")
    if value is None:
        return None
    day = _read_date(value)
    if day is None:
        errors.append(_error("/expires_on", "invalid_date", "Write its last day as YYYY-MM-DD."))
    elif day < today:
        errors.append(_error("/expires_on", "date_out_of_range", "The last day of a key cannot lie in the past."))
    return day


def _read_date(value: Any) -> date | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _error(pointer: str, code: str, detail: str) -> ProblemError:
    return ProblemError(code=code, detail=detail, pointer=pointer)


def _escape(name: str) -> str:
    shown = name[:NAME_LENGTH_MAX].encode("utf-8", "replace").decode("utf-8")
    return shown.replace("~", "~0").replace("/", "~1")
