"""What `changes` is asked for: a report with its own parameters, and since when it is compared with itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from services.query.parameter_values import read_cursor, read_instant, read_limit
from services.query.parameters import LIMIT_DEFAULT, PAGED, Asked
from services.query.query_string import Invalid, Parameters, decode_query
from services.query.requests import Cursor
from services.query.watched import clocks_of

OWN = ("report", "known_from", *PAGED)

Read = Callable[[bytes, datetime], Asked[Any]]


class ChangesRequest(msgspec.Struct, frozen=True):
    """`asked`: the report as it is asked for, as known at the later instant; `known_from`: the earlier one."""

    report: str
    asked: Any
    known_from: int
    limit: int = LIMIT_DEFAULT
    cursor: Cursor | None = None


def changes_reader(readers: Mapping[str, Read]) -> Read:
    """A reader of query strings, for the reports that can be compared with themselves."""

    def read(query: bytes, now: datetime) -> Asked[ChangesRequest]:
        pairs = decode_query(query)
        mine = Parameters([pair for pair in pairs if pair[0] in OWN], OWN)

        def read_report(text: str) -> str:
            if text not in readers:
                raise Invalid("unknown_report", f"Use one of {', '.join(readers)}.")
            return text

        for name, how in (("report", "a report: report=overview"), ("known_from", "an instant: known_from=…Z")):
            if not mine.has(name):
                mine.fail(name, "missing_parameter", f"Name {how}.")
        report = mine.one("report", read_report, "")
        known_from = mine.one("known_from", lambda text: read_instant(text, now), None)
        limit = mine.one("limit", read_limit, LIMIT_DEFAULT)
        cursor = mine.one("cursor", read_cursor, None)
        if not report:
            mine.finish()
        asked = readers[report](urlencode([pair for pair in pairs if pair[0] not in OWN]).encode(), now)
        until = clocks_of(asked.request).as_known_at
        if known_from is not None and until is not None and known_from > until:
            mine.fail("known_from", "ends_before_starts", "known_from is the earlier of the two instants.")
        mine.finish()
        request = ChangesRequest(report, asked.request, known_from or 0, limit, cursor)
        return Asked(request, asked.wait)

    return read
