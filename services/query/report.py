"""What makes a report one of the product's: its path, how its query string is read, who answers, and its table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from services.access.keys import Access
from services.query.exports import Table
from services.query.parameters import Asked
from services.query.reporting import Reporting


class Report(msgspec.Struct, frozen=True):
    """One report: `path` below /v1/reports; `named` if its answer lists pupils."""

    path: str
    title: str
    known: tuple[str, ...]
    read: Callable[[bytes, datetime], Asked[Any]]
    answer: Callable[[Reporting, Access, Any], Awaitable[Any]]
    table: Callable[[Any, Any], Table]
    named: bool
