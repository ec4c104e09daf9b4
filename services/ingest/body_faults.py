"""What is wrong with a JSON body: faults by JSON pointer, of one item or of the whole."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from services.ingest.columns import RowFault
from services.ingest.strict_json import JsonFault


class Fault(msgspec.Struct, frozen=True):
    """One fault of a JSON body. `pointer` is a JSON pointer (RFC 6901), such as `/events/1/state`."""

    pointer: str
    code: str
    detail: str


class BodyFault(Exception):
    """The whole body is refused; `status` is 400 (cannot be read), 413 or 422."""

    def __init__(self, status: int, faults: tuple[Fault, ...]) -> None:
        super().__init__(faults[0].detail)
        self.status, self.faults = status, faults


def refuse_body(status: int, code: str, detail: str, pointer: str = "") -> BodyFault:
    """A BodyFault of one fault."""
    return BodyFault(status, (Fault(pointer, code, detail),))


def unreadable(error: JsonFault) -> BodyFault:
    """The body is no JSON, or JSON that is refused as a whole."""
    return refuse_body(400, error.code, error.detail, error.pointer)


def faults_at(pointer: str, faults: Iterable[RowFault]) -> list[Fault]:
    """Faults of the members of the object at `pointer`; what is a column in a file is a field here."""
    return [
        Fault(
            f"{pointer}/{_escaped(each.column)}",
            "unknown_field" if each.code == "unknown_column" else each.code,
            each.detail,
        )
        for each in faults
    ]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
