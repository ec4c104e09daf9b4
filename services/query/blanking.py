"""An answer without some of its numbers: null in their places, which the field `suppressed` names by JSON pointers.

Pure, and the same for every report: it knows structs, lists and objects, and nothing of what they mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

A = TypeVar("A", bound=msgspec.Struct)

Pointer = tuple[str | int, ...]


def without(answer: A, pointers: Sequence[Pointer]) -> A:
    """The answer with null at the pointers, which it names; a number that was null anyhow is not named."""
    gone = [pointer for pointer in pointers if _at(answer, pointer) is not None]
    blanked = _blank(answer, gone)
    shown = _shown_type(type(answer))
    fields = {name: getattr(blanked, name) for name in answer.__struct_fields__}
    made: A = shown(**fields, suppressed=["/" + "/".join(map(_escaped, pointer)) for pointer in sorted(gone, key=str)])
    return made


@lru_cache(maxsize=100)
def _shown_type(kind: Any) -> Any:
    """The type of an answer that also names what is not shown."""
    fields = [("suppressed", list[str])]
    return msgspec.defstruct(kind.__name__, fields, bases=(kind,), frozen=True, kw_only=True, module=__name__)


def _blank(value: Any, pointers: Sequence[Pointer]) -> Any:
    if not pointers:
        return value
    below: dict[str | int, list[Pointer]] = defaultdict(list)
    for pointer in pointers:
        below[pointer[0]].append(pointer[1:])
    if isinstance(value, msgspec.Struct):
        fields = {_field_of(value, head): rest for head, rest in below.items()}
        changed = {name: _inside(getattr(value, name), rest) for name, rest in fields.items()}
        return msgspec.structs.replace(value, **changed)
    copied: Any = dict(value) if isinstance(value, Mapping) else list(value)
    for head, rest in below.items():
        copied[head] = _inside(copied[head], rest)
    return copied


def _inside(value: Any, pointers: Sequence[Pointer]) -> Any:
    if () not in pointers:
        return _blank(value, pointers)
    is_list_of_pupils = isinstance(value, list) and all(isinstance(each, msgspec.Struct) for each in value)
    return [] if is_list_of_pupils else None


def _at(value: Any, pointer: Pointer) -> Any:
    for step in pointer:
        value = getattr(value, _field_of(value, step)) if isinstance(value, msgspec.Struct) else value[step]
    return value


def _field_of(value: msgspec.Struct, name: str | int) -> str:
    """The attribute that is called so in JSON."""
    names = dict(zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True))
    return names[str(name)]


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
