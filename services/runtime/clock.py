"""The clock: the only place that reads it. Everything else takes the time as an argument.

Instants are whole seconds, UTC; fractions are cut, as the contract says.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_seconds() -> int:
    """This moment, in whole seconds since the epoch."""
    return time.time_ns() // 1_000_000_000


def utc_now() -> datetime:
    """This moment as a whole second in UTC."""
    return datetime.fromtimestamp(now_seconds(), UTC)
