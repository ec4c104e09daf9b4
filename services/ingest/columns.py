"""signatures first; filled in within minutes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from services.ingest.sent import AnySent


class RowContext(msgspec.Struct, frozen=True):
    """What a row cannot say by itself: the day it is judged on (for "10 years ahead") and the source of the request."""

    today: date
    source: str = "default"


class RowFault(msgspec.Struct, frozen=True, gc=False):
    """One wrong field of a row; `column` is "" where the whole row is meant."""

    column: str
    value: str
    code: str
    detail: str


class HeaderFault(Exception):
    """Wrong kind, header, encoding or parameter: a 4xx, nothing is written. `parameter`: kind, ignore, states, or ""."""

    def __init__(self, code: str, detail: str, parameter: str = "") -> None:
        super().__init__(detail)
        self.code, self.detail, self.parameter = code, detail, parameter


def parse_row(kind: str, fields: Mapping[str, str], context: RowContext) -> AnySent | list[RowFault]:
    """The row as a Sent of its kind, or every fault of it."""
    raise NotImplementedError


def period_faults(sent: AnySent) -> list[RowFault]:
    """`ends_before_starts`. parse_row has asked already, unless sent.has_instants(): ask again after localise()."""
    raise NotImplementedError
