"""JSON read strictly, for bodies and lines that come from outside; every fault is a JsonFault, never another exception.

Refused: a key twice in one object, NaN and Infinity, bytes that are not UTF-8, and nesting beyond a bound (counted
before anything is parsed, so that a hundred thousand brackets cost one pass). Numbers stay the text that was sent, and
texts may hold NUL or half of a surrogate pair: which number and which text is good is for `fields` to say.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from services.ingest.fields import shown

DEPTH_MAX = 32

_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.?+[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class JsonFault(ValueError):
    """Why the bytes are refused; `pointer` is the JSON pointer of the place ("" = the whole)."""

    def __init__(self, code: str, detail: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.code, self.detail, self.pointer = code, detail, pointer


class NumberText(str):
    """A JSON number, as the text that was sent."""

    __slots__ = ()


class _KeyRepeated(Exception):
    """An object has a key twice; where, a second and slower reading finds out."""


class _Members(list[tuple[str, Any]]):
    """The members of an object as they stand in the text."""


def parse_json(data: bytes, depth_max: int = DEPTH_MAX) -> Any:
    """The value in `data`: dict, list, str, NumberText, bool or None. Raises JsonFault."""
    if data.count(b"{") + data.count(b"[") > depth_max:
        _check_depth(data, depth_max)
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonFault("encoding", f"Byte {error.start + 1} is not UTF-8: send the text encoded as UTF-8.") from error
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise JsonFault("invalid_json", f"This is no JSON, at {place}: {error.msg}.") from error
    except _KeyRepeated:
        raise _name_repeated_key(_member_decoder.decode(text)) from None


def escape_pointer(key: str) -> str:
    """`key` as a part of a JSON pointer (RFC 6901), short and printable."""
    return shown(key).replace("~", "~0").replace("/", "~1")


# --- Parsing -----------------------------------------------------------------------------------------------------


def _make_object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(members)
    if len(made) != len(members):
        raise _KeyRepeated
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise JsonFault("invalid_json", f"{name} is no JSON value: leave the field out where there is no number.")


_decoder = json.JSONDecoder(
    object_pairs_hook=_make_object, parse_float=NumberText, parse_int=NumberText, parse_constant=_refuse_constant
)
_member_decoder = json.JSONDecoder(object_pairs_hook=_Members, parse_float=NumberText, parse_int=NumberText)


# --- Checks ------------------------------------------------------------------------------------------------------


def _check_depth(data: bytes, depth_max: int) -> None:
    # Without a backslash every second part between quotes is a text: much faster to leave out than by the expression.
    outside = _STRINGS.sub(b"", data) if b"\\" in data else b"".join(data.split(b'"')[::2])
    brackets = outside.translate(None, _NOT_BRACKETS)
    left = brackets
    for _ in range(depth_max // 2):  # each round takes away one level of pairs, or two
        left = left.replace(b"{}", b"").replace(b"[]", b"")
        if not left:
            return
    depth = 0
    for bracket in brackets:
        if bracket in b"[{":
            depth += 1
            if depth > depth_max:
                raise JsonFault("too_deep", f"The JSON is nested more than {depth_max} levels deep: send it flat.")
        else:
            depth -= 1


def _name_repeated_key(value: Any) -> JsonFault:
    for pointer, members in _walk(value):
        if not isinstance(members, _Members):
            continue
        seen: set[str] = set()
        for key, _ in members:
            if key in seen:
                place = f"{pointer}/{escape_pointer(key)}"
                return JsonFault("repeated_json_key", f"The key at {place} stands twice: keep one.", place)
            seen.add(key)
    raise AssertionError("the first reading found a key twice and the second did not")


def _walk(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Every value and its pointer, the outer before the inner; as deep as DEPTH_MAX lets it be."""
    yield pointer, value
    if isinstance(value, _Members):
        for key, item in value:
            yield from _walk(item, f"{pointer}/{escape_pointer(key)}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _walk(item, f"{pointer}/{position}")
